//! What the network says of an image, into boxes.

use crate::head::{BOX_NUMBERS, DISTANCES};
use crate::network::STRIDES;

/// Something that was found in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// The number of its class in the vocabulary.
    pub class: usize,
    /// How sure the network is of it, between 0 and 1.
    pub confidence: f32,
    /// Left, top, right and bottom, in pixels.
    pub bounds: [f32; 4],
}

/// A place of which the network says what is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Across and down, in cells.
    pub middle: [f32; 2],
    /// Pixels of a cell's side.
    pub stride: f32,
}

/// The places of an image of these sides, width and height, multiples of 32: those of [`Predictions`](crate::Predictions),
/// in their order.
pub fn places([width, height]: [usize; 2]) -> impl Iterator<Item = Place> {
    STRIDES.into_iter().flat_map(move |stride| {
        let (columns, rows) = (width / stride, height / stride);
        let middle = |cell: usize| cell as f32 + 0.5;
        (0..rows * columns).map(move |place| Place {
            middle: [place % columns, place / columns].map(middle),
            stride: stride as f32,
        })
    })
}

/// The box of a place in pixels, left, top, right, bottom.
///
/// # Shapes
/// `boxes`: `[64, places]` of an image, of which the place is number `index`.
pub fn bounds_of(boxes: &[f32], index: usize, place: Place) -> [f32; 4] {
    let count = boxes.len() / BOX_NUMBERS;
    let distances = [0, 1, 2, 3].map(|side| {
        let numbers = &boxes[side * DISTANCES * count..][..DISTANCES * count];
        distance(std::array::from_fn(|at| numbers[at * count + index]))
    });
    bounds(place.middle, distances, place.stride)
}

/// What is found in an image with more confidence than `floor`, place by place, each as the class that fits it best; in
/// the network's pixels, of which there are `sides`, width and height.
///
/// # Shapes
/// `boxes`: `[64, places]`; `scores`: `[classes, places]`.
pub(crate) fn decode(
    boxes: &[f32],
    scores: &[f32],
    sides: [usize; 2],
    floor: f32,
) -> Vec<Detection> {
    let count = boxes.len() / BOX_NUMBERS;
    let mut best = vec![(0, f32::NEG_INFINITY); count];
    for (class, scores) in scores.chunks_exact(count).enumerate() {
        for (best, score) in best.iter_mut().zip(scores) {
            if *score > best.1 {
                *best = (class, *score);
            }
        }
    }
    let mut found = Vec::new();
    for ((index, place), (class, score)) in places(sides).enumerate().zip(best) {
        let confidence = 1.0 / (1.0 + (-score).exp());
        if confidence > floor {
            found.push(Detection {
                class,
                confidence,
                bounds: bounds_of(boxes, index, place),
            });
        }
    }
    found
}

/// The distance that a softmax over distances expects (Li et al., 2020, arXiv 2006.04388).
fn distance(numbers: [f32; DISTANCES]) -> f32 {
    let largest = numbers.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let weights = numbers.map(|number| (number - largest).exp());
    let sum: f32 = weights.iter().sum();
    let distances = weights.iter().enumerate();
    distances
        .map(|(distance, weight)| weight / sum * distance as f32)
        .sum()
}

/// A box from the distances of its edges. It goes by way of its middle and sides, as in `ultralytics`: it rounds so.
fn bounds(middle: [f32; 2], distances: [f32; 4], stride: f32) -> [f32; 4] {
    let [across, down] = [0, 1].map(|side| {
        let low = middle[side] - distances[side];
        let high = middle[side] + distances[side + 2];
        let (centre, half) = (
            f32::midpoint(low, high) * stride,
            (high - low) * stride / 2.0,
        );
        [centre - half, centre + half]
    });
    [across[0], down[0], across[1], down[1]]
}
