//! Glue for burn-train: metrics that do not stall the device, a history of epochs, checkpoints that
//! survive a crash, plain progress lines.

mod checkpoint;
mod history;
mod metric;
mod progress;

pub use checkpoint::{AtomicCheckpointer, Checkpoints};
pub use history::{Epoch, History};
pub use metric::TermMetric;
pub use progress::ProgressLines;
