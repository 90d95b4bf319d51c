//! The heads of four-legged animals other than elephants.
//!
//! Drawn around the neck's end, looking along +x; the unit is the size of the head.

use super::angle::sin_cos;
use super::coat::Coat;
use super::sketch::{Pair, Sketch};
use crate::kinds::{Class, Colour, DefectKind, Pose};
use crate::render::canvas::Ink;
use crate::scene::Animal;

const WHITE: Ink = Ink::rgb(246, 244, 238);
const PINK: Ink = Ink::rgb(232, 160, 158);

/// Draws the head of the animal's class.
pub(super) fn draw(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    match animal.class {
        Class::Giraffe => giraffe(sketch, animal, coat),
        Class::Zebra | Class::Horse => horse(sketch, animal, coat),
        Class::Cow => cow(sketch, animal, coat),
        Class::Lion => lion(sketch, animal, coat),
        Class::Cat => cat(sketch, animal, coat),
        Class::Bear => bear(sketch, animal, coat),
        Class::Dog => dog(sketch, animal, coat),
        Class::Sheep | Class::Elephant | Class::Bird => sheep(sketch, animal, coat),
    }
    if animal.pose == Pose::Eating {
        food(sketch, animal.class);
    }
}

/// Leaves or grass at the mouth.
fn food(sketch: &mut Sketch, class: Class) {
    let green = Ink::rgb(84, 148, 52);
    let (x, y) = match class {
        Class::Lion | Class::Cat | Class::Bear => (0.35, -0.75),
        Class::Giraffe => (1.75, 0.1),
        _ => (1.35, -0.1),
    };
    for (dx, dy, turn) in [
        (0.0, 0.25, 40.0),
        (0.25, 0.0, -10.0),
        (0.05, -0.25, -50.0),
        (0.4, 0.22, 20.0),
    ] {
        sketch.ellipse(
            (x + dx, y + dy),
            (0.34, 0.14),
            turn,
            green.times(1.0 + dx * 0.5),
        );
    }
}

fn eye(sketch: &mut Sketch, animal: &Animal, at: Pair, radius: f32, coat: &Coat) {
    let (x, y) = at;
    if animal.pose == Pose::Sleeping {
        let r = radius * 0.4;
        sketch.limb(
            &[
                (x - radius, y, r),
                (x, y - radius * 0.6, r),
                (x + radius, y, r),
            ],
            coat.dark,
        );
    } else {
        // A light rim keeps eyes visible on black coats.
        sketch.disc(at, radius * 1.35, coat.pale);
        sketch.disc(at, radius, coat.dark);
        sketch.disc((x + radius * 0.3, y + radius * 0.35), radius * 0.35, WHITE);
    }
}

fn giraffe(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    for x in [-0.12, 0.18] {
        sketch.limb(&[(x + 0.05, 0.3, 0.09), (x - 0.05, 0.95, 0.075)], coat.mark);
        sketch.disc((x - 0.05, 1.0), 0.14, coat.dark);
    }
    ear(sketch, &[(-0.2, 0.25), (-0.75, 0.72), (-0.35, 0.1)], coat);
    sketch.limb(
        &[
            (-0.05, 0.02, 0.42),
            (0.5, 0.02, 0.36),
            (1.05, -0.1, 0.24),
            (1.45, -0.14, 0.22),
        ],
        coat.head,
    );
    sketch.ellipse((1.4, -0.14), (0.28, 0.23), 0.0, coat.pale);
    sketch.disc((1.55, -0.04), 0.055, coat.dark);
    sketch.blob(
        &[(0.15, 0.4), (0.5, 0.3), (0.3, 0.15), (0.0, 0.25)],
        coat.mark,
    );
    eye(sketch, animal, (0.42, 0.12), 0.12, coat);
}

fn ear(sketch: &mut Sketch, points: &[Pair; 3], coat: &Coat) {
    let [a, tip, b] = *points;
    let belly = (
        f32::midpoint(a.0, tip.0) - (tip.1 - a.1) * 0.16,
        f32::midpoint(a.1, tip.1) + (tip.0 - a.0) * 0.16,
    );
    sketch.polygon(&[a, belly, tip, b], coat.head.times(0.82));
}

