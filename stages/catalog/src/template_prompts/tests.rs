use serde_json::json;

use super::*;
use crate::samples::{self, check};
use ccsr_stage::testing::Lab;

fn prompts(with: &serde_json::Value, seed: u64) -> Vec<String> {
    let ran = check::<TemplatePrompts>(with, &Lab::new(seed), &[]);
    let table = ran.table("prompts");
    table
        .rows()
        .map(|row| row.text("prompt").unwrap().to_owned())
        .collect()
}

fn problem(with: &serde_json::Value) -> String {
    samples::build("prompt.template", with).err().unwrap()
}

#[test]
fn all_combinations_in_order() {
    let with = json!({
        "template": "{count} {class}s in the {place}",
        "slots": {"count": ["two", "three"], "place": ["mud", "forest"]},
        "classes": ["lion", "bear"],
    });
    assert_eq!(
        prompts(&with, 1),
        [
            "two lions in the mud",
            "two lions in the forest",
            "three lions in the mud",
            "three lions in the forest",
            "two bears in the mud",
            "two bears in the forest",
            "three bears in the mud",
            "three bears in the forest",
        ]
    );
    assert_eq!(prompts(&with, 1), prompts(&with, 2));
}

#[test]
fn a_count_is_drawn_by_the_seed_and_a_larger_one_begins_with_it() {
    let with = |count: u32| {
        json!({
            "template": "{class} {a} {b}",
            "slots": {"a": ["1", "2", "3", "4", "5"], "b": ["x", "y", "z"]},
            "classes": ["lion"],
            "count": count,
        })
    };
    let few = prompts(&with(4), 1);
    let many = prompts(&with(9), 1);
    assert_eq!(few, many[..4]);
    assert_ne!(few, prompts(&with(4), 2));
    let distinct: std::collections::HashSet<_> = many.iter().collect();
    assert_eq!(distinct.len(), 9);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let slots = json!({"place": ["mud"]});
    assert_eq!(
        problem(&json!({"template": "{class} in {plce}", "slots": slots})),
        "`{plce}` stands for nothing; there are `{class}`, `{place}`; did you mean `{place}`?"
    );
    assert_eq!(
        problem(&json!({"template": "{class}", "slots": slots})),
        "the template does not use the slot `place`: write `{place}` in it"
    );
    assert_eq!(
        problem(&json!({"template": "{class} {place}", "slots": {"place": []}})),
        "the slot `place` has no choices"
    );
    assert_eq!(
        problem(&json!({"template": "{class}", "slots": {"class": ["x"]}})),
        "`class` is no slot: `{class}` stands for each of `classes`"
    );
    assert_eq!(
        problem(&json!({"template": "{class} {place}", "slots": slots, "count": 2})),
        "`count: 2` is more than the 1 combinations of the slots"
    );
    assert_eq!(
        problem(&json!({"template": "{class}", "classes": []})),
        "`classes` is empty; expected at least one class"
    );
    assert_eq!(
        samples::misfits::<TemplatePrompts>(&json!({
            "template": "{class}", "classes": [], "slots": {"class": ["x"], "place": []}
        })),
        [
            "slots.class: `class` is no slot: `{class}` stands for each of `classes`",
            "slots.place: the template does not use the slot `place`: write `{place}` in it",
            "slots.place: the slot `place` has no choices",
            "classes: `classes` is empty; expected at least one class",
        ]
    );
    let with = json!({"template": "{class} {place}", "slots": slots, "count": 2});
    assert!(samples::misfits::<TemplatePrompts>(&with)[0].starts_with("count: `count: 2`"));
    assert!(problem(&json!({"template": "{class"})).starts_with("`{` has no partner"));
    assert_eq!(problem(&json!({})), "`template` is missing");
    let ten = || json!(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let slots =
        json!({"a": ten(), "b": ten(), "c": ten(), "d": ten(), "e": ten(), "f": ten(), "g": ten()});
    assert_eq!(
        problem(&json!({"template": "{a}{b}{c}{d}{e}{f}{g}", "slots": slots})),
        "the slots have more than 1000000 combinations; leave some choices out"
    );
}

#[test]
fn choices_that_read_the_same_are_a_shortfall() {
    let with = json!({"template": "{class} {a}{b}", "slots": {"a": ["x", "xx"], "b": ["x", "xx"]},
                      "classes": ["lion"], "count": 4});
    assert_eq!(
        samples::run(&Lab::new(1), "prompt.template", &with, &[]).unwrap_err(),
        "the template gives 3 different prompts about lion, fewer than `count: 4`: some choices \
         read the same"
    );
}

/// The paper's slot grammar, for those who want prompts without a language model.
#[test]
fn the_papers_grammar_can_be_written() {
    use crate::prompt_rules::{mentions, tokens};
    let with = json!({
        "template": "{opening} {number} {class} {doing}, {time}, {place}, {behind} in the background, \
                     sharp, photography, {camera}, 50mm, f/2.8, natural lighting, RAW photo",
        "slots": {
            "opening": ["Wide photo of", "Photo of", "HD picture of", "Nature capture of"],
            "number": ["a single", "a young", "an old"],
            "doing": ["eating", "playing", "bathing", "sleeping", "looking up", "running", "drinking"],
            "time": ["morning", "afternoon", "night", "sunrise", "sunset", "rainy", "snowy", "mist"],
            "place": ["tree", "desert", "mud", "forest", "savanna", "river", "thick mist"],
            "behind": ["hills", "large trees", "sea", "lake", "blue sky", "rainforest"],
            "camera": ["Canon EOS M6", "Leica SL2", "Hasselblad X1D II 50C", "Nikon D850"],
        },
        "count": 100,
    });
    let prompts = prompts(&with, 1);
    assert_eq!(prompts.len(), 200);
    for (index, prompt) in prompts.iter().enumerate() {
        let class = ["elephant", "giraffe"][index / 100];
        assert!(mentions(prompt, class) && tokens(prompt) <= 77, "{prompt}");
    }
}
