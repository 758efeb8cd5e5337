use super::AutoencoderKl;
use super::network::{KlDecoder, KlEncoder};
use crate::error::{Error, Result, check_at_least_one, check_positive};
use burn::config::Config;
use burn::tensor::Device;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;

/// Configuration of an [`AutoencoderKl`], with the names and defaults of diffusers' `AutoencoderKL`, whose `config.json`
/// [`open`](Self::open) reads.
#[derive(Config, Debug)]
pub struct AutoencoderKlConfig {
    /// Channels of the images that are encoded.
    #[config(default = 3)]
    pub in_channels: usize,
    /// Channels of the images that are decoded.
    #[config(default = 3)]
    pub out_channels: usize,
    /// The channels at each size, from the image to the latent; from each to the next, height and width are halved.
    #[config(default = "vec![64]")]
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each size of the encoder; the decoder has one more.
    #[config(default = 1)]
    pub layers_per_block: usize,
    /// Channels of the latent.
    #[config(default = 4)]
    pub latent_channels: usize,
    /// The groups that channels are normalised in.
    #[config(default = 32)]
    pub norm_num_groups: usize,
    /// The side of the images that the model was trained on, and of the tiles that larger ones are best cut into.
    #[config(default = 32)]
    pub sample_size: usize,
    /// What brings latents to about unit variance: [`AutoencoderKl::scale`].
    #[config(default = 0.18215)]
    pub scaling_factor: f64,
    /// What is taken from latents before they are scaled; 0 where it is `None`.
    #[config(default = "None")]
    pub shift_factor: Option<f64>,
    /// The mean of each channel of the latents, in the place of the shift. It comes with `latents_std`.
    #[config(default = "None")]
    pub latents_mean: Option<Vec<f64>>,
    /// The standard deviation of each channel of the latents.
    #[config(default = "None")]
    pub latents_std: Option<Vec<f64>>,
    /// Whether a convolution of single pixels stands behind the encoder.
    #[config(default = true)]
    pub use_quant_conv: bool,
    /// Whether a convolution of single pixels stands before the decoder.
    #[config(default = true)]
    pub use_post_quant_conv: bool,
    /// Whether every pixel of the smallest maps attends to all others.
    #[config(default = true)]
    pub mid_block_add_attention: bool,
}

/// The most sizes that a model works at: an image of one pixel of latent has then sides of 2,048.
const MAX_LEVELS: usize = 12;
/// The most channels of a latent; published models have 4 to 32.
const MAX_LATENT_CHANNELS: usize = 1 << 16;
/// The most residual blocks at a size.
const MAX_LAYERS: usize = 64;

/// What the model is called by diffusers, and the only blocks that it is built of here.
const CLASS: &str = "AutoencoderKL";
const DOWN: &str = "DownEncoderBlock2D";
const UP: &str = "UpDecoderBlock2D";

impl AutoencoderKlConfig {
    /// An autoencoder with random weights.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, the groups do not divide the channels, or a scale is no positive
    /// number.
    pub fn init(&self, device: &Device) -> Result<AutoencoderKl> {
        self.check()?;
        Ok(AutoencoderKl {
            encoder: KlEncoder::new(self, device)?,
            decoder: KlDecoder::new(self, device)?,
            config: self.clone(),
        })
    }