fn horse(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    ear(sketch, &[(-0.18, 0.25), (-0.12, 0.82), (0.12, 0.3)], coat);
    let tube = sketch.limb(
        &[
            (-0.05, 0.0, 0.4),
            (0.4, 0.02, 0.36),
            (0.95, 0.0, 0.24),
            (1.35, 0.0, 0.21),
        ],
        coat.head,
    );
    if animal.class == Class::Zebra {
        sketch.marks(coat.mark, |marks| {
            for stripe in 0..4 {
                let along = 0.28 + stripe as f32 * 0.13;
                marks.polygon(&tube.band((along, along + 0.055), (-0.2, 0.98)));
            }
        });
    }
    let muzzle = if animal.class == Class::Zebra {
        coat.dark
    } else {
        coat.head.times(0.68)
    };
    sketch.ellipse((1.36, 0.0), (0.25, 0.215), 0.0, muzzle);
    sketch.disc((1.45, 0.07), 0.05, coat.dark.times(0.5));
    ear(sketch, &[(0.0, 0.3), (0.1, 0.95), (0.28, 0.3)], coat);
    // The forelock.
    sketch.blob(
        &[(-0.25, 0.5), (0.15, 0.55), (0.5, 0.3), (0.1, 0.22)],
        coat.mark,
    );
    eye(sketch, animal, (0.42, 0.13), 0.1, coat);
}

fn cow(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    let horn = Ink::rgb(236, 224, 190);
    for shift in [-0.22, 0.12] {
        sketch.limb(
            &[
                (shift, 0.3, 0.11),
                (shift + 0.08, 0.68, 0.09),
                (shift + 0.4, 0.95, 0.03),
            ],
            horn,
        );
    }
    sketch.blob(
        &[
            (-0.15, 0.3),
            (-0.6, 0.5),
            (-0.85, 0.25),
            (-0.5, 0.05),
            (-0.15, 0.1),
        ],
        coat.mark,
    );
    sketch.limb(
        &[
            (-0.05, 0.0, 0.44),
            (0.4, 0.0, 0.4),
            (0.9, -0.02, 0.32),
            (1.2, -0.04, 0.3),
        ],
        coat.head,
    );
    sketch.blob(
        &[
            (-0.3, 0.4),
            (0.3, 0.5),
            (0.55, 0.1),
            (0.2, -0.2),
            (-0.25, 0.0),
        ],
        coat.mark,
    );
    sketch.ellipse((1.22, -0.04), (0.34, 0.34), 0.0, PINK);
    sketch.ellipse((1.36, 0.06), (0.055, 0.075), 0.0, coat.dark);
    eye(sketch, animal, (0.5, 0.14), 0.1, coat);
}

fn lion(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    // The mane: locks all around, darker behind.
    for (ink, reach, size) in [(coat.mark.times(0.8), 1.02, 0.5), (coat.mark, 0.72, 0.48)] {
        sketch.disc((0.05, 0.0), reach + 0.2, ink);
        for lock in 0..11 {
            let (sin, cos) = sin_cos(lock as f32 / 11.0 * 360.0);
            let at = (0.05 + cos * reach, sin * reach * 1.05);
            sketch.disc(at, size, ink);
        }
    }
    for x in [-0.5, 0.62] {
        sketch.disc((x, 0.68), 0.25, coat.head.times(0.9));
        sketch.disc((x, 0.66), 0.13, coat.mark.times(0.7));
    }
    sketch.ellipse((0.1, 0.02), (0.78, 0.8), 0.0, coat.head);
    cat_face(sketch, animal, coat, 1.0);
}

/// Eyes, nose and muzzle of a face seen from the front, a little turned.
fn cat_face(sketch: &mut Sketch, animal: &Animal, coat: &Coat, muzzle: f32) {
    sketch.ellipse(
        (0.18, -0.36 * muzzle),
        (0.42 * muzzle, 0.32 * muzzle),
        0.0,
        coat.pale,
    );
    sketch.ellipse((0.18, 0.0), (0.15, 0.3), 0.0, coat.head.times(1.08));
    sketch.polygon(&[(0.02, -0.14), (0.36, -0.14), (0.19, -0.34)], coat.dark);
    sketch.limb(
        &[
            (0.19, -0.3, 0.025),
            (0.19, -0.46, 0.025),
            (0.02, -0.54, 0.025),
        ],
        coat.dark,
    );
    sketch.limb(&[(0.19, -0.46, 0.025), (0.36, -0.54, 0.025)], coat.dark);
    for x in [-0.18, 0.52] {
        eye(sketch, animal, (x, 0.16), 0.11, coat);
    }
}

