//! Plots as SVG that follow the page's colours and say in words what they show.
//!
//! The library draws in fixed colours. Each of ours is a key, which becomes a class of the page's
//! style sheet afterwards, so that dark and light, and a change between them, need no second drawing.

use plotters::prelude::*;
use serde::Serialize;

use super::text::number;

/// Width and height of a plot, in its own units; the page scales it.
const SIZE: (u32, u32) = (560, 300);
/// The axes' letters.
const FONT: (&str, i32) = ("sans-serif", 13);
/// What texts and axes are drawn in.
const INK: RGBColor = RGBColor(0, 0, 0);
/// What the lines of the grid are drawn in.
const GRID: RGBColor = RGBColor(2, 0, 0);
/// Series that have colours of their own.
const COLOURS: u8 = 8;

/// A plot, and what stands beside it.
#[derive(Debug, Serialize)]
pub(crate) struct Plot {
    /// Its name within the page.
    pub(crate) id: String,
    pub(crate) title: String,
    /// What it shows, for those who do not see it.
    pub(crate) description: String,
    /// The drawing: the inside of an `svg` element.
    pub(crate) svg: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Names of the series, in the order of their colours.
    pub(crate) legend: Vec<String>,
    /// The numbers.
    pub(crate) table: Numbers,
}

/// The numbers of a plot.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Numbers {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// What was left out.
    pub(crate) note: String,
}

/// A line of a plot.
#[derive(Debug, Default)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Low and high at each point; may be empty.
    pub(crate) interval: Vec<(f64, f64)>,
    /// Whether it stands back behind the next one, whose colour it has.
    pub(crate) faint: bool,
}

/// The key of the colour of a series.
const fn series(index: usize) -> RGBColor {
    RGBColor(1, (index % COLOURS as usize) as u8, 0)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Lines over a common axis; nothing if there is not a point to draw.
pub(crate) fn lines(x: &str, y: &str, all: &[Series]) -> Option<Drawing> {
    let finite = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
    let points = || all.iter().flat_map(|series| &series.points).filter(finite);
    let intervals = || {
        all.iter()
            .flat_map(|series| &series.interval)
            .flat_map(|(low, high)| [*low, *high])
    };
    let across = range(points().map(|(x, _)| *x), 0.0)?;
    let up = range(points().map(|(_, y)| *y).chain(intervals()), 0.06)?;
    // Ticks are sums: the one at 0 is a little beside it.
    let tick = |at: f64, span: f64| number(if at.abs() < span * 1e-9 { 0.0 } else { at });
    drawing(SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(42)
            .y_label_area_size(58)
            .build_cartesian_2d(across.0..across.1, up.0..up.1)?;
        chart
            .configure_mesh()
            .axis_style(INK.mix(0.5))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .label_style(FONT.into_font().color(&INK))
            .axis_desc_style(FONT.into_font().color(&INK))
            .x_label_formatter(&|x| tick(*x, across.1 - across.0))
            .y_label_formatter(&|y| tick(*y, up.1 - up.0))
            .x_labels(7)
            .y_labels(6)
            .x_desc(x)
            .y_desc(y)
            .draw()?;
        let mut colours = 0;
        for line in all {
            let colour = series(colours);
            colours += usize::from(!line.faint);
            let points = || {
                line.points
                    .iter()
                    .copied()
                    .filter(|(x, y)| x.is_finite() && y.is_finite())
            };
            let bounds = points().zip(&line.interval);
            let upper: Vec<_> = bounds
                .clone()
                .map(|((x, _), (_, high))| (x, *high))
                .collect();
            let lower: Vec<_> = bounds.map(|((x, _), (low, _))| (x, *low)).collect();
            if upper.len() > 1 {
                let outline = upper.into_iter().chain(lower.into_iter().rev());
                chart.draw_series([Polygon::new(outline.collect::<Vec<_>>(), colour.mix(0.16))])?;
            }
            let width = if line.faint { 1 } else { 2 };
            let opacity = if line.faint { 0.45 } else { 1.0 };
            chart.draw_series(LineSeries::new(
                points(),
                colour.mix(opacity).stroke_width(width),
            ))?;
            if line.points.len() <= 24 {
                chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
            }
        }
        Ok(())
    })
}

