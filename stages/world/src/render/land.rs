//! The ground of each place, with what grows and lies on it.

use super::canvas::{Canvas, Ink, smooth};
use super::horizon::HORIZON;
use super::light::Light;
use crate::kinds::Place;
use crate::random::Random;
use crate::scene::Scene;

pub(super) fn paint(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    let (far, near) = match scene.place {
        Place::Savanna => (Ink::rgb(206, 182, 102), Ink::rgb(188, 150, 72)),
        Place::Forest => (Ink::rgb(92, 118, 66), Ink::rgb(78, 92, 50)),
        Place::Desert => (Ink::rgb(240, 212, 152), Ink::rgb(226, 186, 118)),
        Place::Mud => (Ink::rgb(148, 124, 90), Ink::rgb(120, 90, 60)),
        Place::River | Place::Lake => (Ink::rgb(140, 172, 92), Ink::rgb(108, 148, 70)),
        Place::Beach => (Ink::rgb(244, 226, 180), Ink::rgb(234, 208, 152)),
        Place::Meadow => (Ink::rgb(134, 190, 86), Ink::rgb(92, 160, 62)),
    };
    canvas.gradient(
        (HORIZON, 1.0),
        (light.on_ground(far), light.on_ground(near)),
    );
    let random = &mut scene.scenery("land");
    match scene.place {
        Place::Savanna => savanna(canvas, random, light),
        Place::Forest => forest(canvas, random, light),
        Place::Desert => desert(canvas, random, light),
        Place::Mud => mud(canvas, random, light),
        Place::River => river(canvas, random, light),
        Place::Lake => lake(canvas, random, light),
        Place::Beach => beach(canvas, random, light),
        Place::Meadow => meadow(canvas, random, light),
    }
}

/// Grass in bunches of three blades, larger towards the front.
fn tufts(canvas: &mut Canvas, random: &mut Random, count: usize, ink: Ink) {
    for _ in 0..count {
        let (x, y) = (
            random.between(0.02, 0.98),
            random.between(HORIZON + 0.06, 0.98),
        );
        let size = 0.03 * (0.5 + (y - HORIZON) * 1.6);
        let points = [
            (x - size, y),
            (x - size * 0.9, y - size),
            (x - size * 0.3, y - size * 0.2),
            (x, y - size * 1.5),
            (x + size * 0.3, y - size * 0.2),
            (x + size, y - size * 0.9),
            (x + size * 0.8, y),
        ];
        canvas.polygon(&points, ink);
    }
}

fn savanna(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    let (x, foot) = (
        random.pick(&[0.12, 0.88]) + random.between(-0.05, 0.05),
        HORIZON + 0.05,
    );
    let bark = light.on_land(Ink::rgb(96, 70, 44));
    canvas.polygon(
        &[
            (x - 0.016, foot),
            (x + 0.016, foot),
            (x + 0.01, foot - 0.24),
            (x - 0.01, foot - 0.24),
        ],
        bark,
    );
    canvas.polygon(
        &[
            (x, foot - 0.12),
            (x + 0.09, foot - 0.22),
            (x + 0.075, foot - 0.23),
            (x, foot - 0.15),
        ],
        bark,
    );
    let crown = light.on_ground(Ink::rgb(106, 128, 56));
    canvas.ellipse((x, foot - 0.26), (0.19, 0.045), crown);
    canvas.ellipse((x + 0.03, foot - 0.29), (0.12, 0.035), crown.times(1.1));
    tufts(canvas, random, 9, light.on_ground(Ink::rgb(164, 128, 58)));
}

fn forest(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    let bark = light.on_land(Ink::rgb(84, 62, 44));
    for x in [-0.01, 0.16, 0.86, 1.0] {
        let x = x + random.between(-0.03, 0.03);
        let half = random.between(0.026, 0.042);
        let foot = HORIZON + random.between(0.03, 0.1);
        canvas.polygon(
            &[
                (x - half * 0.8, -0.01),
                (x + half * 0.8, -0.01),
                (x + half * 1.3, foot),
                (x - half * 1.3, foot),
            ],
            bark,
        );
        canvas.rectangle(
            (x - half * 0.75, 0.0),
            (x - half * 0.2, foot - 0.02),
            bark.times(1.18),
        );
    }
    let leaves = light.on_ground(Ink::rgb(50, 100, 48));
    for step in 0..6 {
        let x = step as f32 * 0.2 + random.between(-0.04, 0.04);
        let ink = if step % 2 == 0 {
            leaves
        } else {
            leaves.times(1.15)
        };
        canvas.ellipse((x, 0.0), (0.15, random.between(0.07, 0.13)), ink);
    }
    tufts(canvas, random, 8, light.on_ground(Ink::rgb(58, 104, 46)));
}

fn desert(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    let sand = light.on_ground(Ink::rgb(232, 196, 130));
    for (y, shade) in [(HORIZON + 0.02, 0.93), (HORIZON + 0.16, 0.97)] {
        let x = random.between(-0.1, 0.5);
        let dune = [
            (x - 0.5, y + 0.16),
            (x, y + 0.02),
            (x + 0.24, y - 0.05),
            (x + 0.42, y + 0.06),
            (x + 0.8, y + 0.16),
        ];
        if let Some(path) = smooth(&dune) {
            canvas.fill(&path, sand.times(shade));
        }
    }
    let (x, foot) = (random.pick(&[0.1, 0.9]), HORIZON + 0.1);
    let green = light.on_ground(Ink::rgb(74, 132, 78));
    canvas.ellipse((x, foot - 0.11), (0.024, 0.12), green);
    canvas.ellipse((x - 0.045, foot - 0.13), (0.015, 0.045), green);
    canvas.ellipse((x + 0.045, foot - 0.16), (0.015, 0.045), green);
    canvas.rectangle((x - 0.045, foot - 0.11), (x, foot - 0.09), green);
    canvas.rectangle((x, foot - 0.14), (x + 0.045, foot - 0.12), green);
}

