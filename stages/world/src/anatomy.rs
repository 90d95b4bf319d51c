//! How animals are built: from a class, a pose and defects to shapes.
//!
//! [`Figure`] is an animal placed in a scene: shapes and where they go. Light, shadows and ground belong to the
//! renderer; this module only knows bodies.

mod angle;
mod bird;
mod build;
mod coat;
mod elephant;
mod head;
mod limbs;
mod quadruped;
pub(crate) mod sketch;
mod stance;

use tiny_skia::Transform;

use crate::kinds::{Class, Pose};
use crate::scene::{Animal, Facing};
use sketch::Sketch;

use coat::Coat;

/// An animal's shapes, and the way from its own coordinates to the scene's.
pub(crate) struct Figure {
    pub(crate) sketch: Sketch,
    pub(crate) transform: Transform,
    mouth: sketch::Pair,
    /// Whether it is in water up to the ground's height.
    afloat: bool,
}

impl Figure {
    pub(crate) fn of(animal: &Animal) -> Self {
        let mut sketch = Sketch::new();
        let coat = Coat::of(animal);
        let mouth = match animal.class {
            Class::Bird => bird::draw(&mut sketch, animal, &coat),
            _ => quadruped::draw(&mut sketch, animal, &coat),
        };
        let scale = animal.scale / span(animal.class);
        let across = match animal.facing {
            Facing::Left => -scale,
            Facing::Right => scale,
        };
        Self {
            sketch,
            // Animals measure upwards, images downwards.
            transform: Transform::from_row(across, 0.0, 0.0, -scale, animal.x, animal.y),
            mouth,
            afloat: animal.pose == Pose::Bathing,
        }
    }

    /// Where its mouth (or the trunk's tip) is in the scene.
    pub(crate) fn mouth(&self) -> sketch::Pair {
        let (x, y) = self.mouth;
        (
            x * self.transform.sx + self.transform.tx,
            y * self.transform.sy + self.transform.ty,
        )
    }

    /// What it covers in the scene, off-image parts included: left, top, right, bottom.
    pub(crate) fn bounds(&self) -> [f32; 4] {
        let [left, bottom, right, top] = self.sketch.bounds();
        let map = |x: f32, y: f32| {
            let t = &self.transform;
            (x * t.sx + t.tx, y * t.sy + t.ty)
        };
        // What is under water is not to be seen.
        let bottom = if self.afloat { bottom.max(0.0) } else { bottom };
        let (a, b) = (map(left, top), map(right, bottom));
        [a.0.min(b.0), a.1.min(b.1), a.0.max(b.0), a.1.max(b.1)]
    }
}

/// The longer side of the standing animal in its own units, so that `scale` means the same for all classes.
const fn span(class: Class) -> f32 {
    match class {
        Class::Bird => bird::SPAN,
        _ => build::Build::of(class).span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Colour;

    #[test]
    fn a_standing_animal_is_as_large_as_its_scale() {
        for &class in Class::ALL {
            let animal = Animal {
                class,
                colour: Colour::Brown,
                pose: Pose::Standing,
                x: 0.0,
                y: 0.0,
                scale: 1.0,
                facing: Facing::Right,
                depth: 0.0,
                defects: Vec::new(),
            };
            let [left, top, right, bottom] = Figure::of(&animal).bounds();
            let longer = (right - left).max(bottom - top);
            assert!((0.95..1.05).contains(&longer), "{class}: {longer}");
            assert!(bottom.abs() < 0.03, "{class} stands at {bottom}");
        }
    }
}
