//! How far predictions are from what places are to say.

use std::f64::consts::PI;

use burn::prelude::*;
use burn::tensor::activation::{log_sigmoid, log_softmax, softmax};
use ccsr_yolo_world::{DISTANCES, Place, Predictions};

use super::{GAINS, Positive};

/// What keeps divisions from being by 0.
const EPSILON: f64 = 1e-7;
/// How far a true distance stays from the largest there is, in cells.
const SHORT_OF_LAST: f32 = 0.01;

/// The parts, each a sum over places, divided by how sure all positives together are to be.
pub(super) struct Losses {
    boxes: Tensor<1>,
    classes: Tensor<1>,
    distances: Tensor<1>,
}

impl Losses {
    /// Those of a batch; `positives` with their images' numbers.
    pub(super) fn of(
        predictions: Predictions,
        places: &[Place],
        positives: &[(usize, Positive)],
    ) -> Self {
        let sum: f32 = positives.iter().map(|(_, positive)| positive.score).sum();
        let sum = f64::from(sum.max(1.0));
        let classes = class_loss(predictions.scores, positives) / sum;
        let device = classes.device();
        if positives.is_empty() {
            let none = || Tensor::zeros([1], &device);
            let (boxes, distances) = (none(), none());
            return Self {
                boxes,
                classes,
                distances,
            };
        }
        let numbers = at_positives(predictions.boxes, positives);
        let truth = Truth::of(places, positives, &device);
        let shares = softmax(numbers.clone(), 2);
        let expected = shares * truth.steps;
        let expected: Tensor<2> = expected.sum_dim(2).squeeze_dim(2);
        let [before, after] = [0, 2].map(|from| expected.clone().narrow(1, from, 2));
        let found = [truth.middles.clone() - before, truth.middles + after];
        let apart = overlap(found, truth.corners).neg() + 1.0;
        let boxes = (apart * truth.weights.clone()).sum() / sum;
        let fits = log_softmax(numbers, 2) * truth.distances;
        let fits = fits.sum_dim(2).squeeze_dim::<2>(2).mean_dim(1);
        let distances = (fits * truth.weights).sum() / -sum;
        Self {
            boxes,
            classes,
            distances,
        }
    }

    /// Boxes, classes and distances, by how much they count.
    pub(super) fn weighted(self) -> [Tensor<1>; 3] {
        let [boxes, classes, distances] = GAINS;
        [
            self.boxes * boxes,
            self.classes * classes,
            self.distances * distances,
        ]
    }
}

/// What is true at positives, in cells of their places.
struct Truth {
    /// `[positives, 2]`
    middles: Tensor<2>,
    /// Left and top, right and bottom, each `[positives, 2]`.
    corners: [Tensor<2>; 2],
    /// How sure a box is to be found, `[positives, 1]`.
    weights: Tensor<2>,
    /// Of each edge as shares of the two nearest whole distances, `[positives, 4, 16]`.
    distances: Tensor<3>,
    /// The whole distances, `[1, 1, 16]`.
    steps: Tensor<3>,
}

impl Truth {
    fn of(places: &[Place], positives: &[(usize, Positive)], device: &Device) -> Self {
        let count = positives.len();
        let (mut middles, mut weights) = (Vec::new(), Vec::new());
        let mut corners = [Vec::new(), Vec::new()];
        let mut distances = vec![0.0; count * 4 * DISTANCES];
        let mut edges = distances.chunks_exact_mut(DISTANCES);
        for (_, positive) in positives {
            let Place { middle, stride } = places[positive.place];
            let bounds = positive.target.bounds.map(|edge| edge / stride);
            middles.extend(middle);
            corners[0].extend([bounds[0], bounds[1]]);
            corners[1].extend([bounds[2], bounds[3]]);
            weights.push(positive.score);
            let true_distances = [
                middle[0] - bounds[0],
                middle[1] - bounds[1],
                bounds[2] - middle[0],
                bounds[3] - middle[1],
            ];
            for (distance, shares) in true_distances.into_iter().zip(&mut edges) {
                let distance = distance.clamp(0.0, (DISTANCES - 1) as f32 - SHORT_OF_LAST);
                let (before, share) = (distance as usize, distance.fract());
                shares[before] = 1.0 - share;
                shares[before + 1] = share;
            }
        }
        let pairs = |numbers| Tensor::from_data(TensorData::new(numbers, [count, 2]), device);
        let steps = (0..DISTANCES).map(|step| step as f32).collect();
        Self {
            middles: pairs(middles),
            corners: corners.map(pairs),
            weights: Tensor::from_data(TensorData::new(weights, [count, 1]), device),
            distances: Tensor::from_data(TensorData::new(distances, [count, 4, DISTANCES]), device),
            steps: Tensor::from_data(TensorData::new::<f32, _>(steps, [1, 1, DISTANCES]), device),
        }
    }
}

