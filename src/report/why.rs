//! An explanation, for reading.

use std::fmt::Write as _;

use ccsr_cache::Value;
use ccsr_engine::why::{RowWhy, Standing, UnitState, UnitWhy, Why};

use crate::report::changes::{change, named, shortened, shown, table};
use crate::ui::{count, counted, duration};

/// What a stage depends on is shown up to so many fields.
const FIELDS: usize = 40;
/// Changes of one stage that are shown.
const CHANGES: usize = 20;

/// Text that is indented as it nests.
#[derive(Default)]
struct Page {
    text: String,
    depth: usize,
}

impl Page {
    fn line(&mut self, line: impl std::fmt::Display) {
        let indent = "  ".repeat(self.depth);
        writeln!(self.text, "{indent}{line}").expect("memory takes all");
    }

    fn lines(&mut self, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.line(line));
    }

    fn below(&mut self, write: impl FnOnce(&mut Self)) {
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }
}

/// Why a stage is as it is.
pub(crate) fn stage(why: &Why) -> String {
    let mut page = Page::default();
    page.line(format_args!("{} {}", why.stage, standing(&why.standing)));
    if let (Standing::Unchanged { .. }, true) = (&why.standing, why.earlier.is_none()) {
        page.line("it depends on");
        page.below(|page| depends(page, why));
        return page.text;
    }
    differs(&mut page, why);
    if !why.units.is_empty() {
        page.line("for example:");
        page.below(|page| why.units.iter().for_each(|unit| self::unit(page, unit)));
    }
    let mut causes = Vec::new();
    collect_causes(why, &mut causes);
    if !causes.is_empty() && !why.tables.is_empty() {
        page.line("it comes down to");
        page.below(|page| page.lines(causes));
    }
    page.text
}

/// In what a stage differs from its earlier record, and why its tables do.
fn differs(page: &mut Page, why: &Why) {
    let Some(run) = &why.earlier else {
        page.line("it was never computed, and neither was one of its kind");
        return;
    };
    if why.changes.is_empty() && why.tables.is_empty() {
        page.line(format_args!(
            "nothing it depends on differs from what run {run} computed: its tables were lost, or a \
             unit of it"
        ));
        return;
    }
    page.line(format_args!("compared with what run {run} computed:"));
    page.below(|page| {
        for changed in why.changes.iter().take(CHANGES) {
            page.lines(change(changed));
        }
        if let Some(more) = why
            .changes
            .len()
            .checked_sub(CHANGES)
            .filter(|more| *more > 0)
        {
            page.line(format_args!(
                "… and {}",
                counted(more as u64, "more change")
            ));
        }
        for differing in &why.tables {
            match &differing.rows {
                None => page.line(format_args!(
                    "the table of `{}` is not known yet",
                    differing.stage
                )),
                Some(rows) => {
                    let mut lines = table(rows).into_iter();
                    let first = lines.next().unwrap_or_default();
                    page.line(format_args!(
                        "the table of `{}` differs, {first}",
                        differing.stage
                    ));
                    page.lines(lines);
                }
            }
            page.below(|page| match &differing.why {
                None => page.line(format_args!(
                    "why `{}` differs is said above",
                    differing.stage
                )),
                Some(upstream) => {
                    page.line(format_args!(
                        "{} {}",
                        upstream.stage,
                        standing(&upstream.standing)
                    ));
                    page.below(|page| differs(page, upstream));
                }
            });
        }
    });
}

/// The fields that changed, by stage, wherever nothing further up explains them.
fn collect_causes(why: &Why, causes: &mut Vec<String>) {
    for changed in &why.changes {
        let field = changed
            .field
            .strip_prefix("with.")
            .unwrap_or(&changed.field);
        causes.push(format!("`{field}` of {}", why.stage));
    }
    for table in &why.tables {
        if let Some(upstream) = &table.why {
            collect_causes(upstream, causes);
        }
    }
}

fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Unchanged { run, units: 0, .. } => {
            format!("is unchanged: put together by run {run}")
        }
        Standing::Unchanged {
            run,
            units,
            seconds,
        } => format!(
            "is unchanged: {}, computed by run {run} in {}",
            counted(*units, "unit"),
            duration(*seconds)
        ),
        Standing::Collect { units: 0 } => "would put its tables together anew".to_owned(),
        Standing::Collect { units } => format!(
            "would put its tables together anew; its {} are in the cache",
            counted(*units, "unit")
        ),
        Standing::Execute { missing, reused } => format!(
            "would compute {} of {}",
            counted(*missing, "unit"),
            count(missing + reused)
        ),
        Standing::Wait { upstream } => format!("waits for {}", upstream.join(", ")),
        Standing::Fail { error } => format!("would fail: {error}"),
    }
}

