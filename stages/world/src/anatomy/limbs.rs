//! Legs and tails of four-legged animals.

use super::build::Build;
use super::coat::Coat;
use super::sketch::Sketch;
use super::stance::{Leg, Stance};
use crate::kinds::{BodyPart, Class, Pose};
use crate::render::canvas::Ink;
use crate::scene::Animal;

/// A leg too many, where nobody could take it for one of the four: stretched out behind the others, or, where these are
/// stretched out, from the middle of the belly.
pub(super) fn extra_leg(hind: &Leg, fore: &Leg, pose: Pose, build: &Build) -> Leg {
    let ground = build.leg[2] * 0.9;
    if pose == Pose::Running {
        let top = (
            f32::midpoint(hind.top.0, fore.top.0),
            f32::midpoint(hind.top.1, fore.top.1),
        );
        let foot = (top.0 + build.length * 0.05, ground);
        return Leg { top, foot, ..*fore };
    }
    let top = (hind.top.0 - build.leg[0] * 0.3, hind.top.1);
    Leg {
        top,
        foot: (hind.foot.0.min(top.0) - top.1 * 0.62, ground),
        ..*hind
    }
}

/// What remains of a missing leg: enough to see that it should be there.
pub(super) fn leg_stump(sketch: &mut Sketch, build: &Build, leg: &Leg, coat: &Coat) {
    let chest = build.torso[2];
    let end = (leg.top.0 + 0.02, leg.top.1 - chest * 1.08);
    let radius = build.leg[0] * 0.85;
    sketch.part(BodyPart::Stump, |sketch| {
        sketch.limb(
            &[(leg.top.0, leg.top.1, build.leg[0]), (end.0, end.1, radius)],
            coat.leg,
        );
        sketch.ellipse(
            (end.0, end.1 - radius * 0.7),
            (radius * 0.75, radius * 0.3),
            0.0,
            coat.body.times(0.45),
        );
    });
}

/// A leg with its foot.
pub(super) fn draw_leg(
    sketch: &mut Sketch,
    animal: &Animal,
    build: &Build,
    leg: &Leg,
    coat: &Coat,
    ink: Ink,
) {
    let [top, middle, foot] = build.leg;
    let knee = leg.knee();
    let tube = sketch.limb(
        &[
            (leg.top.0, leg.top.1, top),
            (knee.0, knee.1, middle),
            (leg.foot.0, leg.foot.1, foot * 0.92),
        ],
        ink,
    );
    let at = leg.foot;
    match animal.class {
        Class::Elephant => {
            sketch.ellipse(
                (at.0 + foot * 0.08, at.1 - foot * 0.25),
                (foot * 1.12, foot * 0.62),
                0.0,
                ink,
            );
            let nail = ink.mix(Ink::rgb(250, 240, 225), 0.5);
            for step in [0.15, 0.55, 0.9] {
                sketch.ellipse(
                    (at.0 + foot * step, at.1 - foot * 0.6),
                    (foot * 0.16, foot * 0.18),
                    0.0,
                    nail,
                );
            }
        }
        Class::Lion | Class::Bear | Class::Dog | Class::Cat => {
            sketch.ellipse(
                (at.0 + foot * 0.55, at.1 - foot * 0.25),
                (foot * 1.35, foot * 0.68),
                0.0,
                ink,
            );
        }
        _ => {
            let hoof = coat.dark.mix(ink, 0.15);
            let (x, y, r) = (at.0 + foot * 0.15, at.1 - foot * 0.9, foot * 1.15);
            sketch.polygon(
                &[
                    (x - r * 0.8, y + r),
                    (x + r * 0.8, y + r),
                    (x + r * 1.1, y),
                    (x - r * 0.9, y),
                ],
                hoof,
            );
        }
    }
    match animal.class {
        Class::Zebra => sketch.marks(coat.mark, |marks| {
            for stripe in 0..6 {
                let along = 0.12 + stripe as f32 * 0.14;
                let reach = if stripe < 2 { 0.7 } else { 0.95 };
                marks.polygon(&tube.band((along, along + 0.06), (-reach, reach)));
            }
        }),
        Class::Giraffe => sketch.marks(coat.mark, |marks| {
            for (along, across) in [
                (0.04, -0.3),
                (0.1, 0.5),
                (0.18, -0.5),
                (0.26, 0.3),
                (0.38, -0.3),
                (0.48, 0.3),
                (0.6, -0.1),
            ] {
                marks.blob(&tube.spot((along, across), (0.05, 0.5)));
            }
        }),
        _ => {}
    }
}

