//! Where the joints of a four-legged animal are, from its build and pose.

use super::angle::{distance, sin_cos, slope};
use super::build::Build;
use super::sketch::Pair;
use crate::kinds::{Class, Pose};

/// A leg from its top to its foot.
#[derive(Clone, Copy)]
pub(super) struct Leg {
    pub(super) top: Pair,
    pub(super) foot: Pair,
    /// Where the knee gives: `1` forward, `-1` backward.
    pub(super) bend: f32,
    /// How long it is stretched out.
    pub(super) length: f32,
}

impl Leg {
    /// The knee: off the straight line by as much as the leg is too long for it.
    pub(super) fn knee(&self) -> Pair {
        let (dx, dy) = (self.foot.0 - self.top.0, self.foot.1 - self.top.1);
        let distance = distance(dx, dy).max(1e-3);
        let spare = (self.length * self.length - distance * distance)
            .max(0.0)
            .sqrt()
            * 0.5;
        let middle = (self.top.0 + dx * 0.5, self.top.1 + dy * 0.5);
        let out = spare * self.bend / distance;
        (middle.0 - dy * out, middle.1 + dx * out)
    }
}

/// The joints of one animal in one pose.
pub(super) struct Stance {
    pub(super) hip: Pair,
    pub(super) shoulder: Pair,
    /// Near hind, near fore, far hind, far fore.
    pub(super) legs: [Leg; 4],
    pub(super) neck_base: Pair,
    /// Degrees above the horizontal.
    pub(super) neck_angle: f32,
    pub(super) neck_length: f32,
    pub(super) head_angle: f32,
    pub(super) asleep: bool,
}

impl Stance {
    pub(super) fn of(class: Class, pose: Pose, build: &Build) -> Self {
        let (rise, sink) = heights(class, pose, build);
        let half = build.length / 2.0;
        let hip = (-half, build.hip + rise.0 - sink.0);
        let shoulder = (half, build.shoulder + rise.1 - sink.1);
        let neck_base = (half * 0.92, shoulder.1 + build.torso[2] * 0.25);
        let (neck_angle, neck_length, head_angle) = neck(class, pose, build, neck_base);
        Self {
            hip,
            shoulder,
            legs: legs(class, pose, build, hip, shoulder),
            neck_base,
            neck_angle,
            neck_length,
            head_angle,
            asleep: pose == Pose::Sleeping,
        }
    }

    /// The end of the neck.
    pub(super) fn head(&self) -> Pair {
        reach(self.neck_base, self.neck_angle, self.neck_length)
    }
}

/// The point at a distance and angle (degrees).
pub(super) fn reach(from: Pair, degrees: f32, distance: f32) -> Pair {
    let (sin, cos) = sin_cos(degrees);
    (from.0 + cos * distance, from.1 + sin * distance)
}

/// How far hips and shoulders are raised, and how far they are lowered.
fn heights(class: Class, pose: Pose, build: &Build) -> (Pair, Pair) {
    let [rump, belly, chest] = build.torso;
    let floor = |height: f32, radius: f32| height - radius * 0.96;
    match pose {
        Pose::Running => ((0.04, 0.1), (0.0, 0.0)),
        Pose::LookingUp => ((0.0, 0.04), (0.0, 0.0)),
        // The body lies on the ground, or half in the water.
        Pose::Sleeping => (
            (0.0, 0.0),
            (
                floor(build.hip, rump.max(belly)),
                floor(build.shoulder, chest.max(belly)),
            ),
        ),
        Pose::Bathing => {
            let afloat = belly * 0.4;
            ((0.0, 0.0), (build.hip - afloat, build.shoulder - afloat))
        }
        Pose::Eating | Pose::Drinking if lowers_head(class, pose) => {
            let base = build.shoulder + chest * 0.25;
            let short = base - build.neck * 0.92 - build.head * 0.95;
            // A giraffe spreads its forelegs, or its withers would tower over its back.
            let short = if class == Class::Giraffe { 0.3 } else { short };
            ((0.0, 0.0), (0.0, short.clamp(0.0, build.shoulder * 0.36)))
        }
        _ => ((0.0, 0.0), (0.0, 0.0)),
    }
}

/// Elephants use their trunks, and giraffes eat from trees.
fn lowers_head(class: Class, pose: Pose) -> bool {
    match class {
        Class::Elephant => false,
        Class::Giraffe => pose == Pose::Drinking,
        _ => true,
    }
}

