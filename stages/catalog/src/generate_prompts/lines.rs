//! The prompts in what a language model wrote: a line each, freed of what models put around them.

use crate::roles::Completion;

/// Beginnings of lines that are about the prompts and are none.
const REMARKS: [&str; 22] = [
    "here are",
    "here is",
    "here's",
    "here you",
    "note:",
    "note that",
    "notes:",
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "i hope",
    "i have",
    "i've",
    "let me know",
    "please",
    "these prompts",
    "each prompt",
    "each of these",
    "the following",
    "below are",
    "prompts:",
];
/// Special tokens that a completion may spell out.
const SPECIAL: [&str; 4] = ["<s>", "</s>", "[INST]", "[/INST]"];
/// Signs that begin the elements of a list.
const BULLETS: [char; 5] = ['-', '*', '•', '–', '—'];

/// A line of a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A prompt, whatever it is worth.
    Prompt(String),
    /// A heading or a remark.
    Remark,
    /// The last line of a completion that was cut in it.
    Cut,
}

/// The lines of a completion that are not empty.
pub(super) fn lines(completion: &Completion) -> Vec<Line> {
    let mut text = completion.text.clone();
    for token in SPECIAL {
        text = text.replace(token, "");
    }
    let mut lines: Vec<Line> = text.lines().filter_map(line).collect();
    if completion.is_cut
        && !text.ends_with('\n')
        && let Some(last) = lines.last_mut()
    {
        *last = Line::Cut;
    }
    lines
}

fn line(text: &str) -> Option<Line> {
    let text = text.trim();
    if !text.contains(char::is_alphanumeric) {
        // Blank, or a rule between parts.
        return None;
    }
    let (text, is_numbered) = enumerated(bare(text));
    let text = unquoted(bare(text));
    if text.is_empty() {
        return None;
    }
    let lower = text.to_lowercase();
    let is_remark = text.ends_with(':')
        || text.starts_with('#')
        || !is_numbered && REMARKS.iter().any(|remark| begins_with(&lower, remark));
    Some(if is_remark {
        Line::Remark
    } else {
        Line::Prompt(text.to_owned())
    })
}

/// Without the sign of a list's element and without Markdown's signs around it all.
fn bare(text: &str) -> &str {
    let bullet = text
        .strip_prefix(BULLETS)
        .filter(|rest| rest.starts_with(char::is_whitespace));
    let text = bullet.unwrap_or(text).trim();
    let inside = |marks| {
        text.strip_prefix(marks)
            .and_then(|text| text.strip_suffix(marks))
    };
    let emphasised = ["**", "__", "*", "_"].into_iter().find_map(inside);
    emphasised.unwrap_or(text).trim()
}

/// Without the number at the very beginning, and whether there was one: `1.`, `1)`, `(1)`, `**1.**`, or
/// `Prompt 1:`. The 2. of `2.8` is none.
fn enumerated(text: &str) -> (&str, bool) {
    let labelled = strip_word(text.trim_start_matches(['*', '(']), "prompt").map(str::trim_start);
    let number = labelled.unwrap_or_else(|| text.trim_start_matches(['*', '(']));
    let rest = number.trim_start_matches(|sign: char| sign.is_ascii_digit());
    if rest.len() == number.len() {
        return (text, false);
    }
    let after = rest.trim_start_matches('*');
    let signs: &[char] = if labelled.is_some() {
        &['.', ')', ':']
    } else {
        &['.', ')']
    };
    match after.strip_prefix(signs) {
        Some(rest) if !rest.starts_with(|sign: char| sign.is_ascii_digit()) => {
            let emphasis = |text: &'_ str| text.starts_with("**") && !text[2..].contains("**");
            let rest = if emphasis(rest) { &rest[2..] } else { rest };
            (rest.trim(), true)
        }
        _ => (text, false),
    }
}

/// What follows a word, whatever its case.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

/// Whether a text begins with these words, and not with longer ones.
fn begins_with(text: &str, words: &str) -> bool {
    text.strip_prefix(words)
        .is_some_and(|rest| words.ends_with(':') || !rest.starts_with(char::is_alphanumeric))
}

