//! `ccsr-flow cache`: looking after the cache.

mod gc;
mod verify;
mod why;

use std::fmt::Write as _;

use bytesize::ByteSize;
use ccsr_cache::{Access, Digest, Found, KindStat, Pin, PinTarget, RunId, Stat, Store, Tally};
use ccsr_engine::retain;

use crate::cli::{CacheCommand, Cli};
use crate::exit::{Exit, Failure};
use crate::session::cache_here;
use crate::ui::{Ui, count, counted, duration};

pub(super) fn cache(cli: &Cli, command: &CacheCommand, ui: &Ui) -> Result<Exit, Failure> {
    let root = cache_here(cli)?;
    let open = |access| Store::open(&root, access);
    match command {
        CacheCommand::Stat { json } => stat(&open(Access::ReadOnly)?, *json, ui),
        CacheCommand::Verify { dry_run, json } => verify::verify(&root, *dry_run, *json, ui),
        CacheCommand::Gc(args) => gc::gc(&root, args, ui),
        CacheCommand::Pin { target, note } => {
            let store = open(Access::ReadWrite)?;
            let target = something(&store, target)?;
            store.pin(&target, note.as_deref())?;
            ui.say(format_args!("pinned {}", described(&target)));
            Ok(Exit::Done)
        }
        CacheCommand::Unpin { target } => {
            let store = open(Access::ReadWrite)?;
            let target = pinned(&store, target)?;
            store.unpin(&target)?;
            ui.say(format_args!(
                "{} is not pinned any more",
                described(&target)
            ));
            Ok(Exit::Done)
        }
        CacheCommand::Pins { json } => pins(&open(Access::ReadOnly)?, *json, ui),
        CacheCommand::Why { key, json } => why::why(&open(Access::ReadOnly)?, key, *json, ui),
    }
}

fn stat(store: &Store, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    let stat = store.stat(&retain::kept(store, None)?)?;
    if json {
        ui.data(serde_json::to_string(&stat).expect("numbers and texts are JSON"))?;
    } else {
        ui.raw(&told(&stat))?;
    }
    Ok(Exit::Done)
}

fn told(stat: &Stat) -> String {
    let mut text = String::new();
    let mut line = |name: &str, what: String| {
        let _ = writeln!(text, "{name:10} {what}");
    };
    line("objects", tally(stat.objects, "object"));
    line(
        "  reached",
        format!("{} by runs and pins", tally(stat.reached, "object")),
    );
    line(
        "  free",
        format!(
            "{} that `cache gc` would remove",
            tally(stat.unreached, "object")
        ),
    );
    let invalid = match stat.invalidated {
        0 => String::new(),
        number => format!(", and {} that count no longer", count(number)),
    };
    line(
        "outcomes",
        format!(
            "{} that took {}{invalid}",
            count(stat.outcomes.count),
            duration(stat.seconds)
        ),
    );
    line("stages", count(stat.stages));
    line("runs", count(stat.runs));
    line("pins", count(stat.pins));
    line("ledger", size(stat.ledger));
    if stat.temporary.count > 0 {
        line("temporary", tally(stat.temporary, "file"));
    }
    if !stat.kinds.is_empty() {
        text.push('\n');
        text.push_str(&kinds(&stat.kinds));
    }
    text
}

fn kinds(kinds: &[KindStat]) -> String {
    let width = kinds.iter().map(|kind| kind.kind.len()).max().unwrap_or(0);
    kinds.iter().fold(String::new(), |mut text, kind| {
        let objects = match kind.objects.count {
            0 => "no objects".to_owned(),
            _ => tally(kind.objects, "object"),
        };
        let _ = writeln!(
            text,
            "{:width$}  {:>9} outcomes  {:>12}  {objects}",
            kind.kind,
            count(kind.units),
            duration(kind.seconds),
        );
        text
    })
}

fn pins(store: &Store, json: bool, ui: &Ui) -> Result<Exit, Failure> {
    for Pin { target, note, at } in store.pins()? {
        if json {
            let what = match target {
                PinTarget::Run(_) => "run",
                PinTarget::Blob(_) => "object",
            };
            ui.data(serde_json::json!({what: target.to_string(), "note": note, "at": at}))?;
        } else {
            let note = note.map(|note| format!("  {note}")).unwrap_or_default();
            ui.data(format_args!("{target}{note}"))?;
        }
    }
    Ok(Exit::Done)
}

/// The run or the object that somebody means.
fn something(store: &Store, wanted: &str) -> Result<PinTarget, Failure> {
    let runs = store.runs()?;
    if wanted == "latest" {
        let latest = runs.into_iter().next();
        return latest
            .map(PinTarget::Run)
            .ok_or_else(|| Failure::Missing("there is no run yet".to_owned()));
    }
    let runs = runs
        .into_iter()
        .filter(|run| begins(run, wanted))
        .map(PinTarget::Run);
    let found = store.find(&wanted.to_ascii_lowercase())?.into_iter();
    let blobs = found.filter_map(|found| match found {
        Found::Blob(digest) if store.has(&digest) => Some(PinTarget::Blob(digest)),
        _ => None,
    });
    the_one(
        wanted,
        runs.chain(blobs).collect(),
        "there is no run and no object",
    )
}

/// The pin that somebody means.
fn pinned(store: &Store, wanted: &str) -> Result<PinTarget, Failure> {
    let pins = store.pins()?.into_iter().map(|pin| pin.target);
    let found = pins.filter(|target| !wanted.is_empty() && target.to_string().starts_with(wanted));
    the_one(
        wanted,
        found.collect(),
        "nothing is pinned that begins with",
    )
}

fn begins(run: &RunId, wanted: &str) -> bool {
    !wanted.is_empty() && run.as_str().starts_with(wanted)
}

fn the_one(wanted: &str, found: Vec<PinTarget>, none: &str) -> Result<PinTarget, Failure> {
    match <[PinTarget; 1]>::try_from(found) {
        Ok([target]) => Ok(target),
        Err(none_or_many) if none_or_many.is_empty() => {
            Err(Failure::Missing(format!("{none} `{wanted}`")))
        }
        Err(many) => {
            let names: Vec<_> = many.iter().take(3).map(ToString::to_string).collect();
            let more = if many.len() > 3 { ", …" } else { "" };
            let names = names.join(", ");
            Err(Failure::Usage(format!(
                "`{wanted}` could be any of {names}{more}"
            )))
        }
    }
}

fn described(target: &PinTarget) -> String {
    match target {
        PinTarget::Run(run) => format!("run {run}"),
        PinTarget::Blob(digest) => format!("object {digest}"),
    }
}

/// `1,204 objects in 12.3 MB`.
fn tally(tally: Tally, one: &str) -> String {
    format!("{} in {}", counted(tally.count, one), size(tally.bytes))
}

/// `12.3 MB`.
fn size(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

/// A digest and its size, or that it is not there.
fn presence(store: &Store, digest: &Digest) -> Result<String, Failure> {
    let bytes = store.known_blob(digest)?.bytes;
    let there = bytes.map_or_else(|| "not here".to_owned(), size);
    Ok(format!("{digest}  {there}"))
}
