//! Whose the numbers of a row are.

use ccsr_nn::Row;

use crate::Layers;

/// What is trained, as a row of numbers: an adapter's layers, or all parameters of a network.
pub trait Layout {
    /// What each part of the row is called, with its shape. A checkpoint of other parts is not read.
    fn parts(&self) -> Vec<String>;

    /// How many numbers the row has.
    fn numbers(&self) -> usize;
}

impl Layout for Layers {
    fn parts(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }

    fn numbers(&self) -> usize {
        Self::numbers(self)
    }
}

impl Layout for Row {
    fn parts(&self) -> Vec<String> {
        self.parameters().iter().map(ToString::to_string).collect()
    }

    fn numbers(&self) -> usize {
        self.len()
    }
}
