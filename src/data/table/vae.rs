use super::modes::perturbed;
use super::schema::Cell;
use super::{Schema, Table, TableNll};
use crate::error::{Error, Result, check_at_least_one};
use crate::metric::importance_weighted_bound;
use crate::model::{DensityFit, Vae, VaeConfig, sample};
use crate::nn::{GaussianHead, MlpDecoder, MlpDecoderConfig, MlpEncoder, MlpEncoderConfig};
use crate::prior::{AnyPrior, FullGaussianMixture, MixtureFit, StandardNormal};
use crate::traits::{Code, Likelihood, Sampler};
use crate::weights;
use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The networks of a [`TableVae`], and its likelihood: a [`Vae`] as any other, for [`metric`](crate::metric) and for
/// training by other means.
pub type TableNetworks =
    Vae<MlpEncoder<GaussianHead, 2>, MlpDecoder<Linear, 2>, AnyPrior, TableNll>;

/// Fits a variational autoencoder to a table of columns of any kind.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::table::{Table, TableVaeConfig};
/// use burn_generative::model::DensityFit;
///
/// let path = std::env::temp_dir().join(format!("people-{}.csv", std::process::id()));
/// std::fs::write(&path, "age,colour\n20,red\n40,blue\n?,red\n35,blue\n22,red\n").unwrap();
/// let table = Table::open(&path)?;
///
/// let device = Device::default();
/// let config = TableVaeConfig::new().with_training(DensityFit::new().with_steps(20));
/// let vae = config.fit(&table, &device)?;
/// let new = vae.sample(10, &device)?; // a table of the same columns
/// assert_eq!((new.len(), new.schema()), (10, table.schema()));
/// let whole = vae.impute(&table, &device)?; // with an age for the third
/// let strangeness = vae.scores(&table, 16, &device)?; // nats a row
/// assert_eq!((whole.len(), strangeness.len()), (5, 5));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct TableVaeConfig {
    /// The number of latent coordinates.
    #[config(default = 16)]
    pub latent_dim: usize,
    /// The widths of the encoder's hidden layers; the decoder has them in reverse.
    #[config(default = "vec![256, 256]")]
    pub hidden: Vec<usize>,
    /// The modes of a column of numbers.
    #[config(default = 5)]
    pub modes: usize,
    /// The weight of the KL term in training. Below 1 a row's code says more of it, so that columns are drawn less apart from each
    /// other; the codes then leave the standard normal prior, and the mixture says where they are.
    #[config(default = 0.5)]
    pub beta: f64,
    /// The components of a mixture of Gaussians that is fitted to the codes after training, at most a tenth of the rows, and that
    /// new rows are drawn from; none for the standard normal prior of the training.
    #[config(default = 20)]
    pub components: usize,
    /// How it is trained.
    #[config(default = "DensityFit::new()")]
    pub training: DensityFit,
}

impl TableVaeConfig {
    /// The model of a table after training, on this device.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number of this cannot work, and those of [`DensityFit::fit`]: a table of fewer than two rows
    /// to train on is [`Error::Samples`].
    pub fn fit(&self, table: &Table, device: &Device) -> Result<TableVae> {
        let device = device.clone().inner();
        let model = self.init(table, &device)?;
        let vae = self
            .training
            .fit_model(model.vae.clone(), table.tensor(&device))?;
        model.trained(vae, table)
    }

    /// The model of a table before training, with the modes of its columns, on this device: for training of its
    /// [`vae`](TableVae::vae) on [`Table::tensor`] by other means, such as `train::Fit`, which can be interrupted.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number of this cannot work, and those of [`TableNll::fit`].
    pub fn init(&self, table: &Table, device: &Device) -> Result<TableVae> {
        let schema = table.schema();
        let likelihood = TableNll::fit(schema, self.modes, table.tensor(device))?;
        Ok(TableVae {
            config: self.clone(),
            schema: schema.clone(),
            components: 0,
            vae: self.networks(schema, likelihood, device)?,
        })
    }

    fn networks(
        &self,
        schema: &Schema,
        likelihood: TableNll,
        device: &Device,
    ) -> Result<TableNetworks> {
        let encoder = MlpEncoderConfig::new(vec![schema.width()], self.latent_dim);
        let decoder = MlpDecoderConfig::new(self.latent_dim, vec![likelihood.output_width()]);
        let reversed = self.hidden.iter().rev().copied().collect();
        VaeConfig::new().with_beta(self.beta).init(
            encoder
                .with_hidden(self.hidden.clone())
                .init_gaussian(device)?,
            decoder.with_hidden(reversed).init(device)?,
            AnyPrior::StandardNormal(StandardNormal::new(self.latent_dim)),
            likelihood,
        )
    }
}

