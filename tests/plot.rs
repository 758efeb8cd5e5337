//! Pictures hold what they were made of, and what cannot be drawn is said.
#![cfg(all(feature = "data", feature = "plot"))]

mod common;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use burn::prelude::*;
use burn_generative::Error;
use burn_generative::data::digits;
use burn_generative::plot::{self, Report, RgbImage, Series};
use common::{cpu, tensor};
use image::{AnimationDecoder, Rgb};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

/// A picture with something on it.
fn ink(picture: &RgbImage) -> usize {
    let white = Rgb([255; 3]);
    picture.pixels().filter(|pixel| **pixel != white).count()
}

#[test]
fn a_grid_shows_each_value_where_it_belongs() {
    let device = cpu();
    let images = tensor([3, 1, 2, 2], &device, |i| i as f64 / 11.0);
    let picture = plot::grid(images.clone(), 2, 3).unwrap();
    assert_eq!(picture.dimensions(), (2 * 8 + 2, 2 * 8 + 2));
    let grey = |i: usize| Rgb([(i as f64 / 11.0 * 255.0).round() as u8; 3]);
    assert_eq!(*picture.get_pixel(2, 2), grey(0));
    assert_eq!(*picture.get_pixel(2 + 5, 2 + 5), grey(3));
    assert_eq!(*picture.get_pixel(10, 2), grey(4));
    assert_eq!(*picture.get_pixel(2, 10 + 3), grey(10));
    // Grey images need no channel axis.
    let flat = plot::grid(images.clone().reshape([3, 2, 2]), 2, 3).unwrap();
    assert_eq!(flat, picture);
    // More columns than images are as many.
    let row = plot::grid(images, usize::MAX, 3).unwrap();
    assert_eq!(row.dimensions(), (3 * 8 + 2, 8 + 2));
    let colours = tensor([1, 3, 1, 1], &device, |i| [1.5, 0.5, f64::NAN][i]);
    assert_eq!(
        *plot::grid(colours, 1, 1).unwrap().get_pixel(2, 2),
        Rgb([255, 0, 0])
    );
}

#[test]
fn rows_stand_above_each_other() {
    let device = cpu();
    let images = |offset: usize| tensor([5, 1, 1, 1], &device, move |i| (i + offset) as f64 / 10.0);
    let picture = plot::rows([images(0), images(5)], 2, 1).unwrap();
    // Two whole rows of each; the fifth would mix with the next row.
    assert_eq!(picture.dimensions(), (2 * 3 + 2, 4 * 3 + 2));
    let at = |row: u32, column: u32| picture.get_pixel(2 + 3 * column, 2 + 3 * row).0[0];
    let shown: Vec<u8> = (0..8).map(|i| at(i / 2, i % 2)).collect();
    let want = [0, 1, 5, 6, 2, 3, 7, 8].map(|k| (f64::from(k) / 10.0 * 255.0).round() as u8);
    assert_eq!(shown, want);
    let other = message(plot::rows([images(0), images(0).narrow(0, 0, 2)], 2, 1));
    assert!(
        other.contains("[2, 1, 1, 1] cannot stand beside"),
        "{other}"
    );
}

#[test]
fn what_is_no_image_is_said() {
    let device = cpu();
    let table = Tensor::<2>::zeros([7, 13], &device);
    assert!(message(plot::grid(table, 3, 1)).contains("shape [7, 13] are no images"));
    let maps = Tensor::<4>::zeros([7, 2, 4, 4], &device);
    assert!(message(plot::grid(maps, 3, 1)).contains("one or three channels"));
    let none = Tensor::<4>::zeros([0, 1, 4, 4], &device);
    assert!(message(plot::grid(none, 3, 1)).contains("at least one of everything"));
    let codes = Tensor::<2>::zeros([3, 2], &device);
    assert!(message(plot::latent_map("map", codes.clone(), &[1, 2])).contains("needs a label"));
    let poisoned = codes.full_like(f64::NAN);
    assert!(message(plot::latent_map("map", poisoned, &[1, 2, 3])).contains("hold NaN"));
    let missing = message(plot::scatter("map", ["x", "y"], &[[0.0, 1.0]], &[1, 2]));
    assert!(missing.contains("1 points with 2 labels"), "{missing}");
    let images = || Tensor::<4>::ones([2, 1, 3, 3], &device);
    assert!(message(plot::rows([images(), images()], 0, 1)).contains("in 0 columns"));
    assert!(message(plot::curves("epoch", &[("loss".into(), vec![])])).contains("no finite value"));
    assert!(message(plot::bars("kl", ["level", "nats"], &[])).contains("no finite value"));
    let threshold_alone = plot::histogram("scores", "score", &[], Some(1.0));
    assert!(message(threshold_alone).contains("no finite"));
    assert!(
        message(plot::histogram(
            "scores",
            "score",
            &[("a".into(), vec![])],
            None
        ))
        .contains("no finite")
    );
    assert!(message(plot::lines("errors", ["n", "error"], &[])).contains("no finite value"));
}

