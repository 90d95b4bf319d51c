//! CLIP (Radford et al., 2021, arXiv 2103.00020): text and images in one space.
//!
//! [`Clip`] has both towers and says how well a text fits an image; [`TextModel`] alone is the text
//! encoder of Stable Diffusion, [`VisionModel`] alone the eyes of LLaVA. [`Tokenizer`] turns text into
//! tokens, [`Preprocessor`] images into pixels.
//!
//! The reference is Hugging Face's `transformers`, whose names of tensors and configurations are kept.

mod clean;
mod config;
mod encoder;
mod learn;
mod model;
mod preprocess;
mod resize;
mod text;
mod tokenizer;
mod vision;
mod weights;

pub use config::{ClipConfig, TextConfig, VisionConfig};
pub use learn::learn_vocabulary;
pub use model::Clip;
pub use preprocess::{Preprocessor, PreprocessorConfig, Side};
pub use resize::{Filter, resize};
pub use text::TextModel;
pub use tokenizer::{Cleaning, Padding, TokenizeError, Tokenizer, Tokens};
pub use vision::{VisionModel, VisionOutput};
pub use weights::{
    LoadError, adapt_text, load_clip, load_text, load_text_tower, load_vision, text_config,
};