/// Everything that a stage depends on, down to the leaves.
fn depends(page: &mut Page, why: &Why) {
    let mut fields = Vec::new();
    for part in ["with", "roles", "seed", "revision", "table_revision"] {
        if let Some(value) = why.value.get(part) {
            leaves(part, value, &mut fields);
        }
    }
    let more = fields.len().saturating_sub(FIELDS);
    page.lines(fields.into_iter().take(FIELDS));
    if more > 0 {
        page.line(format_args!(
            "… and {}; `--json` has all",
            counted(more as u64, "more field")
        ));
    }
    for (part, what) in [
        ("tables", "the table on its port"),
        ("files", "the content of"),
    ] {
        if let Some(Value::Map(entries)) = why.value.get(part) {
            page.lines(entries.keys().map(|name| format!("{what} `{name}`")));
        }
    }
}

fn leaves(field: &str, value: &Value, found: &mut Vec<String>) {
    let join = |name: &str| format!("{field}.{name}");
    match value {
        Value::Map(entries) if !entries.is_empty() => entries
            .iter()
            .for_each(|(name, value)| leaves(&join(name), value, found)),
        Value::List(values) if values.iter().any(|value| matches!(value, Value::Map(_))) => {
            for (index, value) in values.iter().enumerate() {
                let id = value.get("id").and_then(Value::as_text).map(str::to_owned);
                leaves(
                    &join(&id.unwrap_or_else(|| index.to_string())),
                    value,
                    found,
                );
            }
        }
        leaf => {
            let field = field.strip_prefix("with.").unwrap_or(field);
            found.push(format!("{field} = {}", shortened(&shown(leaf), 100)));
        }
    }
}

fn unit(page: &mut Page, unit: &UnitWhy) {
    let input = || shortened(&shown(&unit.input), 100);
    let name = unit.name.clone().unwrap_or_else(input);
    match &unit.state {
        UnitState::Known {
            run,
            seconds,
            outcome,
        } => {
            page.line(format_args!(
                "{name}: computed by run {run} in {}",
                duration(*seconds)
            ));
            page.below(|page| {
                let mut fields = Vec::new();
                leaves("", &unit.input, &mut fields);
                page.lines(
                    fields
                        .into_iter()
                        .map(|field| field.trim_start_matches('.').to_owned()),
                );
                page.line(format_args!("→ {}", shortened(&shown(outcome), 200)));
            });
        }
        UnitState::Missing { nearest: None, .. } => {
            page.line(format_args!(
                "{name}: missing; there is no earlier unit of this kind"
            ));
        }
        UnitState::Missing {
            nearest: Some(run),
            changes,
        } if changes.is_empty() => {
            page.line(format_args!(
                "{name}: run {run} computed it, and its outcome was lost"
            ));
        }
        UnitState::Missing {
            nearest: Some(run),
            changes,
        } => {
            page.line(format_args!(
                "{name}: missing; the nearest that there is, of run {run}:"
            ));
            page.below(|page| {
                for changed in changes {
                    page.lines(change(changed));
                }
            });
        }
    }
}

/// Which units made a row.
pub(crate) fn row(why: &RowWhy) -> String {
    let mut page = Page::default();
    write_row(&mut page, why);
    page.text
}

fn write_row(page: &mut Page, why: &RowWhy) {
    match why.number {
        Some(number) => {
            let old = if why.current {
                ""
            } else {
                " (as it was; the table is not known yet)"
            };
            page.line(format_args!("{} row {number}{old}", why.stage));
            page.below(|page| {
                for (name, value) in &why.row {
                    page.line(format_args!("{name} = {}", shortened(&shown(value), 100)));
                }
            });
        }
        None => page.line(&why.stage),
    }
    if let Some((fitting, some)) = &why.candidates {
        page.line(match fitting {
            0 => "no row fits".to_owned(),
            several => format!(
                "{} fit; say more to tell them apart:",
                counted(*several, "row")
            ),
        });
        page.below(|page| some.iter().for_each(|row| page.line(named(row))));
        return;
    }
    if let Some(reason) = &why.unknown {
        page.line(reason);
    }
    if !why.units.is_empty() {
        page.line(if why.units.len() == 1 {
            "made by"
        } else {
            "made by these, or some of them:"
        });
        page.below(|page| {
            why.units.iter().for_each(|unit| self::unit(page, unit));
            if why.more > 0 {
                page.line(format_args!("… and {}", counted(why.more, "more unit")));
            }
        });
    }
    if !why.from.is_empty() {
        page.line(if why.unknown.is_some() {
            "what it waits for:"
        } else {
            "put together from"
        });
        page.below(|page| why.from.iter().for_each(|row| write_row(page, row)));
    }
}
