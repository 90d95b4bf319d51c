//! A language model as writer: a fake one, whose completions are known.

use std::collections::BTreeSet;

use ccsr_stage::testing::{Lab, Ran, check_kind, messages, misfits, node};
use ccsr_stage::{Roles, Stage, Table};
use serde_json::{Value as Json, json};

use super::super::*;
use crate::fakes;
use crate::prompt_rules::mentions;
use crate::samples::{column, files, rows};

/// The fake reads this, and nothing else.
fn template() -> Json {
    json!({"raw": "{class}|{count}"})
}

/// Parameters with the fake's template.
fn with(more: Json) -> Json {
    let mut with = json!({"classes": ["elephant", "giraffe"], "template": template()});
    let Json::Object(more) = more else {
        unreachable!("parameters are a map")
    };
    with.as_object_mut().unwrap().extend(more);
    with
}

fn build(with: &Json, roles: &Roles) -> Result<Box<dyn Stage>, String> {
    let kind = crate::registry().kind("prompt.generate").unwrap().build;
    kind(Some(&node(with)), &files(), roles).map_err(messages)
}

fn run_in(lab: &Lab, manner: &str, more: Json) -> Result<Ran, String> {
    let stage = build(&with(more), &fakes::writer(manner)).unwrap();
    lab.run(stage.as_ref(), &[])
        .map_err(|error| error.to_string())
}

fn run(manner: &str, more: Json) -> Result<Ran, String> {
    run_in(&Lab::new(1), manner, more)
}

fn prompts(ran: &Ran, class: &str) -> Vec<String> {
    let table = ran.table("prompts").rows();
    let of_class = table.filter(|row| row.text("class").unwrap() == class);
    of_class
        .map(|row| row.text("prompt").unwrap().to_owned())
        .collect()
}

fn error(manner: &str, more: Json) -> String {
    run(manner, more).unwrap_err()
}

#[test]
fn it_keeps_the_contract_of_stages() {
    let (lab, roles) = (Lab::new(1), fakes::writer("sloppy"));
    let ran =
        check_kind::<GeneratePrompts>(&with(json!({"count": 25})), &files(), &roles, &lab, &[]);
    assert_eq!(ran.table("prompts").len(), 50);
    assert!(ran.waves > 1);
    let mut seen = BTreeSet::new();
    for row in ran.table("prompts").rows() {
        let prompt = row.text("prompt").unwrap();
        assert!(mentions(prompt, row.text("class").unwrap()), "{prompt}");
        assert!(
            !prompt.starts_with(|sign: char| !sign.is_alphabetic()),
            "{prompt}"
        );
        assert!(seen.insert(normalised(prompt)), "{prompt}");
    }
}

#[test]
fn the_first_wave_asks_for_as_many_chunks_as_may_do() {
    let ran = run("diverse", json!({"count": 25, "classes": ["elephant"]})).unwrap();
    let first: Vec<_> = ran.executed.iter().map(|unit| &unit.hint).collect();
    assert!(first.len() >= 3 && ran.waves <= 3, "{first:?}");
    let stage = build(&with(json!({})), &fakes::writer("diverse")).unwrap();
    assert_eq!(
        stage.describe(&ran.executed[2]).unwrap(),
        "chunk 2 of prompts about elephant, attempt 0"
    );
    // 25 of at most 30.
    assert_eq!(prompts(&ran, "elephant").len(), 25);
}

/// Whatever the writer does: of a longer list, the beginning is the shorter one.
#[test]
fn a_larger_count_only_makes_the_lists_longer() {
    for manner in ["diverse", "sloppy", "loops", "both", "junk"] {
        let lists = [7, 10, 25].map(|count| {
            let more = json!({"count": count, "retries": 2, "on_shortfall": "accept"});
            let ran = run(manner, more).unwrap();
            ["elephant", "giraffe"].map(|class| prompts(&ran, class))
        });
        let [few, some, many] = &lists;
        for ((few, some), many) in few.iter().zip(some).zip(many) {
            assert!(some.starts_with(few), "{manner}: {few:#?} {some:#?}");
            assert!(many.starts_with(some), "{manner}: {some:#?} {many:#?}");
        }
        let most = lists[2].each_ref().map(Vec::len);
        match manner {
            "diverse" | "sloppy" => assert_eq!(most, [25, 25]),
            "loops" => assert_eq!(most, [3, 3]),
            // Of 20 prompts that would do for both, each is used once.
            "both" => assert!(
                most[0] + most[1] <= 20 && most[0] > 5 && most[1] > 5,
                "{most:?}"
            ),
            _ => assert_eq!(most, [0, 0]),
        }
    }
}

