//! Images in other sizes, byte by byte as Pillow 13 makes them: a filter, as wide as needed where an image shrinks, in fixed-point numbers; along rows and along columns, with bytes in between.

use std::ops::Range;

use image::{Rgb, RgbImage};

/// Binary places of weights.
const PLACES: u32 = 22;
/// The slope of the cubic filter (Keys, 1981).
const SLOPE: f64 = -0.5;

/// How pixels are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// In straight lines from one to the next.
    Linear,
    /// Along cubic curves.
    Cubic,
}

impl Filter {
    /// How far it reaches, in pixels of an image that does not shrink.
    const fn reach(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Cubic => 2.0,
        }
    }

    fn weight(self, distance: f64) -> f64 {
        match self {
            Self::Linear => (1.0 - distance.abs()).max(0.0),
            Self::Cubic => cubic(distance),
        }
    }
}

/// The image in another size.
pub fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    resize_part(image, [width, height], 0..width, 0..height, filter)
}

/// These columns and rows of the image in another size (width, height); no others are made.
pub(crate) fn resize_part(
    image: &RgbImage,
    [width, height]: [u32; 2],
    columns: Range<u32>,
    rows: Range<u32>,
    filter: Filter,
) -> RgbImage {
    if image.is_empty() || columns.is_empty() || rows.is_empty() {
        return RgbImage::new(columns.end - columns.start, rows.end - rows.start);
    }
    let columns = mixes(image.width(), width, columns, filter);
    let rows = mixes(image.height(), height, rows, filter);
    // Bytes in between make the order matter. Pillow has this rule since its version 13; before, rows came
    // first always.
    let lost_rows = i64::from(image.height()) - i64::from(height);
    let lost_columns = i64::from(image.width()) - i64::from(width);
    if lost_rows > 0 && lost_rows > 2 * lost_columns {
        let used = used(&columns);
        let lower = along_columns(image, &rows, &used);
        along_rows(&lower, &moved(columns, used.start), &(0..lower.height()))
    } else {
        let used = used(&rows);
        let narrower = along_rows(image, &columns, &used);
        let all = 0..narrower.width();
        along_columns(&narrower, &moved(rows, used.start), &all)
    }
}

fn along_rows(image: &RgbImage, columns: &[Mix], rows: &Range<u32>) -> RgbImage {
    RgbImage::from_fn(columns.len() as u32, rows.end - rows.start, |x, y| {
        columns[x as usize].of(|column| image.get_pixel(column, rows.start + y))
    })
}

fn along_columns(image: &RgbImage, rows: &[Mix], columns: &Range<u32>) -> RgbImage {
    RgbImage::from_fn(columns.end - columns.start, rows.len() as u32, |x, y| {
        rows[y as usize].of(|row| image.get_pixel(columns.start + x, row))
    })
}

/// What a pixel is mixed of: pixels next to each other.
struct Mix {
    first: u32,
    /// With [`PLACES`] binary places.
    weights: Vec<i32>,
}

impl Mix {
    const fn end(&self) -> u32 {
        self.first + self.weights.len() as u32
    }

    fn of<'a>(&self, pixel: impl Fn(u32) -> &'a Rgb<u8>) -> Rgb<u8> {
        let mut sums = [1 << (PLACES - 1); 3];
        for (index, weight) in (self.first..).zip(&self.weights) {
            for (sum, level) in sums.iter_mut().zip(pixel(index).0) {
                *sum += weight * i32::from(level);
            }
        }
        Rgb(sums.map(|sum| (sum >> PLACES).clamp(0, 255) as u8))
    }
}

/// All that these are mixed of.
fn used(mixes: &[Mix]) -> Range<u32> {
    let first = mixes.iter().map(|mix| mix.first).min();
    let end = mixes.iter().map(Mix::end).max();
    first.unwrap_or(0)..end.unwrap_or(0)
}

/// The same, where what was pixel `start` is the first.
fn moved(mut mixes: Vec<Mix>, start: u32) -> Vec<Mix> {
    for mix in &mut mixes {
        mix.first -= start;
    }
    mixes
}

/// The mixes of these of `to` pixels in a line that had `from`.
fn mixes(from: u32, to: u32, wanted: Range<u32>, filter: Filter) -> Vec<Mix> {
    let scale = f64::from(from) / f64::from(to);
    let widening = scale.max(1.0);
    let reach = filter.reach() * widening;
    let mix = |index: u32| {
        let centre = (f64::from(index) + 0.5) * scale;
        // Conversions cut negative numbers to 0.
        let first = (centre - reach + 0.5) as u32;
        let end = ((centre + reach + 0.5) as u32).min(from);
        let distance = |pixel: u32| (f64::from(pixel) - centre + 0.5) / widening;
        let weights: Vec<f64> = (first..end)
            .map(|pixel| filter.weight(distance(pixel)))
            .collect();
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
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * SLOPE
    } else {
        0.0
    }
}
