//! Images into the network's pixels, and boxes back into images: `ultralytics`' letter box for an image alone.
//!
//! The image is scaled until its longer side is the size, up or down, and grey is put around it until both sides are
//! multiples of 32.

use image::RgbImage;

use crate::network::STRIDES;
use crate::resize::resize;

/// What both sides are multiples of.
pub(crate) const STEP: usize = STRIDES[STRIDES.len() - 1];
/// The longest side that images are scaled to, in pixels.
pub(crate) const LONGEST: usize = 4096;
/// The grey.
const GREY: f32 = 114.0 / 255.0;

/// Whether images can be scaled to a side.
pub(crate) const fn is_size(side: usize) -> bool {
    side > 0 && side <= LONGEST && side.is_multiple_of(STEP)
}

/// Where an image lies in the network's pixels. All sides are width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letterbox {
    image: [usize; 2],
    /// The image scaled.
    inner: [usize; 2],
    /// Grey columns on the left, rows above.
    before: [usize; 2],
    /// With the grey around.
    pub(crate) outer: [usize; 2],
}

/// The nearest whole number, the even one of two.
fn rounded(value: f64) -> usize {
    value.round_ties_even().max(0.0) as usize
}

impl Letterbox {
    /// For an image of these sides, none of which is 0, whose longer one becomes `size`, a multiple of 32.
    pub fn new(image: [usize; 2], size: usize) -> Self {
        let ratio = smaller(image.map(|side| size as f64 / side as f64));
        let inner = scaled(image, ratio);
        let grey = inner.map(|side| (size - side) as f64 % STEP as f64 / 2.0);
        let before = grey.map(|grey| rounded(grey - 0.1));
        let after = grey.map(|grey| rounded(grey + 0.1));
        Self {
            image,
            inner,
            before,
            outer: [0, 1].map(|side| before[side] + inner[side] + after[side]),
        }
    }

    /// The network's pixels, width and height.
    pub const fn sides(&self) -> [usize; 2] {
        self.outer
    }

    /// A box of the image, left, top, right, bottom, in the network's pixels.
    pub fn boxed(&self, bounds: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|edge| {
            let side = edge % 2;
            let gain = self.inner[side] as f32 / self.image[side] as f32;
            bounds[edge] * gain + self.before[side] as f32
        })
    }

    /// Writes an image's pixels, divided by 255.
    ///
    /// # Shapes
    /// `[3, height, width]` of [`sides`](Self::sides).
    pub fn write(&self, image: &RgbImage, pixels: &mut [f32]) {
        let [width, height] = self.outer;
        let shades: [f32; 256] = std::array::from_fn(|shade| shade as f32 / 255.0);
        pixels.fill(GREY);
        resize(image, self.inner, |row, line| {
            let (line, _) = line.as_chunks::<3>();
            let start = (self.before[1] + row) * width + self.before[0];
            for (channel, plane) in pixels.chunks_exact_mut(width * height).enumerate() {
                let out = &mut plane[start..start + line.len()];
                for (out, pixel) in out.iter_mut().zip(line) {
                    *out = shades[usize::from(pixel[channel])];
                }
            }
        });
    }

    /// A box, left, top, right, bottom, as the image has it, cut off at its edges. Ratio and grey are what the outer sides
    /// say they were, as in `ultralytics`; seldom they were others, by a pixel.
    pub(crate) fn back(&self, bounds: [f32; 4]) -> [f32; 4] {
        let ratio = smaller([0, 1].map(|side| self.outer[side] as f64 / self.image[side] as f64));
        let inner = scaled(self.image, ratio);
        std::array::from_fn(|edge| {
            let side = edge % 2;
            let length = self.image[side] as f32;
            let gain = inner[side] as f64 / self.image[side] as f64;
            let before =
                ((self.outer[side] as f64 - inner[side] as f64) / 2.0 - 0.1).round_ties_even();
            ((bounds[edge] - before as f32) / gain as f32).clamp(0.0, length)
        })
    }
}

fn smaller([one, other]: [f64; 2]) -> f64 {
    one.min(other)
}

fn scaled(image: [usize; 2], ratio: f64) -> [usize; 2] {
    image.map(|side| rounded(side as f64 * ratio).max(1))
}

#[cfg(test)]
mod tests;
