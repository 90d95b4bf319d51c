//! Four-legged animals, assembled from tubes.

use super::build::Build;
use super::coat::Coat;
use super::sketch::{Pair, Sketch, Tube};
use super::stance::{Leg, Stance, reach};
use super::{elephant, head};
use crate::kinds::{Class, Colour, DefectKind, Pose};
use crate::render::canvas::Ink;
use crate::scene::Animal;

/// Draws the animal and returns where its mouth is.
pub(super) fn draw(sketch: &mut Sketch, animal: &Animal, coat: &Coat) -> Pair {
    let build = Build::of(animal.class);
    let stance = Stance::of(animal.class, animal.pose, &build);
    let [near_hind, near_fore, far_hind, far_fore] = stance.legs;

    if animal.class == Class::Elephant && !animal.has(DefectKind::HeadMissing) {
        elephant::far_ear(sketch, &stance, coat);
    }
    if animal.pose != Pose::Bathing {
        for leg in [far_hind, far_fore] {
            draw_leg(sketch, animal, &build, &leg, coat, coat.far_leg);
        }
    }
    if !animal.has(DefectKind::TailMissing) {
        tail(sketch, animal, &build, &stance, coat);
    }
    if animal.has(DefectKind::SecondNeck) {
        let angle = second_angle(animal.class, stance.neck_angle);
        let length = stance
            .neck_length
            .max(build.torso[2] * 1.5 + build.head * 0.4);
        let base = (
            stance.neck_base.0
                - build.length
                    * if animal.class == Class::Giraffe {
                        0.2
                    } else {
                        0.36
                    },
            stance.neck_base.1,
        );
        neck_and_head(
            sketch,
            animal,
            &build,
            (base, angle, length, (angle - 30.0).min(40.0)),
            coat,
        );
    }
    let near_legs = |sketch: &mut Sketch| {
        if animal.pose == Pose::Bathing {
            return;
        }
        if animal.has(DefectKind::ExtraLeg) {
            let extra = extra_leg(&near_hind, &near_fore, &build);
            draw_leg(sketch, animal, &build, &extra, coat, coat.leg.times(0.84));
        }
        draw_leg(sketch, animal, &build, &near_hind, coat, coat.leg);
        if animal.has(DefectKind::LegMissing) {
            leg_stump(sketch, &build, &near_fore, coat);
        } else {
            draw_leg(sketch, animal, &build, &near_fore, coat, coat.leg);
        }
    };
    // A fleece hangs over the legs.
    let woolly = animal.class == Class::Sheep;
    if woolly {
        near_legs(sketch);
    }
    torso(sketch, animal, &build, &stance, coat);
    if !woolly {
        near_legs(sketch);
    }
    haunches(sketch, animal, &build, &stance, coat);
    let (base, angle, length) = (stance.neck_base, stance.neck_angle, stance.neck_length);
    if animal.has(DefectKind::HeadMissing) {
        stump(sketch, animal, &build, (base, angle, length), coat);
    } else if animal.class == Class::Elephant {
        neck(sketch, animal, &build, (base, angle, length), coat);
        elephant::head(sketch, animal, &stance, coat);
    } else {
        neck_and_head(
            sketch,
            animal,
            &build,
            (base, angle, length, stance.head_angle),
            coat,
        );
    }
    if animal.class == Class::Elephant {
        elephant::trunk_tip(animal.pose, &stance)
    } else {
        reach(stance.head(), stance.head_angle, build.head)
    }
}

/// A leg too many: from the middle of the belly.
fn extra_leg(hind: &Leg, fore: &Leg, build: &Build) -> Leg {
    let top = (
        f32::midpoint(hind.top.0, fore.top.0),
        f32::midpoint(hind.top.1, fore.top.1),
    );
    Leg {
        top,
        foot: (top.0 + build.length * 0.05, build.leg[2] * 0.9),
        ..*fore
    }
}

/// What remains of a missing leg: enough to see that it should be there.
fn leg_stump(sketch: &mut Sketch, build: &Build, leg: &Leg, coat: &Coat) {
    let chest = build.torso[2];
    let end = (leg.top.0 + 0.02, leg.top.1 - chest * 1.08);
    let radius = build.leg[0] * 0.85;
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
}

/// A second neck stands well apart from the first.
fn second_angle(class: Class, angle: f32) -> f32 {
    match class {
        Class::Giraffe => angle.max(20.0) + 48.0,
        _ if angle < 10.0 => 72.0,
        _ => (angle + 62.0).min(128.0),
    }
}

type Neck = (Pair, f32, f32);

