//! Large files beside `b3sum` and `dvc add`, in turn, medians of five. Not a test: run it by hand with
//! `cargo bench -p ccsr-cache --bench beside -- FOLDER MIB`. A program that is not on the path is left out.

#![expect(clippy::print_stdout, reason = "a table is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ccsr_cache::{Access, Store};

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let folder = match arguments.first() {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let mebibytes: u64 = arguments.get(1).map_or(4096, |size| size.parse().unwrap());
    let file = folder.path().join("large.bin");
    write(&file, mebibytes);
    let store = Store::open(&folder.path().join(".ccsr"), Access::ReadWrite).unwrap();
    println!("{mebibytes} MiB, in the page cache as far as it fits");

    in_turn(
        mebibytes,
        "digest_file",
        || {
            // Another look, so that the digest is not remembered.
            touch(&file);
            store.digest_file(&file).unwrap();
        },
        "b3sum",
        || run(folder.path(), "b3sum", &["large.bin"]),
    );
    if run(folder.path(), "dvc", &["init", "--no-scm", "-q"]) {
        in_turn(
            mebibytes,
            "put_file",
            || {
                let digest = store.put_file(&file).unwrap();
                store.discard(&digest);
            },
            "dvc add",
            || {
                let _ = fs::remove_file(folder.path().join("large.bin.dvc"));
                let _ = fs::remove_dir_all(folder.path().join(".dvc/cache"));
                let _ = fs::remove_dir_all(folder.path().join(".dvc/tmp"));
                run(folder.path(), "dvc", &["add", "-q", "large.bin"])
            },
        );
    }
}

/// Bytes that no file system can leave out.
fn write(path: &Path, mebibytes: u64) {
    let mut file = fs::File::create(path).unwrap();
    let mut state = 7_u64;
    for _ in 0..mebibytes {
        let chunk: Vec<u8> = (0..1 << 17)
            .flat_map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                state.to_le_bytes()
            })
            .collect();
        file.write_all(&chunk).unwrap();
    }
    file.sync_all().unwrap();
}

fn touch(path: &Path) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
}

/// Whether the program is there and did it.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn in_turn(mebibytes: u64, name: &str, ours: impl Fn(), other: &str, theirs: impl Fn() -> bool) {
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        our_times.push(timed(&ours));
        let mut there = false;
        let time = timed(|| there = theirs());
        their_times.extend(there.then_some(time));
    }
    for (name, mut times) in [(name, our_times), (other, their_times)] {
        times.sort_unstable();
        match times.get(times.len() / 2) {
            None => println!("{name:12} is not here"),
            Some(median) => {
                let rate = mebibytes as f64 / 1024.0 / median.as_secs_f64();
                println!("{name:12} {median:>10.2?} {rate:>8.2} GiB/s");
            }
        }
    }
}

fn timed(action: impl FnOnce()) -> Duration {
    let began = Instant::now();
    action();
    began.elapsed()
}
