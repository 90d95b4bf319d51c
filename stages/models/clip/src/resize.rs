//! Images in other sizes, byte by byte as Pillow makes them: a cubic filter, as wide as needed where an image
//! shrinks, in fixed-point numbers; first along rows, then along columns, with bytes in between.

use std::ops::Range;

use image::RgbImage;

/// Binary places of weights.
const PLACES: u32 = 22;
/// How far the filter reaches, in pixels of an image that does not shrink.
const REACH: f64 = 2.0;
/// The slope of the cubic filter (Keys, 1981).
const SLOPE: f64 = -0.5;

/// The image in another size.
pub fn resize(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    resize_part(image, [width, height], 0..width, 0..height)
}

/// These columns and rows of the image in another size (width, height); no others are made.
pub(crate) fn resize_part(
    image: &RgbImage,
    [width, height]: [u32; 2],
    columns: Range<u32>,
    rows: Range<u32>,
) -> RgbImage {
    let mut resized = RgbImage::new(columns.end - columns.start, rows.end - rows.start);
    if image.is_empty() || resized.is_empty() {
        return resized;
    }
    let columns = mixes(image.width(), width, columns);
    let rows = mixes(image.height(), height, rows);
    let first = rows.iter().map(|mix| mix.first).min().unwrap_or(0);
    let last = rows.iter().map(Mix::end).max().unwrap_or(0);

    let row_bytes = image.width() as usize * 3;
    let mut narrowed = Vec::with_capacity((last - first) * columns.len() * 3);
    let used = &image.as_raw()[first * row_bytes..last * row_bytes];
    for row in used.chunks_exact(row_bytes) {
        for mix in &columns {
            narrowed.extend(mix.of(|column| &row[column * 3..][..3]));
        }
    }
    let row_bytes = columns.len() * 3;
    let pixels = resized.as_mut().chunks_exact_mut(row_bytes);
    for (pixels, mix) in pixels.zip(&rows) {
        for (column, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let mixed = mix.of(|row| &narrowed[(row - first) * row_bytes + column * 3..][..3]);
            pixel.copy_from_slice(&mixed);
        }
    }
    resized
}

/// What a pixel is mixed of: pixels next to each other.
struct Mix {
    first: usize,
    /// With [`PLACES`] binary places.
    weights: Vec<i32>,
}

impl Mix {
    const fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    fn of<'a>(&self, pixel: impl Fn(usize) -> &'a [u8]) -> [u8; 3] {
        let mut sums = [1 << (PLACES - 1); 3];
        for (index, weight) in (self.first..).zip(&self.weights) {
            for (sum, level) in sums.iter_mut().zip(pixel(index)) {
                *sum += weight * i32::from(*level);
            }
        }
        sums.map(|sum| (sum >> PLACES).clamp(0, 255) as u8)
    }
}

/// The mixes of these of `to` pixels in a line that had `from`.
fn mixes(from: u32, to: u32, wanted: Range<u32>) -> Vec<Mix> {
    let scale = f64::from(from) / f64::from(to);
    let widening = scale.max(1.0);
    let reach = REACH * widening;
    let mix = |index: u32| {
        let centre = (f64::from(index) + 0.5) * scale;
        // Conversions cut negative numbers to 0.
        let first = (centre - reach + 0.5) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from as usize);
        let distance = |pixel: usize| (pixel as f64 - centre + 0.5) / widening;
        let weights: Vec<f64> = (first..end).map(|pixel| cubic(distance(pixel))).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / sum * f64::from(1 << PLACES)).round() as i32;
        Mix {
            first,
            weights: weights.iter().map(fixed).collect(),
        }
    };
    wanted.map(mix).collect()
}

fn cubic(distance: f64) -> f64 {
    let x = distance.abs();
    if x < 1.0 {
        ((SLOPE + 2.0) * x - (SLOPE + 3.0)) * x * x + 1.0
    } else if x < REACH {
        (((x - 5.0) * x + 8.0) * x - 4.0) * SLOPE
    } else {
        0.0
    }
}
