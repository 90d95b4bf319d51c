//! Gives a target millions of inputs at the compiler's full speed: random changes to its corpus and
//! to what `run.sh` found. It sees no coverage, and so goes where libFuzzer was, many times over.
//!
//! ```sh
//! cargo run --release -p ccsr-fuzz --example millions -- front_end 10000000 [SEED]
//! ```

#![expect(clippy::print_stdout, reason = "it is run by hand")]

#[path = "../tests/fuzz/mutation.rs"]
mod mutation;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use ccsr_fuzz::TARGETS;
use mutation::Mutator;

/// Longer inputs are left out: they cost more than they find.
const LONGEST: usize = 2048;

/// The corpus, and what was found.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["corpus", "found"].map(|folder| here.join(folder).join(target));
    let entries = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let mut paths: Vec<_> = entries
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let read = paths.iter().filter_map(|path| fs::read(path).ok());
    read.filter(|input| input.len() <= LONGEST).collect()
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let mut number = |otherwise| {
        arguments
            .next()
            .map_or(Some(otherwise), |text| text.parse().ok())
    };
    let (count, seed) = (number(10_000_000), number(1));
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (Some((_, target)), Some(count), Some(seed)) = (target, count, seed) else {
        println!("usage: millions TARGET [INPUTS] [SEED]");
        return ExitCode::from(2);
    };
    let corpus = inputs(&name);
    let corpus: Vec<&[u8]> = corpus.iter().map(Vec::as_slice).collect();
    let mut mutator = Mutator::new(seed);
    let began = Instant::now();
    for given in 1..=count {
        let input = mutator.changed(&corpus);
        if catch_unwind(|| target(&input)).is_err() {
            let kept = std::env::temp_dir().join(format!("ccsr-fuzz-{name}.input"));
            let written = fs::write(&kept, &input);
            println!(
                "{name} panics; the input is {} ({written:?})",
                kept.display()
            );
            return ExitCode::FAILURE;
        }
        if given % 1_000_000 == 0 || given == count {
            let rate = given as f64 / began.elapsed().as_secs_f64();
            println!("{name}: {given} inputs, none panics ({rate:.0} a second)");
        }
    }
    ExitCode::SUCCESS
}
