use super::{Report, RgbImage, Series, curves, grid, save, save_gif};
use crate::error::{Error, Result};
use crate::losses::Losses;
use crate::train::{Epoch, Run};
use burn::tensor::Tensor;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

/// The report of a [`Run`]: the curves of its losses, the pictures that it is given, its numbers and its configuration,
/// as files in the run's folder and as one page, `report.html`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn_generative::data::digits;
/// use burn_generative::device::Devices;
/// use burn_generative::plot::RunReport;
/// use burn_generative::prelude::*;
/// use burn_generative::train::{Fit, FusedAdamConfig, Run};
///
/// # let devices = Devices::named(Some("flex"))?;
/// # let data = digits::generate(32, 1).images(&devices.device());
/// # let vae = Vae::new(
/// #     MlpEncoderConfig::new(vec![1, 28, 28], 4).init_gaussian(&devices.training())?,
/// #     MlpDecoderConfig::new(4, vec![1, 28, 28]).init(&devices.training())?,
/// #     StandardNormal::new(4),
/// #     BernoulliNll,
/// # );
/// # let folder = std::env::temp_dir().join(format!("report-of-{}", std::process::id()));
/// let run = Run::open(&folder, &VaeConfig::new())?;
/// let (vae, _) = Fit::new(2, 32).run(&run, vae, FusedAdamConfig::new().init()?, 1e-3, &data, &data)?;
/// let mut report = RunReport::new(&run, "digits", "nats/image");
/// report.images("samples.png", "Samples", "Decoded from draws of the prior.", vae.sample(24, &devices.device()))?;
/// report.save()?;
/// assert!(folder.join("report.html").exists() && folder.join("curves.png").exists());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # }
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunReport {
    run: Run,
    title: String,
    unit: String,
    figures: Vec<Figure>,
    measured: Vec<Measured>,
}

#[derive(Clone, Debug)]
enum Figure {
    /// Pixels, each drawn so large.
    Pixels(String, String, RgbImage, usize),
    Chart(String, String, RgbImage),
    Animation(String, String, PathBuf),
}

/// A number that a run is judged by, beside its losses.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What it is.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its standard error, where it is a mean.
    pub standard_error: Option<f64>,
    /// What it is measured in; empty for nothing.
    pub unit: String,
}

impl Display for Measured {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        write!(f, "{}: {:.3}", self.name, self.value)?;
        if let Some(error) = self.standard_error {
            write!(f, " ± {error:.3}")?;
        }
        match self.unit.as_str() {
            "" => Ok(()),
            unit => write!(f, " {unit}"),
        }
    }
}

