//! Which part of an image is trained on, and in which size.

use ccsr_clip::{Filter, resize};
use ccsr_stage::StageError;
use image::RgbImage;
use image::imageops::{crop_imm, flip_horizontal};
use serde::{Deserialize, Serialize};

use super::params::{Crop, Params};

/// Sides of buckets are multiples of so many pixels.
const BUCKET_STEP: u32 = 64;
/// The longest side of an image, of its shortest.
const NARROWEST: u32 = 50;
/// The longest side of a bucket, of its shortest.
const LONGEST: u32 = 4;

/// How images become what is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Framing {
    resolution: u32,
    /// Cuts in the middle, if `false` wherever chance says.
    centred: bool,
    /// Left out where there are none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    buckets: bool,
}

impl Framing {
    pub(super) fn of(params: &Params) -> Self {
        Self {
            resolution: params.resolution,
            centred: params.crop == Crop::Center || params.buckets,
            buckets: params.buckets,
        }
    }

    /// The image in the size in which it covers what is cut out of it, and the size of that: width and height.
    ///
    /// # Errors
    /// If it is so narrow that it would be huge in that size.
    pub(super) fn scaled(self, image: &RgbImage) -> Result<(RgbImage, [u32; 2]), StageError> {
        let [width, height] = [image.width(), image.height()];
        if width.max(height) > NARROWEST * width.min(height) {
            return Err(StageError::input(format!(
                "an image of {width} x {height} pixels is too narrow to train on: its longer side may be {NARROWEST} times the \
                 shorter; leave it out, or cut it"
            )));
        }
        let wanted = if self.buckets {
            bucket(self.resolution, [width, height])
        } else {
            [self.resolution; 2]
        };
        let cover = |side: u32, of: u32, other: u32| {
            (u64::from(side) * u64::from(other) / u64::from(of)).max(1) as u32
        };
        // The side that is short beside the wanted shape is brought to it; the other follows, cut off as PyTorch does.
        let by_width =
            u64::from(width) * u64::from(wanted[1]) <= u64::from(height) * u64::from(wanted[0]);
        let size = if by_width {
            [wanted[0], cover(wanted[0], width, height).max(wanted[1])]
        } else {
            [cover(wanted[1], height, width).max(wanted[0]), wanted[1]]
        };
        let scaled = if size == [width, height] {
            image.clone()
        } else {
            resize(image, size[0], size[1], Filter::Linear)
        };
        Ok((scaled, wanted))
    }

    /// Whether chance has a say in what is cut out of an image of this size.
    pub(super) fn is_drawn(self, scaled: &RgbImage, wanted: [u32; 2]) -> bool {
        !self.centred && [scaled.width(), scaled.height()] != wanted
    }
}

/// What is cut out of a scaled image: at `place`, from 0, left and top, to 1, right and bottom.
pub(super) fn cut(
    scaled: &RgbImage,
    [width, height]: [u32; 2],
    place: [f64; 2],
    flipped: bool,
) -> RgbImage {
    let from = |length: u32, wanted: u32, share: f64| {
        let spare = length - wanted;
        ((share * f64::from(spare + 1)) as u32).min(spare)
    };
    let x = from(scaled.width(), width, place[0]);
    let y = from(scaled.height(), height, place[1]);
    part([x, y], scaled, [width, height], flipped)
}

/// The middle of an image, as [`cut`] takes it: torchvision's `CenterCrop`.
pub(super) fn cut_middle(scaled: &RgbImage, [width, height]: [u32; 2], flipped: bool) -> RgbImage {
    let half =
        |length: u32, wanted: u32| (f64::from(length - wanted) / 2.0).round_ties_even() as u32;
    let (x, y) = (half(scaled.width(), width), half(scaled.height(), height));
    part([x, y], scaled, [width, height], flipped)
}

fn part([x, y]: [u32; 2], scaled: &RgbImage, [width, height]: [u32; 2], flipped: bool) -> RgbImage {
    let part = crop_imm(scaled, x, y, width, height).to_image();
    if flipped {
        flip_horizontal(&part)
    } else {
        part
    }
}

