mod with_a_model;

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::prompt_rules::{mentions, tokens};
use crate::samples::{self, check, column};
use ccsr_stage::testing::Lab;

fn problem(with: &serde_json::Value) -> String {
    samples::build("prompt.generate", with).err().unwrap()
}

fn prompts(with: &serde_json::Value, seed: u64) -> Vec<String> {
    let ran = check::<GeneratePrompts>(with, &Lab::new(seed), &[]);
    let table = ran.table("prompts");
    table
        .rows()
        .map(|row| row.text("prompt").unwrap().to_owned())
        .collect()
}

#[test]
fn prompts_are_as_many_as_wanted_distinct_and_about_their_class() {
    let ran = check::<GeneratePrompts>(&json!({}), &Lab::new(1024), &[]);
    let table = ran.table("prompts");
    assert_eq!((table.len(), ran.asked), (200, 0));
    let mut seen = HashSet::new();
    for row in table.rows() {
        let (class, prompt) = (row.text("class").unwrap(), row.text("prompt").unwrap());
        assert_eq!(
            class,
            if row.index() < 100 {
                "elephant"
            } else {
                "giraffe"
            }
        );
        assert!(mentions(prompt, class), "{prompt}");
        assert!(tokens(prompt) <= 77, "{prompt}");
        assert!(seen.insert(normalised(prompt)), "{prompt}");
    }
}

#[test]
fn more_prompts_keep_the_earlier_ones_and_other_seeds_give_others() {
    let with = |count: u32| json!({"classes": ["lion"], "count": count});
    assert_eq!(prompts(&with(5), 1), prompts(&with(9), 1)[..5]);
    assert_ne!(prompts(&with(5), 1), prompts(&with(5), 2));
    let plain = json!({"classes": ["lion"], "count": 5, "style": "plain"});
    assert_ne!(prompts(&with(5), 1), prompts(&plain, 1));
}

#[test]
fn an_extra_prompt_comes_last_and_leaves_the_others_as_they_are() {
    let extra = json!([{"class": "elephant", "prompt": "An elephant of my own"}]);
    let with = json!({"count": 3, "extra": extra});
    let before = prompts(&json!({"count": 3}), 1);
    let after = prompts(&with, 1);
    assert_eq!(after[..6], before);
    assert_eq!(after[6], "An elephant of my own");
}

#[test]
fn excluded_prompts_are_not_written() {
    let with = json!({"classes": ["bear"], "count": 4});
    let lab = Lab::new(7);
    let first = samples::run(&lab, "prompt.generate", &with, &[]).unwrap();
    let first: &Arc<Table> = first.table("prompts");
    let second = check::<GeneratePrompts>(&with, &lab, &[("exclude", first)]);
    let (before, after) = (
        column(first, "prompt"),
        column(second.table("prompts"), "prompt"),
    );
    for prompt in after.as_array().unwrap() {
        assert!(!before.as_array().unwrap().contains(prompt));
    }
}

#[test]
fn a_writer_with_too_little_to_say_is_an_error_or_accepted() {
    let with = |accept: &str| json!({"classes": ["lion"], "count": 3, "max_tokens": 8, "on_shortfall": accept});
    let run = |accept| samples::run(&Lab::new(1), "prompt.generate", &with(accept), &[]);
    let error = run("error").unwrap_err();
    assert!(error.starts_with("the writer has "), "{error}");
    assert!(error.ends_with("`on_shortfall: accept`"), "{error}");
    assert!(run("accept").unwrap().table("prompts").len() < 3);
}

/// The shortest prompts there are, of which a writer has few.
#[test]
fn a_count_that_nobody_can_fill_fails_soon() {
    let with = json!({"classes": ["lion"], "count": 1_000_000, "style": "plain", "max_tokens": 8});
    let started = std::time::Instant::now();
    let error = samples::run(&Lab::new(1), "prompt.generate", &with, &[]).unwrap_err();
    assert!(error.contains("fewer than `count: 1000000`"), "{error}");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn what_does_not_fit_is_said_where_it_stands() {
    let extra = [
        json!({"class": "lion", "prompt": "a lion"}),
        json!({"class": "lion", "prompt": "a bear"}),
    ];
    let with = json!({"classes": ["lion", "lion", "unicorn"], "count": 2_000_000, "extra": extra});
    let found = samples::misfits::<GeneratePrompts>(&with);
    assert_eq!(
        found[..2],
        [
            "count: `count: 2000000` is not from 0 to 1000000",
            "classes.1: `classes` names lion twice"
        ]
    );
    assert!(found[2].starts_with("classes.2: the world knows no class `unicorn`"));
    assert!(found[3].starts_with("extra.1.prompt: the extra prompt \"a bear\" does not mention"));
    assert_eq!(found.len(), 4);
}

#[test]
fn what_is_wrong_with_parameters_is_said() {
    assert_eq!(
        problem(&json!({"classes": ["elefant"]})),
        "the world knows no class `elefant`; it knows elephant, giraffe, zebra, lion, bear, cow, \
         dog, bird, horse, cat, sheep; did you mean `elephant`?"
    );
    assert_eq!(
        problem(&json!({"classes": ["lion", "lion"]})),
        "`classes` names lion twice"
    );
    let extra = |class: &str, prompt: &str| {
        problem(&json!({"extra": [{"class": class, "prompt": prompt}]}))
    };
    assert_eq!(
        extra("elephant", "A calf"),
        "the extra prompt \"A calf\" does not mention its class, elephant"
    );
    let long = format!("elephant{}", ", a".repeat(50));
    assert_eq!(
        extra("elephant", &long),
        format!("the extra prompt \"{long}\" has about 103 tokens, more than `max_tokens: 77`")
    );
    let twice = json!({"class": "lion", "prompt": "a lion"});
    let with = json!({"classes": [], "extra": [twice, twice]});
    assert_eq!(
        samples::run(&Lab::new(1), "prompt.generate", &with, &[]).unwrap_err(),
        "the extra prompt \"a lion\" is there already: among the written ones, the excluded ones \
         or the other extra ones"
    );
}
