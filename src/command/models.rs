//! `ccsr-flow models`: models from a Hugging Face hub, and the cache that all its programs share.

mod convert;
mod pull;
mod verify;

use bytesize::ByteSize;
use ccsr_hub::{Hub, Snapshot};

use crate::cli::ModelsCommand;
use crate::exit::{Exit, Failure};
use crate::hub;
use crate::ui::{Ui, counted};

/// Digits of a commit that tell it from the others.
const SHORT: usize = 8;

pub(super) fn models(command: &ModelsCommand, ui: &Ui) -> Result<Exit, Failure> {
    let hub = hub::here();
    match command {
        ModelsCommand::Pull(args) => pull::pull(&hub, args, ui),
        ModelsCommand::List { json } => list(&hub, *json, ui),
        ModelsCommand::Verify { id, json } => verify::verify(&hub, id, *json, ui),
        ModelsCommand::Convert(args) => convert::convert(args, ui),
        ModelsCommand::Path { id } => {
            ui.data(hub.path(id)?.display())?;
            Ok(Exit::Done)
        }
    }
}

fn list(hub: &Hub, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let snapshots = hub.list()?;
    if json {
        for snapshot in &snapshots {
            ui.data(serde_json::to_string(snapshot).expect("texts and numbers are JSON"))?;
        }
        return Ok(Exit::Done);
    }
    let width = |text: fn(&Snapshot) -> String| {
        let widths = snapshots
            .iter()
            .map(|snapshot| text(snapshot).chars().count());
        widths.max().unwrap_or(0)
    };
    let names = width(|snapshot| snapshot.id.clone());
    for snapshot in &snapshots {
        let revisions = match snapshot.revisions.join(", ") {
            none if none.is_empty() => String::new(),
            some => format!("  {some}"),
        };
        ui.data(format_args!(
            "{:names$}  {}  {:>9}  {:>10}{revisions}",
            snapshot.id,
            short(&snapshot.commit),
            counted(snapshot.files, "file"),
            ByteSize(snapshot.bytes).to_string(),
        ))?;
    }
    if snapshots.is_empty() {
        ui.say("no models; `ccsr-flow models pull ID` downloads one");
    }
    Ok(Exit::Done)
}

fn short(commit: &str) -> &str {
    commit.get(..SHORT).unwrap_or(commit)
}
