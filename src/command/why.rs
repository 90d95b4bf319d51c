//! `ccsr-flow why`.

use ccsr_cache::Access;
use ccsr_engine::why::{Condition, Wanted};
use serde::Serialize;

use crate::cli::{Cli, WhyArgs};
use crate::exit::{Exit, Failure};
use crate::report;
use crate::session::Session;
use crate::ui::Ui;

pub(super) fn why(cli: &Cli, args: &WhyArgs, ui: &Ui) -> Result<Exit, Failure> {
    let wanted = wanted(&args.row)?;
    let session = Session::new(cli, &args.pipeline)?;
    let (id, port) = session.table(&args.stage)?;
    let name = session.pipeline.stage(id).name.clone();
    // What stands below the stage cannot explain it.
    let session = session.up_to(std::slice::from_ref(&name))?;
    let id = session.stage(&name)?;
    let store = session.store(Access::ReadOnly)?;
    let Some(wanted) = wanted else {
        let why = ccsr_engine::why::why(&session.pipeline, &store, id)?;
        tell(ui, args.json, &why, report::why::stage)?;
        return Ok(Exit::Done);
    };
    let why = ccsr_engine::why::why_row(&session.pipeline, &store, id, port, &wanted)?;
    tell(ui, args.json, &why, report::why::row)?;
    Ok(match why.candidates {
        None => Exit::Done,
        Some(_) => Exit::Failed,
    })
}

fn tell<T: Serialize>(ui: &Ui, json: bool, why: &T, text: fn(&T) -> String) -> Result<(), Failure> {
    if json {
        ui.data(serde_json::to_string(why).expect("it holds nothing JSON has no word for"))
    } else {
        ui.raw(&text(why))
    }
}

/// The row that was typed: a number, or `column=value` one or more times.
fn wanted(words: &[String]) -> Result<Option<Wanted>, Failure> {
    if let [word] = words
        && let Ok(number) = word.parse()
    {
        return match number {
            0 => Err(Failure::Usage("rows are counted from 1".to_owned())),
            number => Ok(Some(Wanted::Number(number))),
        };
    }
    let conditions: Result<Vec<_>, _> = words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((column, value)) if !column.is_empty() => Ok(Condition {
                column: column.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(Failure::Usage(format!(
                "`{word}` is no row: write its number, or values of its columns, as in `candidate=3`"
            ))),
        })
        .collect();
    Ok(Some(conditions?)
        .filter(|conditions| !conditions.is_empty())
        .map(Wanted::Where))
}
