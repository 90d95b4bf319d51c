//! `why`: the field that changed, with both values; the way up to it; the units of a row.

use serde_json::Value as Json;

use crate::project::{Project, SELECTION, SMALL};
use crate::{transcript, warm};

const QUESTIONS: &str = "pipelines/questions/paper.yaml";
const OLD: &str = "Is the body of the {class} complete and right:";
const NEW: &str = "Is the whole body of the {class} complete and right:";

/// `why` about the small pipeline.
fn why(project: &Project, more: &[&str]) -> crate::project::Outcome {
    let (stage, rest) = more.split_first().unwrap();
    let args = ["why", SELECTION, stage];
    project.run(args.into_iter().chain(rest.iter().copied()).chain(SMALL))
}

fn json(project: &Project, more: &[&str]) -> Json {
    let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&why(project, &more).succeeded().stdout).unwrap()
}

#[test]
fn a_reworded_question_is_shown_with_both_wordings() {
    let project = warm::small();
    project.edit(QUESTIONS, OLD, NEW);
    let told = why(&project, &["answers"]).succeeded().stdout.clone();
    assert!(
        told.starts_with("answers would compute 80 units of 800\n"),
        "{told}"
    );
    assert!(
        told.contains("`questions.q7.text` changed\n    - \"Is the body of the {class}"),
        "{told}"
    );
    assert!(
        told.contains("\n    + \"Is the whole body of the {class}"),
        "{told}"
    );
    // The units, too: the words as they were rendered.
    assert!(told.contains("question q7 about candidate 0 of"), "{told}");
    assert!(told.contains("- \"Is the body of the elephant"), "{told}");
    assert!(
        told.contains("+ \"Is the whole body of the elephant"),
        "{told}"
    );
    assert_eq!(told, without_digests(&told));
}

/// The text, which must not name a digest.
fn without_digests(text: &str) -> String {
    let redacted = transcript::redacted(text, std::path::Path::new("/nowhere"));
    assert!(!redacted.contains("[DIGEST]"), "{text}");
    text.to_owned()
}

#[test]
fn a_stage_below_is_followed_up_to_what_changed() {
    let project = warm::small();
    project.edit(QUESTIONS, OLD, NEW);
    let told = why(&project, &["pairs"]).succeeded().stdout.clone();
    assert!(told.starts_with("pairs waits for scores\n"), "{told}");
    assert!(
        told.contains("the table of `scores` is not known yet"),
        "{told}"
    );
    assert!(
        told.ends_with("it comes down to\n  `questions.q7.text` of answers\n"),
        "{told}"
    );
    // What is not on the way is not blamed.
    assert!(!told.contains("detections"), "{told}");
}

#[test]
fn a_table_that_differs_is_told_by_its_rows() {
    let project = warm::small();
    // Another way to count: the scores are computed anew, and the pairs are not yet.
    let profile = ["--set", "stages.scores.with.profile=srt2i"];
    let up_to = ["run", SELECTION, "scores"];
    let args = up_to.into_iter().chain(SMALL).chain(profile);
    project.run(args).succeeded();
    let told = json(&project, &["pairs", profile[0], profile[1]]);
    assert_eq!(told["standing"]["state"], "collect");
    assert_eq!(told["changes"], serde_json::json!([]));
    let table = &told["tables"][0];
    assert_eq!(
        (table["stage"].as_str(), table["port"].as_str()),
        (Some("scores"), Some("scores"))
    );
    let rows = &table["rows"];
    assert_eq!(
        (rows["added"].as_u64(), rows["removed"].as_u64()),
        (Some(0), Some(0))
    );
    assert!(rows["columns"]["score"]["rows"].as_u64().unwrap() > 0);
    // The stage above is done; what it was made with before is what explains it.
    assert_eq!(table["why"]["standing"]["state"], "unchanged");
    let fields = table["why"]["changes"].as_array().unwrap();
    let weight = fields
        .iter()
        .find(|change| change["field"] == "with.questions.q6.weights.no");
    let weight = weight.unwrap_or_else(|| panic!("{fields:?}"));
    assert_eq!(
        (weight["old"].as_f64(), weight["new"].as_f64()),
        (Some(1.0), Some(0.0))
    );
}

#[test]
fn a_stage_that_is_unchanged_says_what_it_depends_on() {
    let project = warm::small();
    let told = why(&project, &["images"]).succeeded().stdout.clone();
    assert!(
        told.starts_with("images is unchanged: 80 units, computed by run 2"),
        "{told}"
    );
    for line in [
        "  candidates = 4",
        "  size = 64",
        "  seed = \"1024\"",
        "  roles.drawer.use = \"world.drawer\"",
    ] {
        assert!(
            told.lines().any(|told| told == line),
            "no {line:?} in {told}"
        );
    }
}

#[test]
fn a_stage_that_was_never_computed_says_so() {
    let project = Project::new();
    let told = why(&project, &["prompts"]).succeeded().stdout.clone();
    assert!(
        told.contains("it was never computed, and neither was one of its kind"),
        "{told}"
    );
    // Looking writes nothing.
    assert!(!project.path(".ccsr").exists());
}

