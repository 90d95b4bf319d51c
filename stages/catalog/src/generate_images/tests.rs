use serde_json::json;

use super::*;
use crate::samples::{self, check, column};
use ccsr_stage::testing::Lab;

const SMALL: u32 = 32;

fn with(candidates: u32) -> serde_json::Value {
    json!({"candidates": candidates, "size": SMALL})
}

#[test]
fn each_prompt_gets_its_candidates() {
    let lab = Lab::new(1);
    let ran = check::<GenerateImages>(&with(3), &lab, &[("prompts", &samples::prompts())]);
    let table = ran.table("images");
    assert_eq!(column(table, "candidate"), json!([0, 1, 2, 0, 1, 2]));
    assert_eq!(table.row(3).text("class").unwrap(), "giraffe");
    assert_eq!(ran.executed.len(), 6);
    assert_eq!(ran.executed[0].group, ran.executed[2].group);
    assert_ne!(ran.executed[2].group, ran.executed[3].group);
    let images: std::collections::HashSet<_> =
        table.rows().map(|row| row.blob("image").unwrap()).collect();
    assert_eq!(images.len(), 6);
}

#[test]
fn more_candidates_and_more_prompts_draw_only_what_is_new() {
    let lab = Lab::new(1);
    let prompts = samples::prompts();
    let drawn = |candidates, prompts| {
        let ran = samples::run(
            &lab,
            "image.generate",
            &with(candidates),
            &[("prompts", prompts)],
        );
        ran.unwrap().executed.len()
    };
    assert_eq!(drawn(2, &prompts), 4);
    assert_eq!(drawn(3, &prompts), 2);
    let mut rows = samples::rows(&prompts);
    rows.insert(0, json!({"class": "lion", "prompt": "a lion"}));
    let columns = [("class", ColumnType::Text), ("prompt", ColumnType::Text)];
    let more = samples::table(&columns, &rows);
    assert_eq!(drawn(2, &more), 2);
    assert_eq!(drawn(2, &more), 0);
}

#[test]
fn explicit_seeds_are_the_candidates_of_these_numbers() {
    let lab = Lab::new(1);
    let prompts = samples::prompts();
    let run = |with: &serde_json::Value| {
        samples::run(&lab, "image.generate", with, &[("prompts", &prompts)]).unwrap()
    };
    run(&with(2));
    let ran = run(&json!({"seeds": [7, 1], "size": SMALL}));
    assert_eq!(
        column(ran.table("images"), "candidate"),
        json!([7, 1, 7, 1])
    );
    assert_eq!(ran.executed.len(), 2);
}

#[test]
fn other_columns_are_passed_through() {
    let columns = [("topic", ColumnType::Int), ("prompt", ColumnType::Text)];
    let prompts = samples::table(&columns, &[json!({"topic": 3, "prompt": "a lion"})]);
    let ran = check::<GenerateImages>(&with(2), &Lab::new(1), &[("prompts", &prompts)]);
    assert_eq!(column(ran.table("images"), "topic"), json!([3, 3]));
    let names: Vec<String> = ran
        .table("images")
        .columns()
        .iter()
        .map(|c| c.name().to_owned())
        .collect();
    assert_eq!(names, ["prompt", "candidate", "image", "scene", "topic"]);
}

#[test]
fn noise_depends_on_seed_prompt_and_number_alone() {
    assert_eq!(noise(1, "a", 2), noise(1, "a", 2));
    let others = [noise(2, "a", 2), noise(1, "b", 2), noise(1, "a", 3)];
    assert!(!others.contains(&noise(1, "a", 2)));
}

#[test]
fn a_repeated_prompt_is_an_error_or_drawn_once() {
    let mut rows = samples::rows(&samples::prompts());
    rows.push(rows[0].clone());
    let columns = [("class", ColumnType::Text), ("prompt", ColumnType::Text)];
    let prompts = samples::table(&columns, &rows);
    let run = |with: &serde_json::Value| {
        samples::run(
            &Lab::new(1),
            "image.generate",
            with,
            &[("prompts", &prompts)],
        )
    };
    assert_eq!(
        run(&with(1)).unwrap_err(),
        "the prompts in rows 1 and 3 are the same: \"Wide shot of two grey elephants walking, \
         savanna\"; take one out, or set `on_duplicate: drop`"
    );
    let dropped = json!({"candidates": 1, "size": SMALL, "on_duplicate": "drop"});
    assert_eq!(run(&dropped).unwrap().table("images").len(), 2);
}

#[test]
fn what_is_wrong_with_parameters_is_said() {
    let problem = |with: serde_json::Value| samples::build("image.generate", &with).err().unwrap();
    assert_eq!(
        problem(json!({"size": 4})),
        "`size: 4` is not from 16 to 4096 pixels"
    );
    assert_eq!(
        problem(json!({"seeds": []})),
        "`seeds` names 0 candidates; expected from 1 to 10000"
    );
    let many: Vec<u32> = (0..10_001).collect();
    assert_eq!(
        problem(json!({"seeds": many})),
        "`seeds` names 10001 candidates; expected from 1 to 10000"
    );
    let with = json!({"candidates": 4_000_000_000_u32, "size": 4097, "seeds": [1, 2, 1]});
    assert_eq!(
        samples::misfits::<GenerateImages>(&with),
        [
            "size: `size: 4097` is not from 16 to 4096 pixels",
            "candidates: `candidates: 4000000000` is not from 1 to 10000",
            "seeds.2: `seeds` names 1 twice"
        ]
    );
    let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Text)];
    let prompts = samples::table(&columns, &[]);
    let schemas = Schemas::from([("prompts", prompts.schema().into())]);
    let stage = samples::build("image.generate", &json!({})).unwrap();
    assert_eq!(
        stage.outputs(&schemas).unwrap_err().to_string(),
        "the prompts have a column `image`, which is what this stage calls one of its own; `table.select` takes a table without it"
    );
}

#[test]
fn a_unit_is_described_by_candidate_and_prompt() {
    let stage = samples::build("image.generate", &with(1)).unwrap();
    let ran = Lab::new(1)
        .run(stage.as_ref(), &[("prompts", &samples::prompts())])
        .unwrap();
    assert_eq!(
        stage.describe(&ran.executed[1]).unwrap(),
        "candidate 0 of \"Photo of a giraffe eating, forest, sunset\""
    );
}
