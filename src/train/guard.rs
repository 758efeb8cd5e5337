use burn::train::Interrupter;
use std::sync::{Arc, Mutex, PoisonError};

/// Stops a training, and remembers why.
///
/// burn's dashboard resets the [`Interrupter`] when the training ends, so that
/// `LearningResult::interrupted` is `None` in a terminal, whatever happened; the reason is kept here.
#[derive(Clone, Default)]
pub struct Guard {
    interrupter: Interrupter,
    reason: Arc<Mutex<Option<String>>>,
}

impl Guard {
    /// A guard of the training that gets its [`interrupter`](Self::interrupter).
    pub fn new() -> Self {
        Self::default()
    }

    /// The handle to give to `SupervisedTraining::with_interrupter`.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Stops the training before its next checkpoint. The first reason counts.
    pub fn stop(&self, reason: &str) {
        let mut kept = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Some(reason.to_string());
            self.interrupter.stop(Some(reason));
        }
    }

    /// Why the training was stopped, if it was stopped through this guard.
    pub fn reason(&self) -> Option<String> {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.clone()
    }
}