#[test]
fn a_larger_count_asks_only_for_what_is_not_known() {
    let lab = Lab::new(1);
    let few = run_in(&lab, "sloppy", json!({"count": 10})).unwrap();
    let many = run_in(&lab, "sloppy", json!({"count": 25})).unwrap();
    assert_eq!(many.asked, few.asked + many.executed.len());
    let again = run_in(&lab, "sloppy", json!({"count": 25})).unwrap();
    assert_eq!(again.executed.len(), 0);
    // Rules that are applied afterwards ask nothing again.
    let stricter = json!({"count": 10, "max_tokens": 60, "on_shortfall": "accept"});
    assert_eq!(run_in(&lab, "sloppy", stricter).unwrap().executed.len(), 0);
}

#[test]
fn prompts_of_two_classes_are_not_the_same() {
    let ran = run("both", json!({"count": 5})).unwrap();
    let all: BTreeSet<_> = ["elephant", "giraffe"]
        .into_iter()
        .flat_map(|class| prompts(&ran, class))
        .collect();
    assert_eq!(all.len(), 10);
}

/// A validation set that shares no prompt with the training set.
#[test]
fn excluded_prompts_are_not_written() {
    let lab = Lab::new(1);
    let training = run_in(&lab, "both", json!({"count": 5})).unwrap();
    let training: &Arc<Table> = training.table("prompts");
    let stage = build(&with(json!({"count": 5})), &fakes::writer("both")).unwrap();
    let validation = lab.run(stage.as_ref(), &[("exclude", training)]).unwrap();
    let texts = |table: &Table| {
        let cells = column(table, "prompt");
        let cells = cells.as_array().unwrap().iter();
        cells
            .map(|cell| cell.as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let (training, validation) = (texts(training), texts(validation.table("prompts")));
    assert_eq!((training.len(), validation.len()), (10, 10));
    assert!(training.is_disjoint(&validation));
}

#[test]
fn completions_are_a_table_of_their_own() {
    let ran = run("sloppy", json!({"count": 12, "classes": ["giraffe"]})).unwrap();
    let completions = rows(ran.table("completions"));
    assert_eq!(completions.len(), ran.asked);
    let accepted = completions
        .iter()
        .map(|row| row["accepted"].as_u64().unwrap());
    assert_eq!(accepted.sum::<u64>(), 12);
    let places: Vec<_> = completions
        .iter()
        .map(|row| (&row["chunk"], &row["attempt"]))
        .collect();
    assert_eq!(places[0], (&json!(0), &json!(0)));
    assert_eq!(completions[0]["cut"], json!(false));
    assert_eq!(places[1], (&json!(0), &json!(1)));
    assert!(
        completions[0]["text"]
            .as_str()
            .unwrap()
            .contains("Photo of a")
    );
    // A grammar completes nothing.
    let stage = crate::samples::build("prompt.generate", &json!({})).unwrap();
    assert_eq!(stage.outputs(&Schemas::new()).unwrap().len(), 1);
}

#[test]
fn a_shortfall_says_what_was_dropped_and_why() {
    let one = |more: Json| {
        let mut one = json!({"classes": ["elephant"], "count": 10, "retries": 1});
        one.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        one
    };
    assert_eq!(
        error("junk", one(json!({}))),
        "the writer has 0 prompts about elephant that are new and have at most 77 tokens, fewer than \
         `count: 10` (completions asked for: 2, of 10 prompts each; of the lines that were dropped, 20 do not mention elephant); \
         raise `retries`; ask for fewer, or set `on_shortfall: accept`"
    );
    let loops = error("loops", one(json!({})));
    assert!(loops.contains("has 3 prompts"), "{loops}");
    assert!(
        loops.contains("of the lines that were dropped, 17 repeat another)"),
        "{loops}"
    );
    let wordy = error("wordy", one(json!({})));
    assert!(wordy.contains("20 have more than 77 tokens"), "{wordy}");
    let silent = error("silent", one(json!({})));
    assert!(
        silent.contains("(completions asked for: 2, of 10 prompts each; no line was dropped)"),
        "{silent}"
    );
    let sloppy = error("sloppy", one(json!({"retries": 0})));
    assert!(sloppy.contains(" do not mention elephant, "), "{sloppy}");
    assert!(sloppy.contains(" are headings or remarks"), "{sloppy}");
    let breathless = error("breathless", one(json!({"retries": 0})));
    assert!(
        breathless.contains("1 are cut off for want of `max_new_tokens`"),
        "{breathless}"
    );
    let accepted = run("loops", one(json!({"on_shortfall": "accept"}))).unwrap();
    assert_eq!(accepted.table("prompts").len(), 3);
}

#[test]
fn a_unit_is_keyed_by_what_the_model_reads() {
    let lab = Lab::new(1);
    let ran = run_in(&lab, "diverse", json!({"count": 10})).unwrap();
    let input = ran.executed[0].input.to_json();
    let names: Vec<&String> = input.as_object().unwrap().keys().collect();
    assert_eq!(names, ["model", "sampling", "seed", "wording", "writer"]);
    assert_eq!(input["wording"], json!({"raw": "elephant|10"}));
    assert_eq!(
        input["sampling"],
        json!({"temperature": 0.7, "top_k": 40, "top_p": 0.95, "repetition_penalty": 1.1,
               "max_new_tokens": 1024})
    );
    for (more, executed) in [
        (json!({"count": 10}), false),
        (json!({"count": 9, "style": "plain"}), false),
        (
            json!({"count": 10, "extra": [{"class": "elephant", "prompt": "My elephant"}]}),
            false,
        ),
        (json!({"count": 10, "temperature": 0.8}), true),
        (json!({"count": 10, "top_k": 0}), true),
        (json!({"count": 10, "max_new_tokens": 2048}), true),
        (json!({"count": 10, "chunk": 5}), true),
        (
            json!({"count": 10, "template": {"raw": "{class}|{count}\nx"}}),
            true,
        ),
    ] {
        let ran = run_in(&lab, "diverse", more.clone()).unwrap();
        assert_eq!(!ran.executed.is_empty(), executed, "{more}");
    }
    let other_seed = Lab::new(2);
    let other = run_in(&other_seed, "diverse", json!({"count": 10})).unwrap();
    assert_ne!(other.executed[0].input, ran.executed[0].input);
}

/// Without chance there is one chunk to be had, and nothing is asked twice.
#[test]
fn the_likeliest_words_need_no_seed() {
    let with =
        json!({"count": 30, "classes": ["elephant"], "temperature": 0, "on_shortfall": "accept"});
    let ran = run("diverse", with).unwrap();
    assert_eq!(
        (ran.executed.len(), ran.table("prompts").len() <= 10),
        (1, true)
    );
    assert!(ran.asked > 3);
    assert_eq!(ran.executed[0].input.get("seed"), None);
}

/// One pipeline serves both kinds of writers.
#[test]
fn a_grammar_does_not_look_at_what_is_for_models() {
    let identity = |with: &Json| {
        crate::samples::build("prompt.generate", with)
            .unwrap()
            .identity()
    };
    let plain = json!({"count": 3});
    let more =
        json!({"count": 3, "template": template(), "chunk": 5, "temperature": 1.0, "retries": 0});
    assert_eq!(identity(&plain), identity(&more));
    let model = |with: &Json| build(with, &fakes::writer("diverse")).unwrap().identity();
    assert_ne!(model(&plain), model(&more));
}

#[test]
fn extra_prompts_come_last() {
    let extra = json!([{"class": "lion", "prompt": "A lion of my own"}]);
    let ran = run("diverse", json!({"count": 2, "extra": extra})).unwrap();
    assert_eq!(ran.table("prompts").len(), 5);
    assert_eq!(
        ran.table("prompts").row(4).text("prompt").unwrap(),
        "A lion of my own"
    );
}

#[test]
fn the_tokenizer_counts_exactly() {
    let root =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/stable_diffusion");
    let folder = root.join("checkpoint/tokenizer");
    let tokenizer = ccsr_clip::Tokenizer::open(&folder, 77).unwrap();
    let lab = Lab::new(1);
    let with = |most: u32| {
        json!({"count": 10, "classes": ["elephant"], "tokenizer": folder, "max_tokens": most,
               "on_shortfall": "accept"})
    };
    let all = run_in(&lab, "diverse", with(1000)).unwrap();
    let lengths: Vec<usize> = prompts(&all, "elephant")
        .iter()
        .map(|prompt| tokenizer.count(prompt).unwrap())
        .collect();
    let (least, most) = (
        *lengths.iter().min().unwrap(),
        *lengths.iter().max().unwrap(),
    );
    // The estimate is not what is asked.
    assert_ne!(
        crate::prompt_rules::tokens(&prompts(&all, "elephant")[0]) as usize,
        lengths[0]
    );
    let fit = run_in(&lab, "diverse", with(most as u32)).unwrap();
    assert_eq!(prompts(&fit, "elephant"), prompts(&all, "elephant"));
    let none = run_in(&lab, "diverse", with(least as u32 - 1)).unwrap();
    assert_eq!(none.table("prompts").len(), 0);
    let sources = |with: Json| {
        let stage = build(&with, &fakes::writer("diverse")).unwrap();
        stage.sources().len()
    };
    assert_eq!(
        (sources(json!({})), sources(json!({"tokenizer": folder}))),
        (0, 1)
    );
    let found = misfits::<GeneratePrompts>(
        &json!({"tokenizer": root, "extra": [{"class": "lion", "prompt": "a lion"}]}),
        &files(),
        &fakes::writer("diverse"),
    );
    assert!(
        found[0].starts_with("tokenizer: cannot read `"),
        "{found:?}"
    );
    assert!(found[0].contains("vocab.json"), "{found:?}");
}

#[test]
fn what_is_wrong_with_parameters_is_said_where_it_stands() {
    let found = |with: Json| misfits::<GeneratePrompts>(&with, &files(), &fakes::writer("diverse"));
    assert_eq!(
        found(
            json!({"template": {"system": "{clas}", "instruction": "{count} of {class} {colour}"}})
        ),
        [
            "template.system: `system`: `{clas}` stands for nothing; there are `{class}`, `{count}`; \
             did you mean `{class}`?",
            "template.instruction: `instruction`: `{colour}` stands for nothing; there are `{class}`, \
             `{count}`",
        ]
    );
    assert_eq!(
        found(json!({"template": {"instruction": "Write {count} prompts."}})),
        [
            "template.instruction: the template does not mention `{class}`: the writer would not know what to write about"
        ]
    );
    assert!(
        found(json!({"template": {}}))[0]
            .starts_with("template: the template has no `instruction`")
    );
    let both = json!({"template": {"raw": "{class}", "system": "x"}});
    assert!(found(both)[0].starts_with("template.raw: `raw` is the whole text"));
    assert_eq!(
        found(
            json!({"chunk": 0, "retries": 101, "temperature": -1, "top_p": 1.5, "max_new_tokens": 0,
                     "repetition_penalty": 0})
        ),
        [
            "chunk: `chunk: 0` is not from 1 to 1000",
            "retries: `retries: 101` is not from 0 to 100",
            "temperature: `temperature: -1` is not from 0 to 5",
            "top_p: `top_p: 1.5` is not from 0 to 1",
            "repetition_penalty: `repetition_penalty: 0` is not from 0.1 to 10",
            "max_new_tokens: `max_new_tokens: 0` is not from 1 to 65536",
        ]
    );
    let unread = build(
        &json!({"template": {"instructon": "{class}"}}),
        &fakes::writer("diverse"),
    );
    let unread = unread.err().unwrap();
    assert!(
        unread.ends_with("(did you mean `instruction`?)"),
        "{unread}"
    );
}
