//! What only elephants have: the trunk, the tusks and the great ears.

use super::coat::Coat;
use super::sketch::{Pair, Sketch};
use super::stance::Stance;
use crate::kinds::{BodyPart, DefectKind, Pose};
use crate::render::canvas::Ink;
use crate::scene::Animal;

/// The size of the head in the elephant's unit.
const SIZE: f32 = 0.3;

const LEAVES: Ink = Ink::rgb(84, 148, 52);
const WATER: Ink = Ink::rgb(170, 214, 240);

/// The ear on the far side, which shows above the brow.
pub(super) fn far_ear(sketch: &mut Sketch, stance: &Stance, coat: &Coat) {
    sketch.part(BodyPart::Head, |sketch| {
        sketch.framed(stance.head(), stance.head_angle, SIZE, |sketch| {
            sketch.ellipse((-0.1, 0.55), (0.5, 0.62), 20.0, coat.head.times(0.7));
        });
    });
}

/// The head with trunk, tusk and near ear.
pub(super) fn head(sketch: &mut Sketch, animal: &Animal, stance: &Stance, coat: &Coat) {
    sketch.part(BodyPart::Head, |sketch| {
        draw_head(sketch, animal, stance, coat);
    });
}

fn draw_head(sketch: &mut Sketch, animal: &Animal, stance: &Stance, coat: &Coat) {
    // How far the ground lies below the head, in the head's unit.
    let ground = stance.head().1 / SIZE;
    sketch.framed(stance.head(), stance.head_angle, SIZE, |sketch| {
        let resting = trunk_path(animal.pose, ground);
        if animal.has(DefectKind::SecondTrunk) {
            let raised = matches!(animal.pose, Pose::LookingUp | Pose::Bathing);
            let other = if raised {
                trunk_path(Pose::Standing, ground)
            } else {
                trunk_path(Pose::LookingUp, ground)
            };
            trunk(sketch, &other, coat);
        }
        trunk(sketch, &resting, coat);
        // The skull over the trunk's root, with its domed brow.
        sketch.blob(
            &[
                (-0.75, 0.75),
                (0.1, 1.12),
                (0.85, 0.8),
                (1.12, 0.0),
                (0.85, -0.75),
                (0.2, -0.98),
                (-0.7, -0.7),
            ],
            coat.head,
        );
        let ivory = Ink::rgb(250, 244, 224);
        sketch.limb(
            &[
                (0.72, -0.5, 0.11),
                (1.15, -0.85, 0.1),
                (1.6, -0.8, 0.07),
                (1.85, -0.6, 0.02),
            ],
            ivory,
        );
        let (last, before) = (resting[resting.len() - 1], resting[resting.len() - 2]);
        match animal.pose {
            Pose::Eating => {
                for (x, y) in [(-0.2, 0.18), (0.25, 0.1), (0.0, 0.38), (0.05, -0.12)] {
                    sketch.ellipse((last.0 + x, last.1 + y), (0.28, 0.14), x * 200.0, LEAVES);
                }
            }
            Pose::Bathing => {
                for drop in 0..7 {
                    let along = 0.2 + drop as f32 * 0.13;
                    let side = if drop % 2 == 0 { 0.16 } else { -0.14 } * (0.5 + along);
                    let (dx, dy) = ((last.0 - before.0) * 0.4, (last.1 - before.1) * 0.4);
                    let at = (
                        last.0 + dx * along * 6.0 + side,
                        last.1 + dy * along * 4.0 - along * along * 0.3,
                    );
                    sketch.disc(at, 0.09, WATER);
                }
            }
            _ => {}
        }
        eye(sketch, stance.asleep, coat);
        ear(sketch, coat);
    });
}

/// Where the trunk ends.
pub(super) fn trunk_tip(pose: Pose, stance: &Stance) -> Pair {
    let head = stance.head();
    let (x, y, _) = trunk_path(pose, head.1 / SIZE)[4];
    (head.0 + x * SIZE, head.1 + y * SIZE)
}

