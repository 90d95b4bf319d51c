//! YOLO-World, version 2 (Cheng et al., 2024, arXiv 2401.17270): finds in images what a list of names says.
//!
//! [`YoloWorld`] is the type to read first: it takes images to [`Detection`]s, for a [`Vocabulary`] that is made once of
//! what a [`TextEncoder`] says of the names. What a class scores depends on the whole vocabulary: attention looks at the
//! class that fits a place best.
//!
//! [`Network`] is what there is to train: [`Network::in_training`], and afterwards [`Network::with_statistics_of`].
//!
//! The reference is `ultralytics`, whose names of tensors are kept.

mod attention;
mod block;
mod config;
mod convolution;
mod decode;
mod detector;
mod head;
mod letterbox;
mod network;
mod normalisation;
mod resize;
mod spread;
mod suppress;
mod text;
mod vocabulary;
mod weights;

pub use config::{Scale, YoloWorldConfig};
pub use decode::{Detection, Place, bounds_of, places};
pub use detector::{DetectError, Settings, YoloWorld};
pub use head::DISTANCES;
pub use letterbox::Letterbox;
pub use network::{Network, Predictions};
pub use text::{Projected, TextEncoder, TextError};
pub use vocabulary::Vocabulary;
pub use weights::{LoadError, renamed, written};
