use super::Guard;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed while a training ran.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The training that runs.
static CURRENT: Mutex<Option<Guard>> = Mutex::new(None);

/// What a process that was interrupted exits with, as a shell reports a SIGINT.
const EXIT_CODE: i32 = 130;

/// Whether Ctrl-C has ended a training of a [`Fit`](super::Fit): for the exit code of a program, 130 by convention.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Lets Ctrl-C end a training after its batch for as long as this lives, and a second one the process.
pub(super) struct StopOnCtrlC;

impl StopOnCtrlC {
    pub fn new(guard: &Guard) -> Self {
        *current() = Some(guard.clone());
        let handler = || match &*current() {
            Some(guard) if !INTERRUPTED.swap(true, Ordering::Relaxed) => {
                eprintln!("stopping after this batch; press Ctrl-C again to stop at once");
                guard.stop("by Ctrl-C");
            }
            _ => std::process::exit(EXIT_CODE),
        };
        // It is set already, by an earlier training; or the system has no such signal, and the process just ends, and resumes
        // from its last checkpoint.
        if let Err(error) = ctrlc::set_handler(handler) {
            log::debug!("Ctrl-C is not handled here: {error}");
        }
        Self
    }
}

impl Drop for StopOnCtrlC {
    fn drop(&mut self) {
        *current() = None;
    }
}

fn current() -> std::sync::MutexGuard<'static, Option<Guard>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}
