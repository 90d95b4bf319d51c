//! Drawing detections: a frame and a label for each, the surest on top.

use ccsr_stage::{Blobs, StageError, Value};
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};

use crate::canvas::{Canvas, FONT, enlarged, factor};
use crate::png;
use crate::roles::Found;

/// Thickness of a frame, in pixels of the picture.
const FRAME: u32 = 3;
/// Room around a label's letters.
const MARGIN: u32 = 2;
/// Boxes of the image's class.
const TARGET: Rgb888 = Rgb888::new(22, 130, 60);
/// Other boxes, by label.
const OTHERS: [Rgb888; 6] = [
    Rgb888::new(200, 60, 40),
    Rgb888::new(30, 90, 190),
    Rgb888::new(180, 110, 0),
    Rgb888::new(130, 50, 160),
    Rgb888::new(0, 120, 130),
    Rgb888::new(90, 90, 95),
];

/// The picture as a PNG.
pub(super) fn render(layout: &Value, blobs: &dyn Blobs) -> Result<Vec<u8>, StageError> {
    let image = layout.get("image").and_then(Value::as_blob);
    let image = image.ok_or_else(|| StageError::failed("a picture's layout has no image"))?;
    let width = layout.get("width").and_then(Value::as_int).unwrap_or(1);
    let Some(Value::List(boxes)) = layout.get("boxes") else {
        return Err(StageError::failed("a picture's layout has no boxes"));
    };
    let image = png::read(blobs, &image)?;
    let least = width.max(1) as u32;
    let scale = f64::from(factor(&image, least));
    let mut canvas = Canvas(enlarged(image, least));
    let mut labels: Vec<String> = Vec::new();
    let mut drawn = Vec::new();
    for one in boxes.iter() {
        let found: Found = one.get("found").cloned().unwrap_or_default().read()?;
        let place = labels.iter().position(|label| *label == found.label);
        let place = place.unwrap_or_else(|| {
            labels.push(found.label.clone());
            labels.len() - 1
        });
        let is_target = one.get("target").and_then(Value::as_bool) == Some(true);
        let others = OTHERS[place % OTHERS.len()];
        drawn.push((found, if is_target { TARGET } else { others }));
    }
    for (found, colour) in drawn.iter().rev() {
        canvas.mark(found, scale, *colour);
    }
    Ok(png::encode(&canvas.0))
}

impl Canvas {
    /// A frame along the inside of a box, and its label at the top left corner.
    fn mark(&mut self, found: &Found, scale: f64, colour: Rgb888) {
        let side = |edge: f64, end: u32| (edge * scale).round().clamp(0.0, f64::from(end)) as u32;
        let (width, height) = self.0.dimensions();
        let [left, right] = [found.x0, found.x1].map(|x| side(x, width));
        let [top, bottom] = [found.y0, found.y1].map(|y| side(y, height));
        let (across, down) = (right.saturating_sub(left), bottom.saturating_sub(top));
        let at = |x: u32, y: u32| Point::new(x as i32, y as i32);
        let (beam, post) = (FRAME.min(down), FRAME.min(across));
        self.fill(at(left, top), Size::new(across, beam), colour);
        self.fill(at(left, bottom - beam), Size::new(across, beam), colour);
        self.fill(at(left, top), Size::new(post, down), colour);
        self.fill(at(right - post, top), Size::new(post, down), colour);
        let label = format!("{} {:.2}", found.label.trim(), found.confidence);
        let letters = label.chars().count() as u32;
        let size = FONT.character_size;
        let sign = Size::new(letters * size.width + 2 * MARGIN, size.height + 2 * MARGIN);
        // Above the box if there is room, else inside.
        let above = top.checked_sub(sign.height).unwrap_or(top);
        let corner = at(left.min(width.saturating_sub(sign.width)), above);
        self.fill(corner, sign, colour);
        let inside = corner + Point::new(MARGIN as i32, MARGIN as i32);
        self.write(&label, inside, Rgb888::WHITE);
    }
}
