//! A word to whoever trains in a build without optimisation, where a step takes fifty to two hundred times as long.

use std::sync::Once;

/// What is the matter, and the way out; nothing in a build that is optimised.
pub(crate) const ADVICE: Option<&str> = if cfg!(unoptimized) {
    Some(
        "burn-generative was compiled without optimisation, and trains fifty to two hundred times slower than it could: \
         put `[profile.dev]` and `opt-level = 3` into the Cargo.toml of your workspace, or use `--release`",
    )
} else {
    None
};

/// Says it once in the life of a program: through `log`, or on stderr where no logger listens.
pub(crate) fn warn_once() {
    static SAID: Once = Once::new();
    if let Some(advice) = ADVICE {
        SAID.call_once(|| {
            if log::log_enabled!(log::Level::Warn) {
                log::warn!("{advice}");
            } else {
                eprintln!("warning: {advice}");
            }
        });
    }
}
