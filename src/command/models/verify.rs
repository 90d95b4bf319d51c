//! `ccsr-flow models verify`.

use ccsr_hub::{FaultKind, Hub, ModelId};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::short;
use crate::exit::{Exit, Failure};
use crate::ui::{Ui, counted};

pub(super) fn verify(hub: &Hub, id: &ModelId, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let target = if ui.live {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
            .expect("the template is a constant");
    let bar = ProgressBar::with_draw_target(None, target).with_style(style);
    let verdict = hub.verify(id, &mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let verdict = verdict?;
    if json {
        ui.data(serde_json::to_string(&verdict).expect("texts and numbers are JSON"))?;
    } else {
        for fault in &verdict.faults {
            let kind = match fault.kind {
                FaultKind::Damaged => "damaged   ",
                FaultKind::Missing => "missing   ",
                FaultKind::Incomplete => "incomplete",
            };
            ui.data(format_args!("{}  {}", ui.red(kind), fault.file))?;
        }
        for file in &verdict.unchecked {
            ui.data(format_args!("{}  {file}", ui.dim("unchecked ")))?;
        }
        let (commit, sound) = (short(&verdict.commit), counted(verdict.sound, "file"));
        ui.say(format_args!("{id} at {commit}: {sound} sound"));
    }
    if verdict.is_sound() {
        return Ok(Exit::Done);
    }
    ui.say(format_args!(
        "`ccsr-flow models pull {id} --verify` downloads again what is damaged, missing or incomplete"
    ));
    Ok(Exit::Failed)
}
