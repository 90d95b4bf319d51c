//! What of the parameters does not go together.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use ccsr_stage::{Misfit, Misfits};

use super::argv::{Argument, OUT, ROWS, Slot};
use super::{Params, Per, RowsEach, Stdin};

/// What can be said without looking at anything else.
pub(super) fn of_params(params: &Params) -> Misfits {
    let mut misfits = Misfits::new();
    if params.columns.is_empty() && params.files.is_empty() {
        misfits.add(
            "nothing would come of it: declare what the program answers with `columns`, or the \
             files it writes with `files`",
        );
    }
    for name in params.files.keys() {
        if params.columns.contains_key(name) {
            let message = format!("`columns` declares `{name}`, too");
            misfits.add(Misfit::of_name(["files", name], message));
        }
    }
    let one = params.per == Per::Row && params.rows == RowsEach::One;
    let only = params.per == Per::Table && params.columns.is_empty();
    if !params.files.is_empty() && !one && !only {
        misfits.add(Misfit::of_name(
            ["files"],
            "one process gives more than one row here, so a file of it belongs to none; declare a \
             column of type `image` or `blob`, and let each line name its file in `{out}`",
        ));
    }
    for (name, file) in &params.files {
        let plain = |part| matches!(part, Component::Normal(_));
        let path = Path::new(file.name(name));
        if path.components().count() != 1 || !path.components().all(plain) {
            let message = format!(
                "`{}` is no file's name; expected one without folders",
                path.display()
            );
            misfits.add(Misfit::new(["files", name], message));
        }
    }
    if params.per == Per::Table && params.rows == RowsEach::Many {
        let message = "with `per: table` any number of rows may come anyway; leave `rows` out";
        misfits.add(Misfit::new(["rows"], message));
    }
    if params.per != Per::Table && !params.tables.is_empty() {
        let message = "more than one table can be read only with `per: table`";
        misfits.add(Misfit::of_name(["tables"], message));
    }
    for (index, name) in params.tables.iter().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let message = if [ROWS, OUT].contains(&name.as_str()) {
            format!("`{name}` stands for something else")
        } else if params.tables[..index].contains(name) {
            format!("`{name}` is named twice")
        } else if name.is_empty() || !name.chars().all(plain) {
            format!("`{name}` cannot name a table; use letters, digits, `_` and `-`")
        } else {
            continue;
        };
        misfits.add(Misfit::new(["tables", &index.to_string()], message));
    }
    misfits.add(variables(params));
    misfits
}

/// Names of variables: each once, and such as can be.
fn variables(params: &Params) -> Misfits {
    let mut misfits = Misfits::new();
    let mut known = BTreeSet::new();
    let mut name = |path: [&str; 2], of_name, name: &str| {
        let message = if name.is_empty() || name.contains(['=', '\0']) {
            format!("`{name}` cannot be the name of a variable")
        } else if known.insert(name.to_owned()) {
            return;
        } else {
            format!("the variable `{name}` is named twice")
        };
        let misfit = Misfit::new(path, message);
        misfits.add(Misfit { of_name, ..misfit });
    };
    for variable in params.env.keys() {
        name(["env", variable], true, variable);
    }
    for (list, variables) in [
        ("pass_env", &params.pass_env),
        ("secret_env", &params.secret_env),
    ] {
        for (index, variable) in variables.iter().enumerate() {
            name([list, &index.to_string()], false, variable);
        }
    }
    for (variable, value) in &params.env {
        if value.contains('\0') {
            let message = "a variable cannot hold the character U+0000";
            misfits.add(Misfit::new(["env", variable], message));
        }
    }
    misfits
}

/// What the placeholders in `argv` do not go with. `arguments` are those that could be read.
pub(super) fn of_arguments(params: &Params, arguments: &[Argument]) -> Misfits {
    let mut misfits = Misfits::new();
    if arguments.len() < params.argv.0.len() {
        return misfits;
    }
    for (index, argument) in arguments.iter().enumerate() {
        let mut refuse = |message: String| {
            misfits.add(Misfit::new(["argv", &index.to_string()], message));
        };
        for slot in argument.slots() {
            if index == 0 {
                refuse("which program runs cannot depend on a row; name it".to_owned());
            } else if let Slot::Column(name) = slot
                && params.per != Per::Row
            {
                refuse(format!(
                    "`{{{name}}}` is a value of one row, and one process gets many; let it read \
                     the rows, or say `per: row`"
                ));
            }
        }
        if params.argv.0[index].contains('\0') {
            refuse("no argument can hold the character U+0000".to_owned());
        }
    }
    let named = |wanted: &Slot| {
        let mut slots = arguments.iter().flat_map(Argument::slots);
        slots.any(|slot| slot == wanted)
    };
    for name in params.files.keys() {
        if !named(&Slot::Out) && !named(&Slot::OutFile(name.clone())) {
            let message = format!(
                "nothing tells the program where to write it; put `{{out.{name}}}` into `argv`"
            );
            misfits.add(Misfit::of_name(["files", name], message));
        }
    }
    for (name, kind) in &params.columns {
        if kind.is_file() && !named(&Slot::Out) {
            let message = "nothing tells the program where to write files; put `{out}` into `argv`";
            misfits.add(Misfit::new(["columns", name], message));
        }
    }
    for (index, name) in params.tables.iter().enumerate() {
        if !named(&Slot::Table(name.clone())) {
            let message =
                format!("the program is not told where it is; put `{{{name}}}` into `argv`");
            misfits.add(Misfit::new(["tables", &index.to_string()], message));
        }
    }
    let rows = named(&Slot::Table(ROWS.to_owned()));
    let column = |slot: &Slot| matches!(slot, Slot::Column(_));
    let told = arguments.iter().flat_map(Argument::slots).any(column);
    let fed = match params.stdin {
        Some(stdin) => stdin == Stdin::Jsonl,
        None => !rows && !told,
    };
    if params.per == Per::Batch && !fed && !rows && !told {
        let message = "the program is not given its rows; leave `stdin` out, or put `{rows}` into \
                       `argv`";
        misfits.add(Misfit::new(["stdin"], message));
    }
    if params.reads.is_some() && !fed && !rows {
        let message = "the program is given no rows, only what `argv` names; leave `reads` out, or \
                       say `stdin: jsonl`";
        misfits.add(Misfit::of_name(["reads"], message));
    }
    misfits
}
