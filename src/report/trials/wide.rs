//! A table with many columns: for a terminal, for Markdown, or as comma-separated values.

use std::ops::Range;

use comfy_table::{CellAlignment, ContentArrangement, presets};

/// A table of text.
pub(crate) struct Wide {
    pub(super) header: Vec<String>,
    /// The columns that are metrics: on a terminal, a line for each part of their names.
    pub(super) metrics: Range<usize>,
    /// Metrics for which there was no room.
    pub(crate) left_out: usize,
    /// The column that is text, and aligned left.
    pub(super) text: Option<usize>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Wide {
    pub(crate) fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in [&self.header].into_iter().chain(&self.rows) {
            writer
                .write_record(row)
                .expect("rows are as wide as the header, and memory takes all");
        }
        let bytes = writer.into_inner().expect("memory takes all");
        String::from_utf8(bytes).expect("it was written from text")
    }

    pub(crate) fn markdown(&self) -> String {
        let escaped = |text: &String| text.replace('\\', "\\\\").replace('|', "\\|");
        let line = |cells: &[String]| {
            format!(
                "| {} |\n",
                cells.iter().map(escaped).collect::<Vec<_>>().join(" | ")
            )
        };
        let mut text = line(&self.header) + &line(&vec!["---".to_owned(); self.header.len()]);
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }

    pub(crate) fn terminal(&self) -> String {
        let mut drawn = comfy_table::Table::new();
        drawn
            .load_style(presets::UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled);
        let stacked = |(at, name): (usize, &String)| {
            if self.metrics.contains(&at) {
                name.replace('.', "\n")
            } else {
                name.clone()
            }
        };
        drawn.set_header(self.header.iter().enumerate().map(stacked));
        drawn.add_rows(&self.rows);
        for column in (0..self.header.len()).filter(|at| Some(*at) != self.text) {
            if let Some(column) = drawn.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        drawn.to_string()
    }
}

/// A number with four digits that count; whole numbers in full.
pub(super) fn rounded(number: f64) -> String {
    if number == 0.0 || !number.is_finite() || (number.fract() == 0.0 && number.abs() < 1e15) {
        return number.to_string();
    }
    let magnitude = magnitude(number);
    if !(-4..15).contains(&magnitude) {
        return format!("{number:.3e}");
    }
    let digits = usize::try_from(3 - magnitude).unwrap_or(0);
    format!("{number:.digits$}")
}

/// A number and its margin, of which two digits count, or more before the point.
pub(super) fn with_margin(number: f64, margin: f64) -> String {
    if margin == 0.0 || !margin.is_finite() || !(-9..15).contains(&magnitude(margin)) {
        return format!("{} ± {}", rounded(number), rounded(margin));
    }
    // 0.0996 is 0.10: the next power of ten.
    let two_digits = format!("{margin:.1e}").parse().unwrap_or(margin);
    let digits = usize::try_from(1 - magnitude(two_digits)).unwrap_or(0);
    format!("{number:.digits$} ± {margin:.digits$}")
}

/// The power of ten of its first digit.
fn magnitude(number: f64) -> i32 {
    number.abs().log10().floor() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_for_people() {
        for (number, shown) in [
            (0.0, "0"),
            (12.0, "12"),
            (123_456.0, "123456"),
            (0.123_456, "0.1235"),
            (-12.345_67, "-12.35"),
            (0.000_123_456, "0.0001235"),
            (0.000_012_345_6, "1.235e-5"),
            (98_765.432_1, "98765"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(rounded(number), shown);
        }
    }

    #[test]
    fn a_number_is_as_long_as_its_margin_lets_it_be() {
        for (number, margin, shown) in [
            (25.0 / 6.0, 3.794_583, "4.2 ± 3.8"),
            (0.310_04, 0.022_7, "0.310 ± 0.023"),
            (-0.001, 0.000_999, "-0.0010 ± 0.0010"),
            (0.25, 0.099_6, "0.25 ± 0.10"),
            (1234.5, 321.0, "1234 ± 321"),
            (7.0, 0.0, "7 ± 0"),
            (0.5, 3e-7, "0.50000000 ± 0.00000030"),
            (0.5, 1e-12, "0.5000 ± 1.000e-12"),
            (0.5, f64::INFINITY, "0.5000 ± inf"),
        ] {
            assert_eq!(with_margin(number, margin), shown);
        }
    }
}
