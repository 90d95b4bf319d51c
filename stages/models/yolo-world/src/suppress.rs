//! Non-maximum suppression: of boxes of a class that overlap, the one of the highest confidence.

use crate::decode::Detection;

/// Boxes that are looked at at most.
const MOST_LOOKED_AT: usize = 30_000;
/// How far apart boxes of different classes are put, so that they do not overlap. Sums of binary32 lose digits with it,
/// as they do in `ultralytics`.
const APART: f32 = 7680.0;

/// A box where its class is.
struct Placed {
    bounds: [f32; 4],
    area: f32,
}

impl Placed {
    fn new(found: &Detection) -> Self {
        let bounds = found.bounds.map(|edge| edge + found.class as f32 * APART);
        let [left, top, right, bottom] = bounds;
        Self {
            bounds,
            area: (right - left) * (bottom - top),
        }
    }

    /// Intersection over union.
    fn overlap(&self, other: &Self) -> f32 {
        let (one, two) = (&self.bounds, &other.bounds);
        let width = (one[2].min(two[2]) - one[0].max(two[0])).max(0.0);
        let height = (one[3].min(two[3]) - one[1].max(two[1])).max(0.0);
        let both = width * height;
        both / (self.area + other.area - both)
    }
}

/// The detections that none of higher confidence overlaps by more than `overlap`, `most` at most, by falling confidence.
pub(crate) fn suppress(mut found: Vec<Detection>, overlap: f32, most: usize) -> Vec<Detection> {
    found.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    found.truncate(MOST_LOOKED_AT);
    let mut kept: Vec<(Detection, Placed)> = Vec::new();
    for detection in found {
        if kept.len() == most {
            break;
        }
        let placed = Placed::new(&detection);
        if kept
            .iter()
            .all(|(_, better)| better.overlap(&placed) <= overlap)
        {
            kept.push((detection, placed));
        }
    }
    kept.into_iter().map(|(detection, _)| detection).collect()
}

#[cfg(test)]
mod tests {
    use super::{Detection, suppress};

    fn detection(class: usize, confidence: f32, bounds: [f32; 4]) -> Detection {
        Detection {
            class,
            confidence,
            bounds,
        }
    }

    #[test]
    fn a_box_gives_way_to_a_surer_one_of_its_class_alone() {
        let best = detection(0, 0.9, [0.0, 0.0, 10.0, 10.0]);
        // 90 of 100 and 70 of 100 in common with it.
        let near = detection(0, 0.8, [0.0, 0.0, 10.0, 9.0]);
        let less = detection(0, 0.7, [0.0, 0.0, 10.0, 7.0]);
        let other = detection(1, 0.6, [0.0, 0.0, 10.0, 10.0]);
        let all = vec![other, less, near, best];
        // An overlap of just the limit is none.
        assert_eq!(suppress(all.clone(), 0.7, 300), [best, less, other]);
        assert_eq!(suppress(all.clone(), 0.69, 300), [best, other]);
        assert_eq!(suppress(all.clone(), 1.0, 300), [best, near, less, other]);
        assert_eq!(suppress(all, 1.0, 2), [best, near]);
        assert!(suppress(Vec::new(), 0.7, 300).is_empty());
    }
}
