mod config;
mod network;
mod tiles;

pub use config::AutoencoderKlConfig;
pub use network::{KlDecoder, KlEncoder};

use crate::distribution::DiagonalGaussian;
use crate::error::{Error, Result};
use crate::traits::{Decoder, Encoder};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

/// The autoencoder between images and the latents of a diffusion model, as diffusers' `AutoencoderKL` and the checkpoints of
/// latent diffusion have it: residual convolutions, at each size two or three, and one layer of attention where the maps are
/// smallest.
///
/// Images are `[batch, channels, height, width]`, usually in `[-1, 1]`, with sides that the
/// [stride](AutoencoderKlConfig::stride) divides. [`weights::load_autoencoder_kl`](crate::weights::load_autoencoder_kl) reads
/// published weights, and [`weights::save_autoencoder_kl`](crate::weights::save_autoencoder_kl) writes what diffusers reads.
///
/// It is trained as what it is, the encoder and decoder of a [`Vae`](super::Vae), which a [`ReconstructionGan`](super::ReconstructionGan)
/// makes sharp, or of a [`VaeGan`](super::VaeGan):
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::L1Loss;
/// use burn_generative::model::AutoencoderKlConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let config = AutoencoderKlConfig::new()
///     .with_block_out_channels(vec![8, 16])
///     .with_norm_num_groups(4);
/// let autoencoder = config.init(&device)?;
/// let prior = StandardNormal::<4>::with_event(&config.latent_shape([8, 8])?);
/// let vae = VaeConfig::new().with_beta(1e-6).init(
///     autoencoder.encoder.clone(),
///     autoencoder.decoder.clone(),
///     prior,
///     L1Loss,
/// )?;
/// let images = Tensor::<4>::zeros([2, 3, 8, 8], &device);
/// let gradients = vae.losses(images.clone()).mean().backward(); // or vae.learn(..)
///
/// let autoencoder = autoencoder.with_networks(vae.encoder, vae.decoder);
/// let latents = autoencoder.scale(autoencoder.encode(images)?.mean()); // what a diffusion model learns
/// assert_eq!(latents.dims(), [2, 4, 4, 4]);
/// assert_eq!(autoencoder.decode(autoencoder.unscale(latents))?.dims(), [2, 3, 8, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
///
/// [Rombach et al. 2022](https://arxiv.org/abs/2112.10752), section 3.1; the networks are those of
/// [Esser et al. 2021](https://arxiv.org/abs/2012.09841).
#[derive(Module, Debug)]
pub struct AutoencoderKl {
    /// Maps images to posteriors.
    pub encoder: KlEncoder,
    /// Maps latents to images.
    pub decoder: KlDecoder,
    #[module(skip)]
    config: AutoencoderKlConfig,
}

impl AutoencoderKl {
    /// What it was made from.
    pub fn config(&self) -> &AutoencoderKlConfig {
        &self.config
    }

    /// This autoencoder with other networks of the same configuration: those that were trained.
    pub fn with_networks(self, encoder: KlEncoder, decoder: KlDecoder) -> Self {
        Self {
            encoder,
            decoder,
            ..self
        }
    }

    /// The posterior of each image. A diffusion model reads latents of it that are [scaled](Self::scale).
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the images have other channels than the configuration, or the stride does not divide their sides.
    pub fn encode(&self, images: Tensor<4>) -> Result<DiagonalGaussian<4>> {
        self.check_images(&images)?;
        Ok(self.encoder.encode(images))
    }

    /// The image of each latent, which is one as encoded: one of a diffusion model is to be [unscaled](Self::unscale) first.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the latents have other channels than the configuration.
    pub fn decode(&self, latents: Tensor<4>) -> Result<Tensor<4>> {
        self.check_latents(&latents)?;
        Ok(self.decoder.decode(latents))
    }

