//! What stands along the horizon.

use super::canvas::{Canvas, Ink, smooth};
use super::light::Light;
use crate::kinds::Background;
use crate::scene::Scene;

/// Where the ground begins, as a share of the height.
pub(super) const HORIZON: f32 = 0.56;

pub(super) fn paint(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    match scene.background {
        Background::Hills => hills(canvas, scene, light),
        Background::Mountains => mountains(canvas, scene, light),
        Background::LargeTrees => trees(canvas, scene, light),
        Background::Rainforest => rainforest(canvas, scene, light),
        Background::Sea => sea(canvas, light),
        Background::Lake => lake(canvas, light),
        Background::OpenSky => {}
    }
}

/// Far things take on the sky's colour.
fn hazy(light: &Light, ink: Ink, share: f32) -> Ink {
    light.on_ground(ink).mix(light.sky.1, share)
}

fn hills(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    let mut random = scene.scenery("hills");
    for (height, ink, haze) in [
        (0.17, Ink::rgb(112, 142, 122), 0.45),
        (0.1, Ink::rgb(96, 138, 84), 0.2),
    ] {
        let mut points = vec![(-0.3, HORIZON + 0.1)];
        for step in 0..7 {
            let up = if step % 2 == 0 { 0.25 } else { 1.0 };
            let x = -0.2 + step as f32 * 0.235 + random.between(-0.05, 0.05);
            points.push((x, HORIZON - height * up * random.between(0.75, 1.25)));
        }
        points.push((1.4, HORIZON + 0.1));
        if let Some(path) = smooth(&points) {
            canvas.fill(&path, hazy(light, ink, haze));
        }
    }
}

fn mountains(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    let mut random = scene.scenery("mountains");
    let rock = hazy(light, Ink::rgb(104, 112, 134), 0.25);
    let snow = light.on_land(Ink::rgb(244, 248, 252));
    for peak in [0usize, 2, 1] {
        let x = 0.12 + peak as f32 * 0.38 + random.between(-0.06, 0.06);
        let (height, half) = (random.between(0.2, 0.33), random.between(0.24, 0.32));
        let top = HORIZON - height;
        let side = |share: f32, left: f32| (x + half * share * left, top + height * share);
        canvas.polygon(&[side(1.05, -1.0), (x, top), side(1.05, 1.0)], rock);
        canvas.polygon(
            &[(x, top), side(1.05, 1.0), (x + half * 0.1, HORIZON + 0.02)],
            rock.times(0.82),
        );
        canvas.polygon(
            &[
                side(0.34, -1.0),
                (x, top),
                side(0.34, 1.0),
                side(0.22, 0.4),
                side(0.38, 0.05),
                side(0.24, -0.4),
            ],
            snow,
        );
    }
}

fn trees(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    let mut random = scene.scenery("trees");
    for tree in 0..6 {
        let x = -0.02 + tree as f32 * 0.21 + random.between(-0.05, 0.05);
        let (tall, wide) = (random.between(0.2, 0.32), random.between(0.085, 0.12));
        let top = HORIZON - tall;
        let leaves = hazy(light, Ink::rgb(58, 112, 56), random.between(0.05, 0.2));
        canvas.rectangle(
            (x - 0.013, top + wide),
            (x + 0.013, HORIZON + 0.02),
            light.on_land(Ink::rgb(92, 66, 44)),
        );
        canvas.ellipse((x, top + wide * 0.9), (wide, wide * 1.05), leaves);
        canvas.ellipse(
            (x - wide * 0.3, top + wide * 0.6),
            (wide * 0.55, wide * 0.5),
            leaves.times(1.12),
        );
    }
}

fn rainforest(canvas: &mut Canvas, scene: &Scene, light: &Light) {
    let mut random = scene.scenery("rainforest");
    for (row, ink) in [(0.27, Ink::rgb(34, 84, 56)), (0.18, Ink::rgb(26, 104, 50))] {
        let ink = hazy(light, ink, 0.08);
        canvas.rectangle((0.0, HORIZON - row * 0.8), (1.0, HORIZON + 0.02), ink);
        for crown in 0..7 {
            let x = crown as f32 / 6.0 + random.between(-0.05, 0.05);
            let radius = random.between(0.08, 0.12);
            canvas.ellipse(
                (x, HORIZON - row * random.between(0.75, 1.0)),
                (radius, radius * 0.8),
                ink,
            );
        }
    }
    for palm in 0..2 {
        let x = 0.2 + palm as f32 * 0.55 + random.between(-0.1, 0.1);
        let top = HORIZON - random.between(0.3, 0.38);
        canvas.rectangle(
            (x - 0.008, top),
            (x + 0.008, HORIZON),
            light.on_land(Ink::rgb(110, 86, 56)),
        );
        for (dx, dy) in [(-0.11, 0.03), (0.11, 0.03), (-0.08, -0.05), (0.08, -0.05)] {
            let leaf = [
                (x, top - 0.012),
                (x + dx * 0.6, top + dy - 0.025),
                (x + dx, top + dy + 0.02),
                (x, top + 0.012),
            ];
            canvas.polygon(&leaf, light.on_ground(Ink::rgb(52, 138, 62)));
        }
    }
}

fn sea(canvas: &mut Canvas, light: &Light) {
    let deep = light.on_land(Ink::rgb(38, 104, 168));
    let top = HORIZON - 0.1;
    canvas.gradient((top, HORIZON + 0.02), (deep, deep.mix(light.sky.1, 0.3)));
    for (x, y, reach) in [
        (0.15, 0.03, 0.08),
        (0.62, 0.05, 0.1),
        (0.85, 0.025, 0.06),
        (0.4, 0.075, 0.07),
    ] {
        canvas.ellipse(
            (x, top + y),
            (reach, 0.005),
            light.on_land(Ink::rgb(196, 222, 240)).at(0.8),
        );
    }
    // A sail, so that water reads as the sea.
    let (x, y) = (0.72, top + 0.012);
    let sail = light.on_land(Ink::rgb(248, 246, 240));
    canvas.polygon(&[(x, y - 0.075), (x, y), (x + 0.045, y)], sail);
    canvas.polygon(
        &[
            (x - 0.03, y + 0.004),
            (x + 0.05, y + 0.004),
            (x + 0.035, y + 0.018),
            (x - 0.018, y + 0.018),
        ],
        sail.times(0.6),
    );
}

fn lake(canvas: &mut Canvas, light: &Light) {
    let shore = hazy(light, Ink::rgb(88, 124, 92), 0.3);
    canvas.ellipse((0.2, HORIZON - 0.03), (0.42, 0.07), shore);
    canvas.ellipse((0.9, HORIZON - 0.03), (0.36, 0.055), shore.times(0.94));
    let water = light
        .on_land(Ink::rgb(104, 168, 210))
        .mix(light.sky.0, 0.25);
    canvas.gradient(
        (HORIZON - 0.035, HORIZON + 0.02),
        (water.times(0.88), water),
    );
}
