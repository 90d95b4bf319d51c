//! Pictures changed by chance, as an autoencoder and a diffusion model change them: what is to be seen stays what it was.

use ccsr_sampling::noise::Noise;
use image::RgbImage;

/// The farthest that a picture is moved, as a share of its side.
const MOVED: f64 = 1.0 / 32.0;
/// The largest weight of a neighbour in a blur, the pixel's own being 1.
const BLUR: f64 = 0.5;
/// The largest change of a channel's contrast.
const CONTRAST: f64 = 0.12;
/// The largest change of a channel's levels, of 255.
const SHIFT: f64 = 14.0;
/// The largest deviation of what differs from cell to cell, of 255; an autoencoder's cells are a sixteenth of a side.
const PATCHES: f64 = 8.0;
/// The largest deviation of what differs from pixel to pixel, of 255.
const GRAIN: f64 = 8.0;
/// The largest step between two levels, of 255.
const STEP: f64 = 14.0;

/// A picture as floating-point levels.
struct Picture {
    width: usize,
    height: usize,
    /// Rows of pixels of three.
    levels: Vec<f32>,
}

/// A picture as chance has it: mirrored or not, moved a little, and, as much as the strength says, blurred, recoloured, with
/// spots and grain, in fewer levels.
pub(super) fn augmented(image: &RgbImage, strength: f64, noise: &mut Noise) -> RgbImage {
    let mut picture = Picture {
        width: image.width() as usize,
        height: image.height() as usize,
        levels: image.as_raw().iter().map(|it| f32::from(*it)).collect(),
    };
    picture.move_by_chance(noise);
    if strength > 0.0 {
        for chance in [0.6, 0.25] {
            let weight = (BLUR * strength * noise.uniform()) as f32;
            if noise.uniform() < chance {
                picture.blur(weight);
            }
        }
        picture.recolour(strength, noise);
        picture.add_patches(PATCHES * strength * noise.uniform(), noise);
        let grain = (GRAIN * strength * noise.uniform()) as f32;
        for level in &mut picture.levels {
            *level += grain * noise.number() as f32;
        }
        let step = (1.0 + STEP * strength * noise.uniform()) as f32;
        if noise.uniform() < 0.3 {
            for level in &mut picture.levels {
                *level = (*level / step).round() * step;
            }
        }
    }
    let levels = picture.levels.iter();
    let levels = levels.map(|level| level.round().clamp(0.0, 255.0) as u8);
    RgbImage::from_raw(image.width(), image.height(), levels.collect()).expect("none was added")
}

impl Picture {
    fn at(&self, x: usize, y: usize) -> usize {
        (y * self.width + x) * 3
    }

    /// What comes of it if each pixel takes the place of another, whose column and row are said.
    fn taken(&self, from: impl Fn(usize, usize) -> [usize; 2]) -> Vec<f32> {
        let mut taken = Vec::with_capacity(self.levels.len());
        for y in 0..self.height {
            for x in 0..self.width {
                let [x, y] = from(x, y);
                taken.extend_from_slice(&self.levels[self.at(x, y)..][..3]);
            }
        }
        taken
    }

    /// Mirrors it, or not, and moves it; what comes in from outside is like the edge.
    fn move_by_chance(&mut self, noise: &mut Noise) {
        let is_mirrored = noise.uniform() < 0.5;
        let mut by = |side: usize| {
            let most = (side as f64 * MOVED).floor();
            ((2.0 * noise.uniform() - 1.0) * (most + 0.5)).round() as isize
        };
        let (right, down) = (by(self.width), by(self.height));
        let moved =
            |place: usize, by: isize, side: usize| place.saturating_add_signed(by).min(side - 1);
        self.levels = self.taken(|x, y| {
            let x = moved(x, right, self.width);
            let x = if is_mirrored { self.width - 1 - x } else { x };
            [x, moved(y, down, self.height)]
        });
    }

    /// Mixes each pixel with those beside, above and below it.
    fn blur(&mut self, weight: f32) {
        let whole = 1.0 + 2.0 * weight;
        for (right, down) in [(1, 0), (0, 1)] {
            let before = self.taken(|x, y| [x.saturating_sub(right), y.saturating_sub(down)]);
            let (last_x, last_y) = (self.width - 1, self.height - 1);
            let after = self.taken(|x, y| [(x + right).min(last_x), (y + down).min(last_y)]);
            for ((level, before), after) in self.levels.iter_mut().zip(before).zip(after) {
                *level = (*level + weight * (before + after)) / whole;
            }
        }
    }

