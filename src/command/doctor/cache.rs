//! The cache and the disk that it lies on.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytesize::ByteSize;
use ccsr_cache::{Access, FilesystemKind, Probe, Store, StoreError, probe};
use ccsr_engine::diagnostic::with_causes;
use ccsr_engine::record::RunRecord;

use super::{Finding, Standing};
use crate::ui::{count, counted};

/// Room below which a cache gets tight (5 GB), and below which next to nothing fits (100 MB).
const LITTLE_ROOM: u64 = 5_000_000_000;
const NO_ROOM: u64 = 100_000_000;
/// A sync that takes longer keeps workers waiting after every batch.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// A ledger that is larger is not read here: that takes seconds (500 MB).
const LARGE_LEDGER: u64 = 500_000_000;
/// Runs that are looked at, the newest.
const RUNS: usize = 50;

/// Everything about the cache in the folder `root`, which need not be there.
pub(super) fn examine(root: &Path) -> Vec<Finding> {
    let mut findings = vec![disk(root)];
    if root.exists() {
        match Store::open(root, Access::ReadOnly) {
            Ok(store) => {
                findings.push(content(&store));
                findings.push(ledger(&store));
                findings.extend(runs(&store));
            }
            Err(error) => findings.push(refused("cache", &error)),
        }
    } else {
        let found = format!("{}: not there yet; the first run makes it", root.display());
        findings.push(Finding::ok("cache", found));
    }
    findings
}

fn refused(check: &'static str, error: &StoreError) -> Finding {
    // These errors say what to do themselves.
    Finding::new(check, Standing::Problem, with_causes(error))
}

/// Tries the disk, in the cache's folder or in the one that it would be made in.
fn disk(root: &Path) -> Finding {
    let there = root.ancestors().find(|folder| folder.is_dir());
    match probe(there.unwrap_or(root)) {
        Ok(probe) => told(&probe),
        Err(error) => refused("disk", &error),
    }
}

fn told(probe: &Probe) -> Finding {
    let exports = if probe.shares {
        "exports share its bytes"
    } else {
        "exports are copies"
    };
    let about = format!(
        "{} free on {}; a sync takes {:.1} ms; {exports}",
        ByteSize(probe.free),
        probe.filesystem.name.unwrap_or("a file system"),
        probe.sync.as_secs_f64() * 1e3,
    );
    let finding =
        |standing, advice: &str| Finding::new("disk", standing, about.clone()).advise(advice);
    let elsewhere = "put the cache on a local disk: `--cache DIR`, or the variable CCSR_CACHE";
    if !probe.locks {
        let advice = format!(
            "locks do not hold there, and two runs would work against each other; {elsewhere}"
        );
        return finding(Standing::Problem, &advice);
    }
    if probe.free < NO_ROOM {
        return finding(
            Standing::Problem,
            "free some; `ccsr-flow cache gc --dry-run` says what may go",
        );
    }
    match probe.filesystem.kind {
        FilesystemKind::Network => {
            let advice = format!(
                "it may lie on another machine, and a ledger is not safe there; {elsewhere}"
            );
            finding(Standing::Warning, &advice)
        }
        FilesystemKind::Memory => {
            let advice = format!("what is there is gone when the machine stops; {elsewhere}");
            finding(Standing::Warning, &advice)
        }
        FilesystemKind::Local if probe.free < LITTLE_ROOM => finding(
            Standing::Warning,
            "that is little; `ccsr-flow cache gc --dry-run` says what may go",
        ),
        FilesystemKind::Local if probe.sync > SLOW_SYNC => finding(
            Standing::Warning,
            "that is slow, and every batch waits for it; larger batches help: `batch:`",
        ),
        FilesystemKind::Local => Finding::ok("disk", about),
    }
}

/// Whether it can be written, who is at it, what others left.
fn content(store: &Store) -> Finding {
    if let Err(error) = store.ledger_is_writable() {
        return refused("cache", &error);
    }
    let root = store.root();
    let mut about = root.display().to_string();
    if Store::is_in_use(root) {
        about += "; a run is using it";
    }
    let left = store.leftovers();
    if left.count > 0 {
        let (files, size) = (counted(left.count, "file"), ByteSize(left.bytes));
        about = format!("{about}; {files} in `tmp/` ({size}), cleared when they are a day old");
    }
    Finding::ok("cache", about)
}

fn ledger(store: &Store) -> Finding {
    let bytes = store.ledger_bytes();
    let size = ByteSize(bytes);
    if bytes > LARGE_LEDGER {
        let found = format!("{size}; too large to be read through here");
        return Finding::new("ledger", Standing::Note, found)
            .advise("`ccsr-flow cache verify` does");
    }
    match store.ledger_faults() {
        Ok(None) => Finding::ok("ledger", format!("{size}, sound")),
        Ok(Some(fault)) => Finding::new("ledger", Standing::Problem, format!("damaged: {fault}"))
            .advise("`ccsr-flow cache verify` saves what is good in it; objects stay"),
        Err(error) => refused("ledger", &error),
    }
}

/// How the last runs ended, and whether one began later than now.
fn runs(store: &Store) -> Vec<Finding> {
    let ids = match store.runs() {
        Ok(ids) => ids,
        Err(error) => return vec![refused("runs", &error)],
    };
    let record = |id| {
        let bytes = store.run(id).ok()??;
        serde_json::from_slice::<RunRecord>(&bytes).ok()
    };
    let records: Vec<_> = ids.iter().take(RUNS).filter_map(record).collect();
    let died: Vec<_> = records
        .iter()
        .filter(|record| crate::host::has_died(record))
        .collect();
    let all = format!("{} kept", count(ids.len() as u64));
    let mut findings = match died.first() {
        None => vec![Finding::ok("runs", all)],
        Some(last) => {
            let found = format!(
                "{all}; of the last {}, {} ended without saying so, the latest `{}`",
                records.len(),
                died.len(),
                last.run
            );
            let advice =
                "what they had committed is kept: the next run of the pipeline goes on from there";
            vec![Finding::new("runs", Standing::Note, found).advise(advice)]
        }
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // A minute is as well as clocks of machines that share a disk agree.
    let ahead = |record: &&RunRecord| record.started > now.as_secs() + 60;
    if let Some(record) = records.iter().find(ahead) {
        let found = format!("run `{}` began later than now", record.run);
        findings.push(
            Finding::new("clock", Standing::Warning, found)
                .advise("set the clock; `latest` and `cache gc` go by it, results do not"),
        );
    }
    findings
}