/// Binary cross-entropy of all scores: of what is to be found at a place with how sure it is to be found, of all else with
/// 0.
fn class_loss(scores: Tensor<3>, positives: &[(usize, Positive)]) -> Tensor<1> {
    let [batch, classes, places] = scores.dims();
    let mut wanted = vec![0.0; batch * classes * places];
    for (image, positive) in positives {
        let row = image * classes + positive.target.class;
        wanted[row * places + positive.place] = positive.score;
    }
    let wanted = TensorData::new(wanted, [batch, classes, places]);
    let wanted = Tensor::<3>::from_data(wanted, &scores.device());
    let against = scores.clone() * (wanted.neg() + 1.0);
    (against - log_sigmoid(scores)).sum()
}

/// Numbers of boxes at positives: `[batch, 64, places]` to `[positives, 4, 16]`.
fn at_positives(boxes: Tensor<3>, positives: &[(usize, Positive)]) -> Tensor<3> {
    let [batch, numbers, places] = boxes.dims();
    let rows = boxes.swap_dims(1, 2).reshape([batch * places, numbers]);
    let indices = positives.iter();
    let indices: Vec<_> = indices
        .map(|(image, positive)| (image * places + positive.place) as i64)
        .collect();
    let indices = Tensor::<1, Int>::from_data(indices.as_slice(), &rows.device());
    rows.select(0, indices)
        .reshape([positives.len(), 4, DISTANCES])
}

/// Complete intersection over union (Zheng et al., 2020) of boxes that are found with true ones, `[positives, 1]`. Each is
/// given as left and top, right and bottom, `[positives, 2]`.
fn overlap(found: [Tensor<2>; 2], wanted: [Tensor<2>; 2]) -> Tensor<2> {
    let part = |of: &Tensor<2>, side| of.clone().narrow(1, side, 1);
    let product = |of: &Tensor<2>| part(of, 0) * part(of, 1);
    let [low, high] = found;
    let [wanted_low, wanted_high] = wanted;
    let both =
        high.clone().min_pair(wanted_high.clone()) - low.clone().max_pair(wanted_low.clone());
    let both = product(&both.clamp_min(0.0));
    let around =
        high.clone().max_pair(wanted_high.clone()) - low.clone().min_pair(wanted_low.clone());
    let diagonal = around.square().sum_dim(1) + EPSILON;
    let apart = (wanted_low.clone() + wanted_high.clone() - low.clone() - high.clone()).square();
    let apart = apart.sum_dim(1) / 4.0;
    let [sides, wanted_sides] = [high - low, wanted_high - wanted_low];
    let [sides, wanted_sides] =
        [sides, wanted_sides].map(|of| [part(&of, 0), part(&of, 1) + EPSILON]);
    let area = |[width, height]: &[Tensor<2>; 2]| width.clone() * height.clone();
    let union = area(&sides) + area(&wanted_sides) - both.clone() + EPSILON;
    let share = both / union;
    let slope = |[width, height]: [Tensor<2>; 2]| (width / height).atan();
    let shape = (slope(wanted_sides) - slope(sides)).square() * (4.0 / PI.powi(2));
    // How much shapes count is no way to make them count less.
    let weight = shape.clone() / (shape.clone() - share.clone() + (1.0 + EPSILON));
    share - apart / diagonal - shape * weight.detach()
}