#[test]
fn a_renamed_stage_is_compared_with_one_of_its_kind() {
    let project = warm::small();
    let text = project.read(SELECTION);
    let text = text
        .replace("  images:\n", "  pictures:\n")
        .replace("stages.images.", "stages.pictures.")
        .replace("from: images\n", "from: pictures\n");
    project.write(
        SELECTION,
        text.replace("{images: images,", "{images: pictures,"),
    );
    let set = [
        "--set",
        "stages.pictures.with.candidates=4",
        "--set",
        "stages.prompts.with.count=10",
    ];
    let size = ["--set", "stages.pictures.with.size=256"];
    let args = ["why", SELECTION, "pictures", "--json"];
    let told = project.run(args.into_iter().chain(set).chain(size));
    let told: Json = serde_json::from_str(&told.succeeded().stdout).unwrap();
    let changes = told["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["field"], "with.size");
    assert_eq!(
        (&changes[0]["old"], &changes[0]["new"]),
        (&64.into(), &256.into())
    );
}

#[test]
fn a_row_is_followed_to_the_unit_that_made_it() {
    let project = warm::small();
    let row = |number: usize| -> Json {
        let table = project.table("answers", [SELECTION].into_iter().chain(SMALL));
        serde_json::from_str(table.lines().nth(number - 1).unwrap()).unwrap()
    };
    for number in [1, 47, 800] {
        let told = json(&project, &["answers", &number.to_string()]);
        let row = row(number);
        assert_eq!(told["number"], number);
        let units = told["units"].as_array().unwrap();
        assert_eq!(units.len(), 1, "{told}");
        let name = units[0]["name"].as_str().unwrap();
        let question = row["question"].as_str().unwrap();
        let candidate = row["candidate"].as_i64().unwrap();
        assert!(
            name.starts_with(&format!(
                "question {question} about candidate {candidate} of"
            )),
            "{name}"
        );
        assert_eq!(units[0]["input"]["image"]["$blob"], row["image"]);
        assert_eq!(units[0]["state"], "known");
    }
    // An image, and a detection: the unit that drew, and the one that looked.
    let image = json(&project, &["images", "30"]);
    assert_eq!(image["units"].as_array().unwrap().len(), 1);
    assert_eq!(image["units"][0]["input"]["prompt"], image["row"]["prompt"]);
    let detection = json(&project, &["detections", "5"]);
    assert_eq!(detection["units"].as_array().unwrap().len(), 1);
    assert_eq!(
        detection["units"][0]["input"]["image"],
        detection["row"]["image"]
    );
    // A score has no unit of its own: it comes from ten answers.
    let score = json(&project, &["scores", "3"]);
    assert_eq!(score["units"], serde_json::json!([]));
    assert_eq!(score["from"].as_array().unwrap().len(), 10);
}

#[test]
fn a_row_is_found_by_its_columns_even_before_it_is_there() {
    let project = warm::small();
    let table = project.table("images", [SELECTION].into_iter().chain(SMALL));
    let first: Json = serde_json::from_str(table.lines().next().unwrap()).unwrap();
    let prompt = format!("prompt={}", first["prompt"].as_str().unwrap());
    let conditions = ["candidate=3", prompt.as_str()];
    let told = json(&project, &["images", conditions[0], conditions[1]]);
    assert_eq!(told["number"], 4);

    // Another size: the image is missing, and the nearest that there was has the old size.
    let size = ["--set", "stages.images.with.size=256"];
    let told = json(
        &project,
        &["images", conditions[0], conditions[1], size[0], size[1]],
    );
    assert_eq!(told["current"], false);
    let units = told["units"].as_array().unwrap();
    assert_eq!(units.len(), 1, "{told}");
    assert_eq!(units[0]["state"], "missing");
    let changes = units[0]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["field"], "size");
    assert_eq!(
        (&changes[0]["old"], &changes[0]["new"]),
        (&64.into(), &256.into())
    );

    // The answers about it wait for it, and lead to it.
    let told = json(
        &project,
        &[
            "answers",
            "question=q2",
            conditions[0],
            conditions[1],
            size[0],
            size[1],
        ],
    );
    assert_eq!(told["unknown"], "the table of `images` is not known yet");
    assert_eq!(told["from"][0]["stage"], "images");
    assert_eq!(told["from"][0]["units"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_row_is_said_so() {
    let project = warm::small();
    why(&project, &["images", "0"])
        .ends_with(2)
        .says("rows are counted from 1");
    why(&project, &["images", "first"])
        .ends_with(2)
        .says("`first` is no row");
    let none = why(&project, &["images", "81"]);
    assert!(none.ends_with(1).stdout.contains("no row fits"));
    let several = why(&project, &["images", "candidate=3"]);
    assert!(
        several
            .ends_with(1)
            .stdout
            .contains("20 rows fit; say more to tell them apart")
    );
    why(&project, &["imges"])
        .ends_with(2)
        .says("did you mean `images`?");
}
