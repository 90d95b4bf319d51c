//! Classes as a network sees them.

use burn::prelude::*;

use crate::head::Classifiers;

/// Names that images are searched for, as a network sees them: made once by
/// [`YoloWorld::vocabulary`](crate::YoloWorld::vocabulary), and good for that network alone.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    pub(crate) classes: usize,
    /// What the names mean to each block of the neck, `[1, heads, classes, head_dim]`.
    pub(crate) guides: [Tensor<4>; 4],
    pub(crate) classifiers: Classifiers,
}

impl Vocabulary {
    /// How many classes there are.
    pub const fn classes(&self) -> usize {
        self.classes
    }
}