/// A bar of one row: from, to, the colour, how opaque.
pub(crate) type Bar = (f64, f64, usize, f64);

/// Rows of horizontal bars over a common axis, the first on top; nothing if there are none.
pub(crate) fn bars(x: &str, end: f64, names: &[String], rows: &[Vec<Bar>]) -> Option<Drawing> {
    if rows.is_empty() || !end.is_finite() || end <= 0.0 {
        return None;
    }
    let longest = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        .min(LONGEST);
    let height = 64 + 26 * rows.len() as u32;
    drawing((SIZE.0, height), |area| {
        let last = rows.len() - 1;
        let named = |position: usize| {
            let name = last.checked_sub(position).and_then(|row| names.get(row));
            name.map_or("", String::as_str)
        };
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(42)
            .y_label_area_size(18 + 7 * longest as u32)
            .build_cartesian_2d(0.0..end, (0..last).into_segmented())?;
        chart
            .configure_mesh()
            .axis_style(INK.mix(0.5))
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .disable_y_mesh()
            .label_style(FONT.into_font().color(&INK))
            .axis_desc_style(FONT.into_font().color(&INK))
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|position| match position {
                SegmentValue::CenterOf(position) => shortened(named(*position)),
                _ => String::new(),
            })
            .y_labels(rows.len())
            .x_labels(7)
            .x_desc(x)
            .draw()?;
        for (position, row) in rows.iter().rev().enumerate() {
            let low = SegmentValue::Exact(position);
            let high = if position == last {
                SegmentValue::Last
            } else {
                SegmentValue::Exact(position + 1)
            };
            chart.draw_series(row.iter().map(|(from, to, colour, opacity)| {
                let style = series(*colour).mix(*opacity).filled();
                let mut bar = Rectangle::new([(*from, low.clone()), (*to, high.clone())], style);
                bar.set_margin(4, 4, 0, 0);
                bar
            }))?;
        }
        Ok(())
    })
}

/// Letters of a row's name that have room.
const LONGEST: usize = 18;

fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// From where to where an axis goes, with some air.
fn range(values: impl Iterator<Item = f64>, air: f64) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return None;
    }
    let width = high - low;
    if width <= f64::EPSILON * high.abs().max(1.0) {
        let half = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
        return Some((low - half, high + half));
    }
    Some((low - air * width, high + air * width))
}

/// What the library drew.
#[derive(Debug)]
pub(crate) struct Drawing {
    pub(crate) svg: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

fn drawing(
    size: (u32, u32),
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn,
) -> Option<Drawing> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    // What cannot be drawn is left out; its numbers stand in the table.
    let drawn = draw(&area).and_then(|()| Ok(area.present()?));
    drop(area);
    drawn.ok()?;
    let inside = svg.split_once('>')?.1.rsplit_once("</svg>")?.0;
    Some(Drawing {
        svg: classes(inside),
        width: size.0,
        height: size.1,
    })
}

/// Keys of colours as classes.
fn classes(svg: &str) -> String {
    let mut svg = svg
        .replace("fill=\"#000000\"", "class=\"fill-ink\"")
        .replace("stroke=\"#000000\"", "class=\"stroke-ink\"")
        .replace("stroke=\"#020000\"", "class=\"stroke-grid\"");
    for index in 0..COLOURS {
        for what in ["fill", "stroke"] {
            svg = svg.replace(
                &format!("{what}=\"#01{index:02X}00\""),
                &format!("class=\"{what}-{index}\""),
            );
        }
    }
    svg
}
