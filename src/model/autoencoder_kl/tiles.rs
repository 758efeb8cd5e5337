use burn::tensor::{Int, Tensor};

/// What `work` makes of maps, tile by tile: tiles of `from` pixels a side become such of `to`, overlap by a quarter, and are
/// blended where they do.
///
/// The order, and so the result where four tiles meet, is diffusers': a tile is blended with what has become of the one
/// above, then with what has become of the one on its left.
pub(super) fn in_tiles(
    maps: Tensor<4>,
    [from, to]: [usize; 2],
    work: impl Fn(Tensor<4>) -> Tensor<4>,
) -> Tensor<4> {
    let [_, _, height, width] = maps.dims();
    let step = from - from / 4;
    let overlap = to / 4;
    let mut rows = Vec::new();
    let mut above: Vec<Tensor<4>> = Vec::new();
    for top in (0..height).step_by(step) {
        let band = maps.clone().narrow(2, top, from.min(height - top));
        let mut row: Vec<Tensor<4>> = Vec::new();
        for left in (0..width).step_by(step) {
            let tile = band.clone().narrow(3, left, from.min(width - left));
            let mut tile = work(tile);
            if let Some(above) = above.get(row.len()) {
                tile = blended(above, tile, 2, overlap);
            }
            if let Some(left) = row.last() {
                tile = blended(left, tile, 3, overlap);
            }
            row.push(tile);
        }
        let kept = row.iter().map(|tile| {
            let [_, _, height, width] = tile.dims();
            let [height, width] = [height, width].map(|side| side.min(to - overlap));
            tile.clone().narrow(2, 0, height).narrow(3, 0, width)
        });
        rows.push(Tensor::cat(kept.collect(), 3));
        above = row;
    }
    Tensor::cat(rows, 2)
}

/// A tile whose first `overlap` lines along an axis go over into it from the last lines of the one before.
fn blended(before: &Tensor<4>, tile: Tensor<4>, axis: usize, overlap: usize) -> Tensor<4> {
    let [side_before, side] = [before, &tile].map(|tile| tile.dims()[axis]);
    let overlap = overlap.min(side_before).min(side);
    let mut shape = [1; 4];
    shape[axis] = overlap;
    let lines = Tensor::<1, Int>::arange(0..overlap as i64, &tile.device());
    let share = lines.float().div_scalar(overlap as f64).reshape(shape);
    let share = share.cast(burn::tensor::FloatDType::from(tile.dtype()));
    let last = before.clone().narrow(axis, side_before - overlap, overlap);
    let first = tile.clone().narrow(axis, 0, overlap);
    let mixed = last.clone() + (first - last) * share;
    if overlap == side {
        return mixed;
    }
    Tensor::cat(
        vec![mixed, tile.narrow(axis, overlap, side - overlap)],
        axis,
    )
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    fn waves(height: usize, width: usize) -> Tensor<4> {
        let values: Vec<f32> = (0..2 * height * width)
            .map(|i| (i as f32 * 0.7).sin())
            .collect();
        Tensor::from_data(
            TensorData::new(values, [1, 2, height, width]),
            &Device::flex(),
        )
    }

    /// The sum of each pixel and its neighbours, of which there are none outside.
    fn neighbours(x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let padded = x.pad((1, 1, 1, 1), 0.0);
        let moved = |top, left| {
            let rows = padded.clone().narrow(2, top, height);
            rows.narrow(3, left, width)
        };
        moved(0, 1) + moved(1, 0) + moved(1, 1) + moved(1, 2) + moved(2, 1)
    }

    #[test]
    fn tiles_of_what_sees_one_pixel_are_the_whole() {
        for sides in [[24, 24], [40, 28], [12, 29], [9, 21]] {
            let maps = waves(sides[0], sides[1]);
            let tiled = in_tiles(maps.clone(), [8, 8], |tile| tile * 3.0);
            let tolerance = Tolerance::absolute(1e-6);
            tiled
                .into_data()
                .assert_approx_eq::<f32>(&(maps * 3.0).into_data(), tolerance);
        }
    }

    /// A convolution sees zeros beyond its tile, and nothing else is wrong: away from the edges of tiles it is the whole's.
    #[test]
    fn tiles_of_a_convolution_are_the_whole_away_from_the_seams() {
        let maps = waves(32, 32);
        let tiled = in_tiles(maps.clone(), [16, 16], neighbours);
        let error = (tiled - neighbours(maps)).abs().max_dim(1).into_data();
        let error: Vec<f32> = error.iter::<f32>().collect();
        // Tiles begin at 0, 12 and 24, and reach over the four pixels that the next begins with.
        let in_seam = |place: usize| place >= 12 && place % 12 < 4;
        let (mut seam, mut inside) = (0f32, 0f32);
        for (place, &error) in error.iter().enumerate() {
            let worst = if in_seam(place / 32) || in_seam(place % 32) {
                &mut seam
            } else {
                &mut inside
            };
            *worst = worst.max(error);
        }
        assert!(inside < 1e-6, "{inside} away from the seams");
        assert!(seam > 0.01, "no seam where tiles see zeros: {seam}");
    }
}