#[test]
fn charts_are_drawn_for_any_number_of_anything() {
    let device = cpu();
    for latent in [1, 2, 5] {
        for samples in [1, 40] {
            let codes = tensor([samples, latent], &device, |i| (i as f64).sin());
            let labels: Vec<u8> = (0..samples).map(|i| (7 * i % 12) as u8).collect();
            let picture = plot::latent_map("map", codes, &labels).unwrap();
            assert!(ink(&picture) > 500, "{latent} {samples}");
        }
    }
    let series = |values: &[f64]| Series {
        name: "train".to_string(),
        values: values.to_vec(),
        dotted: true,
        colour: 1,
    };
    for panels in 1..=5 {
        let panels: Vec<_> = (0..panels)
            .map(|k| {
                (
                    format!("term {k}"),
                    vec![series(&[1.0, f64::NAN, 0.5]), series(&[2.0])],
                )
            })
            .collect();
        let picture = plot::curves("epoch", &panels).unwrap();
        assert_eq!(picture.width(), if panels.len() == 1 { 440 } else { 880 });
        assert!(ink(&picture) > 500 * panels.len());
    }
    let scores = |shift: f64| {
        (0..3000)
            .map(|i| (i as f64 * 0.7).sin() + shift)
            .collect::<Vec<_>>()
    };
    let mut wild = scores(3.0);
    wild.extend([f64::INFINITY, 1e9]);
    let groups = [
        ("normal".to_string(), scores(0.0)),
        ("strange".to_string(), wild),
    ];
    let with = plot::histogram("scores", "nats", &groups, Some(1.5)).unwrap();
    let without = plot::histogram("scores", "nats", &groups, None).unwrap();
    assert!(ink(&with) > 20_000 && with != without);
    let one = [("only".to_string(), vec![4.0])];
    assert!(ink(&plot::histogram("scores", "nats", &one, None).unwrap()) > 500);
    // A bar that is no number leaves its place empty, and the others as they are.
    let bars = |numbers: [f64; 3]| {
        let names = ["a", "b", "c"].map(str::to_string);
        let bars: Vec<_> = names.into_iter().zip(numbers).collect();
        plot::bars("kl", ["level", "nats"], &bars).unwrap()
    };
    let [all, two, none_between] =
        [[1.0, 3.0, 4.0], [1.0, 0.0, 4.0], [1.0, f64::NAN, 4.0]].map(bars);
    assert!(ink(&all) > ink(&two) + 10_000);
    assert!(ink(&two).abs_diff(ink(&none_between)) < 1_000);
    // A point that is no number changes nothing.
    let groups = |points: &[[f64; 2]]| vec![("a".to_string(), points.to_vec())];
    let (clean, poisoned) = (
        groups(&[[0.0, 1.0], [2.0, 3.0]]),
        groups(&[
            [0.0, 1.0],
            [f64::NAN, 2.0],
            [1.0, f64::INFINITY],
            [2.0, 3.0],
        ]),
    );
    let draw = |groups| plot::scatter_groups("points", ["x", "y"], groups).unwrap();
    assert_eq!(draw(&clean), draw(&poisoned));
    let draw = |groups| plot::lines("lines", ["x", "y"], groups).unwrap();
    assert_eq!(draw(&clean), draw(&poisoned));
    let long = [(
        "a name without an end ".repeat(20),
        vec![[2.0, 3.0], [8.0, 1.0]],
    )];
    assert!(ink(&plot::scatter_groups("points", ["x", "y"], &long).unwrap()) > 500);
    let points = [("error".to_string(), vec![[2.0, 3.0], [8.0, 1.0]])];
    assert!(ink(&plot::lines("errors", ["n", "error"], &points).unwrap()) > 500);
}

