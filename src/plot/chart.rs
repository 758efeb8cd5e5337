use crate::error::{Error, Result};
use crate::metric::{Pca, finite};
use burn::tensor::Tensor;
use image::RgbImage;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;
use std::sync::Once;

/// A named curve: its value at every epoch (or whatever the horizontal axis counts), from 1.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its values.
    pub values: Vec<f64>,
    /// Whether it is dotted, to tell, say, test from training.
    pub dotted: bool,
    /// Which of the ten colours it has; curves that belong together share one.
    pub colour: usize,
}

/// Ten colours that stay apart, one for each class, also for the colour-blind: the "muted" ones of
/// [Paul Tol](https://sronpersonalpages.nl/~pault/), the strongest first, and a grey.
const COLOURS: [RGBColor; 10] = [
    RGBColor(51, 34, 136),
    RGBColor(204, 102, 119),
    RGBColor(17, 119, 51),
    RGBColor(136, 204, 238),
    RGBColor(136, 34, 85),
    RGBColor(221, 204, 119),
    RGBColor(68, 170, 153),
    RGBColor(170, 68, 153),
    RGBColor(153, 153, 51),
    RGBColor(110, 110, 110),
];

const FONT: &str = "sans-serif";
const MARGIN: u32 = 14;

/// Codes as points of the plane, coloured by label: `[samples, latent]`. Codes of more than two coordinates are shown
/// along their first two principal components.
///
/// # Errors
///
/// [`Error::Plot`] if there is no code, or not one label each; [`Error::Samples`] if a code is no number;
/// [`Error::Device`] if the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::plot;
///
/// let codes = Tensor::<2>::random([50, 8], burn::tensor::Distribution::Default, &Device::default());
/// let labels: Vec<u8> = (0..50).map(|i| i % 10).collect();
/// let picture = plot::latent_map("Test images", codes, &labels)?;
/// assert_eq!(picture.dimensions(), (860, 760));
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn latent_map(title: &str, codes: Tensor<2>, labels: &[u8]) -> Result<RgbImage> {
    let [samples, latent] = codes.dims();
    if samples != labels.len() || latent == 0 {
        return Err(Error::Plot(format!(
            "a map of codes of shape {:?} with {} labels cannot be drawn: each code needs a label",
            codes.dims(),
            labels.len()
        )));
    }
    let (codes, axes) = match latent {
        _ if samples < 2 && latent > 2 => (codes.narrow(1, 0, 2), ["z1", "z2"].map(String::from)),
        1 => {
            let flat = codes.zeros_like();
            (
                Tensor::cat(vec![codes, flat], 1),
                ["z1", ""].map(String::from),
            )
        }
        2 => (codes, ["z1", "z2"].map(String::from)),
        _ => {
            let pca = Pca::fit(codes.clone())?;
            let axis = |k: usize| {
                let share = pca.explained(k) - pca.explained(k - 1);
                format!("component {k} ({:.0}% of the variance)", 100.0 * share)
            };
            (pca.project(codes, 2), [axis(1), axis(2)])
        }
    };
    let values = finite("latent_map: the codes", codes)?;
    let points: Vec<_> = values.chunks(2).map(|point| [point[0], point[1]]).collect();
    scatter(title, [&axes[0], &axes[1]], &points, labels)
}

/// Points in the plane, coloured by label, with the labels that occur as a legend and on their points. A point that is
/// not finite is left out.
///
/// # Errors
///
/// [`Error::Plot`] if there is no finite point, not one label each, or it cannot be drawn.
pub fn scatter(
    title: &str,
    axes: [&str; 2],
    points: &[[f64; 2]],
    labels: &[u8],
) -> Result<RgbImage> {
    if points.len() != labels.len() {
        return Err(Error::Plot(format!(
            "{} points with {} labels cannot be drawn: each needs one",
            points.len(),
            labels.len()
        )));
    }
    let mut classes: Vec<u8> = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let of_class = |class: u8| {
        let with = labels.iter().zip(points);
        with.filter(|(label, _)| **label == class)
            .map(|(_, &point)| point)
            .collect()
    };
    let groups: Vec<_> = classes
        .into_iter()
        .map(|class| (class.to_string(), of_class(class)))
        .collect();
    draw_groups(title, axes, &groups, true)
}

