//! `ccsr-flow cache gc`.

use std::path::Path;
use std::time::Duration;

use ccsr_cache::{Access, Collection, Freed, Store, StoreError};
use ccsr_engine::retain;

use super::{size, tally};
use crate::cli::GcArgs;
use crate::exit::{Exit, Failure};
use crate::ui::{Ui, counted, duration};

/// How often to look whether the cache is free.
const EVERY: Duration = Duration::from_millis(200);

pub(super) fn gc(root: &Path, args: &GcArgs, ui: &Ui) -> Result<Exit, Failure> {
    let store = if args.dry_run {
        Store::open(root, Access::ReadOnly)?
    } else {
        alone(root, args.wait, ui)?
    };
    let keep = retain::kept(&store, args.keep_runs)?;
    let collection = store.collection(&keep, args.budget.map(|budget| budget.0))?;
    let freed = if args.dry_run {
        None
    } else {
        Some(store.collect(&collection)?)
    };
    if args.json {
        ui.data(json(&collection, freed.as_ref()))?;
        return Ok(Exit::Done);
    }
    ui.data(told(&collection, freed.as_ref()))?;
    if collection.over > 0 {
        ui.say(format_args!(
            "what must stay is {} more than the budget; `--keep-runs` keeps fewer runs, `cache unpin` less",
            size(collection.over)
        ));
    }
    Ok(Exit::Done)
}

/// Opens the cache when nobody else uses it.
fn alone(root: &Path, wait: bool, ui: &Ui) -> Result<Store, Failure> {
    let mut told = false;
    loop {
        match Store::open(root, Access::Alone) {
            Err(StoreError::InUse { .. }) if wait => {
                if !told {
                    ui.say("waiting until nobody uses the cache");
                }
                told = true;
                std::thread::sleep(EVERY);
            }
            opened => return Ok(opened?),
        }
    }
}

fn told(collection: &Collection, freed: Option<&Freed>) -> String {
    let verb = if freed.is_some() {
        "removed"
    } else {
        "would remove"
    };
    let mut gone = vec![tally(collection.objects, "object")];
    if collection.outcomes.count > 0 {
        gone.push(counted(collection.outcomes.count, "outcome"));
    }
    if collection.runs > 0 {
        let records = if collection.runs == 1 {
            "the record"
        } else {
            "the records"
        };
        gone.push(format!("{records} of {}", counted(collection.runs, "run")));
    }
    let mut lines = vec![format!("{verb} {}", gone.join(", "))];
    if collection.seconds > 0.0 {
        let time = duration(collection.seconds);
        lines.push(format!("computing that again would take {time}"));
    }
    let spared = match collection.spared.count {
        0 => String::new(),
        _ => format!(
            ", and {} that are worth it",
            tally(collection.spared, "object")
        ),
    };
    let reached = tally(collection.reached, "object");
    lines.push(format!("kept {reached} that runs and pins reach{spared}"));
    if let Some(freed) = freed {
        if freed.temporary.count > 0 {
            let left = tally(freed.temporary, "file");
            lines.push(format!("removed {left} that killed runs left"));
        }
        let all = freed.objects.bytes + freed.temporary.bytes + freed.ledger;
        lines.push(format!("freed {}", size(all)));
    }
    lines.join("\n")
}

fn json(collection: &Collection, freed: Option<&Freed>) -> serde_json::Value {
    serde_json::json!({
        "dry_run": freed.is_none(),
        "removed": {
            "objects": collection.objects,
            "outcomes": collection.outcomes,
            "stages": collection.stages,
            "runs": collection.runs,
            "seconds": collection.seconds,
        },
        "kept": {"reached": collection.reached, "spared": collection.spared},
        "over_budget": collection.over,
        "freed": freed.map(|freed| freed.objects.bytes + freed.temporary.bytes + freed.ledger),
    })
}
