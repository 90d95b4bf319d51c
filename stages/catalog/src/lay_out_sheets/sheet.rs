//! Drawing a contact sheet: the prompt on top, images in rows, a caption under each.

use ccsr_stage::{Blobs, StageError, Value};
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Rgb888;
use image::{Rgb, RgbImage, imageops};

use crate::canvas::{Canvas, FONT, enlarged, factor, printable};
use crate::png;

/// The most pixels of a sheet: 400 MB of them while it is drawn.
const MOST: u64 = 1 << 27;

/// Pixels between cells and around all.
const GAP: u32 = 12;
/// Height of a line of text.
const LINE: u32 = 18;
/// Thickness of the frame round the chosen image; it lies in the gap.
const FRAME: u32 = 5;
const PAPER: Rgb<u8> = Rgb([250, 250, 248]);
const INK: Rgb888 = Rgb888::new(30, 30, 34);
const CHOSEN: Rgb888 = Rgb888::new(22, 130, 60);

/// The sheet as a PNG.
pub(super) fn render(layout: &Value, blobs: &dyn Blobs) -> Result<Vec<u8>, StageError> {
    let number = |name| layout.get(name).and_then(Value::as_int).unwrap_or(1).max(1) as u32;
    let Some(Value::List(cells)) = layout.get("cells") else {
        return Err(StageError::failed("a sheet's layout has no cells"));
    };
    let mut pictures = Vec::with_capacity(cells.len());
    for cell in cells.iter() {
        let image = cell.get("image").and_then(Value::as_blob);
        let image = image.ok_or_else(|| StageError::failed("a cell has no image"))?;
        pictures.push(png::read(blobs, &image)?);
    }
    let places = places(cells, number("columns"));
    let count = |axis: usize| 1 + places.iter().map(|place| place[axis]).max().unwrap_or(0);
    let (columns, rows) = (count(0), count(1));
    check_size(&pictures, number("cell"), columns, rows)?;
    let pictures: Vec<RgbImage> = pictures
        .into_iter()
        .map(|picture| enlarged(picture, number("cell")))
        .collect();
    let width = pictures.iter().map(RgbImage::width).max().unwrap_or(1);
    let height = pictures.iter().map(RgbImage::height).max().unwrap_or(1);
    let sheet_width = GAP + columns * (width + GAP);
    let heading = wrapped(
        &heading(layout),
        (sheet_width - 2 * GAP) / FONT.character_size.width,
    );
    let top = GAP + heading.len() as u32 * LINE + GAP / 2;
    let step = height + LINE + GAP;
    let mut canvas = Canvas(RgbImage::from_pixel(sheet_width, top + rows * step, PAPER));
    for (line, text) in (0..).zip(&heading) {
        canvas.write(text, at(GAP, GAP / 2 + line * LINE), INK);
    }
    for ((cell, picture), [column, row]) in cells.iter().zip(&pictures).zip(places) {
        let (x, y) = (GAP + column * (width + GAP), top + row * step);
        let chosen = cell.get("chosen").is_some();
        if chosen {
            let frame = Size::new(picture.width() + 2 * FRAME, picture.height() + 2 * FRAME);
            canvas.fill(at(x - FRAME, y - FRAME), frame, CHOSEN);
        }
        imageops::replace(&mut canvas.0, picture, i64::from(x), i64::from(y));
        let ink = if chosen { CHOSEN } else { INK };
        let below = at(x, y + picture.height() + FRAME);
        canvas.write(&caption(cell, width + GAP / 2), below, ink);
    }
    Ok(png::encode(&canvas.0))
}

/// Column and row of each cell. A row has at most `columns`, and another begins where the adapter's scale changes.
fn places(cells: &[Value], columns: u32) -> Vec<[u32; 2]> {
    let mut places: Vec<[u32; 2]> = Vec::with_capacity(cells.len());
    for (index, cell) in cells.iter().enumerate() {
        places.push(match places.last() {
            None => [0, 0],
            Some([column, row])
                if column + 1 == columns || cell.get("scale") != cells[index - 1].get("scale") =>
            {
                [0, row + 1]
            }
            Some([column, row]) => [column + 1, *row],
        });
    }
    places
}