/// A variational autoencoder of a table, with the schema that its rows are read by; fitted by [`TableVaeConfig`].
///
/// The encoder sees which values are missing, and the loss leaves them out ([`TableNll`]).
#[derive(Clone, Debug)]
pub struct TableVae {
    config: TableVaeConfig,
    schema: Schema,
    /// Of the prior.
    components: usize,
    vae: TableNetworks,
}

/// What is saved beside the weights.
#[derive(Serialize, Deserialize)]
struct Saved {
    model: TableVaeConfig,
    schema: Schema,
    components: usize,
}

impl TableVae {
    /// What the columns are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The model of the rows as numbers.
    pub fn vae(&self) -> &TableNetworks {
        &self.vae
    }

    /// This model with its networks as they are after a training by other means, and a mixture fitted to their codes of the table
    /// that they were trained on: its prior, for evaluation.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the table is of another schema; those of [`MixtureFit::fit_full`].
    pub fn trained(self, vae: TableNetworks, table: &Table) -> Result<Self> {
        let mut vae = vae.valid();
        let device = vae.devices().into_iter().next().unwrap_or_default();
        let rows = self.rows(table, &device)?;
        let components = self.config.components.min(table.len() / 10);
        if components > 0 {
            let mixture = MixtureFit::new(components)
                .with_restarts(1)
                .with_regularization(0.01);
            let fit = |codes| mixture.fit_full(codes).map(AnyPrior::FullGaussianMixture);
            vae = vae.with_fitted_prior(rows, fit)?;
        }
        Ok(Self {
            components,
            vae,
            ..self
        })
    }

    /// A table of `n` rows that the model draws, on a device that the model is on, whose generator the noise is from.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are to be none, and those of [`Schema::rows`].
    pub fn sample(&self, n: usize, device: &Device) -> Result<Table> {
        check_at_least_one("TableVae::sample", "n", n)?;
        let output = sample(&self.vae.prior, &self.vae.decoder, n, device);
        Table::from_tensor(&self.schema, self.vae.likelihood.sample(output))
    }

    /// The table with draws in the place of what is missing, given what is there: by a draw of the row's posterior, so
    /// that several calls differ as far as the model is unsure ([Rezende et al. 2014](https://arxiv.org/abs/1401.4082),
    /// section 6). What is there stays as it is; of a row of which all is missing every
    /// value is a draw of the prior's.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the table is of another schema; those of [`Schema::rows`].
    pub fn impute(&self, table: &Table, device: &Device) -> Result<Table> {
        let rows = self.rows(table, device)?;
        let mut latent = self.vae.encode(rows.clone()).rsample();
        // Given nothing, a row is one of the prior; no such row was in training, and the encoder knows of none.
        let is_unknown = table.is_empty_row();
        if is_unknown.contains(&true) {
            let [count, width] = latent.dims();
            let is_unknown = Tensor::<1, Bool>::from_data(is_unknown.as_slice(), &latent.device());
            let is_unknown = is_unknown.unsqueeze_dim::<2>(1).repeat_dim(1, width);
            let drawn = self.vae.prior.sample(count, &latent.device());
            latent = latent.mask_where(is_unknown, drawn);
        }
        let output = self.vae.decode(latent);
        let drawn = Table::from_tensor(&self.schema, self.vae.likelihood.fill(rows, output))?;
        Ok(table
            .clone()
            .filled(&drawn, |_, cell| matches!(cell, Cell::Missing)))
    }

