use super::top_down::{Descent, LatentOf, NoiseOf, TopDown, assert_count, infer};
use crate::traits::{Batch, Code, Draw, Posterior};
use burn::tensor::{Device, Tensor};

/// The posterior of a whole hierarchy, `q(z | x) = prod of q(z_l | z_1, .., z_(l-1), x)`, over the vector of its latents, the top
/// first.
///
/// The data are read once, where it is made; each draw is a pass down of the network, of which it holds a copy that shares
/// the parameters.
#[derive(Clone, Debug)]
pub struct TopDownPosterior<T: TopDown> {
    network: T,
    features: T::Features,
    samples: usize,
    device: Device,
}

impl<T: TopDown> TopDownPosterior<T> {
    /// What this network says of a batch.
    pub fn new(network: &T, input: T::Input) -> Self {
        Self {
            samples: input.len(),
            device: input.device(),
            features: network.bottom_up(input),
            network: network.clone(),
        }
    }

    /// A pass down whose latents are drawn, with noise from the device's generator.
    pub fn descend(&self) -> Descent<T> {
        self.infer(|_level, posterior| posterior.draw())
    }

    /// A pass down whose latents are drawn with this noise, the top first.
    ///
    /// # Panics
    ///
    /// If there is not as much as levels.
    pub fn descend_with(&self, noise: Vec<NoiseOf<T>>) -> Descent<T> {
        assert_count("noises", noise.len(), &self.network);
        let mut noise = noise.into_iter();
        self.infer(|_level, posterior| {
            let noise = noise.next().expect("as many as levels");
            posterior.draw_with(noise)
        })
    }

    /// A pass down with these latents, the top first.
    ///
    /// # Panics
    ///
    /// If there are not as many as levels.
    pub fn descend_given(&self, latents: Vec<LatentOf<T>>) -> Descent<T> {
        assert_count("latents", latents.len(), &self.network);
        let mut latents = latents.into_iter();
        self.infer(|_level, _posterior| known(latents.next().expect("as many as levels")))
    }

    /// A pass down at the point of each level's posterior, given those of the levels above.
    pub fn descend_points(&self) -> Descent<T> {
        self.infer(|_level, posterior| known(posterior.point()))
    }

    fn infer(&self, draw: impl FnMut(usize, &T::Level) -> Draw<LatentOf<T>>) -> Descent<T> {
        let samples = (self.samples, &self.device);
        infer(&self.network, &self.features, samples, draw)
    }
}

/// A latent that nobody has drawn here.
fn known<Z>(z: Z) -> Draw<Z> {
    Draw { z, log_prob: None }
}

/// The latents of a pass down, and the density of them all.
fn draw_of<T: TopDown>(descent: Descent<T>) -> Draw<Vec<LatentOf<T>>> {
    Draw {
        z: descent.latents(),
        log_prob: Some(descent.sum(|visit| visit.log_posterior())),
    }
}

impl<T: TopDown> Code for TopDownPosterior<T> {
    type Latent = Vec<LatentOf<T>>;
    type Noise = Vec<NoiseOf<T>>;

    /// Noise of every level. It takes a pass down, as only that says what a level is: [`draw`](Code::draw) draws as it goes.
    fn noise(&self) -> Vec<NoiseOf<T>> {
        let mut noise = Vec::new();
        self.infer(|_level, posterior| {
            noise.push(posterior.noise());
            posterior.draw()
        });
        noise
    }

    fn rsample_with(&self, noise: Vec<NoiseOf<T>>) -> Vec<LatentOf<T>> {
        self.descend_with(noise).latents()
    }

    fn rsample(&self) -> Vec<LatentOf<T>> {
        self.descend().latents()
    }

    /// The point of each level's posterior, given those of the levels above.
    fn point(&self) -> Vec<LatentOf<T>> {
        self.descend_points().latents()
    }

    fn draw_with(&self, noise: Vec<NoiseOf<T>>) -> Draw<Vec<LatentOf<T>>> {
        draw_of(self.descend_with(noise))
    }

    fn draw(&self) -> Draw<Vec<LatentOf<T>>> {
        draw_of(self.descend())
    }
}

impl<T: TopDown> Posterior for TopDownPosterior<T> {
    fn log_prob(&self, z: Vec<LatentOf<T>>) -> Tensor<1> {
        self.descend_given(z).sum(|visit| visit.log_posterior())
    }
}
