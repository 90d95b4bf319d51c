//! What the method promises about what runs again, at the paper's size: 200 prompts, 2,000 images,
//! 20,000 answers. Before each run `plan` says what it will do.

use serde_json::{Value as Json, json};

use crate::project::{Project, SELECTION, Summary};
use crate::{ledger, warm};

const QUESTIONS: &str = "pipelines/questions/paper.yaml";

/// Runs the pipeline of a warm project, exports left out.
#[track_caller]
fn run(project: &Project, more: &[&str]) -> Summary {
    let args = [SELECTION].into_iter().chain(warm::NO_EXPORTS);
    project.summary(args.chain(more.iter().copied()))
}

#[track_caller]
fn plan(project: &Project, more: &[&str]) -> std::collections::BTreeMap<String, Json> {
    let args = [SELECTION].into_iter().chain(warm::NO_EXPORTS);
    project.plan(args.chain(more.iter().copied()))
}

fn unchanged(units: u64) -> Json {
    json!({"state": "unchanged", "units": units})
}

fn execute(missing: u64, reused: u64) -> Json {
    json!({"state": "execute", "missing": missing, "reused": reused})
}

fn wait(upstream: &[&str], at_most: u64) -> Json {
    json!({"state": "wait", "upstream": upstream, "at_most": at_most})
}

/// That nothing is computed, and that this was foreseen.
#[track_caller]
fn costs_nothing(project: &Project, more: &[&str]) -> Summary {
    for (stage, state) in plan(project, more) {
        let at_most = state["missing"].as_u64().or(state["at_most"].as_u64());
        assert_eq!(at_most.unwrap_or(0), 0, "{stage}: {state}");
    }
    let summary = run(project, more);
    assert_eq!(summary.executed(), 0);
    assert_eq!(summary.reused(), 24_000);
    summary
}

/// That nothing is even looked at, and that this was foreseen.
#[track_caller]
fn means_nothing(project: &Project, more: &[&str]) {
    for (stage, state) in plan(project, more) {
        assert_eq!(state["state"], "unchanged", "{stage}");
    }
    assert!(run(project, more).all_unchanged());
}

#[test]
fn from_nothing_all_units_are_computed_once() {
    let first = warm::first_run();
    assert_eq!((first.executed(), first.reused()), (24_000, 0));
    let of = |stage| first.of(stage);
    assert_eq!(
        (of("images"), of("answers"), of("detections")),
        (2_000, 20_000, 2_000)
    );
    assert_eq!(first.0["model_units_executed"], 24_000);

    let project = warm::project();
    assert_eq!(ledger::units(&project).count, 24_000);
    assert_eq!(ledger::units(&project).most_commits, 1);
    let rows = |stage| project.table(stage, [SELECTION]).lines().count();
    assert_eq!(
        (rows("prompts"), rows("images"), rows("answers")),
        (200, 2_000, 20_000)
    );
    assert_eq!(rows("pairs") + rows("pairs.rejected"), 2_000);
}

#[test]
fn again_nothing_is_computed_and_lost_exports_come_back() {
    let project = warm::project();
    let before = project.files("pipelines/out");
    let sheets = before
        .keys()
        .filter(|name| name.to_string_lossy().contains("/sheets/"));
    assert_eq!(sheets.count(), 200);
    // The copy knows nothing of the exports that came with it, and writes its own.
    let again = project.summary([SELECTION]);
    assert!(again.all_unchanged());
    assert_eq!((again.executed(), again.reused()), (0, 24_000));
    assert!(
        project.files("pipelines/out") == before,
        "exports are not what they were"
    );

    std::fs::remove_dir_all(project.path("pipelines/out")).unwrap();
    let foreseen = project.run(["plan", SELECTION]);
    let told = &foreseen.ends_with(4).stdout;
    assert!(told.contains("pipelines/out/selection/sheets"), "{told}");
    let third = project.run(["run", SELECTION, "--json"]);
    assert_eq!(third.succeeded().summary().executed(), 0);
    assert!(third.summary().all_unchanged());
    third.says("sheets      wrote 200 of 200 files");
    assert!(
        project.files("pipelines/out") == before,
        "exports did not come back as they were"
    );

    // One that somebody spoilt is put right; the others are left alone.
    let sheet = before
        .keys()
        .find(|name| name.to_string_lossy().contains("/sheets/"))
        .unwrap();
    project.write(&sheet.to_string_lossy(), "spoilt");
    let fourth = project.run(["run", SELECTION]);
    fourth.succeeded().says("sheets      wrote 1 of 200 files");
    assert!(
        project.files("pipelines/out") == before,
        "the spoilt export is not what it was"
    );
}

