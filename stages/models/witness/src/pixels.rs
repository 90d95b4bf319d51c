//! Images as the network reads them.

use std::borrow::Cow;

use burn::prelude::*;
use image::RgbImage;
use image::imageops::{FilterType, resize};

/// Images of this side, from -1 to 1; those of other sides are scaled, averaging where they shrink.
///
/// # Shapes
/// `[images, 3, side, side]`
pub fn pixels<'a>(
    images: impl IntoIterator<Item = &'a RgbImage>,
    side: usize,
    device: &Device,
) -> Tensor<4> {
    let (mut numbers, mut count) = (Vec::new(), 0);
    for image in images {
        let wanted = (side as u32, side as u32);
        let image = if image.dimensions() == wanted {
            Cow::Borrowed(image)
        } else {
            Cow::Owned(resize(image, wanted.0, wanted.1, FilterType::Triangle))
        };
        for channel in 0..3 {
            let levels = image.pixels().map(|pixel| pixel.0[channel]);
            numbers.extend(levels.map(|level| f32::from(level) / 127.5 - 1.0));
        }
        count += 1;
    }
    Tensor::from_data(TensorData::new(numbers, [count, 3, side, side]), device)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn numbers(images: &[RgbImage], side: usize) -> Vec<f32> {
        let made = pixels(images, side, &Device::flex());
        assert_eq!(made.dims(), [images.len(), 3, side, side]);
        made.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn levels_become_numbers_channel_by_channel() {
        let image = RgbImage::from_fn(2, 2, |x, y| Rgb([(x * 255) as u8, (y * 255) as u8, 51]));
        let found = numbers(&[image], 2);
        let wanted = [
            [-1.0, 1.0, -1.0, 1.0],
            [-1.0, -1.0, 1.0, 1.0],
            [-0.6, -0.6, -0.6, -0.6],
        ];
        for (found, wanted) in found.iter().zip(wanted.as_flattened()) {
            assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        }
    }

    #[test]
    fn images_of_other_sides_are_scaled() {
        let large = RgbImage::from_pixel(12, 9, Rgb([255, 0, 102]));
        let small = RgbImage::from_pixel(1, 1, Rgb([255, 0, 102]));
        for image in [large, small] {
            let found = numbers(&[image], 4);
            assert!(found[..16].iter().all(|number| (number - 1.0).abs() < 1e-6));
            assert!(found[32..].iter().all(|number| (number + 0.2).abs() < 1e-6));
        }
    }
}