fn neck_and_head(
    sketch: &mut Sketch,
    animal: &Animal,
    build: &Build,
    at: (Pair, f32, f32, f32),
    coat: &Coat,
) {
    let (base, angle, length, head_angle) = at;
    neck(sketch, animal, build, (base, angle, length), coat);
    let end = reach(base, angle, length);
    sketch.framed(end, head_angle, build.head, |sketch| {
        head::draw(sketch, animal, coat);
    });
}

/// The neck with its marks and mane.
fn neck(
    sketch: &mut Sketch,
    animal: &Animal,
    build: &Build,
    (base, angle, length): Neck,
    coat: &Coat,
) {
    let [from, to] = build.neck_radii;
    let root = (base.0 - from * 0.5, base.1 - from * 0.4);
    let middle = reach(base, angle, length * 0.5);
    let end = reach(base, angle, length);
    let knots = [
        (root.0, root.1, from * 1.12),
        (middle.0, middle.1, from * 0.45 + to * 0.5),
        (end.0, end.1, to),
    ];
    let tube = Tube::through(&knots);
    let maned = matches!(animal.class, Class::Horse | Class::Zebra | Class::Giraffe);
    if maned {
        let height = if animal.class == Class::Giraffe {
            1.28
        } else {
            1.5
        };
        sketch.marks(coat.mark, |marks| {
            marks.polygon(&tube.band((0.18, 1.0), (0.5, height)));
        });
    }
    sketch.limb(&knots, coat.body);
    match animal.class {
        Class::Giraffe => sketch.marks(coat.mark, |marks| {
            for row in 0..8 {
                let along = 0.06 + row as f32 * 0.125;
                let shift = if row % 2 == 0 { 0.0 } else { 0.5 };
                for column in [-0.9_f32, 0.1, 0.85] {
                    marks.blob(&tube.spot((along, column - shift), (0.055, 0.42)));
                }
            }
        }),
        Class::Zebra => sketch.marks(coat.mark, |marks| {
            for stripe in 0..5 {
                let along = 0.3 + stripe as f32 * 0.155;
                marks.polygon(&tube.band((along, along + 0.072), (-0.85, 1.0)));
            }
        }),
        // Hair that falls over the near side.
        Class::Horse => {
            sketch.marks(coat.mark, |marks| {
                marks.blob(&tube.band((0.2, 1.0), (0.3, 1.45)));
            });
        }
        Class::Dog if !animal.has(DefectKind::WrongColours) => {
            let collar = Ink::rgb(206, 42, 40);
            sketch.marks(collar, |marks| {
                marks.polygon(&tube.band((0.62, 0.78), (-1.06, 1.06)));
            });
        }
        _ => {}
    }
}

/// What a neck without a head ends in.
fn stump(
    sketch: &mut Sketch,
    animal: &Animal,
    build: &Build,
    (base, angle, length): Neck,
    coat: &Coat,
) {
    // A little of the neck remains, or the body would only look turned away.
    let length = length.min(build.neck_radii[0] * 2.4) * 0.9;
    neck(sketch, animal, build, (base, angle, length), coat);
    let end = reach(base, angle, length + build.neck_radii[1] * 0.25);
    let radius = build.neck_radii[0] * 0.45 + build.neck_radii[1] * 0.5;
    sketch.framed(end, angle, radius, |sketch| {
        sketch.ellipse((0.0, 0.0), (0.55, 0.98), 0.0, coat.body.times(0.55));
        sketch.ellipse((0.06, 0.0), (0.4, 0.75), 0.0, coat.body.times(0.35));
    });
}