/// The thighs, which hide where the near legs begin.
pub(super) fn haunches(
    sketch: &mut Sketch,
    animal: &Animal,
    build: &Build,
    stance: &Stance,
    coat: &Coat,
) {
    if matches!(
        animal.class,
        Class::Sheep | Class::Zebra | Class::Giraffe | Class::Cow
    ) {
        return;
    }
    let [top, ..] = build.leg;
    let hind = stance.legs[0].top;
    sketch.ellipse(
        (hind.0 - top * 0.1, hind.1),
        (top * 1.2, build.torso[0] * 0.8),
        0.0,
        coat.body,
    );
}

/// The tail of each class.
pub(super) fn tail(
    sketch: &mut Sketch,
    animal: &Animal,
    build: &Build,
    stance: &Stance,
    coat: &Coat,
) {
    let rump = build.torso[0];
    let lying = if stance.asleep { 0.45 } else { 1.0 };
    let root = (stance.hip.0 - rump * 0.82, stance.hip.1 + rump * 0.42);
    let flow = if animal.pose == Pose::Running {
        1.6
    } else {
        1.0
    };
    let at = |x: f32, y: f32, r: f32| (root.0 + x * flow, (root.1 + y * lying / flow).max(0.03), r);
    match animal.class {
        Class::Dog => {
            sketch.limb(
                &[
                    at(0.06, -0.04, 0.045),
                    at(-0.1, 0.06, 0.042),
                    at(-0.17, 0.2, 0.036),
                    at(-0.1, 0.3, 0.02),
                ],
                coat.body,
            );
        }
        Class::Cat => {
            let knots = [
                at(0.04, -0.04, 0.04),
                at(-0.12, 0.0, 0.04),
                at(-0.18, 0.2, 0.038),
                at(-0.12, 0.36, 0.036),
                at(-0.2, 0.46, 0.03),
            ];
            sketch.limb(&knots, coat.body);
        }
        Class::Bear | Class::Sheep => sketch.disc(
            (root.0 - rump * 0.12, root.1 - rump * 0.1),
            rump * 0.22,
            coat.body,
        ),
        Class::Horse => {
            let knots = [
                at(0.06, 0.0, 0.045),
                at(-0.12, -0.02, 0.06),
                at(-0.2, -0.25, 0.075),
                at(-0.2, -0.52, 0.045),
                at(-0.24, -0.62, 0.02),
            ];
            sketch.limb(&knots, coat.mark);
        }
        Class::Lion => {
            let knots = [
                at(0.05, -0.04, 0.038),
                at(-0.14, -0.12, 0.034),
                at(-0.24, -0.02, 0.03),
                at(-0.3, 0.16, 0.028),
            ];
            sketch.limb(&knots, coat.body);
            let end = knots[3];
            sketch.ellipse((end.0 - 0.01, end.1 + 0.04), (0.06, 0.09), 15.0, coat.mark);
        }
        _ => {
            let long = build.hip * 0.52;
            let knots = [
                at(0.06, -0.02, 0.036),
                at(-0.07, -0.06, 0.03),
                at(-0.13, -long * 0.6, 0.025),
                at(-0.13, -long, 0.024),
            ];
            sketch.limb(&knots, coat.body.times(0.85));
            let end = knots[3];
            let tuft = match animal.class {
                Class::Cow | Class::Elephant => coat.dark,
                _ => coat.mark,
            };
            sketch.ellipse((end.0 - 0.01, end.1 - 0.04), (0.042, 0.085), 0.0, tuft);
        }
    }
}
