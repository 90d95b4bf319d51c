//! JSON Schemas (2020-12) of the files that people write, for their editors: [`pipeline`],
//! [`included`], [`suite`], [`document`].
//!
//! Parameters come from the types that read them, so they cannot differ from what is read; the rest
//! is written out here beside the keys that the compiler knows. A schema refuses nothing that
//! [`compile`](crate::compile()) accepts. It knows less: which stages there are, which ports they
//! have, how parameters fit together.

mod values;

use ccsr_stage::{Kind, Registry};
use serde_json::{Map, Value as Json, json};

use crate::compile::VERSION;
use crate::sweep::MAX_TRIALS;
use values::{Block, block, open};

/// The schema of a pipeline file. `devices` are those that stages may ask for by name.
pub fn pipeline(registry: &Registry, devices: &[&str]) -> Json {
    let mut schema = included(registry, devices);
    schema["title"] = "A pipeline of ccsr-flow".into();
    schema["description"] = "Stages, what each reads and with which parameters it runs.".into();
    schema["required"] = json!(["version"]);
    schema["anyOf"] = json!([{ "required": ["stages"] }, { "required": ["include"] }]);
    let fields = schema["properties"].as_object_mut();
    let fields = fields.expect("a file of stages has properties");
    fields.extend(fields_of_a_pipeline());
    fields.insert("sweeps".to_owned(), sweeps());
    schema
}

/// The schema of a file that pipelines include.
pub fn included(registry: &Registry, devices: &[&str]) -> Json {
    let mut definitions = Map::new();
    let stage = stage(registry, devices, &mut definitions);
    definitions.insert("stage".to_owned(), stage);
    definitions.insert("variable".to_owned(), variable());
    definitions.insert("duration".to_owned(), length_of_time());
    file(
        "Variables and stages that pipelines of ccsr-flow include",
        &json!({
            "vars": variables("Values to use elsewhere as ${vars.name}."),
            "include": {
                "description": "Files, or pipelines, whose `vars` and `stages` are merged into this one.",
                "anyOf": [
                    { "type": ["string", "null"] },
                    { "type": "array", "items": { "type": "string" } },
                ],
            },
            "stages": {
                "description": "The stages, by name.",
                "type": ["object", "null"],
                "propertyNames": { "pattern": "^[A-Za-z0-9_-]+$" },
                "additionalProperties": open(json!({ "$ref": "#/$defs/stage" })),
            },
        }),
        &definitions,
    )
}

/// The schema of a suite file.
pub fn suite(registry: &Registry) -> Json {
    let mut definitions = Map::new();
    let mut roles = Map::new();
    for role in registry.role_names() {
        let mut choices = Vec::new();
        for name in registry.implementations(role) {
            if let Some(known) = registry.role(role, name) {
                let settings = block(name, (known.schema)().as_value(), &mut definitions);
                choices.push((json!({ "const": name }), settings));
            }
        }
        let fields = json!({
            "use": uses("Who plays it.", &choices),
            "with": { "description": "Its settings." },
        });
        roles.insert(role.to_owned(), open(chosen("use", &fields, choices)));
    }
    definitions.insert("variable".to_owned(), variable());
    let mut schema = file(
        "A suite of ccsr-flow",
        &json!({
            "version": version(),
            "name": { "description": "The suite's name." },
            "roles": {
                "description": "Who plays which role, with which settings.",
                "type": ["object", "null"],
                "properties": roles,
                "additionalProperties": false,
            },
            "vars": variables("Variables of the pipeline that the suite sets."),
        }),
        &definitions,
    );
    schema["required"] = json!(["version"]);
    schema
}

/// The schema of a parameter that stands in a file of its own, in which there are no variables.
pub fn document(title: &str, mut schema: Json) -> Json {
    schema["title"] = title.into();
    schema
}

fn file(title: &str, fields: &Json, definitions: &Map<String, Json>) -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": fields,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

fn fields_of_a_pipeline() -> Map<String, Json> {
    let fields = json!({
        "version": version(),
        "name": {
            "description": "The pipeline's name; the file's name by default.",
            "type": "string",
            "pattern": r"\S",
        },
        "suite": {
            "description": "Who fills the roles: the name of a suite, or the path of a suite file.",
            "type": "string",
        },
        "seed": open(json!({
            "description": "All randomness comes from it.",
            "type": "integer",
            "minimum": 0,
            "default": 0,
        })),
    });
    fields.as_object().cloned().unwrap_or_default()
}

fn version() -> Json {
    json!({ "description": "The version of this language.", "const": VERSION })
}

fn variables(description: &str) -> Json {
    json!({ "description": description, "type": ["object", "null"] })
}

/// A text with a variable in it, which may come to anything.
fn variable() -> Json {
    json!({ "type": "string", "pattern": r"\$\{\s*vars\." })
}

fn length_of_time() -> Json {
    json!({
        "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "pattern": "[0-9]" }],
        "examples": ["90s", "1h 30m"],
    })
}

