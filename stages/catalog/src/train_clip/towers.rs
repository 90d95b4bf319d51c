//! The towers of a CLIP: which there are, and how large each is.

use ccsr_stage::{Misfit, Misfits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::range::within;

/// One of the towers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The text tower.
    Text,
    /// The vision tower.
    Vision,
}

impl Part {
    /// How the names of its parameters in a CLIP begin.
    pub(super) const fn tower(self) -> &'static str {
        match self {
            Self::Text => "text_model.",
            Self::Vision => "vision_model.",
        }
    }

    /// The same of its projection to the space of both.
    pub(super) const fn projection(self) -> &'static str {
        match self {
            Self::Text => "text_projection.",
            Self::Vision => "visual_projection.",
        }
    }
}

/// The size of a transformer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tower {
    /// Numbers a token or patch, a multiple of `heads`.
    pub width: u32,
    /// Layers.
    pub layers: u32,
    /// Heads of attention a layer.
    pub heads: u32,
}

impl Tower {
    pub(super) fn misfits(self) -> Misfits {
        let mut misfits = within("width", self.width, &(1..=4096), "");
        misfits.add(within("layers", self.layers, &(1..=64), ""));
        misfits.add(within("heads", self.heads, &(1..=64), ""));
        if misfits.is_empty() && !self.width.is_multiple_of(self.heads) {
            let message = format!(
                "`{}` is no multiple of the {} heads",
                self.width, self.heads
            );
            misfits.add(Misfit::new(["width"], message));
        }
        misfits
    }
}