    /// The configuration in a `config.json` of diffusers.
    ///
    /// What a field leaves out has diffusers' default. `act_fn` must be SiLU and the types of the blocks the plain ones, of which
    /// all published models are built; fields that begin with `_`, and `force_upcast`, are passed over, as everything is
    /// computed in the type of the weights.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] naming the file if it cannot be read, describes another class, or has a field that is not known, is of
    /// another type, or contradicts another field.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::record(path, format!("cannot be read: {error}")))?;
        let refuse = |reason: String| Error::record(path, reason);
        let config = Self::parse(&text).map_err(refuse)?;
        config.check().map_err(|error| refuse(error.to_string()))?;
        Ok(config)
    }

    /// The text of a `config.json` that diffusers reads.
    pub fn to_json(&self) -> String {
        let blocks = |kind: &str| vec![Value::from(kind); self.block_out_channels.len()];
        let mut fields = fields(self);
        fields.insert("_class_name".to_string(), CLASS.into());
        fields.insert("act_fn".to_string(), "silu".into());
        fields.insert("down_block_types".to_string(), blocks(DOWN).into());
        fields.insert("up_block_types".to_string(), blocks(UP).into());
        format!("{:#}\n", Value::Object(fields))
    }

    /// How many pixels of a side become one of the latent.
    pub fn stride(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    /// Channels, height and width of the latent of images of this height and width: the event of a
    /// [`StandardNormal`](crate::prior::StandardNormal) prior.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the [stride](Self::stride) does not divide a side.
    pub fn latent_shape(&self, sides: [usize; 2]) -> Result<[usize; 3]> {
        let stride = self.stride();
        let [height, width] = sides;
        if sides.iter().any(|&side| side == 0 || side % stride != 0) {
            let whole = sides.map(|side| (side / stride).max(1) * stride);
            return Err(Error::Config(format!(
                "AutoencoderKL: {stride} does not divide both sides of an image of {height}x{width} pixels (height x width); \
                 bring it to {}x{}",
                whole[0], whole[1]
            )));
        }
        Ok([self.latent_channels, height / stride, width / stride])
    }

    /// The fields of a file over the defaults; the reason says what is wrong.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let Value::Object(given) = value else {
            return Err("is no JSON object".to_string());
        };
        let mut config = Self::new();
        let mut types = Vec::new();
        for (name, value) in given {
            match name.as_str() {
                "_class_name" if value != CLASS => {
                    return Err(format!("describes {value}, and no {CLASS}"));
                }
                "down_block_types" => types.push((name, DOWN, value)),
                "up_block_types" => types.push((name, UP, value)),
                "act_fn" if value != "silu" && value != "swish" => {
                    return Err(format!(
                        "`act_fn` is {value}, and can only be \"silu\" here"
                    ));
                }
                "act_fn" | "force_upcast" => {}
                "sample_size" if value.is_array() => {
                    // Height and width, of which diffusers takes the first for its tiles.
                    config = config.with_field(&name, value[0].clone())?;
                }
                passed_over if passed_over.starts_with('_') => {}
                _ => config = config.with_field(&name, value)?,
            }
        }
        let levels = config.block_out_channels.len();
        for (name, wanted, types) in types {
            let types = types.as_array().map_or(&[][..], Vec::as_slice);
            if let Some(other) = types.iter().find(|&other| other != wanted) {
                return Err(format!(
                    "`{name}` has {other}, and can only have \"{wanted}\" here"
                ));
            }
            if types.len() != levels {
                return Err(format!(
                    "contradicts itself: `{name}` has {} blocks, and `block_out_channels` has {levels}",
                    types.len()
                ));
            }
        }
        Ok(config)
    }

    /// This configuration with another value of a field.
    fn with_field(&self, name: &str, value: Value) -> std::result::Result<Self, String> {
        let mut fields = fields(self);
        if fields.insert(name.to_string(), value).is_none() {
            return Err(format!(
                "has a field `{name}`, which an {CLASS} does not have"
            ));
        }
        Self::deserialize(Value::Object(fields)).map_err(|error| format!("`{name}`: {error}"))
    }

    /// Refuses what cannot work.
    fn check(&self) -> Result<()> {
        let levels = self.block_out_channels.len();
        if !(1..=MAX_LEVELS).contains(&levels) {
            return Err(Error::Config(format!(
                "{CLASS}: `block_out_channels` has {levels} sizes; it takes 1 to {MAX_LEVELS}"
            )));
        }
        if !(1..=MAX_LAYERS).contains(&self.layers_per_block) {
            return Err(Error::Config(format!(
                "{CLASS}: `layers_per_block` is {}; it takes 1 to {MAX_LAYERS}",
                self.layers_per_block
            )));
        }
        for (name, size) in [
            ("norm_num_groups", self.norm_num_groups),
            ("latent_channels", self.latent_channels),
            ("sample_size", self.sample_size),
        ] {
            check_at_least_one(CLASS, name, size)?;
        }
        if self.latent_channels > MAX_LATENT_CHANNELS {
            return Err(Error::Config(format!(
                "{CLASS}: `latent_channels` is {}; it takes at most {MAX_LATENT_CHANNELS}",
                self.latent_channels
            )));
        }
        for &channels in &self.block_out_channels {
            check_at_least_one(CLASS, "block_out_channels", channels)?;
            if channels % self.norm_num_groups != 0 {
                return Err(Error::Config(format!(
                    "{CLASS}: {channels} of `block_out_channels` cannot be divided into `norm_num_groups`, {}",
                    self.norm_num_groups
                )));
            }
        }
        check_positive("AutoencoderKL: scaling_factor", self.scaling_factor)?;
        for (name, numbers) in [
            ("latents_mean", &self.latents_mean),
            ("latents_std", &self.latents_std),
        ] {
            if numbers
                .as_ref()
                .is_some_and(|numbers| numbers.len() != self.latent_channels)
            {
                return Err(Error::Config(format!(
                    "{CLASS}: `{name}` has not a number for each of {} `latent_channels`",
                    self.latent_channels
                )));
            }
        }
        if self.latents_mean.is_some() != self.latents_std.is_some() {
            return Err(Error::Config(format!(
                "{CLASS}: `latents_mean` and `latents_std` come together or not at all"
            )));
        }
        for &std in self.latents_std.iter().flatten() {
            check_positive("AutoencoderKL: latents_std", std)?;
        }
        Ok(())
    }
}

/// The fields of a configuration as JSON.
fn fields(config: &AutoencoderKlConfig) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields,
        // A struct of numbers is an object; one that is none would lack every field.
        _ => Map::new(),
    }
}