#[test]
fn one_question_reworded_is_asked_again_once_an_image() {
    let project = warm::project();
    project.edit(
        QUESTIONS,
        "Is the body of the {class} complete and right: the number of legs, the tail, the head? Answer\n",
        "Count the legs, the tail and the head of the {class}. Is all there, and nothing twice? Answer\n",
    );
    let foreseen = plan(&project, &[]);
    assert_eq!(foreseen["images"], unchanged(2_000));
    assert_eq!(foreseen["answers"], execute(2_000, 18_000));
    assert_eq!(foreseen["detections"], unchanged(2_000));
    assert_eq!(foreseen["scores"], wait(&["answers"], 0));

    let summary = run(&project, &[]);
    assert_eq!((summary.executed(), summary.of("answers")), (2_000, 2_000));
    assert_eq!(summary.reused(), 22_000);
    assert_eq!(summary.outcome("images"), "unchanged");
    assert!(
        plan(&project, &[])
            .values()
            .all(|state| state["state"] == "unchanged")
    );
}

#[test]
fn thresholds_weights_polarities_and_gates_ask_nothing() {
    let project = warm::project();
    let lower = ["--set", "stages.pairs.with.min_confidence=0.5"];
    let summary = costs_nothing(&project, &lower);
    assert_eq!(summary.outcome("scores"), "unchanged");
    assert_eq!(summary.outcome("pairs"), "resolved");

    // Another way to count, and then another weight in it.
    let counted = ["--set", "stages.scores.with.profile=srt2i"];
    let summary = costs_nothing(&project, &counted);
    assert_eq!(summary.outcome("answers"), "unchanged");
    let before = project.table("scores", [SELECTION, counted[0], counted[1]]);
    project.edit(QUESTIONS, "q7: {\"yes\": 1}", "q7: {\"yes\": 3}");
    let summary = costs_nothing(&project, &counted);
    assert_eq!(summary.outcome("answers"), "unchanged");
    assert_eq!(summary.outcome("scores"), "resolved");
    assert_ne!(
        project.table("scores", [SELECTION, counted[0], counted[1]]),
        before
    );

    // A polarity, then a gate, of the built-in `eq1`.
    let polarity = "about: confusable-objects\n    polarity: ";
    project.edit(
        QUESTIONS,
        &format!("{polarity}negative"),
        &format!("{polarity}positive"),
    );
    let summary = costs_nothing(&project, &[]);
    assert_eq!(summary.outcome("answers"), "unchanged");
    assert_eq!(summary.outcome("scores"), "resolved");
    let gate = "about: natural-behaviour\n";
    project.edit(
        QUESTIONS,
        &format!("{gate}    requires: {{q3: \"yes\"}}\n"),
        gate,
    );
    let summary = costs_nothing(&project, &[]);
    assert_eq!(summary.outcome("images"), "unchanged");
    assert_eq!(summary.outcome("scores"), "resolved");
}

#[test]
fn a_prompt_more_costs_its_images_answers_and_detections() {
    let project = warm::project();
    let prompt = "Photo of an elephant bathing, river, rainy, natural lighting";
    let extra = format!("stages.prompts.with.extra=[{{class: elephant, prompt: \"{prompt}\"}}]");
    let more = ["--set", extra.as_str()];
    let foreseen = plan(&project, &more);
    assert_eq!(foreseen["prompts"]["state"], "collect");
    assert_eq!(foreseen["images"], execute(10, 2_000));
    assert_eq!(foreseen["answers"], wait(&["images"], 20_100));

    let summary = run(&project, &more);
    let of = |stage| summary.of(stage);
    assert_eq!(
        (of("images"), of("answers"), of("detections")),
        (10, 100, 10)
    );
    assert_eq!((summary.executed(), summary.reused()), (120, 24_000));
    let table = project.table("prompts", [SELECTION, more[0], more[1]]);
    assert!(table.lines().next_back().unwrap().contains(prompt));
}

#[test]
fn two_candidates_more_cost_two_images_a_prompt() {
    let project = warm::project();
    let more = ["--set", "stages.images.with.candidates=12"];
    let foreseen = plan(&project, &more);
    assert_eq!(foreseen["prompts"], unchanged(0));
    assert_eq!(foreseen["images"], execute(400, 2_000));
    assert_eq!(foreseen["answers"], wait(&["images"], 24_000));

    let summary = run(&project, &more);
    let of = |stage| summary.of(stage);
    assert_eq!(
        (of("images"), of("answers"), of("detections")),
        (400, 4_000, 400)
    );
    assert_eq!((summary.executed(), summary.reused()), (4_800, 24_000));
    // Back to ten: all of it is known.
    means_nothing(&project, &[]);
}

