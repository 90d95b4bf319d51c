//! Whether what was done again came out the same, for reading.

use std::fmt::Write as _;

use ccsr_engine::reproduce::Agreement;
use ccsr_engine::verify::Verification;

use crate::report::changes::{change, shortened, shown};
use crate::report::compare::tables;
use crate::ui::{count, counted};

/// Units that are shown.
const UNITS: usize = 10;

/// Whether a run that was repeated agrees with its record.
pub(crate) fn reproduced(agreement: &Agreement) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("memory takes all");
    let agreed = format!(
        "{} ({})",
        counted(agreement.tables, "table"),
        counted(agreement.rows, "row")
    );
    if agreement.differing.is_empty() {
        line(format!(
            "run {} is reproduced, bit for bit: {agreed} agree; {} computed again",
            agreement.run,
            counted(agreement.units_executed, "unit")
        ));
        return text;
    }
    line(format!(
        "run {} is not reproduced: {agreed} agree, and these do not:",
        agreement.run
    ));
    for stage in &agreement.differing {
        line(stage.stage.clone());
        let changed = stage.changes.iter().flat_map(change);
        let errors = stage.errors.iter().map(|error| format!("failed: {error}"));
        let tables = stage
            .tables
            .iter()
            .flat_map(|(port, compared)| tables(port, compared));
        changed
            .chain(errors)
            .chain(tables)
            .for_each(|told| line(format!("  {told}")));
    }
    text
}

/// Whether units that were executed again came out as they were.
pub(crate) fn verified(verification: &Verification) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("memory takes all");
    let (verified, known) = (
        counted(verification.verified, "unit"),
        count(verification.known),
    );
    if verification.differing.is_empty() {
        line(format!(
            "verified: {verified} of {known} came out again, bit for bit"
        ));
        return text;
    }
    let mut kinds: Vec<&str> = verification
        .differing
        .iter()
        .map(|unit| unit.kind.as_str())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    line(format!(
        "verified: {verified} of {known}, of which {} came out differently; not deterministic: {}",
        count(verification.differing.len() as u64),
        kinds.join(", ")
    ));
    for unit in verification.differing.iter().take(UNITS) {
        let name = unit
            .unit
            .clone()
            .unwrap_or_else(|| shortened(&shown(&unit.input), 100));
        line(format!("{}: {name}", unit.stage));
        if let Some(error) = &unit.error {
            line(format!("  could not be executed: {error}"));
        }
        unit.changes
            .iter()
            .flat_map(change)
            .for_each(|told| line(format!("  {told}")));
    }
    if let Some(more) = verification
        .differing
        .len()
        .checked_sub(UNITS)
        .filter(|more| *more > 0)
    {
        line(format!("… and {}", counted(more as u64, "more unit")));
    }
    text
}
