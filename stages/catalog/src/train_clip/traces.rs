//! What is to be seen at each patch of a scene's picture, which a CLIP's eyes can be taught.

use ccsr_world::{Animal, BodyPart, Class, Colour, DefectKind, Pose, Scene, Trace};

use crate::facts::place;

/// The share of a patch, one in so many pixels, that something takes at least to be seen there.
const SHARE: usize = 8;

/// How many values each fact has, 0 for nothing: the defect there, class, colour and pose of the animal there, and, if asked,
/// which part of it.
pub(super) fn widths(parts: bool) -> Vec<usize> {
    let all = [
        DefectKind::ALL.len(),
        Class::ALL.len(),
        Colour::ALL.len(),
        Pose::ALL.len(),
    ];
    let parts = parts.then_some(BodyPart::ALL.len());
    all.into_iter()
        .chain(parts)
        .map(|values| values + 1)
        .collect()
}

/// The number of the value that each patch has, row by row, fact by fact, of a picture of `size` pixels a side.
pub(super) fn of(scene: &Scene, size: u32, patch: u32, parts: bool) -> Vec<u8> {
    let (kinds, defects): (Vec<_>, Vec<_>) = scene.defect_traces(size).into_iter().unzip();
    let defect = |index: usize| value(DefectKind::ALL, kinds[index]);
    let animals = largest(&scene.animal_traces(size), size, patch);
    let animal = |of: &dyn Fn(&Animal) -> u8| {
        let told = |seen: &Option<usize>| seen.map_or(0, |index| of(&scene.animals[index]));
        animals.iter().map(told).collect::<Vec<u8>>()
    };
    // One of strange colours has colours that no animal has.
    let colour = |animal: &Animal| {
        if animal.defects.contains(&DefectKind::WrongColours) {
            return 0;
        }
        value(Colour::ALL, animal.colour)
    };
    let defects = largest(&defects, size, patch).into_iter();
    let parts = parts.then(|| body_parts(scene, size, patch));
    [
        defects.map(|seen| seen.map_or(0, defect)).collect(),
        animal(&|animal| value(Class::ALL, animal.class)),
        animal(&colour),
        animal(&|animal| value(Pose::ALL, animal.pose)),
        parts.unwrap_or_default(),
    ]
    .concat()
}

/// For each patch, what of an animal takes the most of it, if any is seen there.
fn body_parts(scene: &Scene, size: u32, patch: u32) -> Vec<u8> {
    let seen = scene.body_parts(size);
    let trace = |part: &BodyPart| Trace {
        size,
        pixels: seen.iter().map(|there| *there == Some(*part)).collect(),
    };
    let traces: Vec<_> = BodyPart::ALL.iter().map(trace).collect();
    let found = largest(&traces, size, patch).into_iter();
    found
        .map(|part| part.map_or(0, |at| 1 + at as u8))
        .collect()
}

/// For each patch, which of the traces takes the most of it, if any is seen there.
fn largest(traces: &[Trace], size: u32, patch: u32) -> Vec<Option<usize>> {
    let patches = (size / patch).pow(2) as usize;
    let (mut found, mut most) = (vec![None; patches], vec![0; patches]);
    for (index, trace) in traces.iter().enumerate() {
        for (at, area) in areas(trace, patch).into_iter().enumerate() {
            if is_seen(area, patch) && area > most[at] {
                (found[at], most[at]) = (Some(index), area);
            }
        }
    }
    found
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::train_clip::by_fact;
    use crate::train_clip::truth::samples::elephant;

    /// Eight patches of eight pixels in eight rows.
    #[test]
    fn patches_tell_what_is_to_be_seen_there() {
        let scene = |defects| Scene::from_text(&elephant(&defects).to_string()).unwrap();
        let sound = of(&scene(json!([])), 64, 8, false);
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

        let headless = of(&scene(json!(["head-missing"])), 64, 8, false);
        let missing = value(DefectKind::ALL, DefectKind::HeadMissing);
        let gone: Vec<usize> = (0..64).filter(|at| headless[*at] == missing).collect();
        // It looks to the left.
        assert!(
            !gone.is_empty() && gone.iter().all(|at| at % 8 < 5),
            "{gone:?}"
        );

        let strange = of(&scene(json!(["wrong-colours"])), 64, 8, false);
        assert_eq!([1, 2].map(|fact| strange[fact * 64 + at]), [class, 0]);
        // Asked for parts, it tells none where no animal is; a head, unless it is missing.
        let parts = of(&scene(json!([])), 64, 8, true);
        assert_eq!(parts.len(), 5 * 64);
        let (animal, part) = (&parts[64..2 * 64], &parts[4 * 64..]);
        let mut both = animal.iter().zip(part);
        assert!(both.all(|(animal, part)| *animal > 0 || *part == 0));
        let head = value(BodyPart::ALL, BodyPart::Head);
        assert!(
            part.contains(&head)
                && !of(&scene(json!(["head-missing"])), 64, 8, true)[4 * 64..].contains(&head)
        );
        assert_eq!(parts[..4 * 64], sound);

        let both = [sound, strange];
        let facts = by_fact(both.iter(), 64);
        assert_eq!(facts.len(), 4);
        assert_eq!([facts[2][at], facts[2][64 + at]], [usize::from(colour), 0]);
    }
}
