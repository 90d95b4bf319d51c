//! The sky: its colours, the sun or the moon, stars and clouds.

use super::canvas::{Canvas, Ink};
use super::horizon::HORIZON;
use super::light::Light;
use crate::kinds::{Time, Weather};
use crate::scene::Scene;

pub(super) fn paint(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    canvas.gradient((0.0, HORIZON), light.sky);
    if scene.time == Time::Night && matches!(scene.weather, Weather::Clear | Weather::Snow) {
        stars(canvas, scene);
    }
    sun(canvas, scene);
    clouds(canvas, scene, light);
}

fn stars(canvas: &mut Canvas, scene: &Scene) {
    let mut random = scene.scenery("stars");
    for _ in 0..14 {
        let at = (random.between(0.0, 1.0), random.between(0.0, HORIZON * 0.8));
        let radius = random.between(0.003, 0.007);
        canvas.ellipse(at, (radius, radius), Ink::rgb(250, 248, 225).at(0.9));
    }
}

/// The sun where the hour puts it, or the moon; behind thick weather neither shows.
fn sun(canvas: &mut Canvas, scene: &Scene) {
    let opacity = match scene.weather {
        Weather::Clear => 1.0,
        Weather::Cloudy => 0.85,
        Weather::Mist => 0.45,
        Weather::Rain | Weather::Snow => return,
    };
    let (at, radius, ink) = match scene.time {
        Time::Sunrise => ((0.16, HORIZON - 0.07), 0.085, Ink::rgb(255, 214, 150)),
        Time::Morning => ((0.17, 0.22), 0.065, Ink::rgb(255, 244, 190)),
        Time::Noon => ((0.52, 0.09), 0.06, Ink::rgb(255, 250, 215)),
        Time::Afternoon => ((0.84, 0.2), 0.07, Ink::rgb(255, 234, 150)),
        Time::Sunset => ((0.82, HORIZON - 0.06), 0.1, Ink::rgb(255, 92, 40)),
        Time::Night => ((0.83, 0.15), 0.07, Ink::rgb(240, 238, 214)),
    };
    for (reach, share) in [(2.1, 0.16), (1.5, 0.25)] {
        canvas.ellipse(
            at,
            (radius * reach, radius * reach),
            ink.at(share * opacity),
        );
    }
    canvas.ellipse(at, (radius, radius), ink.at(opacity));
    if scene.time == Time::Night {
        for (x, y, reach) in [(-0.3, -0.2, 0.22), (0.25, 0.3, 0.28), (0.3, -0.4, 0.14)] {
            let crater = (at.0 + radius * x, at.1 + radius * y);
            canvas.ellipse(
                crater,
                (radius * reach, radius * reach),
                ink.times(0.86).at(opacity),
            );
        }
    }
}

fn clouds(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    let mut random = scene.scenery("clouds");
    let (count, white, opacity) = match scene.weather {
        Weather::Clear => (random.below(2), Ink::rgb(255, 255, 255), 0.85),
        Weather::Cloudy => (5, Ink::rgb(236, 240, 246), 0.92),
        Weather::Rain => (5, Ink::rgb(122, 130, 144), 0.9),
        Weather::Snow => (3, Ink::rgb(214, 220, 230), 0.8),
        Weather::Mist => (1, Ink::rgb(226, 228, 230), 0.5),
    };
    let ink = light.on_land(white).at(opacity);
    for cloud in 0..count {
        // Spread over the width, so that a cloudy sky is cloudy everywhere.
        let share = (cloud as f32 + random.between(0.15, 0.85)) / count as f32;
        let (x, y, size) = (
            share,
            random.between(0.04, 0.26),
            random.between(0.08, 0.13),
        );
        canvas.ellipse(
            (x, y + size * 0.22),
            (size * 1.5, size * 0.34),
            ink.times(0.92),
        );
        canvas.ellipse((x - size * 0.5, y), (size * 0.62, size * 0.42), ink);
        canvas.ellipse(
            (x + size * 0.3, y - size * 0.12),
            (size * 0.72, size * 0.52),
            ink,
        );
    }
}