    /// The same as [`encode`](Self::encode) for images of which memory has no room for all the maps: of tiles of `tile` pixels a
    /// side, which overlap by a quarter and are blended there. Of images that are no larger than a tile, it is `encode`.
    ///
    /// A tile is not what it would be within the whole, as normalisation and attention see the tile alone. With tiles of the
    /// [size that the model was trained on](AutoencoderKlConfig::sample_size) little of that is seen.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode), and if `tile` is no multiple of four strides.
    pub fn encode_tiled(&self, images: Tensor<4>, tile: usize) -> Result<DiagonalGaussian<4>> {
        self.check_images(&images)?;
        let latent_tile = self.latent_tile(tile)?;
        if fits(&images, tile) {
            return Ok(self.encoder.encode(images));
        }
        let work = |tile| self.encoder.moments(tile);
        let moments = tiles::in_tiles(images, [tile, latent_tile], work);
        Ok(network::posterior(moments))
    }

    /// The same as [`decode`](Self::decode) for images of which memory has no room for all the maps: of tiles that become
    /// `tile` pixels a side, as [`encode_tiled`](Self::encode_tiled).
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), and if `tile` is no multiple of four strides.
    pub fn decode_tiled(&self, latents: Tensor<4>, tile: usize) -> Result<Tensor<4>> {
        self.check_latents(&latents)?;
        let latent_tile = self.latent_tile(tile)?;
        if fits(&latents, latent_tile) {
            return Ok(self.decoder.decode(latents));
        }
        let work = |tile| self.decoder.decode(tile);
        Ok(tiles::in_tiles(latents, [latent_tile, tile], work))
    }

    /// Latents of about unit variance, as a diffusion model has them: `(z - shift) * scaling_factor`, or, where the
    /// configuration has the moments of each channel, `(z - mean) * scaling_factor / std`.
    ///
    /// # Panics
    ///
    /// If the latents have other channels than the configuration.
    pub fn scale(&self, latents: Tensor<4>) -> Tensor<4> {
        let [shift, scale] = self.affine(&latents);
        (latents - shift) * scale
    }

    /// The inverse of [`scale`](Self::scale): what is decoded.
    ///
    /// # Panics
    ///
    /// As [`scale`](Self::scale).
    pub fn unscale(&self, latents: Tensor<4>) -> Tensor<4> {
        let [shift, scale] = self.affine(&latents);
        latents / scale + shift
    }

    /// What is taken from each channel, and what it is multiplied with, `[1, channels, 1, 1]`.
    fn affine(&self, latents: &Tensor<4>) -> [Tensor<4>; 2] {
        let config = &self.config;
        let channels = config.latent_channels;
        assert!(
            latents.dims()[1] == channels,
            "AutoencoderKL: latents of shape {:?} have not {channels} channels",
            latents.dims()
        );
        let shift = config.shift_factor.unwrap_or(0.0);
        let means = config.latents_mean.clone();
        let stds = config.latents_std.clone();
        let stds = stds.unwrap_or_else(|| vec![1.0; channels]);
        let scales = stds.iter().map(|std| config.scaling_factor / std).collect();
        [means.unwrap_or_else(|| vec![shift; channels]), scales].map(|numbers| {
            let numbers = TensorData::new(numbers, [1, channels, 1, 1]);
            Tensor::from_data(numbers, (&latents.device(), latents.dtype()))
        })
    }

    fn check_images(&self, images: &Tensor<4>) -> Result<()> {
        let [_, channels, sides @ ..] = images.dims();
        check_channels("images", channels, self.config.in_channels)?;
        self.config.latent_shape(sides).map(drop)
    }

    fn check_latents(&self, latents: &Tensor<4>) -> Result<()> {
        check_channels("latents", latents.dims()[1], self.config.latent_channels)
    }

    /// The side of a tile of latents.
    fn latent_tile(&self, tile: usize) -> Result<usize> {
        let stride = self.config.stride();
        if tile == 0 || !tile.is_multiple_of(4 * stride) {
            return Err(Error::Config(format!(
                "AutoencoderKL: a tile of {tile} pixels; as tiles overlap by a quarter, and {stride} pixels become one, it \
                 must be a multiple of {}",
                4 * stride
            )));
        }
        Ok(tile / stride)
    }
}

/// Whether maps are no larger than a tile.
fn fits(maps: &Tensor<4>, tile: usize) -> bool {
    maps.dims()[2..].iter().all(|&side| side <= tile)
}

fn check_channels(what: &str, channels: usize, wanted: usize) -> Result<()> {
    if channels == wanted {
        return Ok(());
    }
    Err(Error::Config(format!(
        "AutoencoderKL: {what} have {channels} channels, where the configuration has {wanted}"
    )))
}