/// That the sheet of these pictures, once they are enlarged, is not too large to draw.
fn check_size(
    pictures: &[RgbImage],
    least: u32,
    columns: u32,
    rows: u32,
) -> Result<(), StageError> {
    let side = |of: fn(&RgbImage) -> u32| {
        let each = pictures.iter();
        let sides = each.map(|image| u64::from(of(image)) * u64::from(factor(image, least)));
        sides.max().unwrap_or(1)
    };
    let width = side(RgbImage::width) * u64::from(columns);
    let height = side(RgbImage::height) * u64::from(rows);
    if width.saturating_mul(height) <= MOST {
        return Ok(());
    }
    Err(StageError::input(format!(
        "a sheet would have {width} x {height} pixels, more than {MOST}; make `cell` smaller, or \
         put fewer images on a sheet"
    )))
}

/// A point of the sheet.
fn at(x: u32, y: u32) -> Point {
    Point::new(x as i32, y as i32)
}

fn heading(layout: &Value) -> String {
    let text = |name| layout.get(name).and_then(Value::as_text);
    match (text("class"), text("prompt")) {
        (Some(class), Some(prompt)) => format!("{class}: {prompt}"),
        (class, prompt) => prompt.or(class).unwrap_or_default().to_owned(),
    }
}

/// `#3 score 8`, and how sure the detector was of the chosen one, or `#3 scale 0.40` of an adapter; without the words where
/// they do not fit into `width` pixels.
fn caption(cell: &Value, width: u32) -> String {
    let shown = |value: &Value| match value {
        Value::Float(number) => Some(format!("{number:.2}")),
        Value::Int(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.to_string()),
        _ => None,
    };
    let part = |name: &str| cell.get(name).and_then(shown);
    let written = |words: [&str; 3]| {
        let mut caption = format!("#{}", part("candidate").unwrap_or_default());
        for (word, name) in words.into_iter().zip(["scale", "score", "confidence"]) {
            if let Some(number) = part(name) {
                caption.extend([word, &number]);
            }
        }
        caption
    };
    let whole = written([" scale ", " score ", " sure "]);
    if whole.chars().count() as u32 * FONT.character_size.width <= width {
        whole
    } else {
        written([" "; 3])
    }
}

/// The text in lines of at most `columns` characters, in characters that the font has.
fn wrapped(text: &str, columns: u32) -> Vec<String> {
    let columns = columns.max(8) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in printable(text).split_whitespace() {
        let mut word = word.to_owned();
        while word.chars().count() > columns {
            let rest = word.split_off(
                word.char_indices()
                    .nth(columns)
                    .map_or(word.len(), |(at, _)| at),
            );
            lines.push(std::mem::replace(&mut word, rest));
        }
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_prompts_are_wrapped_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(
            wrapped("extraordinarily so", 8),
            ["extraord", "inarily", "so"]
        );
        assert!(wrapped("", 8).is_empty());
    }

    #[test]
    fn captions_say_less_where_there_is_little_room() {
        let cell = Value::map([
            ("candidate", Value::Int(3)),
            ("score", Value::Int(8)),
            ("confidence", Value::Float(0.875)),
        ]);
        assert_eq!(caption(&cell, 192), "#3 score 8 sure 0.88");
        assert_eq!(caption(&cell, 160), "#3 8 0.88");
        let drawn = [("candidate", Value::Int(0)), ("scale", Value::Float(0.4))];
        assert_eq!(caption(&Value::map(drawn), 192), "#0 scale 0.40");
    }

    #[test]
    fn a_sheet_that_no_memory_holds_is_refused() {
        let pictures = [RgbImage::new(64, 64), RgbImage::new(1, 64)];
        assert!(check_size(&pictures, 160, 2, 1).is_ok());
        assert_eq!(
            check_size(&pictures, 4096, 2, 1).unwrap_err().to_string(),
            "a sheet would have 8192 x 262144 pixels, more than 134217728; make `cell` smaller, \
             or put fewer images on a sheet"
        );
    }
}
