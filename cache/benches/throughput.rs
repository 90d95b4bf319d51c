//! How fast the store is, printed as a table. Not a test: run it by hand with
//! `cargo bench -p ccsr-cache`, with a folder as argument to measure another disk.

#![expect(clippy::print_stdout, reason = "a table is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ccsr_cache::{Access, ActionKey, Commit, RunId, Store, Value};

fn main() {
    let folder = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with("--"));
    let folder = match folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.unwrap();
    let root = folder.path().join(".ccsr");
    println!(
        "{:<40} {:>12} {:>12} {:>16}",
        "what", "total", "each", "processor each"
    );

    row("open, new", 1, timed(|| drop(open(&root))));
    row(
        "open and close, 100 times",
        100,
        timed(|| (0..100).for_each(|_| drop(open(&root)))),
    );

    let store = open(&root);
    let run = RunId::fresh();
    objects(&store);
    small_objects(&store);
    outcomes(&store, &run);
    files(&store, folder.path());
    row("close, log of all this", 1, timed(|| drop(store)));
}

fn open(root: &std::path::Path) -> Store {
    Store::open(root, Access::ReadWrite).unwrap()
}

fn objects(store: &Store) {
    for round in 0..4_u8 {
        let blobs: Vec<Vec<u8>> = (0..256_u32).map(|number| blob(number, round)).collect();
        row(
            "put_all, 256 blobs of 12 KiB",
            256,
            timed(|| store.put_all(&blobs).unwrap()),
        );
        if round == 3 {
            row(
                "put_all, the same again",
                256,
                timed(|| store.put_all(&blobs).unwrap()),
            );
            let digests = store.put_all(&blobs).unwrap();
            let read = || {
                for digest in &digests {
                    store.read(digest).unwrap();
                }
            };
            row("read, verified", 256, timed(read));
        }
    }
    row(
        "put, 1 blob of 12 KiB",
        1,
        timed(|| store.put(&blob(0, 9)).unwrap()),
    );
    let large = vec![7; 64 << 20];
    row(
        "put, 1 blob of 64 MiB",
        1,
        timed(|| store.put(&large).unwrap()),
    );
}

/// Batches of blobs of a kilobyte: the fastest of five, since syncs wait for whoever writes beside.
fn small_objects(store: &Store) {
    for count in [1, 10, 30, 100, 300, 1000, 10_000_u32] {
        let took = (0..5_u8).map(|round| {
            let blob = |number| {
                let mut bytes = blob(number, 100 + round);
                bytes.truncate(1 << 10);
                bytes[4..8].copy_from_slice(&count.to_le_bytes());
                bytes
            };
            let blobs: Vec<Vec<u8>> = (0..count).map(blob).collect();
            timed(|| store.put_all(&blobs).unwrap())
        });
        let best = took.min_by_key(|took| took.wall).unwrap();
        row(
            &format!("put_all, {count} blobs of 1 KiB"),
            count as usize,
            best,
        );
    }
}

fn outcomes(store: &Store, run: &RunId) {
    let inputs: Vec<Value> = (0..100_000).map(input).collect();
    let outcome = Value::map([
        ("answer", Value::from("yes")),
        ("image", ccsr_cache::Digest::of(b"x").into()),
    ]);
    let mut keys = Vec::new();
    let took = timed(|| {
        let all = inputs.iter();
        keys.extend(all.map(|input| ActionKey::of("image.judge", 1, input)));
    });
    row("key", keys.len(), took);
    let commits: Vec<Commit<'_>> = inputs
        .iter()
        .zip(&keys)
        .map(|(input, key)| Commit {
            key: *key,
            kind: "image.judge",
            revision: 1,
            input,
            outcome: &outcome,
            seconds: 0.5,
        })
        .collect();
    let (bulk, few) = commits.split_at(commits.len() - 1024);
    row(
        "commit, all at once",
        bulk.len(),
        timed(|| store.commit(run, bulk).unwrap()),
    );
    for some in few.chunks(256) {
        let claimed: Vec<ActionKey> = some.iter().map(|commit| commit.key).collect();
        row("claim, 256", 256, timed(|| store.claim(&claimed).unwrap()));
        row(
            "commit, 256",
            256,
            timed(|| store.commit(run, some).unwrap()),
        );
    }
    row(
        "lookup, hits",
        keys.len(),
        timed(|| store.lookup(&keys).unwrap()),
    );
    let misses: Vec<ActionKey> = inputs
        .iter()
        .map(|input| ActionKey::of("image.judge", 2, input))
        .collect();
    row(
        "lookup, misses",
        keys.len(),
        timed(|| store.lookup(&misses).unwrap()),
    );
    let fresh = open(store.root());
    row(
        "lookup, hits, just opened",
        keys.len(),
        timed(|| drop(fresh.lookup(&keys).unwrap())),
    );
    row(
        "write_run, 16 KB",
        1,
        timed(|| store.write_run(run, &[b' '; 16_000]).unwrap()),
    );
}

fn files(store: &Store, folder: &std::path::Path) {
    let paths: Vec<PathBuf> = (0..10_000)
        .map(|number| folder.join(format!("{number}.txt")))
        .collect();
    for path in &paths {
        fs::write(path, path.as_os_str().as_encoded_bytes()).unwrap();
    }
    let large = folder.join("large.bin");
    fs::write(&large, vec![3; 256 << 20]).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    row(
        "digest_files, new",
        paths.len(),
        timed(|| store.digest_files(&paths).unwrap()),
    );
    row(
        "digest_files, unchanged",
        paths.len(),
        timed(|| store.digest_files(&paths).unwrap()),
    );
    row(
        "digest_file, 256 MiB, new",
        1,
        timed(|| store.digest_file(&large).unwrap()),
    );
    row(
        "digest_file, 256 MiB, unchanged",
        1,
        timed(|| store.digest_file(&large).unwrap()),
    );
}

fn blob(number: u32, round: u8) -> Vec<u8> {
    let mut bytes = vec![round; 12 << 10];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn input(number: i64) -> Value {
    Value::map([
        (
            "question",
            Value::from("Is there a herd of elephants at the waterhole?"),
        ),
        ("seed", Value::Int(number)),
    ])
}

/// What something took: by the clock, and of the processors. On a shared machine the second says more.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    processor: Duration,
}

fn timed<T>(action: impl FnOnce() -> T) -> Took {
    let (began, processor) = (Instant::now(), processor_time());
    std::hint::black_box(action());
    Took {
        wall: began.elapsed(),
        processor: processor_time().saturating_sub(processor),
    }
}

/// What the processors spent on this process.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn row(what: &str, count: usize, took: Took) {
    let each = |time: Duration| time / count as u32;
    println!(
        "{what:<40} {:>12.2?} {:>12.2?} {:>16.2?}",
        took.wall,
        each(took.wall),
        each(took.processor)
    );
}
