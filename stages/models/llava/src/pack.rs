//! How many tokens an image becomes, and which of its features they are.

use std::ops::Range;

use burn::prelude::*;

use crate::config::{LlavaConfig, Selection};
use crate::tiles::{ImageSize, best_fit};

/// How images become tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Pixels of a tile's side.
    tile: u32,
    /// Patches of a tile's side.
    side: usize,
    /// Whether the class token is one of an image's tokens.
    with_class: bool,
    /// What images are fitted into, for tiles; nothing, if there are none.
    pinpoints: Vec<ImageSize>,
}

/// Which patches of an image's tiles are its tokens: those that are not all padding.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    /// Tiles, as rows and columns.
    tiles: [usize; 2],
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Kept {
    /// A token a patch, and one at the end of each row.
    fn tokens(&self) -> usize {
        self.rows.len() * (self.columns.len() + 1)
    }
}

impl Layout {
    pub(crate) fn new(config: &LlavaConfig) -> Self {
        let vision = &config.vision_config;
        Self {
            tile: vision.image_size as u32,
            side: vision.image_size / vision.patch_size,
            with_class: config.vision_feature_select_strategy == Selection::Full,
            pinpoints: config.pinpoints(),
        }
    }

    /// Pixels of the side of the squares that the vision tower sees.
    pub const fn tile(&self) -> u32 {
        self.tile
    }

    /// Whether the class token is one of an image's tokens.
    pub(crate) const fn with_class(&self) -> bool {
        self.with_class
    }

    /// How many tokens an image of this size becomes.
    pub fn tokens(&self, image: ImageSize) -> usize {
        let whole = self.side * self.side + usize::from(self.with_class);
        whole + self.kept(image).map_or(0, |kept| kept.tokens())
    }

    /// What an image of this size is fitted into, if it is cut into tiles.
    pub(crate) fn canvas(&self, image: ImageSize) -> Option<ImageSize> {
        (!self.pinpoints.is_empty()).then(|| best_fit(image, &self.pinpoints))
    }

    /// Padding is taken away on both sides alike, so that a row or column of it may stay.
    ///
    /// `transformers` computes in binary64 and rounds to seven places before it cuts off, which is division
    /// of whole numbers for images of less than ten million pixels a side.
    fn kept(&self, image: ImageSize) -> Option<Kept> {
        let canvas = self.canvas(image)?;
        let tiles = [canvas.height, canvas.width].map(|length| (length / self.tile) as usize);
        let [rows, columns] = tiles.map(|count| count * self.side);
        let (height, width) = (image.height.max(1) as usize, image.width.max(1) as usize);
        let middle = |all: usize, used: usize| {
            let padding = (all - used) / 2;
            padding..all - padding
        };
        let is_wider = width * rows > columns * height;
        Some(Kept {
            tiles,
            rows: if is_wider {
                middle(rows, height * columns / width)
            } else {
                0..rows
            },
            columns: if is_wider {
                0..columns
            } else {
                middle(columns, width * rows / height)
            },
        })
    }

    /// An image's tokens: the whole of it; then, row by row, what its tiles show, each row ended by
    /// `newline`.
    ///
    /// # Shapes
    /// `features`: `[tiles, patches, width]`, the whole image first; `newline`: `[width]`; the answer:
    /// `[tokens, width]`.
    pub(crate) fn pack(
        &self,
        image: ImageSize,
        features: Tensor<3>,
        newline: Option<Tensor<1>>,
    ) -> Tensor<2> {
        let [count, patches, width] = features.dims();
        let whole = features.clone().slice(0..1).reshape([patches, width]);
        let (Some(kept), Some(newline)) = (self.kept(image), newline) else {
            return whole;
        };
        let (tokens, rows, columns) = (kept.tokens(), kept.rows.len(), kept.columns.len());
        if tokens == 0 {
            return whole;
        }
        let [down, across] = kept.tiles;
        let side = self.side;
        let grid = features
            .slice(1..count)
            .reshape([down, across, side, side, width])
            .swap_dims(1, 2)
            .reshape([down * side, across * side, width]);
        let ends = newline.reshape([1, 1, width]).repeat_dim(0, rows);
        let tiled = if columns == 0 {
            ends
        } else {
            let shown = grid.slice([kept.rows, kept.columns, 0..width]);
            Tensor::cat(vec![shown, ends], 1)
        };
        Tensor::cat(vec![whole, tiled.reshape([tokens, width])], 0)
    }
}
