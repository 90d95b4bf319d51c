//! Tiles: a large image is cut into squares that the vision tower can see ("anyres").
//!
//! Which size an image is fitted into decides how many tokens it becomes, so floating-point numbers are
//! rounded here where `transformers` rounds them.

use std::fmt;

use ccsr_clip::{Filter, resize};
use image::{RgbImage, imageops};
use serde::{Deserialize, Serialize};

/// The size of an image in pixels. In files: `[height, width]`.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 2]", into = "[u32; 2]")]
pub struct ImageSize {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl ImageSize {
    /// What LLaVA-1.6 fits images into.
    pub(crate) const PINPOINTS: [Self; 5] = [
        Self::new(336, 672),
        Self::new(672, 336),
        Self::new(672, 672),
        Self::new(1008, 336),
        Self::new(336, 1008),
    ];

    /// A size of so many rows and columns.
    pub const fn new(height: u32, width: u32) -> Self {
        Self { height, width }
    }

    /// The size of an image.
    pub fn of(image: &RgbImage) -> Self {
        Self::new(image.height(), image.width())
    }

    fn area(self) -> u64 {
        u64::from(self.height) * u64::from(self.width)
    }
}

impl From<[u32; 2]> for ImageSize {
    fn from([height, width]: [u32; 2]) -> Self {
        Self { height, width }
    }
}

impl From<ImageSize> for [u32; 2] {
    fn from(size: ImageSize) -> Self {
        [size.height, size.width]
    }
}

impl fmt::Debug for ImageSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}, {}]", self.height, self.width)
    }
}

/// The first of the sizes that shows most of an image and, among those, is filled best.
///
/// # Panics
/// If there are no sizes, which a configuration without them is refused for.
pub(crate) fn best_fit(image: ImageSize, sizes: &[ImageSize]) -> ImageSize {
    let shown = |size: &ImageSize| {
        let (height, width) = (f64::from(image.height), f64::from(image.width));
        let scale = (f64::from(size.width) / width).min(f64::from(size.height) / height);
        let scaled = (width * scale) as u64 * (height * scale) as u64;
        scaled.min(image.area())
    };
    let better = |best: ImageSize, size: ImageSize| {
        let (of_best, of_size) = (shown(&best), shown(&size));
        let is_better = of_size > of_best || (of_size == of_best && size.area() < best.area());
        if is_better { size } else { best }
    };
    let sizes = sizes.iter().copied();
    sizes.reduce(better).expect("configurations have sizes")
}

/// The largest size of the image's shape within another; the shorter side is rounded up.
fn fitted(image: ImageSize, within: ImageSize) -> ImageSize {
    let (height, width) = (f64::from(image.height), f64::from(image.width));
    let by_width = f64::from(within.width) / width;
    let by_height = f64::from(within.height) / height;
    if by_width < by_height {
        let height = (height * by_width).ceil() as u32;
        ImageSize::new(height.min(within.height), within.width)
    } else {
        let width = (width * by_height).ceil() as u32;
        ImageSize::new(within.height, width.min(within.width))
    }
}

/// The whole image in a square, whatever its shape; then the tiles of it, row by row, each as large.
pub(crate) fn tiles(image: &RgbImage, within: ImageSize, side: u32) -> Vec<RgbImage> {
    let size = fitted(ImageSize::of(image), within);
    // What the image leaves free is black; one pixel more at the right and at the bottom.
    let mut padded = RgbImage::new(within.width, within.height);
    let left = (within.width - size.width) / 2;
    let top = (within.height - size.height) / 2;
    let resized = resize(image, size.width, size.height, Filter::Cubic);
    imageops::replace(&mut padded, &resized, left.into(), top.into());

    let corners = (0..within.height / side)
        .flat_map(|row| (0..within.width / side).map(move |column| (column * side, row * side)));
    let tile = |(left, top)| imageops::crop_imm(&padded, left, top, side, side).to_image();
    let whole = resize(image, side, side, Filter::Cubic);
    std::iter::once(whole).chain(corners.map(tile)).collect()
}