fn eye(sketch: &mut Sketch, asleep: bool, coat: &Coat) {
    if asleep {
        sketch.limb(
            &[
                (0.42, 0.22, 0.035),
                (0.55, 0.17, 0.035),
                (0.68, 0.22, 0.035),
            ],
            coat.dark,
        );
    } else {
        sketch.disc((0.55, 0.24), 0.1, Ink::rgb(240, 238, 232));
        sketch.disc((0.58, 0.23), 0.075, coat.dark);
    }
}

/// The near ear: a fan with a darker rim, over neck and shoulder.
fn ear(sketch: &mut Sketch, coat: &Coat) {
    let fan = [
        (0.12, 0.8),
        (-0.55, 1.18),
        (-1.25, 0.85),
        (-1.42, 0.05),
        (-1.1, -0.75),
        (-0.6, -1.35),
        (-0.25, -0.8),
        (0.1, -0.3),
    ];
    sketch.blob(&fan, coat.head.times(0.68));
    let inner = fan.map(|(x, y)| (-0.5 + (x + 0.5) * 0.84, (y - 0.05) * 0.84 + 0.05));
    sketch.blob(
        &inner,
        coat.head.mix(Ink::rgb(214, 160, 150), 0.28).times(0.95),
    );
}

/// The trunk along its knots, with a few wrinkles.
fn trunk(sketch: &mut Sketch, knots: &[(f32, f32, f32)], coat: &Coat) {
    sketch.part(BodyPart::Trunk, |sketch| {
        let tube = sketch.limb(knots, coat.head.times(0.95));
        sketch.marks(coat.head.times(0.72), |marks| {
            for wrinkle in 0..6 {
                let along = 0.3 + wrinkle as f32 * 0.11;
                marks.polygon(&tube.band((along, along + 0.022), (-0.1, 0.96)));
            }
        });
    });
}

/// Where the trunk goes, from the brow to its tip.
fn trunk_path(pose: Pose, ground: f32) -> [(f32, f32, f32); 5] {
    let floor = 0.15 - ground;
    match pose {
        Pose::Eating => [
            (0.75, 0.0, 0.46),
            (1.25, -0.75, 0.3),
            (1.4, -1.45, 0.23),
            (1.0, -1.75, 0.18),
            (0.8, -1.2, 0.14),
        ],
        Pose::Drinking => [
            (0.75, 0.0, 0.46),
            (1.3, floor * 0.35, 0.29),
            (1.5, floor * 0.62, 0.23),
            (1.6, floor * 0.85, 0.18),
            (1.75, floor, 0.14),
        ],
        Pose::Sleeping => [
            (0.75, -0.1, 0.46),
            (1.3, floor * 0.6, 0.3),
            (1.6, floor + 0.1, 0.23),
            (2.1, floor + 0.05, 0.18),
            (2.5, floor + 0.1, 0.13),
        ],
        Pose::LookingUp | Pose::Bathing => [
            (0.75, 0.0, 0.46),
            (1.45, 0.1, 0.3),
            (1.85, 0.65, 0.23),
            (1.85, 1.3, 0.18),
            (2.15, 1.7, 0.14),
        ],
        Pose::Walking => [
            (0.75, 0.0, 0.46),
            (1.15, -0.85, 0.3),
            (1.1, -1.5, 0.23),
            (1.2, -2.05, 0.18),
            (1.55, -2.3, 0.14),
        ],
        Pose::Running => [
            (0.75, 0.0, 0.46),
            (1.35, -0.6, 0.3),
            (1.65, -1.1, 0.23),
            (2.05, -1.3, 0.18),
            (2.4, -1.05, 0.14),
        ],
        Pose::Standing => [
            (0.75, 0.0, 0.46),
            (1.12, -0.9, 0.3),
            (1.1, -1.6, 0.23),
            (1.05, -2.15, 0.18),
            (1.3, -2.45, 0.14),
        ],
    }
}
