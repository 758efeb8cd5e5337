//! The house from the ground up: a module uses only what stands before it in this list.

use std::fs;
use std::path::{Path, PathBuf};

/// Those of one row stand side by side.
const LAYERS: [&[&str]; 20] = [
    &["error"],
    &["device", "file"],
    &["unoptimized"],
    &["losses"],
    &["kernel"],
    &["traits"],
    &["distribution"],
    &["nn"],
    &["flow"],
    &["autoregressive"],
    &["hierarchy"],
    &["prior"],
    &["loss"],
    &["model"],
    &["sequence"],
    &["weights"],
    &["latent", "metric"],
    &["data"],
    &["train"],
    &["plot"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&module))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// The modules of this crate that a line of code names.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or("");
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        match &rest[..end.unwrap_or(rest.len())] {
            "learner" => "traits", // a macro, which stands at the root
            module => module,
        }
    })
}

#[test]
fn no_import_runs_back() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for path in sources(&src) {
        let relative = path.strip_prefix(&src).unwrap();
        let module = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = module.trim_end_matches(".rs");
        let Some(own) = layer(module) else {
            assert!(
                ["lib", "prelude"].contains(&module),
                "{module} stands in no layer"
            );
            continue;
        };
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            assert!(
                !line.contains("crate::{"),
                "one module a line: {}",
                path.display()
            );
            for name in named(line) {
                let used = layer(name).unwrap_or_else(|| panic!("{name} stands in no layer"));
                let allowed = name == module || used < own;
                assert!(
                    allowed,
                    "{}:{}: {module} uses {name}",
                    relative.display(),
                    number + 1
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "only {checked} imports were looked at");
}
