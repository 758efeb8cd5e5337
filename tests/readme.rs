//! The program that CI builds and runs in a place of its own is the one that the README shows.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_readme_shows_the_program_and_its_profile() {
    let readme = read("README.md");
    let program = read("tests/program/src/main.rs");
    assert!(
        readme.contains(&program),
        "README.md does not show tests/program/src/main.rs as it is"
    );
    let manifest = read("tests/program/Cargo.toml");
    let (_, profile) = manifest.split_once("[profile.dev]\n").unwrap();
    let (profile, _) = profile.split_once("\n\n").unwrap();
    for setting in profile.lines() {
        assert!(
            readme.lines().any(|line| line.starts_with(setting)),
            "README.md does not name `{setting}`"
        );
    }
    assert!(readme.contains("[profile.dev]"));
}
