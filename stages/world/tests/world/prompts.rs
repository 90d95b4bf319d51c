//! The grammar, and that wishes are recovered from its prompts.

use std::collections::HashSet;

use ccsr_world::{Class, Style, Wish, grammar};

/// An upper estimate of a text's CLIP tokens: words and marks, and one more for each five letters of a word.
fn tokens(prompt: &str) -> usize {
    let marks = prompt
        .chars()
        .filter(|c| !c.is_alphanumeric() && !c.is_whitespace())
        .count();
    let words = prompt
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    // Capital letters and digits tend to be tokens of their own.
    let pieces = |word: &str| {
        let odd = word.chars().any(|c| c.is_ascii_digit());
        if odd {
            word.len().min(4)
        } else {
            1 + word.len() / 10
        }
    };
    marks + words.map(pieces).sum::<usize>()
}

#[test]
fn a_prompt_is_pinned() {
    assert_eq!(grammar::prompt(1, Class::Giraffe, 7), PINNED);
}

/// A change here changes every prompt that was ever written.
const PINNED: &str = "Wide shot of a majestic giraffe looking up attentively, still lake, open sky behind, \
                      crisp focus, nature photography, Hasselblad X1D II 50C, 50mm, f/2.8, soft lighting, RAW";

#[test]
fn wishes_are_recovered_from_their_prompts() {
    for &class in Class::ALL {
        for ordinal in 0..1500 {
            let wish = grammar::wish(11, class, ordinal);
            let prompt = grammar::prompt(11, class, ordinal);
            assert_eq!(Wish::parse(&prompt), wish, "{prompt}");
            let plain = grammar::prompt_in(Style::Plain, 11, class, ordinal);
            assert_eq!(Wish::parse(&plain), wish, "{plain}");
            assert!(
                prompt.starts_with(&plain),
                "the tail is all that differs: {prompt}"
            );
            let other = wish.to_prompt(Style::Camera, ordinal);
            assert_eq!(Wish::parse(&other), wish, "{other}");
        }
    }
}

#[test]
fn prompts_are_many_and_short() {
    for &class in Class::ALL {
        let prompts: HashSet<String> = (0..5200)
            .map(|ordinal| grammar::prompt(2, class, ordinal))
            .collect();
        assert!(prompts.len() >= 5190, "{class}: {}", prompts.len());
        for prompt in &prompts {
            assert!(tokens(prompt) <= 65, "{}: {prompt}", tokens(prompt));
        }
    }
}

#[test]
fn prompts_name_their_class_and_camera() {
    for ordinal in 0..200 {
        let prompt = grammar::prompt(5, Class::Horse, ordinal);
        assert!(prompt.contains("horse"), "{prompt}");
        assert!(
            prompt.contains(", 50mm, f/2.8, ") && prompt.ends_with(", RAW"),
            "{prompt}"
        );
        assert!(!grammar::prompt_in(Style::Plain, 5, Class::Horse, ordinal).contains("RAW"));
    }
}

#[test]
fn wishes_round_trip_as_json() {
    let wish = grammar::wish(1, Class::Dog, 1);
    let text = serde_json::to_string(&wish).unwrap();
    assert_eq!(serde_json::from_str::<Wish>(&text).unwrap(), wish);
    assert_eq!(serde_json::to_string(&Wish::default()).unwrap(), "{}");
}
