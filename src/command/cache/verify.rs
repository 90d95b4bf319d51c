//! `ccsr-flow cache verify`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ccsr_cache::{LedgerState, Repair, Tally, Verdict};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{size, tally};
use crate::exit::{Exit, Failure};
use crate::ui::{Ui, count, counted};

/// Damaged objects that are told one by one; `--json` tells all.
const MAX_TOLD: usize = 20;

pub(super) fn verify(root: &Path, dry_run: bool, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let bar = ProgressBar::with_draw_target(None, target(ui)).with_style(style());
    let progress = |done: Tally, all: Tally| {
        bar.set_length(all.bytes);
        bar.set_position(done.bytes);
    };
    let repair = if dry_run { Repair::No } else { Repair::Yes };
    let verdict = ccsr_cache::verify(root, repair, &progress)?;
    bar.finish_and_clear();
    if json {
        ui.data(as_json(&verdict, dry_run))?;
    } else {
        ui.raw(&told(&verdict, dry_run))?;
    }
    Ok(if verdict.is_clean() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn target(ui: &Ui) -> ProgressDrawTarget {
    if ui.live {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
        .expect("the template is a constant")
}

fn told(verdict: &Verdict, dry_run: bool) -> String {
    let mut text = String::new();
    let mut line = |what: String| {
        let _ = writeln!(text, "{what}");
    };
    match &verdict.ledger {
        LedgerState::Sound => {}
        LedgerState::Damaged(problem) => {
            line(format!("the ledger {}", problem.fault()));
            line(
                "  without `--dry-run` a new one is made of all that is good in it; objects stay"
                    .to_owned(),
            );
        }
        LedgerState::Replaced { saved, aside } => {
            line(format!(
                "the ledger was damaged; a new one holds the {} that could be saved",
                counted(*saved, "outcome")
            ));
            line("  other outcomes are computed again; objects stay, and what comes out the same is found in place".to_owned());
            line(format!(
                "  the damaged one lies in `{}`; delete it if nobody needs it",
                aside.display()
            ));
        }
    }
    for bad in verdict.damaged.iter().take(MAX_TOLD) {
        line(format!(
            "object {} is damaged ({})",
            bad.digest,
            size(bad.bytes)
        ));
        let stages = bad
            .stages
            .iter()
            .map(|stage| format!("a table of {stage} is collected again"));
        for what in units(&bad.units, "again").into_iter().chain(stages) {
            line(format!("  when it is needed, {what}"));
        }
    }
    if let more @ 1.. = verdict.damaged.len().saturating_sub(MAX_TOLD) {
        line(format!(
            "and {} more; `--json` names them",
            counted(more as u64, "damaged object")
        ));
    }
    for (kind, number) in &verdict.bad_outcomes {
        line(format!(
            "{} of {kind} decayed; they are computed again",
            counted(*number, "outcome")
        ));
    }
    for (number, what) in [
        (
            verdict.bad_stages,
            "stage that was remembered as a whole decayed; its units are looked at again",
        ),
        (
            verdict.bad_files,
            "remembered digest of a file decayed; the file is read again",
        ),
        (verdict.bad_links, "row about who made a blob was wrong"),
    ] {
        if number > 0 {
            line(format!("{} × {what}", count(number)));
        }
    }
    line(format!(
        "checked {} and {}",
        tally(verdict.objects, "object"),
        counted(verdict.outcomes, "outcome")
    ));
    if verdict.absent > 0 {
        line(format!(
            "{} that outcomes name are not here; what needs one makes it again",
            counted(verdict.absent, "blob")
        ));
    }
    line(match (verdict.is_clean(), dry_run) {
        (true, _) => "all is well".to_owned(),
        (false, true) => {
            "nothing was changed; without `--dry-run` what is damaged becomes missing".to_owned()
        }
        (false, false) => {
            "what was damaged is missing now; the next run that needs it makes it again".to_owned()
        }
    });
    text
}

/// `2 units of image.generate run again`.
fn units(units: &BTreeMap<String, u64>, again: &str) -> Vec<String> {
    let told = |(kind, number): (&String, &u64)| match number {
        1 => format!("1 unit of {kind} runs {again}"),
        _ => format!("{} units of {kind} run {again}", count(*number)),
    };
    units.iter().map(told).collect()
}

fn as_json(verdict: &Verdict, dry_run: bool) -> serde_json::Value {
    let damaged = verdict.damaged.iter().map(|bad| {
        serde_json::json!({
            "digest": bad.digest,
            "bytes": bad.bytes,
            "units": bad.units,
            "stages": bad.stages,
        })
    });
    let ledger = match &verdict.ledger {
        LedgerState::Sound => serde_json::json!("sound"),
        LedgerState::Damaged(problem) => serde_json::json!({"damaged": problem.fault()}),
        LedgerState::Replaced { saved, aside } => {
            serde_json::json!({"saved": saved, "aside": aside.to_string_lossy()})
        }
    };
    serde_json::json!({
        "clean": verdict.is_clean(),
        "dry_run": dry_run,
        "ledger": ledger,
        "objects": verdict.objects,
        "damaged": damaged.collect::<Vec<_>>(),
        "outcomes": verdict.outcomes,
        "bad_outcomes": verdict.bad_outcomes,
        "bad_stages": verdict.bad_stages,
        "bad_files": verdict.bad_files,
        "bad_links": verdict.bad_links,
        "absent": verdict.absent,
    })
}