/// Groups of points in the plane, each of a colour and named in the legend; later ones on top. A point that is not finite
/// is left out.
///
/// # Errors
///
/// [`Error::Plot`] if there is no finite point, or it cannot be drawn.
pub fn scatter_groups(
    title: &str,
    axes: [&str; 2],
    groups: &[(String, Vec<[f64; 2]>)],
) -> Result<RgbImage> {
    draw_groups(title, axes, groups, false)
}

/// `named` writes each group's name on the middle of its points: nobody then depends on colours.
fn draw_groups(
    title: &str,
    axes: [&str; 2],
    groups: &[(String, Vec<[f64; 2]>)],
    named: bool,
) -> Result<RgbImage> {
    let groups = finite_points(groups);
    let points = || groups.iter().flat_map(|(_, points)| points);
    let [x, y] = [0, 1].map(|axis| range(points().map(|point| point[axis])));
    let (x, y) = (x?, y?);
    let groups = || groups.iter().zip(COLOURS.into_iter().cycle());
    draw([860, 760], |root| {
        let longest = groups().map(|((name, _), _)| name.chars().count()).max();
        let legend = 60 + 10 * longest.unwrap_or(0).min(30) as i32;
        let (area, beside) = root.split_horizontally(860 - legend);
        let mut chart = ChartBuilder::on(&area)
            .caption(title, (FONT, 22))
            .margin(MARGIN)
            .x_label_area_size(50)
            .y_label_area_size(62)
            .build_cartesian_2d(x, y)?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(WHITE)
            .x_desc(axes[0])
            .y_desc(axes[1])
            .label_style((FONT, 16))
            .draw()?;
        for ((_, points), colour) in groups() {
            let circles = points
                .iter()
                .map(|point| Circle::new((point[0], point[1]), 2, colour.mix(0.7).filled()));
            chart.draw_series(circles)?;
        }
        for ((name, points), colour) in
            groups().filter(|((_, points), _)| named && !points.is_empty())
        {
            let [x, y] = [0, 1].map(|axis| median(points.iter().map(|point| point[axis])));
            let size = (FONT, 24).into_font();
            let centred = |colour: RGBColor| {
                size.clone()
                    .color(&colour)
                    .pos(Pos::new(HPos::Center, VPos::Center))
            };
            // A rim of white around the letters.
            let rim = [
                (-2, 0),
                (2, 0),
                (0, -2),
                (0, 2),
                (-1, -1),
                (1, 1),
                (1, -1),
                (-1, 1),
            ];
            for offset in rim {
                let letters = Text::new(name.clone(), offset, centred(WHITE));
                chart.draw_series([EmptyElement::at((x, y)) + letters])?;
            }
            let letters = Text::new(name.clone(), (0, 0), centred(dark(colour)));
            chart.draw_series([EmptyElement::at((x, y)) + letters])?;
        }
        let named_groups = groups().filter(|((_, points), _)| !points.is_empty());
        for (line, ((name, _), colour)) in named_groups.enumerate() {
            let y = 74 + 28 * line as i32;
            beside.draw(&Circle::new((12, y), 7, colour.filled()))?;
            let style =
                TextStyle::from((FONT, 18).into_font()).pos(Pos::new(HPos::Left, VPos::Center));
            beside.draw(&Text::new(name.clone(), (28, y), style))?;
        }
        Ok(())
    })
}

