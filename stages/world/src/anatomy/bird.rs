//! Birds: two legs, a wing, a beak and a fanned tail.

use super::coat::Coat;
use super::sketch::{Pair, Sketch};
use super::stance::reach;
use crate::kinds::{BodyPart, DefectKind, Pose};
use crate::render::canvas::Ink;
use crate::scene::Animal;

/// The longer side of a standing bird in its own unit.
pub(super) const SPAN: f32 = 1.25;

const HORN: Ink = Ink::rgb(238, 150, 34);

/// The length of the legs.
const LEG: f32 = 0.34;

/// Where the parts of a bird are in one pose.
struct Stance {
    body: Pair,
    /// How steeply the body rises towards the head, in degrees.
    tilt: f32,
    head: Pair,
    head_angle: f32,
    feet: [Pair; 2],
}

impl Stance {
    fn of(pose: Pose) -> Self {
        let standing = (0.0, LEG + 0.22);
        let still = [(-0.05, 0.0), (0.13, 0.0)];
        let (body, tilt, head, head_angle, feet) = match pose {
            Pose::Standing => (standing, 28.0, (0.3, 0.9), 0.0, still),
            Pose::Walking => (
                standing,
                24.0,
                (0.34, 0.88),
                0.0,
                [(-0.2, 0.0), (0.24, 0.02)],
            ),
            Pose::Running => (
                (0.02, LEG + 0.24),
                12.0,
                (0.42, 0.8),
                0.0,
                [(-0.3, 0.12), (0.3, 0.03)],
            ),
            Pose::Eating | Pose::Drinking => (standing, -14.0, (0.42, 0.3), -48.0, still),
            Pose::Sleeping => ((0.0, 0.24), 8.0, (0.26, 0.5), -12.0, still),
            Pose::LookingUp => (standing, 38.0, (0.24, 0.96), 48.0, still),
            Pose::Bathing => ((0.0, 0.17), 20.0, (0.31, 0.5), 8.0, still),
        };
        Self {
            body,
            tilt,
            head,
            head_angle,
            feet,
        }
    }
}

/// Draws the bird and returns where its beak ends.
pub(super) fn draw(sketch: &mut Sketch, animal: &Animal, coat: &Coat) -> Pair {
    let stance = Stance::of(animal.pose);
    let body = stance.body;
    let raised = matches!(animal.pose, Pose::Running | Pose::Bathing);
    if raised {
        wing(sketch, body, 118.0, coat.body.times(0.65), coat.mark);
    }
    if !animal.has(DefectKind::TailMissing) {
        sketch.part(BodyPart::Tail, |sketch| tail(sketch, &stance, coat));
    }
    if !matches!(animal.pose, Pose::Sleeping | Pose::Bathing) {
        sketch.part(BodyPart::HindLeg, |sketch| legs(sketch, animal, &stance));
    }
    if animal.has(DefectKind::SecondNeck) {
        let base = reach(body, 95.0, 0.1);
        let end = (body.0 - 0.2, body.1 + 0.5);
        neck_and_head(sketch, animal, coat, (base, end, 20.0));
    }
    let ahead = reach(body, stance.tilt, 0.16);
    let behind = reach(body, stance.tilt, -0.2);
    let torso = sketch.limb(
        &[
            (behind.0, behind.1, 0.15),
            (body.0, body.1, 0.23),
            (ahead.0, ahead.1, 0.2),
        ],
        coat.body,
    );
    sketch.marks(coat.pale, |marks| {
        marks.polygon(&torso.sickle((0.1, 1.0), -1.0, 0.7));
    });
    if animal.has(DefectKind::HeadMissing) {
        let end = reach(ahead, stance.tilt + 18.0, 0.2);
        sketch.limb(&[(ahead.0, ahead.1, 0.16), (end.0, end.1, 0.1)], coat.body);
        sketch.part(BodyPart::Stump, |sketch| {
            sketch.ellipse(end, (0.06, 0.11), stance.tilt + 18.0, coat.body.times(0.45));
        });
    } else {
        neck_and_head(
            sketch,
            animal,
            coat,
            (ahead, stance.head, stance.head_angle),
        );
    }
    let angle = if raised { 128.0 } else { 180.0 + stance.tilt };
    let root = reach(body, stance.tilt, 0.1);
    wing(
        sketch,
        (root.0, root.1 + 0.04),
        angle,
        coat.body.times(0.78),
        coat.mark,
    );
    reach(stance.head, stance.head_angle, 0.26)
}

/// Three feathers.
fn tail(sketch: &mut Sketch, stance: &Stance, coat: &Coat) {
    sketch.framed(stance.body, stance.tilt, 1.0, |sketch| {
        for turn in [-16.0_f32, 0.0, 16.0] {
            sketch.framed((-0.28, 0.02), turn, 1.0, |sketch| {
                let ink = if turn == 0.0 {
                    coat.mark
                } else {
                    coat.body.times(0.8)
                };
                sketch.blob(
                    &[
                        (0.1, 0.06),
                        (-0.3, 0.1),
                        (-0.46, 0.0),
                        (-0.3, -0.09),
                        (0.1, -0.06),
                    ],
                    ink,
                );
            });
        }
    });
}

