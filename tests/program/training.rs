//! Training, and what is drawn with what was trained: what runs again, and what is kept.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::project::{Project, copy};

const FILE: &str = "examples/self_reward/pipeline.yaml";
const ADAPTER: &str = "examples/self_reward/out/adapter/pytorch_lora_weights.safetensors";

fn project() -> Project {
    let project = Project::new();
    for example in ["examples/self_reward", "examples/stable_diffusion"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        copy(&from, &project.path(example));
    }
    project
}

fn bytes(project: &Project, file: &str) -> Vec<u8> {
    std::fs::read(project.path(file)).unwrap()
}

#[test]
fn the_loop_goes_from_prompts_to_win_rates_and_only_what_changed_runs_again() {
    let project = project();
    let executed = |set: &[&str]| {
        let set = set.iter().flat_map(|set| ["--set", *set]);
        let summary = project.summary([FILE].into_iter().chain(set));
        ["images", "answers", "lora", "drawn", "clip"].map(|stage| summary.of(stage))
    };
    // Four pairs, in a mirror, too, and four prompts; two segments; three prompts by four seeds and scales.
    assert_eq!(executed(&[]), [8, 80, 14, 48, 48]);
    let first = bytes(&project, ADAPTER);
    assert_eq!(executed(&[]), [0; 5]);
    // Epochs are trained on, and only what is drawn with the adapter is drawn again.
    assert_eq!(executed(&["stages.lora.with.epochs=9"]), [0, 0, 1, 36, 36]);
    assert_ne!(bytes(&project, ADAPTER), first);
    // Another rank reads no image again.
    assert_eq!(executed(&["stages.lora.with.rank=3"]), [0, 0, 2, 36, 36]);
    // A scale more draws that scale.
    assert_eq!(
        executed(&["stages.drawn.with.scales=[0, 0.2, 0.4, 0.7, 1]"]),
        [0, 0, 0, 12, 12]
    );
    // A threshold that leaves the pairs as they are trains nothing.
    assert_eq!(
        executed(&["stages.pairs.with.min_confidence=0.051"]),
        [0; 5]
    );
    assert_eq!(
        bytes(&project, ADAPTER),
        first,
        "and the adapter is the first one"
    );

    let wins = project.table("wins", [FILE]);
    let wins: Vec<Json> = wins
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(wins.len(), 3, "every scale beside the base");
    for row in &wins {
        let count = |name: &str| row[name].as_u64().unwrap();
        assert_eq!((count("pairs"), count("clusters")), (12, 3));
        assert_eq!(count("win") + count("tie") + count("loss"), 12);
    }
    let lines = project.read("examples/self_reward/out/training/metrics.jsonl");
    assert_eq!(lines.lines().count(), 12);
}

#[test]
fn a_training_that_was_killed_goes_on_from_its_last_checkpoint_to_the_same_adapter() {
    let longer = [
        "--set",
        "stages.lora.with.epochs=240",
        "--set",
        "stages.lora.with.checkpoint_every=12",
    ];
    let args = || [FILE, "lora"].into_iter().chain(longer);
    let whole = project();
    whole.summary(args());

    let killed = project();
    let mut running = killed.start(args());
    let began = Instant::now();
    // Past the encodings and some of the twenty segments, and before the end.
    let committed = || {
        let is_there = killed.path(".ccsr/ledger.db").exists();
        if is_there {
            crate::ledger::units(&killed).count
        } else {
            0
        }
    };
    while committed() < 2 + 8 + 80 + 8 + 12 + 3 {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "nothing was committed"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(running.kill(), "it was over before it was killed");
    let resumed = killed.summary(args());
    let segments = resumed.of("lora");
    assert!(
        (1..=18).contains(&segments),
        "{segments} segments were trained anew"
    );
    assert_eq!(bytes(&killed, ADAPTER), bytes(&whole, ADAPTER));
    let metrics = "examples/self_reward/out/training/events.out.tfevents.0.ccsr-flow";
    assert_eq!(bytes(&killed, metrics), bytes(&whole, metrics));
}

#[test]
fn what_cannot_be_trained_is_said_where_it_stands() {
    let project = project();
    let run = |set: &str| project.run(["run", FILE, "--set", set]);
    run("stages.lora.with.rank=4000")
        .ends_with(2)
        .says("rank 4000 is above that of");
    run("stages.lora.with.targets=[to_z]")
        .ends_with(2)
        .says("no layer of the unet is called `to_z`");
    run("stages.pairs.with.min_confidence=1")
        .ends_with(1)
        .says("there are no pairs to train on");
    // What was drawn and answered before is kept.
    assert_eq!(project.summary([FILE]).of("images"), 0);
    let world = project.run(["run", FILE, "--suite", "world", "lora"]);
    world
        .ends_with(2)
        .says("the suite's drawer has no network to train");
}
