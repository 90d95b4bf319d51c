//! In what two runs differ, for reading.

use std::fmt::Write as _;

use ccsr_engine::compare::{Found, NumberChange, RunChanges, StageChanges, TableComparison};

use crate::report::changes::{change, table};
use crate::ui::{count, counted, duration};

/// Changes of one stage that are shown.
const CHANGES: usize = 20;
/// Numbers of one table that are shown.
const NUMBERS: usize = 12;

/// In what two runs differ.
pub(crate) fn runs(changes: &RunChanges) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("memory takes all");
    line(format!("{} → {}", changes.old, changes.new));
    for fact in &changes.facts {
        for told in change(fact) {
            line(format!("  {told}"));
        }
    }
    let (old, new) = changes.seconds;
    line(format!("  took {}, then {}", duration(old), duration(new)));
    let mut same = 0;
    for stage in &changes.stages {
        let told = self::stage(stage);
        if told.is_empty() {
            same += 1;
            continue;
        }
        line(stage.stage.clone());
        for told in told {
            line(format!("  {told}"));
        }
    }
    match same {
        0 => {}
        _ if same == changes.stages.len() => line("every stage is the same".to_owned()),
        _ => line(format!("the same: {}", counted(same as u64, "stage"))),
    }
    text
}

/// In what a stage differs; nothing if it does not.
fn stage(stage: &StageChanges) -> Vec<String> {
    let mut told = Vec::new();
    match stage.found {
        Found::Both => {}
        Found::Old => told.push("only the first run has it".to_owned()),
        Found::New => told.push("only the second run has it".to_owned()),
    }
    let changed: Vec<_> = stage.parameters.iter().chain(&stage.roles).collect();
    told.extend(
        changed
            .iter()
            .take(CHANGES)
            .flat_map(|changed| change(changed)),
    );
    if changed.len() > CHANGES {
        told.push(format!(
            "… and {}",
            counted((changed.len() - CHANGES) as u64, "more change")
        ));
    }
    told.extend(
        stage
            .tables
            .iter()
            .flat_map(|(port, compared)| tables(port, compared)),
    );
    if !told.is_empty() && stage.found == Found::Both {
        let (old, new) = stage.seconds;
        if old > 0.0 || new > 0.0 {
            told.push(format!(
                "its units took {}, then {}",
                duration(old),
                duration(new)
            ));
        }
    }
    told
}

/// How a table compares; nothing if it is the same.
pub(crate) fn tables(port: &str, compared: &TableComparison) -> Vec<String> {
    match compared {
        TableComparison::Same { .. } => Vec::new(),
        TableComparison::Differs { changes, numbers } => {
            let mut lines = table(changes).into_iter();
            let first = format!("table `{port}`: {}", lines.next().unwrap_or_default());
            let mut told: Vec<_> = std::iter::once(first).chain(lines).collect();
            told.extend(
                numbers
                    .iter()
                    .take(NUMBERS)
                    .map(|change| format!("  {}", number(change))),
            );
            if numbers.len() > NUMBERS {
                let more = (numbers.len() - NUMBERS) as u64;
                told.push(format!(
                    "  … and {}; `--json` has all",
                    counted(more, "more number")
                ));
            }
            told
        }
        TableComparison::Lost { old_rows, new_rows } => vec![format!(
            "table `{port}`: {} → {}, and it differs; the cache has lost one of the two",
            count(*old_rows),
            counted(*new_rows, "row")
        )],
        TableComparison::Missing { found, rows } => {
            let which = if *found == Found::Old {
                "first"
            } else {
                "second"
            };
            vec![format!(
                "table `{port}`: only the {which} run has it, {}",
                counted(*rows, "row")
            )]
        }
    }
}

/// A number that differs: `truth.selected pairs.both 0.85 → 0.9 (+0.05)`.
fn number(change: &NumberChange) -> String {
    let shown = |number: f64| format!("{}", (number * 1e6).round() / 1e6);
    let name = &change.name;
    match (change.old, change.new) {
        (Some(old), Some(new)) => {
            let sign = if new > old { "+" } else { "" };
            format!(
                "{name} {} → {} ({sign}{})",
                shown(old),
                shown(new),
                shown(new - old)
            )
        }
        (None, Some(new)) => format!("{name} is new: {}", shown(new)),
        (Some(old), None) => format!("{name} is gone; it was {}", shown(old)),
        (None, None) => name.clone(),
    }
}
