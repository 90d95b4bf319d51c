//! `ccsr-flow runs diff`.

use ccsr_cache::{Access, Store};
use ccsr_engine::compare::compare_runs;

use super::find;
use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::report;
use crate::session::cache_here;
use crate::ui::Ui;

pub(super) fn diff(cli: &Cli, old: &str, new: &str, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    let (old, new) = (find(&store, old)?, find(&store, new)?);
    let changes = compare_runs(&old, &new, &[&store]);
    if json {
        ui.data(serde_json::to_string(&changes).expect("it holds nothing JSON has no word for"))?;
    } else {
        ui.raw(&report::compare::runs(&changes))?;
    }
    Ok(Exit::Done)
}
