//! Which place is to find which box: task-aligned assignment (Feng et al., 2021, arXiv 2108.07755).

use std::f32::consts::PI;

use ccsr_yolo_world::{Place, bounds_of};

use super::LabelledBox;

/// Places that may be a box's, at most.
const PLACES: usize = 10;
/// How much the class counts in an alignment, and the overlap.
const POWERS: (f32, i32) = (0.5, 6);
/// The least sides of what places lie in, in pixels: those of a cell of the middle level.
const LEAST_SIDE: f32 = 16.0;
/// What keeps divisions from being by 0.
const EPSILON: f32 = 1e-9;
/// The same where boxes overlap.
const EPSILON_OF_BOXES: f32 = 1e-7;

/// A place that is to find a box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Positive {
    /// The number of the place.
    pub place: usize,
    /// What is to be found.
    pub target: LabelledBox,
    /// How sure it is to be found there, between 0 and 1: how well the place's own box fits, beside those of the box's other
    /// places.
    pub score: f32,
}

/// A place that may be a box's.
#[derive(Clone, Copy)]
struct Candidate {
    place: usize,
    /// Of the place's own box with the true one.
    overlap: f32,
    /// How well class and box fit.
    alignment: f32,
}

/// The places of an image that are to find its boxes, by their numbers. A place is inside of its box, finds one box at
/// most, and its own box overlaps that.
///
/// # Shapes
/// What the network says of the image: `boxes`: `[64, places]`; `scores`: `[classes, places]`.
pub fn assign(
    boxes: &[f32],
    scores: &[f32],
    targets: &[LabelledBox],
    places: &[Place],
) -> Vec<Positive> {
    let candidates = |target: &LabelledBox| -> Vec<Candidate> {
        let scores = &scores[target.class * places.len()..];
        let inside = places.iter().enumerate();
        let inside = inside.filter(|(_, place)| is_inside(**place, target.bounds));
        let candidate = |(index, place): (usize, &Place)| {
            let overlap = overlap(target.bounds, bounds_of(boxes, index, *place)).max(0.0);
            let confidence = 1.0 / (1.0 + (-scores[index]).exp());
            Candidate {
                place: index,
                overlap,
                alignment: confidence.powf(POWERS.0) * overlap.powi(POWERS.1),
            }
        };
        inside.map(candidate).collect()
    };
    let mut candidates: Vec<_> = targets.iter().map(candidates).collect();
    let owners = owners(&candidates, places.len());
    for (target, candidates) in candidates.iter_mut().enumerate() {
        candidates.retain(|candidate| owners[candidate.place] == Some(target));
    }
    let mut positives: Vec<_> = targets
        .iter()
        .zip(&candidates)
        .flat_map(|(target, candidates)| {
            let most = |of: fn(&Candidate) -> f32| candidates.iter().map(of).fold(0.0, f32::max);
            let overlap = most(|candidate| candidate.overlap);
            let share = overlap / (most(|candidate| candidate.alignment) + EPSILON);
            candidates.iter().map(move |candidate| Positive {
                place: candidate.place,
                target: *target,
                score: candidate.alignment * share,
            })
        })
        .collect();
    positives.sort_by_key(|positive| positive.place);
    positives
}

/// Which box each place is to find, if any. A box claims those of its candidates that align best with it; where several
/// claim a place, it is that box's which its own box overlaps most.
fn owners(candidates: &[Vec<Candidate>], places: usize) -> Vec<Option<usize>> {
    let (mut owners, mut claims) = (vec![None; places], vec![0; places]);
    for (target, candidates) in candidates.iter().enumerate() {
        let mut best: Vec<_> = candidates
            .iter()
            .filter(|candidate| candidate.alignment > 0.0)
            .collect();
        best.sort_by(|one, other| other.alignment.total_cmp(&one.alignment));
        for candidate in best.into_iter().take(PLACES) {
            owners[candidate.place] = Some(target);
            claims[candidate.place] += 1;
        }
    }
    let mut most = vec![0.0; places];
    for (target, candidates) in candidates.iter().enumerate() {
        for candidate in candidates.iter().filter(|one| claims[one.place] > 1) {
            if candidate.overlap > most[candidate.place] {
                most[candidate.place] = candidate.overlap;
                owners[candidate.place] = Some(target);
            }
        }
    }
    owners
}

/// Whether a place's middle is inside of a box, which is made larger if it is small.
fn is_inside(place: Place, bounds: [f32; 4]) -> bool {
    [0, 1].into_iter().all(|side| {
        let (low, high) = (bounds[side], bounds[side + 2]);
        let (centre, half) = (f32::midpoint(low, high), (high - low).max(LEAST_SIDE) / 2.0);
        let at = place.middle[side] * place.stride;
        at - (centre - half) > EPSILON && centre + half - at > EPSILON
    })
}

/// Complete intersection over union of two boxes (Zheng et al., 2020): 1 if they are the same.
fn overlap(one: [f32; 4], other: [f32; 4]) -> f32 {
    let sides = |of: [f32; 4]| [of[2] - of[0], of[3] - of[1] + EPSILON_OF_BOXES];
    let ([width, height], [other_width, other_height]) = (sides(one), sides(other));
    let both = [0, 1]
        .map(|side| (one[side + 2].min(other[side + 2]) - one[side].max(other[side])).max(0.0));
    let both = both[0] * both[1];
    let union = width * height + other_width * other_height - both + EPSILON_OF_BOXES;
    let union_share = both / union;
    let around = [0, 1].map(|side| one[side + 2].max(other[side + 2]) - one[side].min(other[side]));
    let diagonal = around[0].powi(2) + around[1].powi(2) + EPSILON_OF_BOXES;
    let apart = [0, 1].map(|side| other[side] + other[side + 2] - one[side] - one[side + 2]);
    let apart = (apart[0].powi(2) + apart[1].powi(2)) / 4.0;
    let turn = (other_width / other_height).atan() - (width / height).atan();
    let shape = 4.0 / PI.powi(2) * turn.powi(2);
    let weight = shape / (1.0 - union_share + shape + EPSILON_OF_BOXES);
    union_share - (apart / diagonal + shape * weight)
}