fn cat(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    for (outer, tip, inner) in [
        ((-0.72, 0.35), (-0.62, 1.22), (-0.05, 0.75)),
        ((0.92, 0.35), (0.85, 1.22), (0.28, 0.75)),
    ] {
        sketch.polygon(&[outer, tip, inner], coat.head);
        let centre = (
            (outer.0 + tip.0 + inner.0) / 3.0,
            (outer.1 + tip.1 + inner.1) / 3.0,
        );
        let shrunk = [outer, tip, inner].map(|(x, y)| {
            (
                centre.0 + (x - centre.0) * 0.55,
                centre.1 + (y - centre.1) * 0.55,
            )
        });
        sketch.polygon(&shrunk, PINK);
    }
    sketch.ellipse((0.1, 0.05), (0.9, 0.8), 0.0, coat.head);
    sketch.marks(coat.mark, |marks| {
        for x in [-0.15, 0.1, 0.35] {
            marks.polygon(&[(x - 0.06, 0.85), (x + 0.06, 0.85), (x, 0.45)]);
        }
    });
    cat_face(sketch, animal, coat, 0.85);
    sketch.marks(WHITE.times(0.95), |marks| {
        for (side, y) in [(-1.0, -0.22), (-1.0, -0.4), (1.0, -0.22), (1.0, -0.4)] {
            let (from, to) = (0.18 + side * 0.3, 0.18 + side * 1.05);
            marks.polygon(&[(from, y), (to, y + 0.1), (to, y + 0.06), (from, y - 0.04)]);
        }
    });
}

fn bear(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    for x in [-0.5, 0.55] {
        sketch.disc((x, 0.78), 0.34, coat.head);
        sketch.disc((x, 0.76), 0.18, coat.belly);
    }
    sketch.ellipse((0.05, 0.08), (0.98, 0.92), 0.0, coat.head);
    sketch.ellipse((0.4, -0.28), (0.58, 0.46), -6.0, coat.pale);
    sketch.ellipse((0.6, -0.1), (0.2, 0.15), 0.0, coat.dark);
    sketch.limb(
        &[(0.58, -0.2, 0.03), (0.56, -0.46, 0.03), (0.34, -0.54, 0.03)],
        coat.dark,
    );
    for x in [0.0, 0.62] {
        eye(sketch, animal, (x, 0.3), 0.095, coat);
    }
}

fn dog(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    if !matches!(animal.pose, Pose::Sleeping | Pose::Eating | Pose::Drinking) {
        sketch.ellipse((1.02, -0.52), (0.15, 0.3), 12.0, Ink::rgb(232, 100, 120));
    }
    sketch.ellipse((0.1, 0.08), (0.7, 0.64), 0.0, coat.head);
    sketch.limb(
        &[(0.35, -0.05, 0.42), (0.9, -0.14, 0.33), (1.28, -0.16, 0.27)],
        coat.head,
    );
    sketch.ellipse((1.05, -0.25), (0.42, 0.22), 0.0, coat.pale);
    sketch.ellipse((1.5, 0.02), (0.17, 0.15), 0.0, coat.dark);
    sketch.limb(
        &[
            (0.75, -0.34, 0.025),
            (1.1, -0.38, 0.025),
            (1.4, -0.28, 0.025),
        ],
        coat.dark,
    );
    if animal.colour == Colour::BlackAndWhite && !animal.has(DefectKind::WrongColours) {
        sketch.ellipse((0.35, 0.25), (0.3, 0.26), 0.0, coat.mark);
    }
    eye(sketch, animal, (0.48, 0.24), 0.12, coat);
    sketch.blob(
        &[
            (0.05, 0.62),
            (-0.35, 0.72),
            (-0.72, 0.2),
            (-0.68, -0.65),
            (-0.35, -0.8),
            (-0.1, -0.25),
        ],
        coat.mark,
    );
}

fn sheep(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    sketch.limb(
        &[
            (0.0, 0.0, 0.46),
            (0.5, -0.02, 0.42),
            (0.95, -0.06, 0.3),
            (1.1, -0.06, 0.27),
        ],
        coat.head,
    );
    sketch.blob(
        &[
            (-0.05, 0.25),
            (-0.5, 0.42),
            (-0.85, 0.1),
            (-0.5, -0.1),
            (-0.1, 0.0),
        ],
        coat.head.times(0.8),
    );
    for (x, y) in [(-0.25, 0.4), (0.05, 0.52), (0.32, 0.44)] {
        sketch.disc((x, y), 0.28, coat.body);
    }
    sketch.ellipse((1.28, 0.0), (0.06, 0.05), 0.0, PINK);
    let at = (0.6, 0.14);
    if animal.pose == Pose::Sleeping {
        sketch.limb(
            &[(0.48, 0.14, 0.04), (0.6, 0.08, 0.04), (0.72, 0.14, 0.04)],
            WHITE,
        );
    } else {
        sketch.disc(at, 0.13, WHITE);
        sketch.disc((0.63, 0.14), 0.08, coat.dark);
    }
}
