//! `ccsr-flow stages`.

use std::fmt::Write as _;

use ccsr_stage::{Kind, params};
use serde_json::Value as Json;

use crate::cli::StagesArgs;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn stages(args: &StagesArgs, ui: &Ui) -> Result<Exit, Failure> {
    let registry = ccsr_stages::registry();
    let Some(name) = &args.kind else {
        let width = registry
            .kinds()
            .map(|kind| kind.name.len())
            .max()
            .unwrap_or(0);
        for kind in registry.kinds() {
            ui.data(format_args!("{:width$}  {}", kind.name, kind.summary))?;
        }
        return Ok(Exit::Done);
    };
    let Some(kind) = registry.kind(name) else {
        let near = params::nearest(name, registry.kinds().map(|kind| kind.name));
        let hint = near
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        return Err(Failure::Usage(format!(
            "there is no stage kind `{name}`{hint}"
        )));
    };
    ui.raw(&described(kind))?;
    Ok(Exit::Done)
}

fn described(kind: &Kind) -> String {
    let mut text = format!("{}\n  {}\n", kind.name, kind.summary);
    if !kind.roles.is_empty() {
        writeln!(text, "\nroles  {}", kind.roles.join(", ")).expect("memory takes all");
    }
    let schema = (kind.schema)().to_value();
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    if let Some(fields) = schema["properties"]
        .as_object()
        .filter(|fields| !fields.is_empty())
    {
        text.push_str("\nwith\n");
        for (name, field) in fields {
            let default = match (&field["default"], required.contains(&name.as_str())) {
                (_, true) => "required".to_owned(),
                (Json::Null, false) => "optional".to_owned(),
                (default, false) => format!("default {default}"),
            };
            writeln!(text, "  {name}: {} ({default})", type_of(field, &schema))
                .expect("memory takes all");
            for line in field["description"].as_str().unwrap_or_default().lines() {
                writeln!(text, "      {line}").expect("memory takes all");
            }
        }
    }
    text
}

/// A JSON Schema type in a few words.
fn type_of(field: &Json, root: &Json) -> String {
    if let Some(name) = field["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix("#/$defs/"))
    {
        return type_of(&root["$defs"][name], root);
    }
    let choices = |key: &str| {
        field[key].as_array().map(|list| {
            list.iter()
                .map(|choice| type_of(choice, root))
                .collect::<Vec<_>>()
                .join(" | ")
        })
    };
    if let Some(text) = choices("anyOf").or_else(|| choices("oneOf")) {
        return text;
    }
    if let Some(list) = field["enum"].as_array() {
        return list.iter().map(shown).collect::<Vec<_>>().join(" | ");
    }
    if !field["const"].is_null() {
        return shown(&field["const"]);
    }
    match &field["type"] {
        Json::String(kind) if kind == "array" => {
            format!("list of {}", type_of(&field["items"], root))
        }
        Json::String(kind) if kind == "object" => match field["properties"].as_object() {
            Some(fields) => {
                let field =
                    |(name, field): (&String, &Json)| format!("{name}: {}", type_of(field, root));
                format!(
                    "{{{}}}",
                    fields.iter().map(field).collect::<Vec<_>>().join(", ")
                )
            }
            None => "map".to_owned(),
        },
        Json::String(kind) => kind.clone(),
        Json::Array(kinds) => kinds.iter().map(shown).collect::<Vec<_>>().join(" | "),
        _ => "any".to_owned(),
    }
}

fn shown(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