#[test]
fn an_animation_holds_its_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.gif");
    let frames: Vec<_> = [0u8, 120, 255]
        .map(|grey| RgbImage::from_pixel(9, 7, Rgb([grey; 3])))
        .to_vec();
    plot::save_gif(&frames, Duration::from_millis(100), &path).unwrap();
    let reader = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let decoder = image::codecs::gif::GifDecoder::new(reader).unwrap();
    let read = decoder.into_frames().collect_frames().unwrap();
    assert_eq!(read.len(), 3);
    for (frame, read) in frames.iter().zip(&read) {
        let (want, got) = (
            frame.get_pixel(4, 4).0[0],
            read.buffer().get_pixel(4, 4).0[0],
        );
        assert!(want.abs_diff(got) <= 4, "{want} became {got}");
    }
    let delays: Vec<u128> = read
        .iter()
        .map(|frame| Duration::from(frame.delay()).as_millis())
        .collect();
    assert_eq!(delays, [100, 100, 400]);

    assert!(message(plot::save_gif(&[], Duration::ZERO, &path)).contains("needs a picture"));
    let other = [frames[0].clone(), RgbImage::new(3, 3)];
    assert!(message(plot::save_gif(&other, Duration::ZERO, &path)).contains("of one size"));
    let nowhere = folder.path().join("missing/samples.gif");
    let refused = message(plot::save_gif(&frames, Duration::ZERO, &nowhere));
    assert!(refused.contains("missing/samples.gif"), "{refused}");
}

fn report() -> Report {
    let digits = plot::grid(digits::generate(24, 1).images(&cpu()), 12, 2).unwrap();
    let mut report = Report::new("A <run> & \"more\"", "loss 1 < 2");
    report.number("test loss", "105.55", "nats/image");
    report.section("Pictures");
    report
        .pixels("Samples", "of <the> prior", &digits, 2)
        .unwrap();
    report.chart("Losses", "a chart", &digits).unwrap();
    report.section("Epochs");
    let rows: Vec<_> = (1..=13)
        .map(|k| vec![k.to_string(), format!("{k}.5")])
        .collect();
    report.table("Every epoch.", &["epoch", "loss"], &rows);
    report.settings([("beta", "1 & only")]);
    report
}

#[test]
fn a_report_is_whole_and_holds_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    report().save(&path).unwrap();
    let html = std::fs::read_to_string(&path).unwrap();
    // Every element that is opened is closed.
    for tag in [
        "html", "head", "body", "main", "section", "figure", "table", "tr", "details", "dl",
        "style", "div",
    ] {
        let count = |what: String| html.matches(&what).count();
        let opened = count(format!("<{tag}>")) + count(format!("<{tag} "));
        assert!(opened > 0, "{tag}");
        assert_eq!(opened, count(format!("</{tag}>")), "{tag}");
    }
    // What users write is text.
    assert!(html.contains("<h1>A &lt;run&gt; &amp; &quot;more&quot;</h1>"));
    assert!(html.contains("loss 1 &lt; 2") && html.contains("1 &amp; only"));
    assert!(html.contains("alt=\"Samples: of &lt;the&gt; prior\""));
    // Nothing is fetched or run.
    for foreign in ["http://", "https://", "<script", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    // The pictures come back as they were, at the size they have.
    let digits = plot::grid(digits::generate(24, 1).images(&cpu()), 12, 2).unwrap();
    let mut found = 0;
    for image in html.split("data:image/png;base64,").skip(1) {
        let (data, rest) = image.split_once('"').unwrap();
        let bytes = BASE64_STANDARD.decode(data).unwrap();
        let back = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!(back, digits);
        let size = format!(" width=\"{}\" height=\"{}\"", back.width(), back.height());
        assert!(rest.starts_with(&size), "{}", &rest[..60]);
        found += 1;
    }
    assert_eq!(found, 2);
    assert!(html.contains(&format!("--art: {}px", digits.width() / 2)));
    // The last rows of a long table, and all of them.
    assert_eq!(html.matches("<th scope=\"row\">4</th>").count(), 2);
    assert_eq!(html.matches("<th scope=\"row\">3</th>").count(), 1);
}