    /// Other contrast and levels of all channels, and a little of each alone.
    fn recolour(&mut self, strength: f64, noise: &mut Noise) {
        let mut by = |most: f64| most * strength * (2.0 * noise.uniform() - 1.0);
        let (contrast, shift) = (by(CONTRAST), by(SHIFT));
        let channels: [[f64; 2]; 3] =
            std::array::from_fn(|_| [1.0 + contrast + by(CONTRAST / 3.0), shift + by(SHIFT / 3.0)]);
        for pixel in self.levels.chunks_mut(3) {
            for (level, [factor, shift]) in pixel.iter_mut().zip(channels) {
                *level = ((f64::from(*level) - 127.5) * factor + 127.5 + shift) as f32;
            }
        }
    }

    /// Lighter and darker spots, smooth between the middles of 16 x 16 cells.
    fn add_patches(&mut self, deviation: f64, noise: &mut Noise) {
        const CELLS: usize = 16;
        let cells = noise.numbers(CELLS * CELLS * 3);
        let (width, height) = (self.width, self.height);
        let between = |place: usize, side: usize| {
            let place = ((place as f32 + 0.5) / side as f32 * CELLS as f32 - 0.5)
                .clamp(0.0, (CELLS - 1) as f32);
            let low = place.floor() as usize;
            (low, (low + 1).min(CELLS - 1), place.fract())
        };
        for y in 0..height {
            let (above, below, down) = between(y, height);
            for x in 0..width {
                let (left, right, along) = between(x, width);
                let at = self.at(x, y);
                for channel in 0..3 {
                    let cell =
                        |row: usize, column: usize| cells[(row * CELLS + column) * 3 + channel];
                    let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
                    let above = mix(cell(above, left), cell(above, right), along);
                    let below = mix(cell(below, left), cell(below, right), along);
                    self.levels[at + channel] += deviation as f32 * mix(above, below, down);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(32, 32, |x, y| Rgb([(x * 8) as u8, (y * 8) as u8, 200]))
    }

    fn of(strength: f64, seed: u8) -> RgbImage {
        augmented(&picture(), strength, &mut Noise::new([seed; 32]))
    }

    /// The mean distance of levels.
    fn distance(one: &RgbImage, other: &RgbImage) -> f64 {
        let pairs = one.as_raw().iter().zip(other.as_raw());
        let sum: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        sum / one.as_raw().len() as f64
    }

    #[test]
    fn without_strength_a_picture_is_mirrored_and_moved_alone() {
        let mut mirrored = 0;
        for seed in 0..40 {
            let found = of(0.0, seed);
            let is_mirrored = found.get_pixel(0, 16)[0] > 128;
            mirrored += u32::from(is_mirrored);
            let mut plain = picture();
            if is_mirrored {
                image::imageops::flip_horizontal_in_place(&mut plain);
            }
            let (x, y) = (12, 12);
            let [red, green, blue] = found.get_pixel(x, y).0;
            let [r, g, b] = plain.get_pixel(x, y).0;
            assert!(red.abs_diff(r) <= 8 && green.abs_diff(g) <= 8 && blue == b);
        }
        assert!((10..=30).contains(&mirrored), "{mirrored}");
    }

    #[test]
    fn what_is_to_be_seen_stays() {
        let mut most: f64 = 0.0;
        for seed in 0..40 {
            assert_eq!(of(1.0, seed), of(1.0, seed), "by the noise alone");
            let (plain, changed) = (of(0.0, seed), of(1.0, seed));
            // The same noise mirrors and moves both alike.
            let distance = distance(&plain, &changed);
            assert!(distance > 0.5 && distance < 32.0, "{seed}: {distance}");
            most = most.max(distance);
        }
        assert!(most > 10.0, "{most}");
    }

    #[test]
    fn a_blur_keeps_the_sum_and_spreads_a_point() {
        let mut picture = Picture {
            width: 5,
            height: 3,
            levels: vec![0.0; 45],
        };
        let at = picture.at(2, 1);
        picture.levels[at] = 90.0;
        picture.blur(0.5);
        let sum: f32 = picture.levels.iter().sum();
        assert!((sum - 90.0).abs() < 1e-3, "{sum}");
        let level = |x, y| picture.levels[picture.at(x, y)];
        assert!((level(2, 1) - 22.5).abs() < 1e-4 && (level(1, 1) - 11.25).abs() < 1e-4);
        assert!((level(1, 0) - 5.625).abs() < 1e-4 && level(0, 1).abs() < 1e-4);
    }
}
