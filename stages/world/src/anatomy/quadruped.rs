//! Four-legged animals, assembled from tubes.

use super::build::Build;
use super::coat::Coat;
use super::limbs::{draw_leg, extra_leg, haunches, leg_stump, tail};
use super::sketch::{Pair, Sketch, Tube};
use super::stance::{Leg, Stance, reach};
use super::{elephant, head};
use crate::kinds::{BodyPart, Class, Colour, DefectKind, Pose};
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
    let leg = |sketch: &mut Sketch, part: BodyPart, leg: &Leg, ink: Ink| {
        sketch.part(part, |sketch| {
            draw_leg(sketch, animal, &build, leg, coat, ink);
        });
    };
    if animal.pose != Pose::Bathing {
        leg(sketch, BodyPart::HindLeg, &far_hind, coat.far_leg);
        if !animal.has(DefectKind::LegMissing) {
            leg(sketch, BodyPart::ForeLeg, &far_fore, coat.far_leg);
        }
    }
    if !animal.has(DefectKind::TailMissing) {
        sketch.part(BodyPart::Tail, |sketch| {
            tail(sketch, animal, &build, &stance, coat);
        });
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
            let extra = extra_leg(&near_hind, &near_fore, animal.pose, &build);
            leg(sketch, BodyPart::HindLeg, &extra, coat.leg);
        }
        leg(sketch, BodyPart::HindLeg, &near_hind, coat.leg);
        if animal.has(DefectKind::LegMissing) {
            leg_stump(sketch, &build, &near_fore, coat);
        } else {
            leg(sketch, BodyPart::ForeLeg, &near_fore, coat.leg);
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
    sketch.part(BodyPart::Head, |sketch| {
        sketch.framed(end, head_angle, build.head, |sketch| {
            head::draw(sketch, animal, coat);
        });
    });
}

fn neck(sketch: &mut Sketch, animal: &Animal, build: &Build, neck: Neck, coat: &Coat) {
    sketch.part(BodyPart::Neck, |sketch| {
        draw_neck(sketch, animal, build, neck, coat);
    });
}

/// The neck with its marks and mane.
fn draw_neck(
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
    sketch.part(BodyPart::Stump, |sketch| {
        sketch.framed(end, angle, radius, |sketch| {
            sketch.ellipse((0.0, 0.0), (0.55, 0.98), 0.0, coat.body.times(0.55));
            sketch.ellipse((0.06, 0.0), (0.4, 0.75), 0.0, coat.body.times(0.35));
        });
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
