use super::Guard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether Ctrl-C was pressed while a training ran.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The trainings that run.
static RUNNING: Mutex<Vec<Arc<Guard>>> = Mutex::new(Vec::new());

/// What a process that was interrupted exits with, as a shell reports a SIGINT.
const EXIT_CODE: i32 = 130;

/// Whether Ctrl-C has ended a training of a [`Fit`](super::Fit): for the exit code of a program, 130 by convention.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Lets Ctrl-C end a training after its batch for as long as this lives, and a second one the process.
pub(super) struct StopOnCtrlC(Arc<Guard>);

impl StopOnCtrlC {
    pub fn new(guard: &Guard) -> Self {
        let guard = Arc::new(guard.clone());
        running().push(guard.clone());
        let handler = || {
            let running = running();
            let going: Vec<_> = running
                .iter()
                .filter(|guard| guard.reason().is_none())
                .collect();
            if going.is_empty() {
                std::process::exit(EXIT_CODE);
            }
            INTERRUPTED.store(true, Ordering::Relaxed);
            eprintln!("stopping after this batch; press Ctrl-C again to stop at once");
            going.iter().for_each(|guard| guard.stop("by Ctrl-C"));
        };
        // It is set already, by an earlier training; or the system has no such signal, and the process just ends, and resumes
        // from its last checkpoint.
        if let Err(error) = ctrlc::set_handler(handler) {
            log::debug!("Ctrl-C is not handled here: {error}");
        }
        Self(guard)
    }
}

impl Drop for StopOnCtrlC {
    fn drop(&mut self) {
        running().retain(|guard| !Arc::ptr_eq(guard, &self.0));
    }
}

fn running() -> MutexGuard<'static, Vec<Arc<Guard>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