    /// The table with draws in all columns but these, given these: rows of a class, say. Any columns can be given, and none
    /// was in training: of `draws` latents of the prior a row takes one by how likely it makes what is given
    /// (sampling-importance-resampling, [Rubin 1987](https://doi.org/10.2307/2289460)), which is exact for many.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the table is of another schema or has no such column, or there are no draws; those of
    /// [`Schema::rows`].
    pub fn sample_given(
        &self,
        table: &Table,
        columns: &[&str],
        draws: usize,
        device: &Device,
    ) -> Result<Table> {
        check_at_least_one("TableVae::sample_given", "draws", draws)?;
        let rows = self.rows(table, device)?;
        let names = self.schema.columns().iter().map(|column| &column.name);
        let names: Vec<&String> = names.collect();
        let is_column = |name: &str| names.iter().any(|own| *own == name);
        if let Some(name) = columns.iter().find(|name| !is_column(name)) {
            return Err(Error::Config(format!(
                "TableVae::sample_given: the table has no column `{name}`"
            )));
        }
        let is_given: Vec<bool> = names
            .iter()
            .map(|name| columns.contains(&name.as_str()))
            .collect();
        let (likelihood, count) = (&self.vae.likelihood, rows.dims()[0]);
        let mask: Vec<f32> = is_given.iter().map(|&is| f32::from(u8::from(is))).collect();
        let mask = Tensor::<1>::from_floats(mask.as_slice(), &Tensor::device(&rows));
        let proposal = || {
            let output = sample(&self.vae.prior, &self.vae.decoder, count, device);
            let log_prob = likelihood.log_probs(output.clone(), rows.clone());
            let weight = (log_prob * mask.clone().unsqueeze::<2>()).sum_dim(1);
            // The largest weight with such noise is a draw by weight, and needs one proposal in memory.
            (perturbed(weight, true), output)
        };
        let (mut key, mut output) = proposal();
        for _ in 1..draws {
            let (other_key, other) = proposal();
            let is_better = other_key.clone().greater(key.clone());
            key = key.max_pair(other_key);
            let width = output.dims()[1];
            output = output.mask_where(is_better.repeat_dim(1, width), other);
        }
        let rows = likelihood.complete(rows, output, &is_given);
        let drawn = Table::from_tensor(&self.schema, rows)?;
        Ok(table.clone().filled(&drawn, |column, _| !is_given[column]))
    }

    /// How strange each row is: minus the importance-weighted bound on its log-density, from `k` draws, in nats. Numbers
    /// count in units of their column's standard deviation.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the table is of another schema or `k` is 0; [`Error::Device`] if the device cannot be read.
    pub fn scores(&self, table: &Table, k: usize, device: &Device) -> Result<Vec<f64>> {
        let mut scores = Vec::with_capacity(table.len());
        // What any machine has room for.
        for rows in self.rows(table, device)?.split(4096, 0) {
            let bound = importance_weighted_bound(&self.vae, rows, k)?;
            let log_prob = bound.log_prob.try_into_data_as::<f64>()?;
            scores.extend(log_prob.iter::<f64>().map(|log_prob| -log_prob));
        }
        Ok(scores)
    }

    fn rows(&self, table: &Table, device: &Device) -> Result<Tensor<2>> {
        if *table.schema() == self.schema {
            return Ok(table.tensor(&device.clone().inner()));
        }
        Err(Error::Config(
            "TableVae: the table is of another schema than the model; open it with Table::open_with and the model's"
                .to_string(),
        ))
    }

    /// Saves the model, its configuration and its schema into a folder.
    ///
    /// # Errors
    ///
    /// Those of [`weights::save_dir`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let saved = Saved {
            model: self.config.clone(),
            schema: self.schema.clone(),
            components: self.components,
        };
        weights::save_dir(folder, &saved, &self.vae)
    }

    /// The model in a folder of [`save`](Self::save).
    ///
    /// # Errors
    ///
    /// Those of [`weights::load_dir`].
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let init = |saved: &Saved| {
            let config = &saved.model;
            check_at_least_one("TableVae", "modes", config.modes)?;
            let likelihood = TableNll::new(&saved.schema, config.modes, device)?;
            let mut vae = config.networks(&saved.schema, likelihood, device)?;
            if saved.components > 0 {
                let (count, width) = (saved.components, config.latent_dim);
                let covariances = Tensor::<2>::eye(width, device).unsqueeze::<3>();
                vae.prior = AnyPrior::FullGaussianMixture(FullGaussianMixture::new(
                    Tensor::zeros([count], device),
                    Tensor::zeros([count, width], device),
                    covariances.repeat_dim(0, count),
                )?);
            }
            Ok(vae)
        };
        let (saved, vae) = weights::load_dir(folder, init)?;
        Ok(Self {
            config: saved.model,
            schema: saved.schema,
            components: saved.components,
            vae: vae.valid(),
        })
    }
}
