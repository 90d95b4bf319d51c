//! `ccsr-flow runs show`.

use ccsr_cache::{Access, Store};

use super::find;
use crate::cli::Cli;
use crate::exit::{Exit, Failure};
use crate::report;
use crate::session::cache_here;
use crate::ui::Ui;

pub(super) fn show(cli: &Cli, wanted: &str, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let store = Store::open(&cache_here(cli)?, Access::ReadOnly)?;
    let record = find(&store, wanted)?;
    if json {
        ui.data(serde_json::to_string(&record).expect("it was read from JSON"))?;
    } else {
        ui.raw(&report::summary::record(&record))?;
    }
    Ok(Exit::Done)
}
