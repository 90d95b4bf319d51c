//! What was detected in an image: in words, and where.

use ccsr_cache::Value;
use ccsr_stage::Row;
use serde::Serialize;

use super::family::Lookup;
use super::text::number;

/// Boxes that are drawn on one picture: the surest.
const BOXES: usize = 6;
/// Boxes that are less sure than this are not drawn.
const FAINT: f64 = 0.05;

/// Where something was detected, in pixels of the image.
#[derive(Debug, Serialize)]
pub(crate) struct Box {
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
    /// What, and how surely.
    pub(crate) label: String,
    /// Whether it is the surest of the image's class.
    pub(crate) surest: bool,
}

/// What was detected in an image: in words, and where.
pub(crate) fn detections(detections: &Lookup<'_>, image: Row<'_>) -> (String, Vec<Box>) {
    let float = |row: &Row<'_>, name: &str| row.float(name).unwrap_or_default();
    let mut found: Vec<_> = detections.all(image).collect();
    found.sort_by(|a, b| float(b, "confidence").total_cmp(&float(a, "confidence")));
    // What was looked for beside the class does not count for a choice.
    let counts = |row: &Row<'_>| row.find("target").and_then(Value::as_bool) != Some(false);
    let surest = found.iter().position(counts);
    let seen = match found.as_slice() {
        [] => "nothing detected".to_owned(),
        [one] => format!("1 detection, {}", number(float(one, "confidence"))),
        [first, ..] => format!(
            "{} detections, surest {}",
            found.len(),
            number(float(first, "confidence"))
        ),
    };
    let shown = found
        .iter()
        .filter(|row| float(row, "confidence") >= FAINT)
        .take(BOXES);
    let boxes = shown.enumerate().map(|(place, row)| {
        let [x0, y0, x1, y1] = ["x0", "y0", "x1", "y1"].map(|name| float(row, name));
        let label = row.text("label").unwrap_or_default();
        Box {
            x: number(x0),
            y: number(y0),
            width: number((x1 - x0).max(0.0)),
            height: number((y1 - y0).max(0.0)),
            label: format!("{label} {}", number(float(row, "confidence"))),
            surest: Some(place) == surest,
        }
    });
    (seen, boxes.collect())
}
