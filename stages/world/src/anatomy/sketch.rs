//! Shapes in an animal's own coordinates, and the tubes that bodies are made of.
//!
//! The animal looks along +x, y points up, the ground is `y = 0`; the unit is the class's own.

use tiny_skia::{Path, PathBuilder, Transform};

use super::angle::{distance, sin_cos};
use crate::kinds::BodyPart;
use crate::render::canvas::{Ink, add_polygon, add_smooth, oval, smooth};

/// A point or an extent, x before y.
pub(crate) type Pair = (f32, f32);

/// Samples between two knots of a tube.
const STEPS: usize = 5;

/// A filled path.
pub(crate) struct Shape {
    pub(crate) path: Path,
    pub(crate) ink: Ink,
    pub(crate) part: BodyPart,
}

/// Filled paths, the lowest first.
pub(crate) struct Sketch {
    shapes: Vec<Shape>,
    frame: Transform,
    part: BodyPart,
}

impl Sketch {
    pub(crate) fn new() -> Self {
        Self {
            shapes: Vec::with_capacity(64),
            frame: Transform::identity(),
            part: BodyPart::Body,
        }
    }

    /// The shapes, the lowest first.
    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Draws in a frame of its own: moved, turned (degrees, counter-clockwise), and scaled.
    pub(crate) fn framed(
        &mut self,
        at: Pair,
        degrees: f32,
        scale: f32,
        draw: impl FnOnce(&mut Self),
    ) {
        let outer = self.frame;
        self.frame = Transform::from_scale(scale, scale)
            .post_concat(turn(degrees))
            .post_translate(at.0, at.1)
            .post_concat(outer);
        draw(self);
        self.frame = outer;
    }

    /// Draws a part of the body; what is no part of another is its middle.
    pub(crate) fn part(&mut self, part: BodyPart, draw: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.part, part);
        draw(self);
        self.part = outer;
    }

    /// Fills a path.
    pub(crate) fn path(&mut self, path: Option<Path>, ink: Ink) {
        if let Some(path) = path.and_then(|path| path.transform(self.frame)) {
            let part = self.part;
            self.shapes.push(Shape { path, ink, part });
        }
    }

    /// An ellipse, turned by degrees.
    pub(crate) fn ellipse(&mut self, centre: Pair, radii: Pair, degrees: f32, ink: Ink) {
        let turn = Transform::from_translate(-centre.0, -centre.1)
            .post_concat(turn(degrees))
            .post_translate(centre.0, centre.1);
        self.path(
            oval(centre, radii).and_then(|path| path.transform(turn)),
            ink,
        );
    }

    /// A disc.
    pub(crate) fn disc(&mut self, centre: Pair, radius: f32, ink: Ink) {
        self.ellipse(centre, (radius, radius), 0.0, ink);
    }

    /// A closed smooth curve that follows the points.
    pub(crate) fn blob(&mut self, points: &[Pair], ink: Ink) {
        self.path(smooth(points), ink);
    }

    /// A closed polygon.
    pub(crate) fn polygon(&mut self, points: &[Pair], ink: Ink) {
        self.path(crate::render::canvas::polygon(points), ink);
    }

    /// A tube through the knots (x, y, radius); returned so that marks can be laid on it.
    pub(crate) fn limb(&mut self, knots: &[(f32, f32, f32)], ink: Ink) -> Tube {
        let tube = Tube::through(knots);
        self.path(tube.outline(), ink);
        tube
    }

    /// Several polygons or curves in one ink, filled at once because that is cheaper.
    pub(crate) fn marks(&mut self, ink: Ink, draw: impl FnOnce(&mut Marks)) {
        let mut marks = Marks(PathBuilder::new());
        draw(&mut marks);
        self.path(marks.0.finish(), ink);
    }

    /// What the shapes cover: left, bottom, right, top.
    pub(crate) fn bounds(&self) -> [f32; 4] {
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for shape in &self.shapes {
            let tight = shape
                .path
                .compute_tight_bounds()
                .unwrap_or(shape.path.bounds());
            bounds[0] = bounds[0].min(tight.left());
            bounds[1] = bounds[1].min(tight.top());
            bounds[2] = bounds[2].max(tight.right());
            bounds[3] = bounds[3].max(tight.bottom());
        }
        bounds
    }
}

/// Collects marks of one ink.
pub(crate) struct Marks(PathBuilder);

impl Marks {
    /// Adds a polygon.
    pub(crate) fn polygon(&mut self, points: &[Pair]) {
        add_polygon(&mut self.0, points);
    }

    /// Adds a closed smooth curve.
    pub(crate) fn blob(&mut self, points: &[Pair]) {
        add_smooth(&mut self.0, points);
    }
}

/// A smooth tube of changing radius: a torso, a neck, a leg.
///
/// A place on it is named by its share along (`0.0..=1.0`) and its share across (`-1.0..=1.0`, positive on the
/// left of the direction of travel, which is the upper side of a tube that runs forward).
pub(crate) struct Tube {
    spine: Vec<(f32, f32, f32)>,
    /// The unit normal, to the left, at each sample of the spine.
    normals: Vec<Pair>,
}

