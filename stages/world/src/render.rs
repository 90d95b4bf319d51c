//! From a scene to its image.
//!
//! Painted from far to near: sky, horizon, ground, animals with their shadows, what falls or hangs in the air,
//! and the flaws of the image itself. All shapes are vectors, so that a scene may be rendered at any size.

mod air;
pub(crate) mod canvas;
mod flaw;
mod horizon;
mod land;
mod light;
mod sky;

use crate::anatomy::Figure;
use crate::kinds::{DefectKind, Place, Pose};
use crate::random::Random;
use crate::scene::{Animal, Scene};
use canvas::{Canvas, Ink};
use light::Light;

/// The smallest side of an image in pixels.
pub const MIN_SIZE: u32 = 16;
/// The largest side of an image in pixels.
pub const MAX_SIZE: u32 = 4096;

/// Pixels of 8-bit red, green and blue, row by row from the top left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width · height · 3` bytes.
    pub pixels: Vec<u8>,
}

impl Scene {
    /// The scene as an image of `size` pixels a side, clamped to [`MIN_SIZE`]`..=`[`MAX_SIZE`].
    ///
    /// The same scene and size give the same bytes, always on one machine; machines may round differently.
    pub fn render(&self, size: u32) -> Image {
        let mut canvas = Canvas::new(size.clamp(MIN_SIZE, MAX_SIZE));
        let light = Light::of(self.time, self.weather);
        sky::paint(&mut canvas, self, &light);
        horizon::paint(&mut canvas, self, &light);
        land::paint(&mut canvas, self, &light);
        air::paint_far(&mut canvas, self, &light);
        for animal in self.far_to_near() {
            paint_animal(&mut canvas, animal, self.place, &light);
        }
        air::paint(&mut canvas, self, &light);
        flaw::paint(&mut canvas, self);
        canvas.into_image()
    }

    /// The random numbers of one part of the scenery.
    fn scenery(&self, part: &str) -> Random {
        Random::from_parts(&[b"scenery", part.as_bytes(), &self.detail.to_le_bytes()])
    }
}

/// The animal with its shadow, and with the water that it stands in or drinks.
fn paint_animal(canvas: &mut Canvas, animal: &Animal, place: Place, light: &Light) {
    let figure = Figure::of(animal);
    let [left, top, right, _] = figure.bounds();
    let (width, middle) = (right - left, f32::midpoint(left, right));
    let water = if place == Place::Mud {
        Ink::rgb(104, 74, 48)
    } else {
        Ink::rgb(74, 138, 190)
    };
    let water = light.on_land(water);
    let ripple = water.mix(Ink::rgb(225, 240, 250), 0.5);
    if animal.pose == Pose::Bathing {
        canvas.ellipse((middle, animal.y), (width * 0.62, width * 0.15), ripple);
        canvas.ellipse((middle, animal.y), (width * 0.6, width * 0.135), water);
    } else if !animal.has(DefectKind::MissingShadow) {
        let long = width * 0.5 * light.shadow_length;
        let tall = (animal.y - top).min(width);
        let centre = (
            middle + light.shadow_side * tall * 0.22,
            animal.y - tall * 0.008,
        );
        let ink = Ink::rgb(8, 10, 24);
        canvas.ellipse(centre, (long, width * 0.1), ink.at(light.shadow * 0.55));
        canvas.ellipse(centre, (long * 0.86, width * 0.07), ink.at(light.shadow));
    }
    if animal.pose == Pose::Drinking {
        let (x, y) = figure.mouth();
        let centre = (x, y.max(animal.y));
        canvas.ellipse(centre, (animal.scale * 0.2, animal.scale * 0.055), ripple);
        canvas.ellipse(centre, (animal.scale * 0.185, animal.scale * 0.045), water);
    }
    for shape in figure.sketch.shapes() {
        canvas.fill_as(&shape.path, light.on_animal(shape.ink), figure.transform);
    }
    if animal.pose == Pose::Bathing {
        // The near half of the pool hides what is under water.
        canvas.lower_half((middle, animal.y), (width * 0.6, width * 0.135), water);
        for (x, y, reach) in [(0.0, 0.006, 0.46), (-0.2, 0.045, 0.2), (0.22, 0.075, 0.16)] {
            canvas.ellipse(
                (middle + width * x, animal.y + width * y),
                (width * reach, width * 0.009),
                ripple,
            );
        }
    }
}