fn finite_points(groups: &[(String, Vec<[f64; 2]>)]) -> Vec<(String, Vec<[f64; 2]>)> {
    let finite = |points: &Vec<[f64; 2]>| {
        let all = points.iter().copied();
        all.filter(|[x, y]| x.is_finite() && y.is_finite())
            .collect()
    };
    groups
        .iter()
        .map(|(name, points)| (name.clone(), finite(points)))
        .collect()
}

/// A colour that letters can be read in.
fn dark(colour: RGBColor) -> RGBColor {
    let part = |value: u8| (f64::from(value) * 0.55) as u8;
    RGBColor(part(colour.0), part(colour.1), part(colour.2))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// How the scores of groups are distributed, each as shares of its own size, with a threshold between them.
///
/// The outermost 2 in 1,000 scores are left out, so that an outlier does not squeeze the rest.
///
/// # Errors
///
/// [`Error::Plot`] if there is no finite score, or it cannot be drawn.
pub fn histogram(
    title: &str,
    axis: &str,
    groups: &[(String, Vec<f64>)],
    threshold: Option<f64>,
) -> Result<RgbImage> {
    const BINS: usize = 60;
    let mut all: Vec<f64> = groups
        .iter()
        .flat_map(|(_, scores)| scores)
        .copied()
        .collect();
    all.retain(|score| score.is_finite());
    all.sort_by(f64::total_cmp);
    let outermost = all.len() / 1000;
    let inner = || all[outermost..all.len() - outermost].iter().copied();
    range(inner())?;
    let x = range(inner().chain(threshold))?;
    let width = (x.end - x.start) / BINS as f64;
    let shares = |scores: &[f64]| -> Vec<f64> {
        let mut counts = vec![0.0; BINS];
        for score in scores {
            let bin = (score - x.start) / width;
            if (0.0..BINS as f64).contains(&bin) {
                counts[bin as usize] += 1.0 / scores.len().max(1) as f64;
            }
        }
        counts
    };
    let shares: Vec<_> = groups.iter().map(|(_, scores)| shares(scores)).collect();
    let highest = shares.iter().flatten().fold(0.0f64, |a, &b| a.max(b));
    draw([860, 480], |root| {
        let mut chart = ChartBuilder::on(root)
            .caption(title, (FONT, 22))
            .margin(MARGIN)
            .x_label_area_size(50)
            .y_label_area_size(62)
            // The legend stands above the highest bar.
            .build_cartesian_2d(x.clone(), 0.0..1.4 * highest)?;
        let percent = |share: &f64| format!("{:.0}%", 100.0 * share);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .x_desc(axis)
            .y_desc("share of the group")
            .y_label_formatter(&percent)
            .label_style((FONT, 16))
            .draw()?;
        for (((name, scores), shares), colour) in
            groups.iter().zip(&shares).zip(COLOURS.into_iter().cycle())
        {
            let edge = |bin: usize| x.start + width * bin as f64;
            let mut outline = vec![(edge(0), 0.0)];
            for (bin, &share) in shares.iter().enumerate() {
                outline.extend([(edge(bin), share), (edge(bin + 1), share)]);
            }
            outline.push((edge(BINS), 0.0));
            chart.draw_series([Polygon::new(outline.clone(), colour.mix(0.35).filled())])?;
            chart
                .draw_series(LineSeries::new(outline, colour.stroke_width(2)))?
                .label(format!("{name} ({})", scores.len()))
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 6), (x + 16, y + 6)], colour.filled())
                });
        }
        if let Some(threshold) = threshold.filter(|threshold| threshold.is_finite()) {
            // To a hundredth of what is shown.
            let places = (1.0 - (x.end - x.start).log10().floor()).clamp(1.0, 12.0) as usize;
            let line = [(threshold, 0.0), (threshold, 1.35 * highest)];
            chart
                .draw_series(DashedLineSeries::new(line, 8, 5, BLACK.stroke_width(2)))?
                .label(format!("threshold {threshold:.places$}"))
                .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], BLACK.stroke_width(2)));
        }
        legend(&mut chart, SeriesLabelPosition::UpperRight)
    })
}

