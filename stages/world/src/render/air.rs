//! What falls or hangs in the air before everything else.

use super::canvas::{Canvas, Ink, add_polygon};
use super::horizon::HORIZON;
use super::light::Light;
use crate::kinds::Weather;
use crate::scene::Scene;
use tiny_skia::PathBuilder;

/// The mist before the distance; the animals stand on its near side.
pub(super) fn paint_far(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    if scene.weather == Weather::Mist {
        let pale = mist_ink(light);
        canvas.gradient((0.0, HORIZON), (pale.at(0.1), pale.at(0.6)));
        canvas.gradient((HORIZON, 1.0), (pale.at(0.6), pale.at(0.2)));
    }
}

fn mist_ink(light: &Light) -> Ink {
    light.on_land(Ink::rgb(232, 235, 237))
}

/// What is before the animals.
pub(super) fn paint(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    match scene.weather {
        Weather::Clear | Weather::Cloudy => {}
        Weather::Rain => rain(canvas, scene),
        Weather::Snow => snow(canvas, scene),
        Weather::Mist => mist(canvas, light),
    }
}

fn rain(canvas: &mut Canvas, scene: &Scene) {
    let mut random = scene.scenery("rain");
    let mut streaks = PathBuilder::new();
    for _ in 0..42 {
        let (x, y) = (random.between(0.0, 1.05), random.between(-0.05, 0.95));
        let long = random.between(0.05, 0.08);
        let points = [
            (x, y),
            (x + 0.0075, y),
            (x + 0.0075 - long * 0.3, y + long),
            (x - long * 0.3, y + long),
        ];
        add_polygon(&mut streaks, &points);
    }
    if let Some(path) = streaks.finish() {
        canvas.fill(&path, Ink::rgb(200, 216, 236).at(0.62));
    }
}

fn snow(canvas: &mut Canvas, scene: &Scene) {
    let mut random = scene.scenery("snow");
    let mut flakes = PathBuilder::new();
    for _ in 0..55 {
        let (x, y) = (random.between(0.0, 1.0), random.between(0.0, 1.0));
        let r = random.between(0.005, 0.011);
        // A diamond is as round as a flake can look at this size.
        let points = [(x - r, y), (x, y - r), (x + r, y), (x, y + r)];
        add_polygon(&mut flakes, &points);
    }
    if let Some(path) = flakes.finish() {
        canvas.fill(&path, Ink::rgb(252, 253, 255).at(0.92));
    }
}

fn mist(canvas: &mut Canvas, light: &Light) {
    let pale = mist_ink(light);
    canvas.gradient((0.0, 1.0), (pale.at(0.22), pale.at(0.1)));
    for (x, y, reach) in [(0.25, 0.5, 0.5), (0.8, 0.62, 0.5), (0.35, 0.8, 0.45)] {
        canvas.ellipse((x, y), (reach, 0.035), pale.at(0.28));
    }
}
