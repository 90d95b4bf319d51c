//! Proportions of the four-legged classes.

use crate::kinds::Class;

/// How a four-legged animal is built; lengths in the class's own unit, angles in degrees above the horizontal.
pub(super) struct Build {
    /// The longer side of the standing animal.
    pub(super) span: f32,
    /// From the hips to the shoulders.
    pub(super) length: f32,
    /// Height of the spine over the hind feet.
    pub(super) hip: f32,
    /// Height of the spine over the fore feet.
    pub(super) shoulder: f32,
    /// Radii of rump, belly and chest.
    pub(super) torso: [f32; 3],
    /// Radii of a leg at its top, knee and foot.
    pub(super) leg: [f32; 3],
    /// Length of the neck.
    pub(super) neck: f32,
    /// Radii of the neck at its base and end.
    pub(super) neck_radii: [f32; 2],
    /// How steeply the neck rises at rest.
    pub(super) neck_angle: f32,
    /// Size of the head.
    pub(super) head: f32,
    /// How the head is inclined at rest.
    pub(super) head_angle: f32,
}

impl Build {
    /// The build of a class; birds, which have none, get a sheep's.
    pub(super) const fn of(class: Class) -> Self {
        match class {
            Class::Elephant => Self {
                span: 1.99,
                length: 0.86,
                hip: 0.88,
                shoulder: 0.92,
                torso: [0.3, 0.36, 0.31],
                leg: [0.16, 0.125, 0.125],
                neck: 0.2,
                neck_radii: [0.28, 0.26],
                neck_angle: 28.0,
                head: 0.3,
                head_angle: 0.0,
            },
            Class::Giraffe => Self {
                span: 2.33,
                length: 0.56,
                hip: 1.02,
                shoulder: 1.14,
                torso: [0.19, 0.22, 0.23],
                leg: [0.11, 0.065, 0.055],
                neck: 0.98,
                neck_radii: [0.17, 0.085],
                neck_angle: 68.0,
                head: 0.2,
                head_angle: -22.0,
            },
            Class::Zebra | Class::Horse => Self {
                span: 1.77,
                length: 0.76,
                hip: 0.84,
                shoulder: 0.84,
                torso: [0.23, 0.22, 0.23],
                leg: [0.11, 0.065, 0.055],
                neck: 0.44,
                neck_radii: [0.18, 0.11],
                neck_angle: 50.0,
                head: 0.27,
                head_angle: -42.0,
            },
            Class::Lion => Self {
                span: 1.71,
                length: 0.72,
                hip: 0.62,
                shoulder: 0.66,
                torso: [0.19, 0.18, 0.22],
                leg: [0.12, 0.085, 0.08],
                neck: 0.2,
                neck_radii: [0.19, 0.17],
                neck_angle: 38.0,
                head: 0.21,
                head_angle: 0.0,
            },
            Class::Bear => Self {
                span: 1.5,
                length: 0.78,
                hip: 0.66,
                shoulder: 0.7,
                torso: [0.28, 0.29, 0.29],
                leg: [0.15, 0.115, 0.11],
                neck: 0.24,
                neck_radii: [0.25, 0.2],
                neck_angle: 22.0,
                head: 0.2,
                head_angle: 0.0,
            },
            Class::Cow => Self {
                span: 1.82,
                length: 0.9,
                hip: 0.76,
                shoulder: 0.74,
                torso: [0.25, 0.28, 0.26],
                leg: [0.12, 0.075, 0.065],
                neck: 0.28,
                neck_radii: [0.2, 0.15],
                neck_angle: 34.0,
                head: 0.25,
                head_angle: -34.0,
            },
            Class::Dog => Self {
                span: 1.24,
                length: 0.5,
                hip: 0.54,
                shoulder: 0.55,
                torso: [0.14, 0.13, 0.17],
                leg: [0.095, 0.06, 0.055],
                neck: 0.21,
                neck_radii: [0.12, 0.1],
                neck_angle: 54.0,
                head: 0.19,
                head_angle: -6.0,
            },
            Class::Cat => Self {
                span: 1.09,
                length: 0.46,
                hip: 0.42,
                shoulder: 0.42,
                torso: [0.14, 0.14, 0.14],
                leg: [0.08, 0.055, 0.05],
                neck: 0.14,
                neck_radii: [0.11, 0.1],
                neck_angle: 45.0,
                head: 0.165,
                head_angle: 0.0,
            },
            Class::Sheep | Class::Bird => Self {
                span: 1.22,
                length: 0.56,
                hip: 0.58,
                shoulder: 0.58,
                torso: [0.25, 0.27, 0.25],
                leg: [0.075, 0.06, 0.055],
                neck: 0.2,
                neck_radii: [0.17, 0.13],
                neck_angle: 36.0,
                head: 0.19,
                head_angle: -28.0,
            },
        }
    }
}
