//! Speech of one voice, by espeak-ng from sentences of a small grammar.

use burn_generative::{Error, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

const WHO: [&str; 12] = [
    "The captain",
    "My sister",
    "An old teacher",
    "The weather",
    "Nobody",
    "A quiet river",
    "The second train",
    "Her brother",
    "Every child",
    "The gardener",
    "A young doctor",
    "This machine",
];
const DOES: [&str; 10] = [
    "will remember",
    "has already forgotten",
    "brings back",
    "does not follow",
    "slowly changed",
    "would rather keep",
    "looked for",
    "often describes",
    "could have found",
    "is waiting for",
];
const WHAT: [&str; 14] = [
    "the yellow house",
    "a letter from the north",
    "seven small boats",
    "the noise of the city",
    "another cup of coffee",
    "the long way home",
    "a question without an answer",
    "the first snow",
    "his father's garden",
    "fourteen pages of music",
    "an open window",
    "the voices of the market",
    "what we said on Thursday",
    "a bridge over the valley",
];
const WHEN: [&str; 9] = [
    "before the summer ends",
    "in the middle of the night",
    "at half past nine",
    "when the children are asleep",
    "for no good reason",
    "as quickly as possible",
    "with both hands",
    "until the rain is over",
    "once more",
];

/// Sentence number `index`: the same on every machine, and another for each number below 15,120.
pub fn sentence(index: usize) -> String {
    const COUNT: usize = WHO.len() * DOES.len() * WHAT.len() * WHEN.len();
    // Steps that share no divisor with the count come to every sentence before one returns, and mix the words.
    let mut rest = index * 6_151 % COUNT;
    let mut take = |words: &[&'static str]| {
        let word = words[rest % words.len()];
        rest /= words.len();
        word
    };
    let [who, does, what, when] = [take(&WHO), take(&DOES), take(&WHAT), take(&WHEN)];
    format!("{who} {does} {what} {when}.")
}

/// Has so many sentences spoken, each into a WAV file of the folder, by a voice that espeak-ng knows.
///
/// # Errors
///
/// [`Error::Config`] if espeak-ng is not installed, or cannot speak; [`Error::Io`] if there is no such folder to make.
pub fn speak(folder: &Path, sentences: usize, voice: &str) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    for index in 0..sentences {
        let spoken = Command::new("espeak-ng")
            .args(["-v", voice, "-w"])
            .arg(folder.join(format!("{index:04}.wav")))
            .arg(sentence(index))
            .output();
        let refuse = |reason: String| {
            let remedy = "install it (apt-get install espeak-ng), or name a folder of WAV files by --data-dir";
            Err(Error::Config(format!("espeak-ng: {reason}; {remedy}")))
        };
        match spoken {
            Err(error) => return refuse(format!("cannot be started: {error}")),
            Ok(spoken) if !spoken.status.success() => {
                return refuse(String::from_utf8_lossy(&spoken.stderr).trim().to_string());
            }
            Ok(_) => {}
        }
    }
    Ok(())
}