#[test]
fn a_report_that_cannot_be_written_names_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let refused = message(report().save(folder.path().join("missing/report.html")));
    assert!(refused.contains("missing/report.html"), "{refused}");
    let mut report = report();
    let gone = message(report.animation("Samples", "", folder.path().join("gone.gif")));
    assert!(gone.contains("gone.gif"), "{gone}");
    let text = folder.path().join("text.gif");
    std::fs::write(&text, "no picture").unwrap();
    assert!(message(report.animation("Samples", "", &text)).contains("text.gif"));
    // It is what a file holds that counts, not its name.
    let frames = [RgbImage::new(9, 7)];
    let unnamed = folder.path().join("samples");
    plot::save_gif(&frames, Duration::from_millis(100), &unnamed).unwrap();
    report.animation("Samples", "", &unnamed).unwrap();
    assert!(report.html().contains(" width=\"9\" height=\"7\""));
}

const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-sync \
    --disable-component-update --disable-background-networking --disable-quic --hide-scrollbars --dump-dom";

/// What Chromium says of a page on screens of several widths (`report_check.js`), or `None` where no Chromium opens it
/// within a minute.
fn browse(html: &str, scheme: &str, folder: &Path) -> Option<String> {
    let srcdoc = html.replace('&', "&amp;").replace('"', "&quot;");
    let frames: String = [320, 390, 768, 1440]
        .map(|width| format!("<iframe srcdoc=\"{srcdoc}\" style=\"width: {width}px\"></iframe>\n"))
        .concat();
    let check = include_str!("report_check.js");
    let page = folder.join("page.html");
    let html = format!(
        "<!doctype html>\n<html style=\"color-scheme: {scheme}\">\n\
         <style>iframe {{ border: 0; height: 900px }}</style>\n\
         <body>\n<pre id=\"said\"></pre>\n<script>\n{check}</script>\n{frames}</body>\n</html>\n"
    );
    std::fs::write(&page, html).unwrap();
    let chromium = std::env::var("CHROMIUM").unwrap_or("chromium".to_string());
    let dom = folder.join("dom.html");
    let mut browser = Command::new(chromium)
        .args(FLAGS.split_whitespace())
        .arg(format!("--user-data-dir={}", folder.display()))
        .arg(format!("file://{}", page.display()))
        .stdout(std::fs::File::create(&dom).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let started = Instant::now();
    while browser.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            browser.kill().unwrap();
            browser.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let dom = std::fs::read_to_string(&dom).unwrap();
    let said = dom.split_once("<pre id=\"said\">")?.1;
    Some(said.split_once("</pre>")?.0.to_string())
}

#[test]
fn a_report_can_be_read_on_every_screen() {
    let folder = tempfile::tempdir().unwrap();
    let browse = |html: &str, scheme: &str| {
        let said = browse(html, scheme, folder.path());
        if said.is_none() {
            println!("SKIPPED: no chromium opens the report (CHROMIUM names one)");
        }
        said
    };
    for scheme in ["light", "dark"] {
        let Some(said) = browse(&report().html(), scheme) else {
            return;
        };
        let fine = [320, 390, 768, 1440].map(|width| format!("checked: {width} px, {scheme}"));
        assert_eq!(said, fine.join("\n"));
    }
    // The check sees what it looks for.
    let bad = "<!doctype html><body style=\"background: white\"><p style=\"color: #888\">pale</p>\
               <p style=\"width: 500px\">wide</p><details><p style=\"width: 900px\">wider</p></details>\
               <img src=\"data:image/png;base64,AA\"><link rel=stylesheet href=\"http://127.0.0.1:9/elsewhere.css\">";
    let Some(said) = browse(bad, "light") else {
        return;
    };
    for fault in [
        "at 390 px, light: needs 5",
        "at 768 px, light: needs 9",
        "at 1440 px, light: contrast 3.54 of \"pale\"",
        "an image that cannot be read",
        "an image without a description",
        "asks for http://127.0.0.1:9/elsewhere.css",
    ] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
}