/// Legs with feet: two, or none, or two too many: of one more or less, little is to be seen.
fn legs(sketch: &mut Sketch, animal: &Animal, stance: &Stance) {
    let mut feet = stance.feet.to_vec();
    if animal.has(DefectKind::LegMissing) {
        feet.clear();
    }
    if animal.has(DefectKind::ExtraLeg) {
        feet.extend([(-0.46, 0.04), (0.46, 0.04)]);
    }
    let wrong = animal.has(DefectKind::WrongColours);
    let ink = if wrong {
        Ink::rgb(60, 70, 230)
    } else {
        HORN.times(0.9)
    };
    for (index, &(x, y)) in feet.iter().enumerate() {
        let top = (stance.body.0 + x * 0.5, stance.body.1 - 0.1);
        let ink = if index == 1 { ink } else { ink.times(0.85) };
        let knee = (
            f32::midpoint(top.0, x) - 0.03,
            f32::midpoint(top.1, y) + 0.02,
        );
        sketch.limb(
            &[
                (top.0, top.1, 0.05),
                (knee.0, knee.1, 0.03),
                (x, y + 0.02, 0.026),
            ],
            ink,
        );
        for toe in [-0.07, 0.07, 0.13] {
            sketch.limb(&[(x, y + 0.03, 0.022), (x + toe, y + 0.018, 0.018)], ink);
        }
    }
}

fn neck_and_head(
    sketch: &mut Sketch,
    animal: &Animal,
    coat: &Coat,
    (base, head, angle): (Pair, Pair, f32),
) {
    let middle = (f32::midpoint(base.0, head.0), f32::midpoint(base.1, head.1));
    sketch.part(BodyPart::Neck, |sketch| {
        sketch.limb(
            &[
                (base.0, base.1, 0.17),
                (middle.0, middle.1, 0.13),
                (head.0, head.1, 0.12),
            ],
            coat.body,
        );
    });
    sketch.part(BodyPart::Head, |sketch| {
        sketch.framed(head, angle, 0.16, |sketch| draw_head(sketch, animal, coat));
    });
}

/// Crest, beak, head, eye.
fn draw_head(sketch: &mut Sketch, animal: &Animal, coat: &Coat) {
    let wrong = animal.has(DefectKind::WrongColours);
    sketch.blob(
        &[(-0.3, 0.7), (-0.9, 1.35), (-0.35, 1.1), (0.2, 0.85)],
        coat.mark,
    );
    let beak = if wrong { Ink::rgb(60, 70, 230) } else { HORN };
    sketch.polygon(&[(0.7, 0.38), (1.75, -0.08), (0.7, -0.1)], beak);
    sketch.polygon(
        &[(0.7, -0.06), (1.45, -0.14), (0.7, -0.42)],
        beak.times(0.8),
    );
    sketch.disc((0.0, 0.0), 0.98, coat.head);
    sketch.ellipse((0.25, -0.45), (0.5, 0.4), 0.0, coat.pale);
    if animal.pose == Pose::Sleeping {
        sketch.limb(
            &[(0.2, 0.25, 0.06), (0.4, 0.15, 0.06), (0.6, 0.25, 0.06)],
            coat.dark,
        );
    } else {
        sketch.disc((0.4, 0.22), 0.25, Ink::rgb(250, 248, 240));
        sketch.disc((0.46, 0.22), 0.16, coat.dark);
    }
    if animal.pose == Pose::Eating {
        for turn in [-35.0_f32, 0.0, 35.0] {
            sketch.ellipse((1.7, -0.1), (0.4, 0.14), turn, Ink::rgb(84, 148, 52));
        }
    }
}

/// A wing that hangs from its root towards an angle, with feathers at its edge.
fn wing(sketch: &mut Sketch, root: Pair, angle: f32, ink: Ink, tips: Ink) {
    sketch.part(BodyPart::Wing, |sketch| {
        sketch.framed(root, angle, 1.0, |sketch| {
            for (turn, length) in [(-14.0, 0.5), (0.0, 0.54), (14.0, 0.46)] {
                sketch.framed((0.0, 0.0), turn, 1.0, |sketch| {
                    sketch.ellipse((length * 0.55, 0.0), (length * 0.48, 0.07), 0.0, tips);
                });
            }
            sketch.blob(
                &[
                    (-0.12, 0.02),
                    (0.0, 0.16),
                    (0.26, 0.15),
                    (0.42, 0.02),
                    (0.24, -0.12),
                    (0.0, -0.12),
                ],
                ink,
            );
        });
    });
}
