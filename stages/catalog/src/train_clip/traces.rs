//! What is to be seen at each patch of a scene's picture, which a CLIP's eyes can be taught.

use ccsr_world::{Class, Colour, DefectKind, Pose, Scene, Trace};

use crate::facts::place;

/// Facts about a patch: the defect there, and class, colour and pose of the animal there.
const FACTS: usize = 4;
/// The share of a patch, one in so many pixels, that something takes at least to be seen there.
const SHARE: usize = 8;

/// How many values each fact has, 0 for nothing.
pub(super) fn widths() -> Vec<usize> {
    let all = [
        DefectKind::ALL.len(),
        Class::ALL.len(),
        Colour::ALL.len(),
        Pose::ALL.len(),
    ];
    all.map(|values| values + 1).into()
}

/// The number of the value that each patch has, row by row, fact by fact, of a picture of `size` pixels a side.
pub(super) fn of(scene: &Scene, size: u32, patch: u32) -> Vec<u8> {
    let patches = (size / patch).pow(2) as usize;
    let mut values = vec![0; FACTS * patches];
    let (defects, animals) = values.split_at_mut(patches);
    let mut most = vec![0; patches];
    for (kind, trace) in scene.defect_traces(size) {
        for (at, area) in areas(&trace, patch).into_iter().enumerate() {
            if is_seen(area, patch) && area > most[at] {
                most[at] = area;
                defects[at] = value(DefectKind::ALL, kind);
            }
        }
    }
    let mut most = vec![0; patches];
    for (animal, trace) in scene.animals.iter().zip(scene.animal_traces(size)) {
        // It has colours that no animal has.
        let is_strange = animal.defects.contains(&DefectKind::WrongColours);
        let colour = value(Colour::ALL, animal.colour);
        let told = [
            value(Class::ALL, animal.class),
            if is_strange { 0 } else { colour },
            value(Pose::ALL, animal.pose),
        ];
        for (at, area) in areas(&trace, patch).into_iter().enumerate() {
            if is_seen(area, patch) && area > most[at] {
                most[at] = area;
                for (fact, value) in told.into_iter().enumerate() {
                    animals[fact * patches + at] = value;
                }
            }
        }
    }
    values
}

fn value<T: PartialEq + Copy>(all: &[T], one: T) -> u8 {
    1 + place(all, one) as u8
}

fn is_seen(area: usize, patch: u32) -> bool {
    area > 0 && area * SHARE >= (patch * patch) as usize
}

/// How many pixels of each patch a trace has.
fn areas(trace: &Trace, patch: u32) -> Vec<usize> {
    let [side, patch] = [trace.size, patch].map(|side| side as usize);
    let across = side / patch;
    let mut areas = vec![0; across * across];
    for (at, _) in trace.pixels.iter().enumerate().filter(|(_, seen)| **seen) {
        areas[at / side / patch * across + at % side / patch] += 1;
    }
    areas
}

/// Values of each fact, patch by patch, from those of each scene.
pub(super) fn by_fact<'a>(scenes: impl Iterator<Item = &'a Vec<u8>>) -> Vec<Vec<usize>> {
    let mut facts: Vec<Vec<usize>> = Vec::new();
    for scene in scenes {
        facts.resize(FACTS, Vec::new());
        let own = scene.chunks(scene.len() / FACTS);
        for (fact, values) in facts.iter_mut().zip(own) {
            fact.extend(values.iter().map(|value| usize::from(*value)));
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::train_clip::truth::samples::elephant;

    /// Eight patches of eight pixels in eight rows.
    #[test]
    fn patches_tell_what_is_to_be_seen_there() {
        let scene = |defects| Scene::from_text(&elephant(&defects).to_string()).unwrap();
        let sound = of(&scene(json!([])), 64, 8);
        assert_eq!(sound.len(), 4 * 64);
        let (class, colour) = (
            value(Class::ALL, Class::Elephant),
            value(Colour::ALL, Colour::Grey),
        );
        // It stands in the middle, with its feet at four fifths of the height.
        let at = 5 * 8 + 4;
        assert_eq!(
            [0, 1, 2].map(|fact| sound[fact * 64 + at]),
            [0, class, colour]
        );
        assert!(sound[3 * 64 + at] > 0 && sound[..64].iter().all(|value| *value == 0));
        // And not in the sky.
        assert_eq!([1, 2, 3].map(|fact| sound[fact * 64 + 2]), [0; 3]);

        let headless = of(&scene(json!(["head-missing"])), 64, 8);
        let missing = value(DefectKind::ALL, DefectKind::HeadMissing);
        let gone: Vec<usize> = (0..64).filter(|at| headless[*at] == missing).collect();
        // It looks to the left.
        assert!(
            !gone.is_empty() && gone.iter().all(|at| at % 8 < 5),
            "{gone:?}"
        );

        let strange = of(&scene(json!(["wrong-colours"])), 64, 8);
        assert_eq!([1, 2].map(|fact| strange[fact * 64 + at]), [class, 0]);
        let both = [sound, strange];
        let facts = by_fact(both.iter());
        assert_eq!(facts.len(), 4);
        assert_eq!([facts[2][at], facts[2][64 + at]], [usize::from(colour), 0]);
    }
}
