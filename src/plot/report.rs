use crate::error::{Error, Result};
use crate::file;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::gif::GifDecoder;
use image::{ImageDecoder, ImageFormat, RgbImage};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::io::Cursor;
use std::path::Path;

/// A page that shows a run: headline numbers, pictures, tables, and what it was started with, in one file that needs no
/// network and no script, in light and dark, on a phone and on paper.
///
/// What is added after a [`section`](Self::section) belongs to it.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::plot::{self, Report};
/// use burn_generative::data::digits;
///
/// let digits = plot::grid(digits::generate(24, 1).images(&Device::default()), 12, 2)?;
/// let mut report = Report::new("vae_mnist", "A variational autoencoder, ten epochs.");
/// report.number("Test loss", "105.55", "nats/image");
/// report.section("Pictures");
/// report.pixels("Samples", "Decoded from draws of the prior.", &digits, 2)?;
/// report.section("Configuration");
/// report.settings([("latent_dim", "20"), ("beta", "1")]);
/// let path = std::env::temp_dir().join(format!("report-{}.html", std::process::id()));
/// report.save(&path)?;
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    lead: String,
    numbers: String,
    /// The content of `<main>`; each section is open until the next begins.
    main: String,
    sections: usize,
}

const STYLE: &str = include_str!("report.css");

impl Report {
    /// A page with this title, and below it a line with what matters most.
    pub fn new(title: &str, lead: &str) -> Self {
        Self {
            title: title.to_string(),
            lead: lead.to_string(),
            numbers: String::new(),
            main: String::new(),
            sections: 0,
        }
    }

    /// A headline number with its unit, at the top.
    pub fn number(&mut self, name: &str, value: &str, unit: &str) {
        let [name, value, unit] = [name, value, unit].map(escape);
        let tile = format!("<div><dt>{name}</dt><dd>{value} <small>{unit}</small></dd></div>\n");
        self.numbers.push_str(&tile);
    }

    /// Begins a section.
    pub fn section(&mut self, title: &str) {
        self.main.push_str(self.section_end());
        self.sections += 1;
        let (id, title) = (self.sections, escape(title));
        let head = format!("<section aria-labelledby=\"s{id}\">\n<h2 id=\"s{id}\">{title}</h2>\n");
        self.main.push_str(&head);
    }

    /// A line of text.
    pub fn text(&mut self, text: &str) {
        self.add(format_args!("<p class=\"note\">{}</p>\n", escape(text)));
    }

    /// A picture made of pixels, such as a [`grid`](super::grid): shown in whole multiples of its pixels, which were
    /// drawn `zoom` by `zoom`.
    ///
    /// # Errors
    ///
    /// [`Error::Plot`] if the picture cannot be encoded.
    pub fn pixels(
        &mut self,
        title: &str,
        text: &str,
        picture: &RgbImage,
        zoom: usize,
    ) -> Result<()> {
        let art = f64::from(picture.width()) / zoom.max(1) as f64;
        let image = image(title, text, &png(picture)?, "png", picture.dimensions());
        let caption = caption(title, text);
        self.add(format_args!(
            "<figure class=\"pixels\" style=\"--art: {art}px\">\n{image}\n{caption}\n</figure>\n"
        ));
        Ok(())
    }

    /// A chart, such as [`curves`](super::curves) or a [`histogram`](super::histogram): dark on white, and turned over
    /// on a dark page.
    ///
    /// # Errors
    ///
    /// [`Error::Plot`] if the picture cannot be encoded.
    pub fn chart(&mut self, title: &str, text: &str, picture: &RgbImage) -> Result<()> {
        let image = image(title, text, &png(picture)?, "png", picture.dimensions());
        let caption = caption(title, text);
        self.add(format_args!(
            "<figure class=\"chart\">\n{image}\n{caption}\n</figure>\n"
        ));
        Ok(())
    }

    /// An animation, from its file: [`save_gif`](super::save_gif).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file cannot be read; [`Error::Plot`] if it is no GIF.
    pub fn animation(&mut self, title: &str, text: &str, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let dimensions = GifDecoder::new(Cursor::new(&bytes))
            .map_err(|error| Error::Plot(format!("{}: {error}", path.display())))?
            .dimensions();
        let image = image(title, text, &bytes, "gif", dimensions);
        let caption = caption(title, text);
        self.add(format_args!("<figure>\n{image}\n{caption}\n</figure>\n"));
        Ok(())
    }