fn mud(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    for _ in 0..5 {
        let at = (
            random.between(0.0, 1.0),
            random.between(HORIZON + 0.07, 0.97),
        );
        let reach = random.between(0.08, 0.17) * (0.5 + (at.1 - HORIZON) * 1.5);
        let wet = light.on_land(Ink::rgb(88, 62, 42));
        canvas.ellipse(at, (reach, reach * 0.28), wet);
        canvas.ellipse(
            (at.0 - reach * 0.2, at.1 - reach * 0.05),
            (reach * 0.5, reach * 0.09),
            wet.mix(light.sky.1, 0.5),
        );
    }
}

fn water(canvas: &mut Canvas, points: &[(f32, f32)], light: &Light) {
    if let Some(path) = smooth(points) {
        canvas.fill(
            &path,
            light.on_land(Ink::rgb(72, 140, 196)).mix(light.sky.0, 0.2),
        );
    }
}

fn waves(canvas: &mut Canvas, random: &mut Random, (top, bottom): (f32, f32), light: &Light) {
    for _ in 0..6 {
        let at = (random.between(0.05, 0.95), random.between(top, bottom));
        canvas.ellipse(
            at,
            (random.between(0.04, 0.09), 0.005),
            light.on_land(Ink::rgb(206, 230, 244)).at(0.75),
        );
    }
}

fn river(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    let bend = random.between(-0.02, 0.03);
    let points = [
        (-0.3, HORIZON + 0.07),
        (0.25, HORIZON + 0.05 + bend),
        (0.6, HORIZON + 0.1 - bend),
        (1.3, HORIZON + 0.06),
        (1.3, HORIZON + 0.22),
        (0.65, HORIZON + 0.25 - bend),
        (0.3, HORIZON + 0.2 + bend),
        (-0.3, HORIZON + 0.24),
    ];
    water(canvas, &points, light);
    waves(canvas, random, (HORIZON + 0.1, HORIZON + 0.19), light);
    tufts(canvas, random, 5, light.on_ground(Ink::rgb(80, 122, 54)));
}

fn lake(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    let points = [
        (-0.4, HORIZON),
        (1.4, HORIZON),
        (1.4, HORIZON + 0.2),
        (0.7, HORIZON + 0.27),
        (0.2, HORIZON + 0.21),
        (-0.4, HORIZON + 0.28),
    ];
    canvas.rectangle(
        (0.0, HORIZON - 0.005),
        (1.0, HORIZON + 0.12),
        light.on_land(Ink::rgb(72, 140, 196)).mix(light.sky.0, 0.2),
    );
    water(canvas, &points, light);
    waves(canvas, random, (HORIZON + 0.03, HORIZON + 0.17), light);
    for x in [0.06, 0.1, 0.93, 0.97] {
        let y = HORIZON + 0.27;
        let reed = light.on_ground(Ink::rgb(86, 118, 52));
        canvas.rectangle((x - 0.004, y - 0.14), (x + 0.004, y), reed);
        canvas.ellipse(
            (x, y - 0.14),
            (0.009, 0.03),
            light.on_land(Ink::rgb(104, 70, 40)),
        );
    }
}

fn beach(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    let surf = |y: f32| {
        [
            (-0.4, HORIZON - 0.02),
            (1.4, HORIZON - 0.02),
            (1.4, y),
            (0.75, y + 0.02),
            (0.4, y - 0.015),
            (0.1, y + 0.025),
            (-0.4, y),
        ]
    };
    if let Some(path) = smooth(&surf(HORIZON + 0.17)) {
        canvas.fill(&path, light.on_land(Ink::rgb(244, 248, 250)));
    }
    canvas.rectangle(
        (0.0, HORIZON - 0.005),
        (1.0, HORIZON + 0.08),
        light.on_land(Ink::rgb(52, 136, 190)),
    );
    if let Some(path) = smooth(&surf(HORIZON + 0.15)) {
        canvas.fill(&path, light.on_land(Ink::rgb(52, 136, 190)));
    }
    waves(canvas, random, (HORIZON + 0.02, HORIZON + 0.11), light);
    for _ in 0..4 {
        let at = (random.between(0.05, 0.95), random.between(0.8, 0.98));
        canvas.ellipse(at, (0.014, 0.009), light.on_land(Ink::rgb(226, 150, 130)));
    }
}

fn meadow(canvas: &mut Canvas, random: &mut Random, light: &Light) {
    tufts(canvas, random, 8, light.on_ground(Ink::rgb(70, 138, 50)));
    for _ in 0..12 {
        let at = (
            random.between(0.02, 0.98),
            random.between(HORIZON + 0.05, 0.98),
        );
        let radius = 0.006 + 0.012 * (at.1 - HORIZON);
        let petals = [
            Ink::rgb(250, 240, 240),
            Ink::rgb(250, 214, 60),
            Ink::rgb(226, 86, 110),
            Ink::rgb(160, 110, 214),
        ];
        canvas.ellipse(
            at,
            (radius * 1.3, radius),
            light.on_land(random.pick(&petals)),
        );
    }
}
