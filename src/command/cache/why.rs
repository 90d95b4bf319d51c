//! `ccsr-flow cache why`.

use std::fmt::Write as _;

use ccsr_cache::{ActionKey, Digest, Found, MIN_PREFIX, PinTarget, StageKey, Store, Value};
use ccsr_engine::retain;
use serde_json::{Value as Json, json};

use super::{presence, size};
use crate::exit::{Exit, Failure};
use crate::ui::{Ui, count, counted, duration};

/// Units that name a blob and are told one by one; `--json` tells all.
const MAX_TOLD: usize = 10;

pub(super) fn why(store: &Store, key: &str, as_json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let key = key.to_ascii_lowercase();
    let found = the_one(&key, store.find(&key)?)?;
    let (json, text) = match found {
        Found::Unit(key) => unit(store, &key)?,
        Found::Stage(key) => stage(store, &key)?,
        Found::Blob(digest) => blob(store, &digest)?,
    };
    if as_json {
        ui.data(json)?;
    } else {
        ui.raw(&text)?;
    }
    Ok(Exit::Done)
}

fn the_one(key: &str, found: Vec<Found>) -> Result<Found, Failure> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if key.len() < MIN_PREFIX || key.len() > 64 || !key.bytes().all(is_hex) {
        return Err(Failure::Usage(format!(
            "`{key}` is no key: {MIN_PREFIX} to 64 digits of 0-9 and a-f are expected"
        )));
    }
    match <[Found; 1]>::try_from(found) {
        Ok([found]) => Ok(found),
        Err(none) if none.is_empty() => Err(Failure::Missing(format!(
            "no unit, stage or blob in this cache has a key that begins with `{key}`"
        ))),
        Err(many) => {
            let named = |found: &Found| match found {
                Found::Unit(key) => format!("unit {key}"),
                Found::Stage(key) => format!("stage {key}"),
                Found::Blob(digest) => format!("blob {digest}"),
            };
            let names: Vec<_> = many.iter().take(5).map(named).collect();
            let names = names.join(", ");
            Err(Failure::Usage(format!(
                "`{key}` could be any of {names}; type more of it"
            )))
        }
    }
}

/// Lines of `name  what`, and values in full below.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, what: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name:9} {what}");
    }

    fn value(&mut self, name: &str, value: Option<&Value>) {
        match value {
            None => self.line(name, "decayed"),
            Some(value) => {
                let pretty = serde_json::to_string_pretty(&value.to_json());
                let pretty = pretty
                    .expect("a value is JSON")
                    .replace('\n', "\n          ");
                self.line(name, pretty);
            }
        }
    }
}

fn unit(store: &Store, key: &ActionKey) -> Result<(Json, String), Failure> {
    let Some(unit) = store.known_unit(key)? else {
        return Err(Failure::Missing(format!("unit {key} is gone")));
    };
    let mut page = Page::default();
    page.line("unit", key);
    page.line(
        "kind",
        format_args!("{}, revision {}", unit.kind, unit.revision),
    );
    let standing = match (unit.counts, &unit.outcome) {
        (true, _) => "a run that asks for it reuses the outcome",
        (false, Some(_)) => {
            "the outcome counts no longer: a blob of it was lost, or its row decayed; it is computed again"
        }
        (false, None) => "the outcome decayed; it is computed again",
    };
    page.line("standing", standing);
    let times = match unit.commits {
        0 | 1 => String::new(),
        number => format!(", and computed {} times in all", count(number)),
    };
    page.line(
        "made by",
        format_args!("run {} in {}{times}", unit.run, duration(unit.seconds)),
    );
    for blob in unit.outcome.iter().flat_map(Value::blobs) {
        page.line("blob", presence(store, &blob)?);
    }
    page.value("outcome", unit.outcome.as_ref());
    page.value("input", unit.input.as_ref());
    let json = json!({
        "what": "unit", "key": key, "kind": unit.kind, "revision": unit.revision,
        "counts": unit.counts, "commits": unit.commits, "seconds": unit.seconds, "run": unit.run,
        "outcome": unit.outcome.map(|value| value.to_json()),
        "input": unit.input.map(|value| value.to_json()),
    });
    Ok((json, page.0))
}