/// Angle and length of the neck, and angle of the head.
fn neck(class: Class, pose: Pose, build: &Build, base: Pair) -> (f32, f32, f32) {
    let frontal = matches!(class, Class::Lion | Class::Cat | Class::Bear);
    match pose {
        Pose::Eating | Pose::Drinking if lowers_head(class, pose) => {
            let down = (base.1 - build.head * 0.95).max(0.05);
            // As far forward as the neck allows; it stretches a little rather than miss the ground.
            let ahead = (build.neck * build.neck - down * down).max(0.0).sqrt();
            let ahead = ahead.max(build.head * if frontal { 1.25 } else { 0.6 });
            let angle = slope(-down, ahead);
            (
                angle,
                distance(ahead, down),
                if frontal { -18.0 } else { -62.0 },
            )
        }
        Pose::Sleeping => match class {
            Class::Giraffe => (38.0, build.neck * 0.8, -62.0),
            // Grazers doze with their heads up.
            Class::Horse | Class::Zebra | Class::Cow | Class::Sheep => (22.0, build.neck, -46.0),
            _ => {
                let low = build.head
                    * if frontal || class == Class::Elephant {
                        1.0
                    } else {
                        0.55
                    };
                let down = base.1 - low;
                let ahead = (build.neck * build.neck - down * down).max(0.0).sqrt();
                let ahead = ahead.max(build.head * 0.9);
                (slope(-down, ahead), distance(ahead, down), -8.0)
            }
        },
        Pose::LookingUp => {
            let (more, tilt) = match class {
                Class::Elephant => (8.0, 24.0),
                Class::Giraffe => (12.0, 62.0),
                _ if frontal => (22.0, 34.0),
                _ => (16.0, 70.0),
            };
            (build.neck_angle + more, build.neck, build.head_angle + tilt)
        }
        Pose::Running => (build.neck_angle * 0.72, build.neck, build.head_angle * 0.6),
        Pose::Eating if class == Class::Giraffe => (build.neck_angle, build.neck, 8.0),
        _ => (build.neck_angle, build.neck, build.head_angle),
    }
}

fn legs(class: Class, pose: Pose, build: &Build, hip: Pair, shoulder: Pair) -> [Leg; 4] {
    let half = build.length / 2.0;
    let inset = build.leg[0] * 0.45;
    // Far legs stand inside the near ones, or nobody could count them.
    let between = build.length - inset * 1.6;
    let apart = (build.length * 0.2 + build.leg[2] * 0.9).min(between * 0.5 - build.leg[2] * 1.4);
    let spine = |x: f32| hip.1 + (shoulder.1 - hip.1) * (x + half) / build.length;
    let spots = [
        (-half + inset, -1.0),
        (half - inset * 0.6, 1.0),
        (-half + inset + apart, -1.0),
        (half - inset * 0.6 - apart, 1.0),
    ];
    // Shares of the leg's length: forward, and off the ground.
    let steps: [Pair; 4] = match pose {
        Pose::Walking => [(-0.26, 0.0), (0.28, 0.0), (0.0, 0.05), (-0.02, 0.0)],
        Pose::Running => [(-0.62, 0.18), (0.6, 0.2), (-0.5, 0.02), (0.72, 0.06)],
        Pose::Drinking if class == Class::Giraffe => {
            [(0.0, 0.0), (0.34, 0.0), (0.0, 0.0), (-0.1, 0.0)]
        }
        _ => [(0.0, 0.0); 4],
    };
    let mut legs = [Leg {
        top: (0.0, 0.0),
        foot: (0.0, 0.0),
        bend: 1.0,
        length: 1.0,
    }; 4];
    for (index, leg) in legs.iter_mut().enumerate() {
        let (x, bend) = spots[index];
        let standing = build.hip + (build.shoulder - build.hip) * (x + half) / build.length;
        let radius = build.leg[2];
        let top = (x, spine(x) - 0.02);
        let far = if index >= 2 { 0.02 * build.span } else { 0.0 };
        let foot = match pose {
            Pose::Sleeping if index % 2 == 0 => (x + standing * 0.42, radius * 0.9 + far),
            Pose::Sleeping => (x + standing * 0.5, radius * 0.9 + far),
            _ => (
                x + steps[index].0 * standing,
                radius * 0.9 + steps[index].1 * standing + far,
            ),
        };
        // Just a little more than a straight leg needs, so that knees show without bowing.
        let length = (standing - 0.02 - radius * 0.9 - far) * 1.002;
        let length = if pose == Pose::Sleeping {
            length * 0.55
        } else {
            length
        };
        *leg = Leg {
            top,
            foot,
            bend,
            length,
        };
    }
    legs
}
