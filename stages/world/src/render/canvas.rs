//! The surface that scenes are painted on, and the ink.
//!
//! Coordinates are shares of the image's side, y downwards. Nothing here knows what it paints.

use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Transform};

use crate::render::Image;

/// A colour with opacity; all four in `0.0..=1.0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ink {
    red: f32,
    green: f32,
    blue: f32,
    opacity: f32,
}

impl Ink {
    /// An opaque colour of 8-bit channels.
    pub(crate) const fn rgb(red: u8, green: u8, blue: u8) -> Self {
        Self {
            red: red as f32 / 255.0,
            green: green as f32 / 255.0,
            blue: blue as f32 / 255.0,
            opacity: 1.0,
        }
    }

    /// The colour at another opacity.
    pub(crate) const fn at(self, opacity: f32) -> Self {
        Self { opacity, ..self }
    }

    /// The colour, darker (below 1) or lighter (above).
    pub(crate) fn times(self, factor: f32) -> Self {
        self.lit([factor; 3])
    }

    /// The colour under a coloured light.
    pub(crate) fn lit(self, light: [f32; 3]) -> Self {
        Self {
            red: (self.red * light[0]).min(1.0),
            green: (self.green * light[1]).min(1.0),
            blue: (self.blue * light[2]).min(1.0),
            opacity: self.opacity,
        }
    }

    /// The colour moved towards another by a share.
    pub(crate) fn mix(self, other: Self, share: f32) -> Self {
        let between = |a: f32, b: f32| a + (b - a) * share;
        Self {
            red: between(self.red, other.red),
            green: between(self.green, other.green),
            blue: between(self.blue, other.blue),
            opacity: self.opacity,
        }
    }

    /// How bright it is to the eye.
    pub(crate) fn luminance(self) -> f32 {
        0.3 * self.red + 0.59 * self.green + 0.11 * self.blue
    }

    fn bytes(self) -> [u8; 4] {
        [self.red, self.green, self.blue, self.opacity]
            .map(|c| (c.clamp(0.0, 1.0) * 255.0).round() as u8)
    }
}

/// A square image being painted.
pub(crate) struct Canvas {
    pixmap: Pixmap,
    side: f32,
}

impl Canvas {
    /// A black canvas of `size` pixels a side.
    pub(crate) fn new(size: u32) -> Self {
        Self {
            pixmap: Pixmap::new(size, size)
                .expect("the size is at least 1 and far below the limit"),
            side: size as f32,
        }
    }

    /// Fills a path that is in the canvas's own coordinates.
    pub(crate) fn fill(&mut self, path: &Path, ink: Ink) {
        self.fill_as(path, ink, Transform::identity());
    }

    /// Fills a path after a transform into the canvas's coordinates.
    pub(crate) fn fill_as(&mut self, path: &Path, ink: Ink, transform: Transform) {
        let [red, green, blue, opacity] = ink.bytes();
        let mut paint = Paint::default();
        paint.set_color_rgba8(red, green, blue, opacity);
        let transform = transform.post_scale(self.side, self.side);
        self.pixmap
            .fill_path(path, &paint, FillRule::Winding, transform, None);
    }

    /// Fills an upright ellipse.
    pub(crate) fn ellipse(&mut self, centre: (f32, f32), radii: (f32, f32), ink: Ink) {
        if let Some(path) = oval(centre, radii) {
            self.fill(&path, ink);
        }
    }

    /// Fills the lower half of an upright ellipse.
    pub(crate) fn lower_half(&mut self, (x, y): (f32, f32), (rx, ry): (f32, f32), ink: Ink) {
        const CORNERS: usize = 20;
        let points: Vec<(f32, f32)> = (0..=CORNERS)
            .map(|corner| corner as f32 / CORNERS as f32 * std::f32::consts::PI)
            .map(|angle| (x + angle.cos() * rx, y + angle.sin() * ry))
            .collect();
        self.polygon(&points, ink);
    }

    /// Fills a polygon.
    pub(crate) fn polygon(&mut self, points: &[(f32, f32)], ink: Ink) {
        if let Some(path) = polygon(points) {
            self.fill(&path, ink);
        }
    }

    /// Fills a rectangle from corner to corner.
    pub(crate) fn rectangle(&mut self, (x0, y0): (f32, f32), (x1, y1): (f32, f32), ink: Ink) {
        self.polygon(&[(x0, y0), (x1, y0), (x1, y1), (x0, y1)], ink);
    }

    /// Blends a vertical run of colours over whole rows, from `top` to `bottom` (shares of the height).
    pub(crate) fn gradient(&mut self, (top, bottom): (f32, f32), (above, below): (Ink, Ink)) {
        let rows = self.pixmap.height() as usize;
        let width = self.pixmap.width() as usize;
        let first = (top * self.side).round().clamp(0.0, self.side) as usize;
        let last = (bottom * self.side).round().clamp(0.0, self.side) as usize;
        let span = ((bottom - top) * self.side).max(1.0);
        for row in first..last.min(rows) {
            let share = ((row as f32 + 0.5 - top * self.side) / span).clamp(0.0, 1.0);
            let opacity = above.opacity + (below.opacity - above.opacity) * share;
            let [red, green, blue, _] = above.mix(below, share).bytes();
            let line = &mut self.pixmap.data_mut()[row * width * 4..(row + 1) * width * 4];
            // In 256ths, so that an opaque row keeps nothing of what it covers.
            let share = (opacity * 256.0) as u32;
            for pixel in line.chunks_exact_mut(4) {
                for (channel, value) in pixel.iter_mut().zip([red, green, blue]) {
                    let blend = u32::from(value) * share + u32::from(*channel) * (256 - share);
                    *channel = (blend >> 8) as u8;
                }
                pixel[3] = 255;
            }
        }
    }

    /// The painted image. Every pixel must have been painted opaquely once.
    pub(crate) fn into_image(self) -> Image {
        let pixels = self
            .pixmap
            .data()
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect();
        Image {
            width: self.pixmap.width(),
            height: self.pixmap.height(),
            pixels,
        }
    }
}

/// An upright ellipse, unless it is empty.
pub(crate) fn oval((x, y): (f32, f32), (rx, ry): (f32, f32)) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

/// A closed polygon, unless it is empty.
pub(crate) fn polygon(points: &[(f32, f32)]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    add_polygon(&mut builder, points);
    builder.finish()
}

/// Adds a closed polygon.
pub(crate) fn add_polygon(builder: &mut PathBuilder, points: &[(f32, f32)]) {
    for (index, &(x, y)) in points.iter().enumerate() {
        if index == 0 {
            builder.move_to(x, y);
        } else {
            builder.line_to(x, y);
        }
    }
    builder.close();
}

/// Adds a closed curve that follows the points smoothly, as a quadratic B-spline.
pub(crate) fn add_smooth(builder: &mut PathBuilder, points: &[(f32, f32)]) {
    let middle = |a: (f32, f32), b: (f32, f32)| (f32::midpoint(a.0, b.0), f32::midpoint(a.1, b.1));
    let Some(&last) = points.last() else {
        return;
    };
    let start = middle(last, points[0]);
    builder.move_to(start.0, start.1);
    for (index, &point) in points.iter().enumerate() {
        let next = middle(point, points[(index + 1) % points.len()]);
        builder.quad_to(point.0, point.1, next.0, next.1);
    }
    builder.close();
}

/// A closed smooth curve, unless it is empty.
pub(crate) fn smooth(points: &[(f32, f32)]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    add_smooth(&mut builder, points);
    builder.finish()
}
