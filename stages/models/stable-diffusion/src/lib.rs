//! Stable Diffusion (Rombach et al., 2021, arXiv 2112.10752): the network that predicts noise in latent
//! space ([`UNet`]), and the autoencoders between latents and images ([`Autoencoder`],
//! [`TinyAutoencoder`]).
//!
//! One network for every configuration of the family: 1.5, 2.1-base, 2.1 (velocity), SDXS. The
//! reference is Hugging Face's `diffusers`, whose names of tensors and configurations are kept.
//! Nothing here samples: that is `ccsr-sampling`'s.

mod attention;
mod autoencoder;
mod block;
mod checkpointed;
mod config;
mod resnet;
mod tiny;
mod transformer;
mod unet;
mod weights;

pub use autoencoder::{Autoencoder, Posterior};
pub use config::{AutoencoderConfig, BlockKind, PerBlock, UNetConfig};
pub use tiny::{TinyAutoencoder, TinyAutoencoderConfig};
pub use unet::{Conditioning, UNet};
pub use weights::{
    LoadError, adapt_unet, autoencoder_name, load_autoencoder, load_tiny_autoencoder, load_unet,
    unet_name,
};