/// Without quotes around it all; a comma behind the last one, as in a list of texts, goes with them.
fn unquoted(text: &str) -> &str {
    let inside = |(open, close): (char, char)| {
        let quoted = text.strip_suffix([',', ';']).unwrap_or(text);
        let inside = quoted.strip_prefix(open)?.strip_suffix(close)?;
        // Of `"a", "b"` the two are no pair.
        (!inside.contains(open) && !inside.contains(close)).then(|| inside.trim())
    };
    let pairs = [
        ('"', '"'),
        ('“', '”'),
        ('„', '“'),
        ('«', '»'),
        ('\'', '\''),
        ('`', '`'),
    ];
    pairs.into_iter().find_map(inside).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<Line> {
        super::lines(&Completion {
            text: text.to_owned(),
            is_cut: false,
        })
    }

    fn prompts(completion: &str) -> Vec<String> {
        let prompt = |line| match line {
            Line::Prompt(prompt) => Some(prompt),
            Line::Remark | Line::Cut => None,
        };
        lines(completion).into_iter().filter_map(prompt).collect()
    }

    #[test]
    fn numbers_and_bullets_at_the_beginning_go_and_nothing_else() {
        for line in [
            "1. Photo of an elephant, 50mm, f/2.8",
            "  12) Photo of an elephant, 50mm, f/2.8",
            "1.Photo of an elephant, 50mm, f/2.8",
            "(3) Photo of an elephant, 50mm, f/2.8",
            "- Photo of an elephant, 50mm, f/2.8",
            "* 4. Photo of an elephant, 50mm, f/2.8",
            "• Photo of an elephant, 50mm, f/2.8",
            "**5.** Photo of an elephant, 50mm, f/2.8",
            "6. **Photo of an elephant, 50mm, f/2.8**",
            "**7. Photo of an elephant, 50mm, f/2.8**",
            "Prompt 8: Photo of an elephant, 50mm, f/2.8",
            "9. \"Photo of an elephant, 50mm, f/2.8\"",
            "10. “Photo of an elephant, 50mm, f/2.8”",
            "\"Photo of an elephant, 50mm, f/2.8\",",
            "<s> Photo of an elephant, 50mm, f/2.8</s>",
        ] {
            assert_eq!(
                prompts(line),
                ["Photo of an elephant, 50mm, f/2.8"],
                "{line}"
            );
        }
    }

    /// The published code deletes every number before a point: f/2.8 became f/8.
    #[test]
    fn decimals_and_counts_stay() {
        for line in [
            "2.8 metres tall, an elephant",
            "3 elephants beside 4 trees",
            "Elephant at f/5.6, 1.4 TC",
            "An elephant's calf and the \"king\"",
            "\"Jumbo\" the elephant, called \"big\"",
            "Sureness of an elephant",
        ] {
            assert_eq!(prompts(line), [line]);
        }
    }

    #[test]
    fn headings_remarks_and_blank_lines_are_no_prompts() {
        let completion = "Here are 3 distinct prompts about an elephant:\n\n1. An elephant\n   \n\
                          ---\n## More elephants\n2. Here are two elephants, seen from afar\n\
                          Note: all elephants are unique.\nLet me know if you want more elephants!\n";
        assert_eq!(
            prompts(completion),
            ["An elephant", "Here are two elephants, seen from afar"]
        );
        let remarks = lines(completion)
            .into_iter()
            .filter(|line| *line == Line::Remark);
        assert_eq!(remarks.count(), 4);
        assert!(lines("\n \n***\n").is_empty());
    }

    #[test]
    fn half_a_line_is_no_prompt() {
        let cut = |text: &str| {
            super::lines(&Completion {
                text: text.to_owned(),
                is_cut: true,
            })
        };
        let whole = Line::Prompt("An elephant".to_owned());
        assert_eq!(cut("1. An elephant\n2. A gir"), [whole.clone(), Line::Cut]);
        assert_eq!(cut("1. An elephant\n"), [whole]);
        assert_eq!(cut(""), []);
    }

    #[test]
    fn nothing_that_a_model_writes_is_too_strange() {
        for text in [
            "",
            "1.",
            "1",
            "*",
            "**",
            "\"",
            "“",
            "(",
            "Prompt",
            "é",
            "prompté 1: x",
            "1.\u{0}",
        ] {
            let _ = lines(text);
        }
        assert_eq!(lines("1. \"\""), []);
        assert_eq!(
            prompts("promptly, 1: an elephant"),
            ["promptly, 1: an elephant"]
        );
    }
}