#[test]
fn what_means_the_same_costs_nothing() {
    let project = warm::project();
    project.edit(
        SELECTION,
        "      count: 100\n",
        "      count: 100 # a hundred\n",
    );
    project.edit(QUESTIONS, "questions:\n", "# A comment.\nquestions:\n");
    means_nothing(&project, &[]);

    // The order of keys, a default written out, another way to write the same.
    project.edit(
        SELECTION,
        "      candidates: 10\n      size: ${vars.size}\n",
        "      size: ${vars.size}\n      \"candidates\": 0xA\n",
    );
    project.edit(
        SELECTION,
        "    uses: select.pairs\n    from: {scores: scores, detections: detections}\n",
        "    from:\n      detections: detections\n      scores: scores.scores\n    uses: select.pairs\n",
    );
    project.edit(
        SELECTION,
        "      min_confidence: 0.6\n",
        "      min_confidence: 0.6\n      ties: lowest_index\n      on_none: drop\n",
    );
    means_nothing(&project, &[]);

    // A stage by another name, in another place of the file.
    let text = project.read(SELECTION);
    // The sweeps stand at the end, and mean nothing for a run.
    let text = &text[..text.find("# The same with other values").unwrap()];
    let text = text.replace("  images:\n", "  pictures:\n");
    let text = text.replace("from: images\n", "from: pictures\n");
    let text = text.replace("{images: images,", "{images: pictures,");
    let start = text.find("  # One row a detection.").unwrap();
    let end = text.find("  # One row a prompt:").unwrap();
    let moved = format!(
        "{}{}{}",
        &text[..start],
        &text[end..],
        text[start..end].trim_end()
    );
    project.write(SELECTION, moved);
    means_nothing(&project, &[]);
    assert_eq!(
        project.table("pictures", [SELECTION]).lines().count(),
        2_000
    );
}

#[test]
fn the_suite_named_by_hand_is_the_one_that_is_named_in_the_file() {
    let project = warm::project();
    means_nothing(&project, &["--suite", "world"]);
    means_nothing(&project, &["--suite", "suites/world.yaml"]);
    // The program brings it along too.
    std::fs::remove_dir_all(project.path("pipelines/suites")).unwrap();
    means_nothing(&project, &["--suite", "world"]);
}

#[test]
fn selection_beats_chance_by_far() {
    let project = warm::project();
    let mut reader =
        csv::Reader::from_path(project.path("pipelines/out/selection/truth.csv")).unwrap();
    let rows: Vec<std::collections::BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().unwrap();
    let share = |selector: &str, measure: &str| -> f64 {
        let row = rows.iter().find(|row| row["selector"] == selector).unwrap();
        row[measure].parse().unwrap()
    };
    for measure in ["sound", "faithful", "both"] {
        let (random, chosen) = (
            share("all candidates", measure),
            share("selected pairs", measure),
        );
        assert!((0.3..0.9).contains(&random), "{measure}: {random}");
        assert!(
            chosen > random + 0.1,
            "{measure}: {chosen} against {random}"
        );
        assert!(chosen <= share("best possible", measure));
    }
    assert!(share("selected pairs", "both") > share("all candidates", "both") + 0.3);
    let chosen = rows
        .iter()
        .find(|row| row["selector"] == "selected pairs")
        .unwrap();
    assert_eq!(chosen["prompts"], chosen["n"], "one pair a prompt");
}

#[test]
fn the_numbers_of_the_readme_are_those_of_the_run() {
    let project = warm::project();
    let mut reader =
        csv::Reader::from_path(project.path("pipelines/out/selection/truth.csv")).unwrap();
    let readme = include_str!("../../README.md");
    let named = [
        ("all candidates", "a random candidate"),
        ("shortlist", "a random one of the shortlist (highest score)"),
        ("selected pairs", "**the selected candidate**"),
        ("best possible", "the best there was"),
    ];
    let mut seen = 0;
    for row in reader.deserialize() {
        let row: std::collections::BTreeMap<String, String> = row.unwrap();
        let selector = row["selector"].as_str();
        let (_, name) = named.iter().find(|(known, _)| *known == selector).unwrap();
        let percent = |measure: &str| {
            let share: f64 = row[measure].parse().unwrap();
            let bold = if name.starts_with("**") { "**" } else { "" };
            format!("{bold}{:.1} %{bold}", share * 100.0)
        };
        let cells = ["sound", "faithful", "both"].map(percent).join(" | ");
        let line = format!("| {name} | {cells} |");
        assert!(readme.contains(&line), "README.md should say\n{line}");
        seen += 1;
    }
    assert_eq!(seen, named.len());
}