fn stage(store: &Store, key: &StageKey) -> Result<(Json, String), Failure> {
    let stage = store.known_stage(key)?;
    let mut page = Page::default();
    page.line("stage", key);
    for (pipeline, name, _) in &stage.names {
        page.line("name", format_args!("{name} of {pipeline}"));
    }
    match &stage.memo {
        None => page.line("standing", "its row decayed; its units are looked at again"),
        Some(memo) => {
            let all = memo.outputs.values().all(|table| store.has(table));
            page.line(
                "standing",
                if all {
                    "a run recognises it as a whole"
                } else {
                    "a table of it is not here; its units are looked at again"
                },
            );
            let units = counted(memo.units, "unit");
            page.line(
                "made by",
                format_args!("run {}: {units} in {}", memo.run, duration(memo.seconds)),
            );
            for (port, table) in &memo.outputs {
                let rows = memo.rows.get(port).copied().unwrap_or(0);
                let there = presence(store, table)?;
                page.line(
                    "table",
                    format_args!("{port}: {}, {there}", counted(rows, "row")),
                );
            }
            page.value("value", Some(&memo.explanation));
        }
    }
    let names = stage
        .names
        .iter()
        .map(|(pipeline, stage, at)| json!({"pipeline": pipeline, "stage": stage, "at": at}));
    let json = json!({
        "what": "stage", "key": key, "names": names.collect::<Vec<_>>(),
        "memo": stage.memo.map(|memo| json!({
            "outputs": memo.outputs, "rows": memo.rows, "units": memo.units,
            "seconds": memo.seconds, "run": memo.run, "value": memo.explanation.to_json(),
        })),
    });
    Ok((json, page.0))
}

fn blob(store: &Store, digest: &Digest) -> Result<(Json, String), Failure> {
    let blob = store.known_blob(digest)?;
    let runs = retain::runs_naming(store, digest)?;
    let is_it = |target: &PinTarget| *target == PinTarget::Blob(*digest);
    let pinned = store.pins()?.iter().any(|pin| is_it(&pin.target));
    let mut page = Page::default();
    page.line("blob", digest);
    page.line(
        "size",
        blob.bytes.map_or_else(
            || "it is not here; what needs it makes it again".to_owned(),
            size,
        ),
    );
    for key in blob.units.iter().take(MAX_TOLD) {
        let unit = store.known_unit(key)?;
        let unit = unit.map(|unit| format!("{} in {}", unit.kind, duration(unit.seconds)));
        page.line(
            "made by",
            format_args!("unit {key}  {}", unit.unwrap_or_default()),
        );
    }
    if let more @ 1.. = blob.units.len().saturating_sub(MAX_TOLD) {
        page.line(
            "",
            format_args!("and {}", counted(more as u64, "more unit")),
        );
    }
    for (key, port) in &blob.stages {
        let names = store.known_stage(key)?.names;
        let name = names
            .last()
            .map(|(pipeline, stage, _)| format!("{stage} of {pipeline}, "));
        page.line(
            "table",
            format_args!("`{port}` of {}stage {key}", name.unwrap_or_default()),
        );
    }
    for run in &runs {
        page.line("named by", format_args!("run {run}"));
    }
    if pinned {
        page.line("pinned", "yes");
    }
    let stages = blob
        .stages
        .iter()
        .map(|(key, port)| json!({"key": key, "port": port}));
    let json = json!({
        "what": "blob", "digest": digest, "bytes": blob.bytes, "units": blob.units,
        "stages": stages.collect::<Vec<_>>(), "runs": runs, "pinned": pinned,
    });
    Ok((json, page.0))
}
