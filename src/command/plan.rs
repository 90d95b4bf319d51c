//! `ccsr-flow plan`.

use ccsr_cache::Access;
use ccsr_engine::plan::{PlanState, StagePlan};

use crate::cli::{Cli, PlanArgs};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::ui::{Ui, count, counted, duration};

/// Changes of a stage that are shown; the rest is counted.
const MAX_CHANGES: usize = 8;

pub(super) fn plan(cli: &Cli, args: &PlanArgs, ui: &Ui) -> Result<Exit, Failure> {
    let session = Session::new(cli, &args.pipeline)?.up_to(&args.stages)?;
    let plan = ccsr_engine::plan::plan(&session.pipeline, &session.store(Access::ReadOnly)?)?;
    let exit = if plan.is_fresh() {
        Exit::Done
    } else {
        Exit::Stale
    };
    if args.json {
        ui.data(serde_json::to_string(&plan).expect("a plan holds nothing JSON has no word for"))?;
        return Ok(exit);
    }
    let width = plan
        .stages
        .iter()
        .map(|stage| stage.stage.chars().count())
        .max()
        .unwrap_or(0);
    for stage in &plan.stages {
        ui.data(format_args!("{:width$}  {}", stage.stage, told(stage, ui)))?;
        for change in stage.changes.iter().take(MAX_CHANGES) {
            ui.data(format_args!("{:width$}    {change}", ""))?;
        }
        for path in &stage.exports {
            ui.data(format_args!("{:width$}    writes {path}", ""))?;
        }
        if let Some(more) = stage
            .changes
            .len()
            .checked_sub(MAX_CHANGES)
            .filter(|more| *more > 0)
        {
            ui.data(format_args!(
                "{:width$}    … and {}",
                "",
                counted(more as u64, "more change")
            ))?;
        }
    }
    let exports = plan.stages.iter().any(|stage| !stage.exports.is_empty());
    ui.say(match plan.missing() {
        (0, 0) if plan.is_fresh() => "nothing to do".to_owned(),
        (0, 0) if exports => "no unit to compute; exports are put right".to_owned(),
        (0, 0) => "no unit to compute; tables are put together anew".to_owned(),
        (missing, 0) => format!(
            "{} to compute{}",
            counted(missing, "unit"),
            about(plan.seconds().0)
        ),
        (missing, more) => {
            let (known, below) = plan.seconds();
            format!(
                "{} to compute{}, then at most {more}{}",
                counted(missing, "unit"),
                about(known.filter(|_| missing > 0)),
                about(below),
                more = bounded(more)
            )
        }
    });
    Ok(exit)
}

fn told(stage: &StagePlan, ui: &Ui) -> String {
    let new = if stage.known { "" } else { ", new" };
    match &stage.state {
        PlanState::Unchanged { units: 0 } => ui.dim("unchanged"),
        PlanState::Unchanged { units } => {
            ui.dim(&format!("unchanged ({})", counted(*units, "unit")))
        }
        PlanState::Collect { units: 0 } => format!("{}{new}", ui.green("collect")),
        PlanState::Collect { units } => {
            format!(
                "{}{new}: all {} are in the cache",
                ui.green("collect"),
                counted(*units, "unit")
            )
        }
        PlanState::Execute { missing, reused } => format!(
            "{}{new}: {} of {}",
            ui.green("compute"),
            counted(*missing, "unit"),
            count(missing + reused)
        ),
        PlanState::Wait { upstream, at_most } => {
            let upstream = match upstream.as_slice() {
                [] => "what it reads".to_owned(),
                names => names.join(", "),
            };
            format!("waits for {upstream}{new}: at most {}", bounded(*at_most))
        }
        PlanState::Fail { error } => format!("{}: {error}", ui.red("fails")),
    }
}

/// What it costs on one worker, going by what the ledger remembers.
fn about(seconds: Option<f64>) -> String {
    match seconds {
        Some(seconds) => format!(" (about {} of work)", duration(seconds)),
        None => String::new(),
    }
}

fn bounded(units: u64) -> String {
    // Below a bound that nobody knows, every number is a guess.
    if units >= u64::MAX / 1_000_000 {
        "an unknown number of units".to_owned()
    } else {
        counted(units, "unit")
    }
}