/// A bar for each number, with its name below, in the order that they come in. One that is not finite is left out, and its name
/// stays.
///
/// # Errors
///
/// [`Error::Plot`] if there is no finite number, or it cannot be drawn.
///
/// ```
/// use burn_generative::plot;
///
/// let bars = [("top", 1.5), ("below", 22.0)].map(|(name, nats)| (name.to_string(), nats));
/// let picture = plot::bars("KL of each level", ["level", "nats"], &bars)?;
/// assert_eq!(picture.dimensions(), (860, 420));
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn bars(title: &str, axes: [&str; 2], bars: &[(String, f64)]) -> Result<RgbImage> {
    let numbers = || bars.iter().map(|(_, number)| *number);
    range(numbers())?;
    let y = range(numbers().chain([0.0]))?;
    let x = -0.5..bars.len() as f64 - 0.5;
    let name = |place: &f64| {
        let index = place.round();
        let is_middle = (place - index).abs() < 1e-6 && index >= 0.0;
        let bar = is_middle.then(|| bars.get(index as usize)).flatten();
        bar.map_or(String::new(), |(name, _)| name.clone())
    };
    draw([860, 420], |root| {
        let mut chart = ChartBuilder::on(root)
            .caption(title, (FONT, 22))
            .margin(MARGIN)
            .x_label_area_size(50)
            .y_label_area_size(68)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .x_desc(axes[0])
            .y_desc(axes[1])
            .x_labels(2 * bars.len() + 1)
            .x_label_formatter(&name)
            .label_style((FONT, 16))
            .draw()?;
        let finite = bars
            .iter()
            .enumerate()
            .filter(|(_, (_, number))| number.is_finite());
        chart.draw_series(finite.map(|(index, (_, number))| {
            let middle = index as f64;
            let corners = [(middle - 0.4, 0.0), (middle + 0.4, *number)];
            Rectangle::new(corners, COLOURS[0].filled())
        }))?;
        Ok(())
    })
}

/// Lines through points, each of a colour and named in the legend: an error over a number of dimensions, say. A point that
/// is not finite is left out.
///
/// # Errors
///
/// [`Error::Plot`] if there is no finite point, or it cannot be drawn.
pub fn lines(title: &str, axes: [&str; 2], groups: &[(String, Vec<[f64; 2]>)]) -> Result<RgbImage> {
    let groups = finite_points(groups);
    let points = || groups.iter().flat_map(|(_, points)| points);
    let [x, y] = [0, 1].map(|axis| range(points().map(|point| point[axis])));
    let (x, y) = (x?, y?);
    draw([860, 520], |root| {
        let mut chart = ChartBuilder::on(root)
            .caption(title, (FONT, 22))
            .margin(MARGIN)
            .x_label_area_size(50)
            .y_label_area_size(68)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(axes[0])
            .y_desc(axes[1])
            .label_style((FONT, 16))
            .draw()?;
        for ((name, points), colour) in groups.iter().zip(COLOURS.into_iter().cycle()) {
            let points = || points.iter().map(|point| (point[0], point[1]));
            chart
                .draw_series(LineSeries::new(points(), colour.stroke_width(3)))?
                .label(name.clone())
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(3))
                });
            chart.draw_series(points().map(|at| Circle::new(at, 5, colour.filled())))?;
        }
        legend(&mut chart, SeriesLabelPosition::UpperRight)
    })
}

