//! `ccsr-flow show`.

use ccsr_engine::{Shown, TableFormat, tabular};
use ccsr_stage::Table;
use comfy_table::{ContentArrangement, presets};

use crate::cli::{Cli, ShowArgs, ShowFormat};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::ui::{Ui, counted};

pub(super) fn show(cli: &Cli, args: &ShowArgs, ui: &Ui) -> Result<Exit, Failure> {
    let session = Session::new(cli, &args.pipeline)?;
    let pipeline = &session.pipeline;
    let (id, port) = session.table(&args.stage)?;
    let name = &pipeline.stage(id).name;
    let shown = ccsr_engine::show(pipeline, &session.store_to_look_at()?, id, port)?;
    let shown = match shown {
        Shown::Table(shown) => shown,
        Shown::Never => {
            return Err(Failure::Missing(format!(
                "`{name}` has no table yet; `ccsr-flow run {}` computes it",
                args.pipeline.file.display()
            )));
        }
        Shown::Lost => {
            return Err(Failure::Missing(format!(
                "the cache lost the table of `{name}`; `ccsr-flow run {}` makes it again",
                args.pipeline.file.display()
            )));
        }
    };
    if !shown.current {
        ui.say(format_args!(
            "note: the pipeline changed since; this is what run {} computed",
            shown.run
        ));
    }
    match args.format {
        ShowFormat::Csv => ui.raw(&tabular::write(&shown.table, TableFormat::Csv))?,
        ShowFormat::Jsonl => ui.raw(&tabular::write(&shown.table, TableFormat::Jsonl))?,
        ShowFormat::Md => ui.raw(&tabular::write(&shown.table, TableFormat::Markdown))?,
        ShowFormat::Terminal => {
            ui.data(terminal(&shown.table, args.limit))?;
            let rows = shown.table.len();
            if args.limit != 0 && rows > args.limit {
                ui.say(format_args!(
                    "… {} more; `--limit 0` shows all",
                    counted((rows - args.limit) as u64, "row")
                ));
            }
        }
    }
    Ok(Exit::Done)
}

/// Longest text of a cell on a terminal, in characters.
const CELL: usize = 48;

fn terminal(table: &Table, limit: usize) -> String {
    let rows = if limit == 0 {
        table.len()
    } else {
        limit.min(table.len())
    };
    let mut drawn = comfy_table::Table::new();
    drawn
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    drawn.set_header(table.columns().iter().map(ccsr_stage::Column::name));
    for row in table.rows().take(rows) {
        drawn.add_row(row.values().map(|value| match value {
            ccsr_cache::Value::Blob(digest) => digest.short(),
            other => shortened(&tabular::cell(other)),
        }));
    }
    drawn.to_string()
}

fn shortened(text: &str) -> String {
    let line = text.replace('\n', " ");
    match line.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
