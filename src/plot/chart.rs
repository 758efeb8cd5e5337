use crate::error::{Error, Result};
use image::RgbImage;
use plotters::prelude::*;
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

/// Ten colours that stay apart, one for each class.
const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(90, 90, 90),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
];

const FONT: &str = "sans-serif";
const MARGIN: u32 = 14;

/// Points in the plane, coloured by label, with the labels that occur as a legend.
///
/// # Errors
///
/// [`Error::Plot`] if there is no point, or it cannot be drawn.
pub fn scatter(
    title: &str,
    axes: [&str; 2],
    points: &[[f64; 2]],
    labels: &[u8],
) -> Result<RgbImage> {
    let of_class = |class: usize| {
        let with = labels.iter().zip(points);
        with.filter(|(label, _)| usize::from(**label) == class)
            .map(|(_, &point)| point)
            .collect()
    };
    let groups: Vec<_> = (0..COLOURS.len())
        .map(|class| (class.to_string(), of_class(class)))
        .collect();
    scatter_groups(title, axes, &groups)
}

/// Groups of points in the plane, each of a colour and named in the legend; later ones on top.
///
/// # Errors
///
/// [`Error::Plot`] if there is no point, or it cannot be drawn.
pub fn scatter_groups(
    title: &str,
    axes: [&str; 2],
    groups: &[(String, Vec<[f64; 2]>)],
) -> Result<RgbImage> {
    let points = || groups.iter().flat_map(|(_, points)| points);
    let [x, y] = [0, 1].map(|axis| range(points().map(|point| point[axis])));
    let (mut x, y) = (x?, y?);
    // Room for the legend, which is drawn on top.
    x.end += 0.16 * (x.end - x.start);
    draw([860, 800], |root| {
        let mut chart = ChartBuilder::on(root)
            .caption(title, (FONT, 22))
            .margin(MARGIN)
            .x_label_area_size(46)
            .y_label_area_size(56)
            .build_cartesian_2d(x, y)?;
        let mesh = chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(axes[0])
            .y_desc(axes[1])
            .label_style((FONT, 15))
            .draw();
        mesh?;
        for ((name, points), colour) in groups.iter().zip(COLOURS.into_iter().cycle()) {
            if points.is_empty() {
                continue;
            }
            let circles = points
                .iter()
                .map(|point| Circle::new((point[0], point[1]), 2, colour.mix(0.7).filled()));
            chart
                .draw_series(circles)?
                .label(name)
                .legend(move |(x, y)| Circle::new((x + 8, y), 5, colour.filled()));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 16))
            .draw()?;
        Ok(())
    })
}

/// Panels one beside the other, each with a title and curves over the same epochs.
///
/// # Errors
///
/// [`Error::Plot`] if a panel has no finite value, or it cannot be drawn.
pub fn curves(panels: &[(String, Vec<Series>)]) -> Result<RgbImage> {
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

    draw([440 * panels.len().max(1) as u32, 380], |root| {
        let areas = root.split_evenly((1, panels.len()));
        for (((title, series), y), area) in panels.iter().zip(ranges).zip(areas) {
            let mut chart = ChartBuilder::on(&area)
                .caption(title, (FONT, 18))
                .margin(MARGIN)
                .x_label_area_size(40)
                .y_label_area_size(58)
                .build_cartesian_2d(1.0..last as f64, y)?;
            let whole = |x: &f64| format!("{x:.0}");
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .x_desc("epoch")
                .x_labels(last.min(10))
                .x_label_formatter(&whole)
                .label_style((FONT, 14))
                .draw()?;
            for one in series {
                let colour = COLOURS[one.colour % COLOURS.len()];
                let points: Vec<(f64, f64)> = (1..)
                    .map(f64::from)
                    .zip(one.values.iter().copied())
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
            chart
                .configure_series_labels()
                .background_style(WHITE.mix(0.8))
                .border_style(BLACK.mix(0.3))
                .label_font((FONT, 14))
                .draw()?;
        }
        Ok(())
    })
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
