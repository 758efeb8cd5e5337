//! Latents of several levels, each given those above it: `p(z) = p(z_1) p(z_2 | z_1) .. p(z_L | z_1, .., z_(L-1))`, the top first,
//! and a posterior of the same order, `q(z | x) = q(z_1 | x) q(z_2 | z_1, x) ..`.
//!
//! [`TopDown`] is the contract of the networks: what is known of a level from those above, as a prior, and with what a pass from
//! the data up has found, as a posterior. The pass down is the crate's: each latent comes from the posterior, from the prior at
//! a temperature, or from the caller ([`Take`]). [`TopDownPosterior`] is the whole `q(z | x)` as one
//! [`Posterior`](crate::traits::Posterior) over a vector of latents, so that every bound and metric takes it.
//!
//! [`HierarchicalVae`](crate::model::HierarchicalVae) trains them. Networks are [`Ladder`], of perceptrons, and [`Nvae`],
//! of convolutions; one of your own is a [`TopDown`] of it.

mod cell;
mod ladder;
mod level;
mod nvae;
mod posterior;
mod top_down;

pub use cell::Cells;
pub use ladder::{Ladder, LadderConfig};
pub use level::Level;
pub use nvae::{Nvae, NvaeConfig};
pub use posterior::TopDownPosterior;
pub(crate) use top_down::generate;
pub use top_down::{Descent, Take, TopDown, Visit};
