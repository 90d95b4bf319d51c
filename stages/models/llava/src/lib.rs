//! LLaVA (Liu et al., 2023, arXiv 2304.08485; 2024, arXiv 2310.03744 and LLaVA-NeXT): images among the tokens
//! of a language model.
//!
//! [`Llava`] is the type to read first: it has an [`ImageEncoder`], the vision tower and the projector, from the pixels
//! that a [`Preprocessor`] makes of pictures to what stands in the place of an image's tokens, and a language model of
//! [`ccsr_mistral`]. [`Layout`] says how many tokens an image takes, and [`expand`] makes room for them.
//!
//! The reference is Hugging Face's `transformers`, whose names of tensors and configurations are kept.

mod config;
mod expand;
mod model;
mod pack;
mod picture;
mod preprocess;
mod tiles;
mod vision;
mod weights;

pub use config::{Family, LlavaConfig, LlavaConfigError, Selection};
pub use expand::{ExpandError, expand};
pub use model::{Llava, Parts, ReadError};
pub use pack::Layout;
pub use picture::{PictureError, decode_picture, read_picture};
pub use preprocess::{Prepared, Preprocessor};
pub use tiles::ImageSize;
pub use vision::ImageEncoder;
pub use weights::{LoadError, hub_name, language_name, load_image_encoder};