    /// A table whose first column names the row. Of a long one the last rows are shown, and all on demand.
    pub fn table(&mut self, caption: &str, head: &[&str], rows: &[Vec<String>]) {
        const SHOWN: usize = 10;
        let tail = rows.len().saturating_sub(SHOWN);
        let of = |rows: &[Vec<String>], caption: &str| table(caption, head, rows);
        if tail == 0 {
            return self.add(format_args!("{}", of(rows, caption)));
        }
        let last = of(&rows[tail..], &format!("{caption} The last {SHOWN} rows."));
        let all = of(rows, caption);
        self.add(format_args!(
            "{last}<details>\n<summary>All {} rows</summary>\n{all}</details>\n",
            rows.len()
        ));
    }

    /// Names and values: a configuration.
    pub fn settings<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        settings: impl IntoIterator<Item = (K, V)>,
    ) {
        let mut rows = String::new();
        for (name, value) in settings {
            let (name, value) = (escape(name.as_ref()), escape(value.as_ref()));
            let row = format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n");
            rows.push_str(&row);
        }
        self.add(format_args!(
            "<table class=\"config\">\n<tbody>\n{rows}</tbody>\n</table>\n"
        ));
    }

    /// The names and values of a configuration, those of an object within behind its own name.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is no JSON.
    pub fn configuration<C: Serialize>(&mut self, config: &C) -> Result<()> {
        let config = serde_json::to_value(config)
            .map_err(|error| Error::Config(format!("the configuration is no JSON: {error}")))?;
        self.settings(plain_values("", &config));
        Ok(())
    }

    /// The page.
    pub fn html(&self) -> String {
        let [title, lead] = [&self.title, &self.lead].map(|text| escape(text));
        let numbers = match self.numbers.as_str() {
            "" => String::new(),
            numbers => format!("<dl class=\"tiles\">\n{numbers}</dl>\n"),
        };
        let (main, end) = (&self.main, self.section_end());
        format!(
            "<!doctype html>\n\
             <html lang=\"en\">\n\
             <head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <style>\n{STYLE}</style>\n\
             </head>\n\
             <body>\n\
             <header>\n<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n{numbers}</header>\n\
             <main>\n{main}{end}</main>\n\
             <footer><p>Written by burn-generative {}.</p></footer>\n\
             </body>\n</html>\n",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// Writes the page; the file is whole, or not there.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] or [`Error::Io`] naming the file if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::write(path.as_ref(), &[self.html().as_bytes()])
    }

    fn add(&mut self, html: std::fmt::Arguments) {
        if self.sections == 0 {
            self.section("Overview");
        }
        // Writing to a string does not fail.
        let _ = self.main.write_fmt(html);
    }

    /// What closes the last section.
    fn section_end(&self) -> &'static str {
        match self.sections {
            0 => "",
            _ => "</section>\n",
        }
    }
}

fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|error| Error::Plot(error.to_string()))?;
    Ok(bytes.into_inner())
}

fn image(title: &str, text: &str, bytes: &[u8], kind: &str, (width, height): (u32, u32)) -> String {
    let data = BASE64_STANDARD.encode(bytes);
    let alt = escape(&format!("{title}: {text}"));
    format!(
        "<img src=\"data:image/{kind};base64,{data}\" width=\"{width}\" height=\"{height}\" alt=\"{alt}\">"
    )
}

fn caption(title: &str, text: &str) -> String {
    let [title, text] = [title, text].map(escape);
    format!("<figcaption><b>{title}</b> {text}</figcaption>")
}

fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let caption = escape(caption);
    let head: String = head
        .iter()
        .map(|name| format!("<th scope=\"col\">{}</th>", escape(name)))
        .collect();
    let row = |cells: &Vec<String>| {
        let cells = cells.iter().map(|cell| escape(cell)).enumerate();
        let cells: String = cells
            .map(|(column, cell)| match column {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            })
            .collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n\
         <table class=\"metrics\">\n<caption><span>{caption}</span></caption>\n\
         <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Every value of a configuration with its name, those of an object within behind its own.
fn plain_values(prefix: &str, settings: &Value) -> Vec<(String, String)> {
    let fields = settings.as_object().into_iter().flatten();
    let values = fields.flat_map(|(name, value)| {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(_) => plain_values(&format!("{name}."), value),
            Value::String(text) => vec![(name, text.clone())],
            Value::Null => vec![(name, "none".to_string())],
            value => vec![(name, value.to_string())],
        }
    });
    values.collect()
}