impl RunReport {
    /// A report under this title; `unit` is what the losses are measured in, empty for nothing.
    pub fn new(run: &Run, title: &str, unit: &str) -> Self {
        Self {
            run: run.clone(),
            title: title.to_string(),
            unit: unit.to_string(),
            figures: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Writes a grid of images, `[n, channels, height, width]` in `[0, 1]`, twelve in a row and at most twelve rows.
    ///
    /// # Errors
    ///
    /// [`Error::Plot`] if it cannot be drawn or written.
    pub fn images(&mut self, file: &str, title: &str, text: &str, images: Tensor<4>) -> Result<()> {
        let shown = images.dims()[0].min(144);
        let picture = grid(images.narrow(0, 0, shown), 12, 2)?;
        self.pixels(file, title, text, picture, 2)
    }

    /// Writes a picture made of pixels, each drawn `zoom` by `zoom`.
    ///
    /// # Errors
    ///
    /// [`Error::Plot`] if it cannot be written.
    pub fn pixels(
        &mut self,
        file: &str,
        title: &str,
        text: &str,
        picture: RgbImage,
        zoom: usize,
    ) -> Result<()> {
        save(&picture, self.run.path(file))?;
        let figure = Figure::Pixels(title.to_string(), text.to_string(), picture, zoom);
        self.figures.push(figure);
        Ok(())
    }

    /// Writes a chart.
    ///
    /// # Errors
    ///
    /// [`Error::Plot`] if it cannot be written.
    pub fn chart(&mut self, file: &str, title: &str, text: &str, picture: RgbImage) -> Result<()> {
        save(&picture, self.run.path(file))?;
        let figure = Figure::Chart(title.to_string(), text.to_string(), picture);
        self.figures.push(figure);
        Ok(())
    }

    /// Writes an animation of these frames, two a second.
    ///
    /// # Errors
    ///
    /// [`Error::Plot`] if it cannot be written.
    pub fn animation(
        &mut self,
        file: &str,
        title: &str,
        text: &str,
        frames: &[RgbImage],
    ) -> Result<()> {
        let path = self.run.path(file);
        save_gif(frames, Duration::from_millis(500), &path)?;
        let figure = Figure::Animation(title.to_string(), text.to_string(), path);
        self.figures.push(figure);
        Ok(())
    }

    /// Adds a number that the run is judged by; they are written to `evaluation.json` as well.
    pub fn measured(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// Writes `curves.png`, `evaluation.json` where something was measured, and `report.html`.
    ///
    /// # Errors
    ///
    /// [`Error::Training`] if no epoch has ended; [`Error::Plot`], [`Error::Record`] or [`Error::Io`] naming the file that
    /// cannot be written.
    pub fn save(mut self) -> Result<()> {
        let epochs = self.run.epochs()?;
        let weights_of = self.run.epoch_of_weights()?;
        let of_weights = epochs.iter().find(|epoch| Some(epoch.epoch) == weights_of);
        let Some(last) = of_weights.or(epochs.last()) else {
            let reason = "no epoch was finished: there is nothing to report".to_string();
            return Err(Error::Training(reason));
        };
        let text = "The total and its terms, on the training and on the test data.";
        let curves = self.curves(&epochs)?;
        self.chart("curves.png", "Losses", text, curves)?;
        if !self.measured.is_empty() {
            self.run.write("evaluation.json", &self.measured)?;
        }
        self.page(last, &epochs)?.save(self.run.path("report.html"))
    }

    /// A panel for the total and for each term that both splits have.
    fn curves(&self, epochs: &[Epoch]) -> Result<RgbImage> {
        let last = epochs.last().map(|epoch| &epoch.train);
        let terms = last.into_iter().flatten().map(|(name, _)| name.as_str());
        let terms = terms.filter(|name| *name != Losses::TOTAL);
        let terms = terms.filter(|name| epochs.iter().any(|epoch| epoch.test.contains_key(*name)));
        let unit = match self.unit.as_str() {
            "" => String::new(),
            unit => format!(" ({unit})"),
        };
        let panel = |name: &str| {
            let series =
                |label: &str, terms: fn(&Epoch) -> &BTreeMap<String, f64>, dotted| Series {
                    name: label.to_string(),
                    // An epoch without it leaves a gap, and moves no other.
                    values: epochs
                        .iter()
                        .map(|epoch| terms(epoch).get(name).copied().unwrap_or(f64::NAN))
                        .collect(),
                    dotted,
                    colour: dotted.into(),
                };
            let train = series("train", |epoch| &epoch.train, false);
            let test = series("test", |epoch| &epoch.test, true);
            (format!("{name}{unit}"), vec![train, test])
        };
        let panels: Vec<_> = [Losses::TOTAL]
            .into_iter()
            .chain(terms)
            .map(panel)
            .collect();
        curves("epoch", &panels)
    }

    fn page(&self, last: &Epoch, epochs: &[Epoch]) -> Result<Report> {
        let unit = &self.unit;
        let total = last.test.get(Losses::TOTAL).copied().unwrap_or(f64::NAN);
        let lead = format!("test loss {total:.2} {unit} after {} epochs", last.epoch);
        let mut report = Report::new(&self.title, lead.trim());
        // The total before its terms.
        let (total, terms): (Vec<_>, Vec<_>) = last
            .test
            .iter()
            .partition(|(name, _)| *name == Losses::TOTAL);
        for (name, value) in total.into_iter().chain(terms) {
            // What training has not is no loss, but a count.
            let (value, unit) = if last.train.contains_key(name) {
                (format!("{value:.2}"), unit.as_str())
            } else {
                (value.to_string(), "")
            };
            report.number(&format!("test {name}"), &value, unit);
        }
        for measured in &self.measured {
            let Measured { value, unit, .. } = measured;
            let (value, error) = match measured.standard_error {
                Some(error) => (format!("{value:.2}"), format!("± {error:.2} {unit}")),
                None => (format!("{value:.3}"), unit.clone()),
            };
            report.number(&measured.name, &value, &error);
        }
        report.section("Pictures");
        for figure in &self.figures {
            match figure {
                Figure::Pixels(title, text, picture, zoom) => {
                    report.pixels(title, text, picture, *zoom)?
                }
                Figure::Chart(title, text, picture) => report.chart(title, text, picture)?,
                Figure::Animation(title, text, path) => report.animation(title, text, path)?,
            }
        }
        report.section("Epochs");
        table_of(&mut report, unit, last, epochs);
        report.section("Configuration");
        report.configuration(self.run.config())?;
        report.settings(self.run.device()?.map(|name| ("device", name)));
        Ok(report)
    }
}

/// The losses of all epochs.
fn table_of(report: &mut Report, unit: &str, last: &Epoch, epochs: &[Epoch]) {
    let columns = |split: &str, terms: &BTreeMap<String, f64>| -> Vec<String> {
        terms.keys().map(|name| format!("{split} {name}")).collect()
    };
    let head = [
        vec!["epoch".to_string()],
        columns("train", &last.train),
        columns("test", &last.test),
        vec!["seconds".to_string()],
    ]
    .concat();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let row = |epoch: &Epoch| {
        // By the names of the columns: an epoch may lack a metric that was no number.
        let numbers = |columns: &BTreeMap<String, f64>, values: &BTreeMap<String, f64>| {
            let number = |name| {
                values
                    .get(name)
                    .map_or(String::new(), |x| format!("{x:.3}"))
            };
            columns.keys().map(number).collect()
        };
        [
            vec![epoch.epoch.to_string()],
            numbers(&last.train, &epoch.train),
            numbers(&last.test, &epoch.test),
            vec![format!("{:.1}", epoch.seconds)],
        ]
        .concat()
    };
    let rows: Vec<_> = epochs.iter().map(row).collect();
    let unit = match unit {
        "" => String::new(),
        unit => format!(" Losses in {unit}."),
    };
    report.table(&format!("The mean of each metric.{unit}"), &head, &rows);
}
