//! What the compiler says to the six commonest mistakes: what is wrong, and what to do instead.
#![cfg(all(
    feature = "data",
    feature = "flex",
    feature = "plot",
    feature = "train"
))]

/// `TRYBUILD=overwrite` writes the files anew. They are of the version of Rust that `rust-version` names; another words its
/// part of a message in another way.
#[test]
#[ignore = "it checks all dependencies once more; .ci/run runs it"]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
