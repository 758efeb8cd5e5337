use crate::losses::Losses;
use crate::traits::Model;
use burn::train::{InferenceStep, LearnerModel, TrainStep};

/// What a model can be fitted with: a [`Model`] that burn's `Learner` trains. [`learner!`](crate::learner) makes one of
/// every model, so nobody implements this by hand.
pub trait Trainable:
    Model
    + LearnerModel
    + TrainStep<Input = <Self as Model>::Input, Output = Losses>
    + InferenceStep<Input = <Self as Model>::Input, Output = Losses>
{
}

impl<M> Trainable for M where
    M: Model
        + LearnerModel
        + TrainStep<Input = <M as Model>::Input, Output = Losses>
        + InferenceStep<Input = <M as Model>::Input, Output = Losses>
{
}
