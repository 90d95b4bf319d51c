//! What the world promises: the same scenes every time, prompts that are understood, answers that are true,
//! and pictures in which the boxes are where the animals are.

mod answers;
mod captions;
mod drawing;
mod pictures;
mod prompts;
mod questions;
mod texts;
mod web;

use ccsr_world::{
    Animal, Background, Class, DefectKind, Facing, Place, Pose, Rates, Scene, Time, Weather, Wish,
    draw, grammar,
};

/// A seed of its own for each ordinal.
fn seed(ordinal: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&ordinal.to_le_bytes());
    seed
}

/// What a prompt of the grammar becomes.
fn drawn(ordinal: u64, rates: &Rates) -> (Wish, Scene) {
    let class = Class::ALL[ordinal as usize % Class::ALL.len()];
    let wish = grammar::wish(0, class, ordinal);
    let scene = draw(&wish, &seed(ordinal), rates);
    (wish, scene)
}

/// One sound animal in the middle of a meadow at noon.
fn one(class: Class, pose: Pose) -> Scene {
    Scene {
        animals: vec![Animal {
            class,
            colour: class.natural_colours()[0],
            pose,
            x: 0.5,
            y: 0.85,
            scale: 0.6,
            facing: Facing::Right,
            depth: 0.0,
            defects: Vec::new(),
        }],
        place: Place::Meadow,
        background: Background::Hills,
        time: Time::Noon,
        weather: Weather::Clear,
        detail: 7,
        ghost: None,
        torn: None,
    }
}

/// The scene with a defect, on its first animal or on itself.
fn with(mut scene: Scene, kind: DefectKind) -> Scene {
    let spot = ccsr_world::Spot {
        x: 0.5,
        y: 0.3,
        size: 0.24,
    };
    match kind {
        DefectKind::Ghost => scene.ghost = Some(spot),
        DefectKind::TornPatch => scene.torn = Some(spot),
        _ => scene.animals[0].defects.push(kind),
    }
    scene
}