impl Tube {
    /// The tube whose spine passes through the knots, as a Catmull-Rom curve. At least two knots.
    pub(crate) fn through(knots: &[(f32, f32, f32)]) -> Self {
        let last = knots.len() - 1;
        let mut spine = Vec::with_capacity(last * STEPS + 1);
        for index in 0..last {
            let before = knots[index.saturating_sub(1)];
            let (from, to) = (knots[index], knots[index + 1]);
            let after = knots[(index + 2).min(last)];
            for step in 0..STEPS {
                let t = step as f32 / STEPS as f32;
                spine.push((
                    catmull([before.0, from.0, to.0, after.0], t),
                    catmull([before.1, from.1, to.1, after.1], t),
                    catmull([before.2, from.2, to.2, after.2], t).max(0.001),
                ));
            }
        }
        spine.push(knots[last]);
        let normals = (0..spine.len())
            .map(|index| {
                let from = spine[index.saturating_sub(1)];
                let to = spine[(index + 1).min(spine.len() - 1)];
                let (dx, dy) = (to.0 - from.0, to.1 - from.1);
                let length = distance(dx, dy).max(1e-6);
                (-dy / length, dx / length)
            })
            .collect();
        Self { spine, normals }
    }

    /// The place at these shares along and across.
    pub(crate) fn at(&self, along: f32, across: f32) -> Pair {
        let position = along.clamp(0.0, 1.0) * (self.spine.len() - 1) as f32;
        let index = (position as usize).min(self.spine.len() - 2);
        let t = position - index as f32;
        let (from, to) = (self.spine[index], self.spine[index + 1]);
        let between = |a: f32, b: f32| a + (b - a) * t;
        let normal = (
            between(self.normals[index].0, self.normals[index + 1].0),
            between(self.normals[index].1, self.normals[index + 1].1),
        );
        let out = between(from.2, to.2) * across;
        (
            between(from.0, to.0) + normal.0 * out,
            between(from.1, to.1) + normal.1 * out,
        )
    }

    /// Its outline, with round ends.
    fn outline(&self) -> Option<Path> {
        let side = |sign: f32| {
            self.spine
                .iter()
                .zip(&self.normals)
                .map(move |(&(x, y, r), normal)| (x + normal.0 * r * sign, y + normal.1 * r * sign))
        };
        let mut points: Vec<Pair> = side(1.0).collect();
        let end = self.spine.len() - 1;
        points.extend(self.cap(end, 1.0));
        let mut back: Vec<Pair> = side(-1.0).collect();
        back.reverse();
        points.append(&mut back);
        points.extend(self.cap(0, -1.0));
        smooth(&points)
    }

    /// The three points of a round end, from left to right in the direction of travel.
    fn cap(&self, index: usize, forward: f32) -> [Pair; 3] {
        let (x, y, r) = self.spine[index];
        let (nx, ny) = self.normals[index];
        // The direction of travel is the normal turned clockwise.
        let (dx, dy) = (ny * forward * r, -nx * forward * r);
        let (nx, ny) = (nx * forward * r, ny * forward * r);
        [(0.75, 0.75), (0.0, 1.05), (-0.75, 0.75)]
            .map(|(n, d)| (x + nx * n + dx * d, y + ny * n + dy * d))
    }

    /// The stretch between two shares along and two across, as a polygon.
    pub(crate) fn band(&self, (from, to): Pair, (low, high): Pair) -> Vec<Pair> {
        const PIECES: usize = 8;
        let share = |piece: usize| from + (to - from) * piece as f32 / PIECES as f32;
        let there = (0..=PIECES).map(|piece| self.at(share(piece), high));
        let back = (0..=PIECES).rev().map(|piece| self.at(share(piece), low));
        there.chain(back).collect()
    }

    /// A sickle along one side: from the edge (`side` is `1` or `-1`) inwards to `depth` across at its middle.
    pub(crate) fn sickle(&self, (from, to): Pair, side: f32, depth: f32) -> Vec<Pair> {
        const PIECES: usize = 10;
        let share = |piece: usize| piece as f32 / PIECES as f32;
        let along = |piece: usize| from + (to - from) * share(piece);
        let edge = (0..=PIECES).map(|piece| self.at(along(piece), side));
        let inner = (0..=PIECES).rev().map(|piece| {
            let swell = sin_cos(share(piece) * 180.0).0.max(0.0).sqrt();
            self.at(along(piece), side * (1.0 - depth * swell))
        });
        edge.chain(inner).collect()
    }

    /// A round spot with the given half extents along and across.
    pub(crate) fn spot(&self, (along, across): Pair, (length, width): Pair) -> [Pair; 7] {
        // Seven corners at uneven reach, so that no two spots look alike.
        const CORNERS: [(f32, f32, f32); 7] = [
            (1.0, 0.0, 1.0),
            (0.62, 0.78, 1.1),
            (-0.22, 0.97, 0.95),
            (-0.9, 0.43, 1.1),
            (-0.9, -0.43, 0.95),
            (-0.22, -0.97, 1.1),
            (0.62, -0.78, 0.95),
        ];
        CORNERS.map(|(x, y, reach)| {
            let across = (across + y * width * reach).clamp(-0.97, 0.97);
            self.at(along + x * length * reach, across)
        })
    }
}

/// A turn around the origin, counter-clockwise.
fn turn(degrees: f32) -> Transform {
    let (sin, cos) = sin_cos(degrees);
    Transform::from_row(cos, sin, -sin, cos, 0.0, 0.0)
}

/// The Catmull-Rom curve through the two middle values, at `t` between them.
fn catmull([a, b, c, d]: [f32; 4], t: f32) -> f32 {
    0.5 * (2.0 * b
        + t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a))))
}