fn stage(registry: &Registry, devices: &[&str], definitions: &mut Map<String, Json>) -> Json {
    let kind = |kind: &Kind| {
        let parameters = block(kind.name, (kind.schema)().as_value(), definitions);
        let named = json!({ "const": kind.name, "description": kind.summary });
        (named, parameters)
    };
    let kinds: Vec<_> = registry.kinds().map(kind).collect();
    let fields = json!({
        "uses": uses("Its stage kind.", &kinds),
        "from": {
            "description": "What it reads: `stage`, `stage.port`, or `{port: stage, …}`.",
            "anyOf": [
                { "type": ["string", "null"] },
                { "type": "object", "additionalProperties": { "type": "string" } },
            ],
        },
        "when": open(json!({
            "description": "Whether it is there at all; `false` leaves it out.",
            "type": ["boolean", "null"],
            "default": true,
        })),
        "with": { "description": "Its parameters." },
        "outputs": {
            "description": "Where its tables are put: a path for the first, or `{port: path, …}`. A path \
                that ends in .csv, .jsonl or .md gets the table as text, any other becomes a folder.",
            "anyOf": [
                { "type": ["string", "null"] },
                { "type": "object", "additionalProperties": { "type": "string" } },
            ],
        },
        "batch": open(count(1, "Units a batch, when the kind's own choice does not suit.")),
        "retry": open(json!({
            "description": "How often a unit that failed is tried again: `2`, or `{times: 2, wait: 10s}`.",
            "anyOf": [
                { "type": ["integer", "null"], "minimum": 0 },
                {
                    "type": "object",
                    "properties": {
                        "times": open(count(0, "How often.")),
                        "wait": time("Before the first try; it doubles each time."),
                    },
                    "additionalProperties": false,
                },
            ],
        })),
        "timeout": time("How long the stage may execute in one run."),
        "device": open(json!({
            "description": "Where it executes, if not where the run does.",
            "enum": devices.iter().map(|name| json!(name)).chain([Json::Null]).collect::<Vec<_>>(),
        })),
        "slots": open(json!({
            "description": "What a batch occupies while it executes.",
            "type": ["object", "null"],
            "properties": {
                "cpu": open(count(0, "Of the slots `cpu`.")),
                "device": open(count(0, "Of the slots `device`.")),
                "memory": {
                    "description": "Memory: `8GB`, or a number of bytes.",
                    "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }],
                },
            },
            "additionalProperties": false,
        })),
    });
    chosen("uses", &fields, kinds)
}

fn count(least: u64, description: &str) -> Json {
    json!({ "description": description, "type": ["integer", "null"], "minimum": least })
}

fn time(description: &str) -> Json {
    open(json!({
        "description": description,
        "anyOf": [{ "$ref": "#/$defs/duration" }, { "type": "null" }],
    }))
}

/// A name that may be given, and the block that goes with it.
type Choice = (Json, Block);

fn uses(description: &str, choices: &[Choice]) -> Json {
    let names: Vec<_> = choices.iter().map(|(name, _)| name).collect();
    open(json!({ "description": description, "anyOf": names }))
}

/// A map in which the entry `key` says what `with` has to be.
fn chosen(key: &str, fields: &Json, choices: Vec<Choice>) -> Json {
    let choice = |(name, block): Choice| {
        let mut then = json!({ "properties": { "with": block.reference } });
        if block.is_required {
            then["required"] = json!(["with"]);
        }
        let name = json!({ "const": name["const"] });
        json!({ "if": { "properties": { key: name }, "required": [key] }, "then": then })
    };
    let choices: Vec<_> = choices.into_iter().map(choice).collect();
    json!({
        "type": "object",
        "properties": fields,
        "required": [key],
        "additionalProperties": false,
        "allOf": choices,
    })
}

fn sweeps() -> Json {
    let settings = || json!({ "type": "object" });
    let pair = |kind: &str, more: Json| {
        let mut number = more;
        number["type"] = kind.into();
        json!({ "type": "array", "items": number, "minItems": 2, "maxItems": 2 })
    };
    let some = json!({ "type": "array", "minItems": 1 });
    json!({
        "description": "The same pipeline with other values, trial by trial; `ccsr-flow sweep run` runs them.",
        "type": ["object", "null"],
        "additionalProperties": {
            "type": "object",
            "properties": {
                "matrix": {
                    "description": "Every combination: paths, each with a list of values. The last changes fastest.",
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": some,
                },
                "list": {
                    "description": "Trial by trial: paths and values.",
                    "type": "array",
                    "minItems": 1,
                    "items": settings(),
                },
                "random": {
                    "description": "Values drawn at random: paths, each with a distribution.",
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "uniform": pair("number", json!({})),
                            "log_uniform": pair("number", json!({ "exclusiveMinimum": 0 })),
                            "int": pair("integer", json!({})),
                            "choice": some,
                        },
                        "additionalProperties": false,
                        "minProperties": 1,
                        "maxProperties": 1,
                    },
                },
                "trials": {
                    "description": "How many to draw.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_TRIALS,
                },
                "seed": {
                    "description": "What the values are drawn with.",
                    "type": "integer",
                    "minimum": 0,
                    "default": 0,
                },
                "set": {
                    "description": "Paths and values that are the same in all trials.",
                    "type": "object",
                },
                "metrics": {
                    "description": "The metrics to compare; `*` stands for any text.",
                    "type": "array",
                    "items": { "type": "string" },
                },
            },
            "additionalProperties": false,
            "oneOf": [{ "required": ["matrix"] }, { "required": ["list"] }, { "required": ["random"] }],
            "dependentRequired": { "trials": ["random"], "seed": ["random"], "random": ["trials"] },
        },
    })
}
