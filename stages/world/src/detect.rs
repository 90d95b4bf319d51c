//! A detector that knows the truth and blurs it.

use crate::boxes::TrueBox;
use crate::kinds::{Class, DefectKind};
use crate::random::Random;
use crate::scene::{Animal, Scene};
use crate::wish::Wish;

/// Nothing less certain than this is reported.
pub const FLOOR: f32 = 0.01;

/// How often a label is found where nothing is.
const FALSE_ALARM: f64 = 0.12;

/// How often an animal is also taken, weakly, for one that it resembles.
const CONFUSION: f64 = 0.3;

/// One box that the detector reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// The index of its label in the vocabulary.
    pub label: usize,
    /// The left edge in pixels, inside the image.
    pub x0: f32,
    /// The top edge in pixels, inside the image.
    pub y0: f32,
    /// The right edge in pixels, inside the image.
    pub x1: f32,
    /// The bottom edge in pixels, inside the image.
    pub y1: f32,
    /// How sure the detector is, [`FLOOR`]`..1.0`.
    pub confidence: f32,
}

/// Looks for the labels in an image of the scene, `size` pixels a side; the surest finds come first.
///
/// A label is an animal's name, or a phrase with one in it (`a photo of an elephant`); any other finds
/// nothing. What is found for one label does not depend on the others.
pub fn detect(scene: &Scene, vocabulary: &[&str], size: u32, noise: &[u8; 32]) -> Vec<Detection> {
    let boxes = scene.boxes(size);
    let side = size as f32;
    let mut found = Vec::new();
    for (label, name) in vocabulary.iter().enumerate() {
        // A word of a vocabulary may be a phrase: `a photo of an elephant`.
        let named = Class::from_name(name).or_else(|| Wish::parse(name).class);
        let Some(class) = named else {
            continue;
        };
        let random = &mut Random::from_parts(&[b"detect", noise, class.name().as_bytes()]);
        for (animal, truth) in scene.animals.iter().zip(&boxes) {
            // Every animal takes the same numbers, found or not, so that boxes do not influence each other.
            let (blur, sure, confused) = (
                jitter(random),
                random.unit() as f32,
                random.chance(CONFUSION),
            );
            let confidence = if animal.class == class {
                confidence(scene, animal, truth, side) + (sure - 0.5) * 0.09
            } else if confused && alike(animal.class, class) {
                0.03 + 0.22 * sure * sure
            } else {
                continue;
            };
            if truth.visible > 0.08 {
                found.push(blurred(truth, blur, side, label, confidence));
            }
        }
        if random.chance(FALSE_ALARM) {
            found.push(false_alarm(random, side, label));
        }
    }
    found.retain(|detection| detection.x1 > detection.x0 && detection.y1 > detection.y0);
    found.sort_by(|a, b| {
        b.confidence
            .total_cmp(&a.confidence)
            .then(a.label.cmp(&b.label))
    });
    found
}

/// How sure a detector is of an animal: less if it is hidden, small, or not as its kind should be.
fn confidence(scene: &Scene, animal: &Animal, truth: &TrueBox, side: f32) -> f32 {
    let longer = (truth.x1 - truth.x0).max(truth.y1 - truth.y0) / side;
    let small = (0.4 - longer).max(0.0) * 0.5;
    let wrong: f32 = animal.defects.iter().map(|&kind| doubt(kind)).sum();
    let flawed = if scene.torn.is_some() { 0.08 } else { 0.0 }
        + if scene.ghost.is_some() { 0.05 } else { 0.0 };
    0.92 - small - 0.45 * (1.0 - truth.visible) - wrong.min(0.5) - flawed
}

/// What a defect takes from a detector's confidence.
const fn doubt(kind: DefectKind) -> f32 {
    match kind {
        DefectKind::HeadMissing => 0.3,
        DefectKind::WrongColours => 0.22,
        DefectKind::SecondNeck | DefectKind::SecondTrunk => 0.17,
        DefectKind::LegMissing | DefectKind::ExtraLeg => 0.14,
        DefectKind::TailMissing => 0.1,
        DefectKind::MissingShadow => 0.08,
        DefectKind::TornPatch | DefectKind::Ghost => 0.0,
    }
}

/// Whether the classes resemble each other enough to be taken for one another.
fn alike(one: Class, other: Class) -> bool {
    let herd = |class| {
        matches!(
            class,
            Class::Horse | Class::Zebra | Class::Cow | Class::Sheep | Class::Giraffe
        )
    };
    let hunter = |class| matches!(class, Class::Dog | Class::Cat | Class::Lion | Class::Bear);
    one != other && (herd(one) && herd(other) || hunter(one) && hunter(other))
}

fn jitter(random: &mut Random) -> [f32; 4] {
    [(); 4].map(|()| random.between(-0.02, 0.02))
}

fn blurred(truth: &TrueBox, blur: [f32; 4], side: f32, label: usize, confidence: f32) -> Detection {
    let (width, height) = (truth.x1 - truth.x0, truth.y1 - truth.y0);
    let clip = |value: f32| value.clamp(0.0, side);
    Detection {
        label,
        x0: clip(truth.x0 + blur[0] * width),
        y0: clip(truth.y0 + blur[1] * height),
        x1: clip(truth.x1 + blur[2] * width),
        y1: clip(truth.y1 + blur[3] * height),
        confidence: confidence.clamp(FLOOR, 0.99),
    }
}

fn false_alarm(random: &mut Random, side: f32, label: usize) -> Detection {
    let (width, height) = (random.between(0.1, 0.4), random.between(0.1, 0.4));
    let (x, y) = (
        random.between(0.0, 1.0 - width),
        random.between(0.0, 1.0 - height),
    );
    let sure = random.unit() as f32;
    Detection {
        label,
        x0: x * side,
        y0: y * side,
        x1: (x + width) * side,
        y1: (y + height) * side,
        confidence: FLOOR + 0.29 * sure * sure,
    }
}
