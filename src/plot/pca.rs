/// The first two principal components of points: each point's coordinates along the two directions
/// of the largest variance, and the share of the variance that each of the two explains.
///
/// Points of two coordinates or fewer are only centred and turned. Plain Jacobi rotations of the
/// covariance matrix: exact, and fast for the few dozen coordinates of a latent space.
///
/// # Panics
///
/// If the points have different lengths.
///
/// ```
/// use burn_generative::plot::principal_components;
///
/// let line: Vec<Vec<f64>> = (0..9).map(|t| vec![t as f64, 2.0 * t as f64, 0.0]).collect();
/// let (points, share) = principal_components(&line);
/// assert!((share[0] - 1.0).abs() < 1e-12);
/// assert!(points.iter().all(|point| point[1].abs() < 1e-9));
/// ```
pub fn principal_components(points: &[Vec<f64>]) -> (Vec<[f64; 2]>, [f64; 2]) {
    let Some(first) = points.first() else {
        return (Vec::new(), [0.0; 2]);
    };
    let (count, width) = (points.len() as f64, first.len());
    assert!(
        points.iter().all(|point| point.len() == width),
        "principal_components: points of different lengths"
    );

    let mean: Vec<f64> = (0..width)
        .map(|k| points.iter().map(|point| point[k]).sum::<f64>() / count)
        .collect();
    let centred = |point: &Vec<f64>| -> Vec<f64> {
        point
            .iter()
            .zip(&mean)
            .map(|(value, mean)| value - mean)
            .collect()
    };
    let mut covariance = vec![vec![0.0; width]; width];
    for point in points.iter().map(centred) {
        for (row, &a) in covariance.iter_mut().zip(&point) {
            for (sum, &b) in row.iter_mut().zip(&point) {
                *sum += a * b / count;
            }
        }
    }

    let (values, vectors) = eigen(covariance);
    let total: f64 = values.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let along = |point: &[f64], axis: usize| -> f64 {
        let Some(vector) = vectors.get(axis) else {
            return 0.0;
        };
        point.iter().zip(vector).map(|(a, b)| a * b).sum()
    };
    let projected = points
        .iter()
        .map(centred)
        .map(|point| [along(&point, 0), along(&point, 1)])
        .collect();
    let share = [0, 1].map(|axis| values.get(axis).copied().unwrap_or(0.0) / total);
    (projected, share)
}

/// Eigenvalues in falling order and their vectors, of a symmetric matrix.
fn eigen(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    let unit = |i: usize| (0..n).map(|j| f64::from(u8::from(i == j))).collect();
    // Rows of `v` become the eigenvectors.
    let mut v: Vec<Vec<f64>> = (0..n).map(unit).collect();
    for _sweep in 0..100 {
        let off: f64 = (0..n)
            .flat_map(|p| (0..p).map(move |q| (p, q)))
            .map(|(p, q)| a[p][q].powi(2))
            .sum();
        let scale: f64 = (0..n).map(|p| a[p][p].powi(2)).sum();
        if off <= 1e-24 * scale || off == 0.0 {
            break;
        }
        for p in 0..n {
            for q in 0..p {
                rotate(&mut a, &mut v, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]));
    let values = order.iter().map(|&i| a[i][i]).collect();
    let vectors = order.iter().map(|&i| v[i].clone()).collect();
    (values, vectors)
}

/// The Jacobi rotation that makes `a[p][q]` zero, for `q < p`.
fn rotate(a: &mut [Vec<f64>], v: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = t.hypot(1.0).recip();
    let s = t * c;
    for row in a.iter_mut() {
        (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
    }
    for matrix in [a, v] {
        let (upper, lower) = matrix.split_at_mut(p);
        for (x, y) in lower[0].iter_mut().zip(&mut upper[q]) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
}