fn torso(sketch: &mut Sketch, animal: &Animal, build: &Build, stance: &Stance, coat: &Coat) {
    let [rump, belly, chest] = build.torso;
    let (hip, shoulder) = (stance.hip, stance.shoulder);
    let middle = (
        f32::midpoint(hip.0, shoulder.0),
        f32::midpoint(hip.1, shoulder.1),
    );
    let arch = match animal.class {
        Class::Elephant => 0.03,
        Class::Lion | Class::Horse | Class::Zebra => -0.01,
        _ => 0.0,
    };
    let knots = [
        (hip.0, hip.1, rump),
        (middle.0, middle.1 + arch, belly),
        (shoulder.0, shoulder.1, chest),
    ];
    if animal.class == Class::Sheep {
        return wool(sketch, &knots, coat);
    }
    if animal.class == Class::Bear {
        let hump = (shoulder.0 - 0.06, shoulder.1 + chest * 0.28);
        sketch.ellipse(hump, (chest * 0.9, chest * 0.9), 0.0, coat.body);
    }
    if animal.class == Class::Cow && animal.pose != Pose::Sleeping {
        let udder = Ink::rgb(236, 164, 162);
        sketch.ellipse(
            (hip.0 + 0.16, hip.1 - rump * 1.02),
            (0.1, 0.075),
            0.0,
            udder,
        );
    }
    let tube = sketch.limb(&knots, coat.body);
    sketch.marks(coat.back, |marks| {
        marks.polygon(&tube.sickle((0.0, 1.0), 0.99, 0.3));
    });
    sketch.marks(coat.belly, |marks| {
        marks.polygon(&tube.sickle((0.0, 1.0), -1.0, 0.42));
    });
    match animal.class {
        Class::Giraffe => sketch.marks(coat.mark, |marks| {
            for row in 0..4 {
                for column in 0..6 {
                    let along = -0.02 + column as f32 * 0.2 + if row % 2 == 0 { 0.0 } else { 0.1 };
                    let across = -0.68 + row as f32 * 0.46;
                    marks.blob(&tube.spot((along.clamp(0.02, 0.98), across), (0.082, 0.19)));
                }
            }
        }),
        Class::Zebra => sketch.marks(coat.mark, |marks| {
            for stripe in 0..8 {
                let along = 0.02 + stripe as f32 * 0.125;
                let lean = if stripe < 3 { 0.1 } else { 0.0 };
                marks.polygon(&[
                    tube.at(along, 0.99),
                    tube.at(along + 0.065, 0.99),
                    tube.at(along + 0.06 + lean * 0.6, 0.0),
                    tube.at(along + 0.035 + lean, -0.86),
                    tube.at(along + 0.005 + lean * 0.6, 0.0),
                ]);
            }
            // The rump's stripes run out from the hip.
            for stripe in 0..4 {
                let angle = 112.0 + stripe as f32 * 30.0;
                marks.polygon(&[
                    reach(hip, angle - 6.0, rump * 0.99),
                    reach(hip, angle + 9.0, rump * 0.99),
                    reach(hip, angle + 4.0, rump * 0.45),
                ]);
            }
        }),
        Class::Cow => sketch.marks(coat.mark, |marks| {
            for (along, across, length, width) in [
                (0.12, 0.35, 0.15, 0.62),
                (0.52, 0.5, 0.16, 0.5),
                (0.62, -0.55, 0.1, 0.3),
                (0.93, 0.2, 0.1, 0.5),
            ] {
                marks.blob(&tube.spot((along, across), (length, width)));
            }
        }),
        Class::Cat => sketch.marks(coat.mark, |marks| {
            for stripe in 0..5 {
                let along = 0.1 + stripe as f32 * 0.17;
                marks.polygon(&[
                    tube.at(along, 1.0),
                    tube.at(along + 0.07, 1.0),
                    tube.at(along + 0.035, 0.1),
                ]);
            }
        }),
        Class::Dog | Class::Horse | Class::Elephant | Class::Lion | Class::Bear
            if animal.colour == Colour::BlackAndWhite =>
        {
            sketch.marks(coat.mark, |marks| {
                marks.blob(&tube.spot((0.3, 0.2), (0.2, 0.7)));
                marks.blob(&tube.spot((0.9, 0.0), (0.12, 0.6)));
            });
        }
        _ => {}
    }
}

/// A fleece: curls around the trunk.
fn wool(sketch: &mut Sketch, knots: &[(f32, f32, f32)], coat: &Coat) {
    let tube = Tube::through(knots);
    for (ink, reach) in [(coat.belly, 1.0), (coat.body, 0.9)] {
        for curl in 0..12 {
            let side = if curl < 6 { 1.0 } else { -1.0 };
            let along = (curl % 6) as f32 / 5.0;
            sketch.disc(tube.at(along, side * 0.72 * reach), 0.115 * reach, ink);
        }
    }
    for (index, x) in [(0, -1.0), (knots.len() - 1, 1.0)] {
        for (out, up) in [(0.14, 0.11), (0.18, -0.06), (0.1, -0.16)] {
            let (end_x, end_y, _) = knots[index];
            sketch.disc((end_x + x * out, end_y + up), 0.115, coat.body);
        }
    }
    let inner: Vec<(f32, f32, f32)> = knots.iter().map(|&(x, y, r)| (x, y, r * 0.92)).collect();
    sketch.limb(&inner, coat.body);
    for (along, across) in [(0.15, 0.3), (0.45, -0.25), (0.6, 0.45), (0.85, 0.05)] {
        let at = tube.at(along, across);
        sketch.ellipse(at, (0.07, 0.05), 0.0, coat.belly);
        sketch.ellipse((at.0, at.1 + 0.025), (0.065, 0.045), 0.0, coat.body);
    }
}

/// A leg with its foot.
fn draw_leg(sketch: &mut Sketch, animal: &Animal, build: &Build, leg: &Leg, coat: &Coat, ink: Ink) {
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
fn haunches(sketch: &mut Sketch, animal: &Animal, build: &Build, stance: &Stance, coat: &Coat) {
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
fn tail(sketch: &mut Sketch, animal: &Animal, build: &Build, stance: &Stance, coat: &Coat) {
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