/// Panels, two in a row, each with a title and curves over the same horizontal axis, which counts `of`: epochs, say.
///
/// # Errors
///
/// [`Error::Plot`] if a panel has no finite value, or it cannot be drawn.
pub fn curves(of: &str, panels: &[(String, Vec<Series>)]) -> Result<RgbImage> {
    let ranges: Vec<Range<f64>> = panels
        .iter()
        .map(|(_, series)| range(series.iter().flat_map(|one| one.values.iter().copied())))
        .collect::<Result<_>>()?;
    let longest = panels
        .iter()
        .flat_map(|(_, series)| series)
        .map(|one| one.values.len())
        .max();
    let last = longest.unwrap_or(1).max(2);

    let columns = panels.len().clamp(1, 2);
    let rows = panels.len().div_ceil(columns).max(1);
    draw([440 * columns as u32, 370 * rows as u32], |root| {
        let areas = root.split_evenly((rows, columns));
        for (((title, series), y), area) in panels.iter().zip(ranges).zip(areas) {
            let mut chart = ChartBuilder::on(&area)
                .caption(title, (FONT, 20))
                .margin(MARGIN)
                .x_label_area_size(46)
                .y_label_area_size(64)
                .build_cartesian_2d(1.0..last as f64, y)?;
            let whole = |x: &f64| format!("{x:.0}");
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .x_desc(of)
                .x_labels(last.min(8))
                .x_label_formatter(&whole)
                .label_style((FONT, 16))
                .draw()?;
            for one in series {
                let colour = COLOURS[one.colour % COLOURS.len()];
                let points: Vec<(f64, f64)> = (1..)
                    .map(f64::from)
                    .zip(one.values.iter().copied())
                    .filter(|point| point.1.is_finite())
                    .collect();
                let dots = points.clone();
                let drawn = match one.dotted {
                    true => chart.draw_series(DashedLineSeries::new(
                        points,
                        5,
                        4,
                        colour.stroke_width(2),
                    ))?,
                    false => chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?,
                };
                drawn.label(one.name.clone()).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2))
                });
                chart.draw_series(
                    dots.into_iter()
                        .map(|at| Circle::new(at, 3, colour.filled())),
                )?;
            }
            // Where curves that fall have left room, or curves that rise.
            let position = match series.iter().map(|one| rise(&one.values)).sum::<f64>() > 0.0 {
                true => SeriesLabelPosition::LowerRight,
                false => SeriesLabelPosition::UpperRight,
            };
            legend(&mut chart, position)?;
        }
        Ok(())
    })
}

type Chart<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn legend<'a, 'b>(
    chart: &mut Chart<'a, 'b>,
    position: SeriesLabelPosition,
) -> std::result::Result<(), Box<dyn std::error::Error>>
where
    'b: 'a,
{
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 16))
        .draw()?;
    Ok(())
}

type Canvas<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn draw(
    [width, height]: [u32; 2],
    content: impl FnOnce(&Canvas) -> std::result::Result<(), Box<dyn std::error::Error>>,
) -> Result<RgbImage> {
    register_font();
    let mut pixels = vec![255; (width * height * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        root.fill(&WHITE)
            .map_err(Box::from)
            .and_then(|()| content(&root))
            .and_then(|()| root.present().map_err(Box::from))
            .map_err(|error| Error::Plot(error.to_string()))?;
    }
    RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| Error::Plot("the canvas has another size than its pixels".to_string()))
}

/// From the first finite value to the last.
fn rise(values: &[f64]) -> f64 {
    let mut finite = values.iter().filter(|value| value.is_finite());
    match (finite.next(), finite.next_back()) {
        (Some(first), Some(last)) => last - first,
        _ => 0.0,
    }
}

/// A font that is part of the program: a machine without fonts draws the same picture.
fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = dejavu::sans::regular();
        // It fails only for a file that is no font; the text would then be missing.
        let _ = plotters::style::register_font(FONT, FontStyle::Normal, font);
    });
}

/// The range of the finite values, with some air around it.
fn range(values: impl Iterator<Item = f64>) -> Result<Range<f64>> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return Err(Error::Plot("there is no finite value to draw".to_string()));
    }
    let air = 0.05 * (high - low).max(1e-3 * high.abs()).max(1e-9);
    Ok(low - air..high + air)
}
