//! Bilinear resizing as OpenCV does it for bytes (`INTER_LINEAR`), bit by bit: fractions of 1/2048, sums of whole numbers.

use image::RgbImage;

/// Bits of a weight.
const BITS: u32 = 11;
const ONE: i32 = 1 << BITS;
/// Bits that a weighted sum loses before it is weighted again, so that products fit into 32 bits.
const DROPPED: u32 = 4;
/// Bytes a pixel.
const CHANNELS: usize = 3;

/// An output's two inputs along a side, and their weights.
#[derive(Clone, Copy)]
struct Tap {
    at: [usize; 2],
    weights: [i32; 2],
}

/// The taps of a side. Across, a place beyond the first and last input's middle is that input alone; down, both taps fall
/// on it, and its weights are those of a mixture.
fn taps(from: usize, to: usize, across: bool) -> Vec<Tap> {
    let scale = 1.0 / (to as f64 / from as f64);
    let last = from as i64 - 1;
    let tap = |output: usize| {
        let place = ((output as f64 + 0.5) * scale - 0.5) as f32;
        let mut index = place.floor() as i64;
        let mut fraction = place - place.floor();
        if across && !(0..last).contains(&index) {
            fraction = 0.0;
            index = index.clamp(0, last);
        }
        let weight = |part: f32| (part * ONE as f32).round_ties_even() as i32;
        Tap {
            at: [index, index + 1].map(|index| index.clamp(0, last) as usize),
            weights: [weight(1.0 - fraction), weight(fraction)],
        }
    };
    (0..to).map(tap).collect()
}

/// An image of this width and height, row by row: gives each row to `write`, three bytes a pixel.
pub(crate) fn resize(
    image: &RgbImage,
    [width, height]: [usize; 2],
    mut write: impl FnMut(usize, &[u8]),
) {
    let (from_width, from_height) = (image.width() as usize, image.height() as usize);
    let source =
        |row: usize| &image.as_raw()[row * from_width * CHANNELS..][..from_width * CHANNELS];
    let mut line = vec![0_u8; width * CHANNELS];
    if [width, height] == [from_width, from_height] {
        (0..height).for_each(|row| write(row, source(row)));
        return;
    }
    if [2 * width, 2 * height] == [from_width, from_height] {
        for row in 0..height {
            average(source(2 * row), source(2 * row + 1), &mut line);
            write(row, &line);
        }
        return;
    }
    let columns = taps(from_width, width, true);
    let mut kept = [
        (usize::MAX, vec![0; line.len()]),
        (usize::MAX, vec![0; line.len()]),
    ];
    for (row, tap) in taps(from_height, height, false).into_iter().enumerate() {
        // Rows go down, so what is needed next is often there already, as the second row.
        if kept[0].0 != tap.at[0] {
            kept.swap(0, 1);
        }
        for (kept, wanted) in kept.iter_mut().zip(tap.at) {
            if kept.0 != wanted {
                across(source(wanted), &columns, &mut kept.1);
                kept.0 = wanted;
            }
        }
        let [(_, above), (_, below)] = &kept;
        for ((out, above), below) in line.iter_mut().zip(above).zip(below) {
            let part = |weight: i32, sum: i32| (weight * (sum >> DROPPED)) >> 16;
            let sum = part(tap.weights[0], *above) + part(tap.weights[1], *below);
            *out = ((sum + 2) >> 2).clamp(0, 255) as u8;
        }
        write(row, &line);
    }
}

/// A row's mixtures, in fractions of 1/2048.
fn across(row: &[u8], columns: &[Tap], to: &mut [i32]) {
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    let (to, _) = to.as_chunks_mut::<CHANNELS>();
    for (to, tap) in to.iter_mut().zip(columns) {
        let [one, other] = tap.at.map(|at| pixels[at]);
        for channel in 0..CHANNELS {
            to[channel] = i32::from(one[channel]) * tap.weights[0]
                + i32::from(other[channel]) * tap.weights[1];
        }
    }
}

/// Means of four pixels: what OpenCV does where both sides are halved.
fn average(above: &[u8], below: &[u8], to: &mut [u8]) {
    let (above, _) = above.as_chunks::<{ 2 * CHANNELS }>();
    let (below, _) = below.as_chunks::<{ 2 * CHANNELS }>();
    let (to, _) = to.as_chunks_mut::<CHANNELS>();
    for ((to, above), below) in to.iter_mut().zip(above).zip(below) {
        for channel in 0..CHANNELS {
            let four = [above, below]
                .map(|pair| u16::from(pair[channel]) + u16::from(pair[channel + CHANNELS]));
            to[channel] = ((four[0] + four[1] + 2) >> 2) as u8;
        }
    }
}
