//! The short way to a trained model, for examples that train several and resume none.

use super::training::TrainingArgs;
use super::{DataArgs, Out, positive};
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::prelude::*;
use burn::train::TrainStep;
use burn_generative::data::{Items, TensorLoader};
use burn_generative::loss::Losses;
use burn_generative::train::FusedAdamConfig;
use burn_generative::{Error, Result};
use serde::Serialize;
use std::path::PathBuf;

/// How a model is trained.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct FitArgs {
    /// How often to go through the training images.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub epochs: usize,

    #[command(flatten)]
    #[serde(flatten)]
    pub training: TrainingArgs,
}

impl FitArgs {
    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        positive("--epochs", self.epochs)?;
        self.training.check()
    }

    /// A model whose parameters are on an autodiff device, after its epochs: as in evaluation, without autodiff.
    pub fn train<M, B>(&self, mut model: M, data: &B) -> Result<M>
    where
        B: Items,
        M: Module + TrainStep<Input = B, Output = Losses>,
    {
        let TrainingArgs {
            batch_size,
            seed,
            lr,
            ..
        } = self.training;
        let loader = TensorLoader::new(data.clone(), batch_size)
            .seed(seed)
            .shuffle();
        let mut optimizer = FusedAdamConfig::new().init()?;
        for _epoch in 0..self.epochs {
            for batch in loader.iter() {
                let batch = batch.map_err(|error| Error::Training(error.to_string()))?;
                let output = TrainStep::step(&model, batch);
                model = optimizer.step(lr, model, output.grads);
            }
        }
        Ok(model.valid())
    }
}

/// Where data comes from, where it is computed on, and where the results go.
#[derive(clap::Args, Debug)]
pub struct PlaceArgs {
    #[command(flatten)]
    pub data: DataArgs,

    /// Backend to train on, one of those built in: flex, ndarray, wgpu, cuda, cuda:1, ... [default: the first that
    /// is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,

    /// Folder for everything that the run leaves behind, new or empty. [default: the example's name under out, or
    /// the first with -2, -3, ... that is not there]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl PlaceArgs {
    /// The device, its name, and the folder with its configuration in it.
    pub fn open<C: Serialize>(&self, name: &str, config: &C) -> Result<(Device, String, Out)> {
        let (device, device_name) = super::device(self.device.as_deref())?;
        println!("device: {device_name}");
        let out = Out::check(self.out.as_deref(), name, config, None)?;
        out.begin(config)?;
        Ok((device, device_name, out))
    }
}
