//! Flaws of the image itself: a torn patch and a ghost.

use super::canvas::{Canvas, Ink, polygon, smooth};
use crate::scene::{Scene, Spot};

pub(super) fn paint(canvas: &mut Canvas, scene: &Scene) {
    if let Some(spot) = scene.ghost {
        ghost(canvas, spot);
    }
    if let Some(spot) = scene.torn {
        torn(canvas, scene, spot);
    }
}

/// A translucent thing that hangs in the air: a pale veil with a ragged hem and hollow eyes.
fn ghost(canvas: &mut Canvas, spot: Spot) {
    let half = spot.size / 2.0;
    let at = |(x, y): (f32, f32)| (spot.x + x * half, spot.y + y * half);
    let veil = [
        (-0.62, 0.95),
        (-0.72, -0.1),
        (-0.55, -0.8),
        (0.0, -1.12),
        (0.55, -0.8),
        (0.72, -0.1),
        (0.62, 0.95),
        (0.38, 0.62),
        (0.15, 1.05),
        (-0.12, 0.62),
        (-0.38, 1.05),
    ];
    for (reach, ink) in [
        (1.0, Ink::rgb(120, 96, 200).at(0.5)),
        (0.88, Ink::rgb(236, 240, 255).at(0.72)),
    ] {
        let points = veil.map(|(x, y)| at((x * reach, y * reach)));
        if let Some(path) = smooth(&points) {
            canvas.fill(&path, ink);
        }
    }
    for x in [-0.24, 0.24] {
        canvas.ellipse(
            at((x, -0.38)),
            (half * 0.13, half * 0.18),
            Ink::rgb(60, 40, 110).at(0.75),
        );
    }
}

/// A ragged hole, white at its rim, filled with coloured noise.
fn torn(canvas: &mut Canvas, scene: &Scene, spot: Spot) {
    const CORNERS: usize = 14;
    const CELLS: usize = 6;
    let mut random = scene.scenery("torn");
    let half = spot.size / 2.0;
    let rim: Vec<(f32, f32)> = (0..CORNERS)
        .map(|corner| {
            let angle = corner as f32 / CORNERS as f32 * std::f32::consts::TAU;
            let reach = if corner % 2 == 0 {
                1.0
            } else {
                random.between(0.68, 0.85)
            } * half;
            (spot.x + angle.cos() * reach, spot.y + angle.sin() * reach)
        })
        .collect();
    if let Some(path) = polygon(&rim) {
        canvas.fill(&path, Ink::rgb(250, 250, 250));
    }
    let inner: Vec<(f32, f32)> = rim
        .iter()
        .map(|&(x, y)| (spot.x + (x - spot.x) * 0.84, spot.y + (y - spot.y) * 0.84))
        .collect();
    if let Some(path) = polygon(&inner) {
        canvas.fill(&path, Ink::rgb(30, 30, 34));
    }
    // Cells of noise inside the largest square that fits.
    let (side, cell) = (half * 0.86, half * 0.86 / CELLS as f32);
    let colours = [
        Ink::rgb(240, 40, 200),
        Ink::rgb(40, 230, 90),
        Ink::rgb(60, 90, 250),
        Ink::rgb(245, 235, 60),
        Ink::rgb(30, 30, 34),
    ];
    for row in 0..CELLS {
        for column in 0..CELLS {
            let (x, y) = (
                spot.x - side / 2.0 + column as f32 * cell,
                spot.y - side / 2.0 + row as f32 * cell,
            );
            canvas.rectangle((x, y), (x + cell, y + cell), random.pick(&colours));
        }
    }
}