/// The square, or the rectangle of at most as many pixels, that is nearest in shape to an image.
fn bucket(resolution: u32, [width, height]: [u32; 2]) -> [u32; 2] {
    let most = u64::from(resolution) * u64::from(resolution);
    let wanted = (f64::from(width) / f64::from(height)).ln();
    let mut best = ([resolution; 2], wanted.abs());
    for short in (BUCKET_STEP..=resolution).step_by(BUCKET_STEP as usize) {
        let long = (most / u64::from(short)) as u32 / BUCKET_STEP * BUCKET_STEP;
        if long < short || long > LONGEST * short {
            continue;
        }
        for sides in [[short, long], [long, short]] {
            let shape = (f64::from(sides[0]) / f64::from(sides[1])).ln();
            let distance = (shape - wanted).abs();
            if distance < best.1 {
                best = (sides, distance);
            }
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(crop: Crop, buckets: bool) -> Framing {
        Framing::of(&Params {
            resolution: 512,
            crop,
            buckets,
            ..Params::default()
        })
    }

    #[test]
    fn a_square_of_the_right_size_is_left_alone() {
        let image = RgbImage::from_fn(512, 512, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let (scaled, wanted) = framing(Crop::Random, false).scaled(&image).unwrap();
        assert_eq!((&scaled, wanted), (&image, [512; 2]));
        assert!(!framing(Crop::Random, false).is_drawn(&scaled, wanted));
        assert_eq!(cut(&scaled, wanted, [0.9, 0.1], false), image);
        let mirrored = cut_middle(&scaled, wanted, true);
        assert_eq!(mirrored.get_pixel(0, 3), image.get_pixel(511, 3));
    }

    #[test]
    fn the_shorter_side_is_brought_to_the_resolution() {
        for (from, to) in [
            ([1000, 600], [853, 512]),
            ([300, 900], [512, 1536]),
            ([20, 10], [1024, 512]),
        ] {
            let (scaled, wanted) = framing(Crop::Random, false)
                .scaled(&RgbImage::new(from[0], from[1]))
                .unwrap();
            assert_eq!([scaled.width(), scaled.height()], to);
            assert!(framing(Crop::Random, false).is_drawn(&scaled, wanted));
            assert!(!framing(Crop::Center, false).is_drawn(&scaled, wanted));
            for place in [[0.0, 0.0], [0.999_999, 0.999_999], [1.0, 1.0]] {
                assert_eq!(cut(&scaled, wanted, place, false).dimensions(), (512, 512));
            }
        }
    }

    #[test]
    fn a_thread_of_an_image_is_refused() {
        let error = framing(Crop::Center, false).scaled(&RgbImage::new(2, 1000));
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("an image of 2 x 1000 pixels is too narrow"),
            "{error}"
        );
        assert!(
            framing(Crop::Center, true)
                .scaled(&RgbImage::new(1, 51))
                .is_err()
        );
    }

    #[test]
    fn buckets_are_near_in_shape_and_no_larger_than_the_square() {
        for (image, expected) in [
            ([512, 512], [512, 512]),
            ([1920, 1080], [640, 384]),
            ([1080, 1920], [384, 640]),
            ([600, 400], [640, 384]),
            ([500, 400], [576, 448]),
            ([4000, 500], [1024, 256]),
            ([500, 499], [512, 512]),
        ] {
            let found = bucket(512, image);
            assert_eq!(found, expected, "{image:?}");
            assert!(found[0] * found[1] <= 512 * 512);
        }
        for resolution in [96, 160, 224, 480, 512] {
            assert_eq!(bucket(resolution, [300, 300]), [resolution; 2]);
        }
        let (scaled, wanted) = framing(Crop::Random, true)
            .scaled(&RgbImage::new(1920, 1080))
            .unwrap();
        assert!(scaled.width() >= wanted[0] && scaled.height() >= wanted[1]);
    }
}
