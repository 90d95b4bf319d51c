//! Answers in what a language model wrote: yes, no or nan, by the numbers of the questions.
//!
//! The published code counts lines, takes the second word of each and compares it with `yes`: `1. Yes,
//! because …` is no yes there, and a line of explanation shifts all answers behind it. Here the number at
//! the beginning of a line says which question it answers, and the first word behind it what.

use crate::questions::Answer;

/// What an answer may begin with.
const WORDS: [(&str, Answer); 7] = [
    ("yes", Answer::Yes),
    ("no", Answer::No),
    ("nan", Answer::Nan),
    ("n/a", Answer::Nan),
    ("n.a", Answer::Nan),
    ("not applicable", Answer::Nan),
    ("does not apply", Answer::Nan),
];
/// What models repeat of a format rule: these are choices, not an answer.
const CHOICES: [&str; 4] = ["/yes", "/no", " or no", " or yes"];
/// Words before a number, or before an answer without one.
const LABELS: [&str; 6] = ["question", "answer", "assistant", "ans", "q", "a"];
/// Special tokens that a completion may spell out.
const SPECIAL: [&str; 2] = ["<s>", "</s>"];

/// The answer to the only question.
pub(crate) fn single(completion: &str) -> Answer {
    let text = plain(completion);
    let first = text
        .lines()
        .find(|line| line.contains(char::is_alphanumeric));
    let line = first.unwrap_or_default();
    let behind_number = numbers(line).first().map(|(_, rest)| *rest);
    answer(behind_number.unwrap_or(line)).unwrap_or(Answer::Unparsed)
}

/// The answers to so many numbered questions, in their order.
pub(crate) fn numbered(completion: &str, questions: usize) -> Vec<Answer> {
    let text = plain(completion);
    let mut answers = vec![None; questions];
    let found = text.lines().flat_map(numbers);
    for (number, rest) in found {
        let at = number.checked_sub(1).and_then(|at| answers.get_mut(at));
        // A question that the model repeats has a number, too, and no answer behind it.
        if let (Some(known), Some(new)) = (at, answer(rest)) {
            *known = match *known {
                None => Some(new),
                Some(same) if same == new => Some(same),
                // Two answers are none.
                Some(_) => Some(Answer::Unparsed),
            };
        }
    }
    if answers.iter().all(Option::is_none) {
        let in_order: Vec<_> = text.lines().filter_map(answer).collect();
        if in_order.len() == questions {
            return in_order;
        }
    }
    let or_unparsed = |answer: Option<Answer>| answer.unwrap_or(Answer::Unparsed);
    answers.into_iter().map(or_unparsed).collect()
}

/// The text in small letters, without special tokens.
fn plain(completion: &str) -> String {
    let mut text = completion.to_lowercase();
    for token in SPECIAL {
        text = text.replace(token, " ");
    }
    text
}

/// The numbers of a line, each with what follows it: one at its beginning and, behind that, those
/// that count on, as in `1. yes 2. no`.
fn numbers(line: &str) -> Vec<(usize, &str)> {
    let start = unsigned(line);
    let start = labelled(start, |sign| sign == ':').map_or(start, unsigned);
    let start = labelled(start, |sign| sign.is_ascii_digit()).unwrap_or(start);
    let Some((first, rest)) = number(start) else {
        return Vec::new();
    };
    let mut found = vec![(first, rest)];
    let (mut wanted, mut rest) = (first.saturating_add(1), rest);
    while let Some(behind) = counted_on(rest, wanted) {
        found.push((wanted, behind));
        (wanted, rest) = (wanted.saturating_add(1), behind);
    }
    found
}

/// What follows the number `wanted` inside of a line: a word of its own, with a sign behind it.
fn counted_on(text: &str, wanted: usize) -> Option<&str> {
    let wanted = wanted.to_string();
    let follows = |(at, _): (usize, &str)| {
        let (before, behind) = (&text[..at], &text[at + wanted.len()..]);
        let is_word = before.ends_with([' ', ',', ';', '*', '\t', 'q']);
        let behind = behind
            .trim_start_matches('*')
            .strip_prefix(['.', ')', ':'])?;
        (is_word && !behind.starts_with(|sign: char| sign.is_ascii_digit())).then_some(behind)
    };
    text.match_indices(wanted.as_str()).find_map(follows)
}

/// A number at the very beginning and what follows it. Neither `2.8` nor `2nd` begins with one.
fn number(text: &str) -> Option<(usize, &str)> {
    let rest = text.trim_start_matches(|sign: char| sign.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    let mut after = rest.chars();
    let continues = match after.next() {
        Some('.') => after.next().is_some_and(|sign| sign.is_ascii_digit()),
        Some(sign) => sign.is_alphanumeric(),
        None => false,
    };
    let number = digits.parse().ok()?;
    (!continues).then_some((number, rest))
}

/// The answer that a text begins with.
fn answer(text: &str) -> Option<Answer> {
    let text = unsigned(text);
    let text = labelled(text, |sign| sign == ':').map_or(text, unsigned);
    let said = |(word, answer): &(&str, Answer)| {
        let rest = text.strip_prefix(word)?;
        let is_word = !rest.starts_with(char::is_alphanumeric);
        let is_choice = CHOICES.iter().any(|choice| rest.starts_with(choice));
        (is_word && !is_choice).then_some(*answer)
    };
    WORDS.iter().find_map(said)
}

/// Without the signs that it begins with: bullets, quotes, brackets, Markdown's.
fn unsigned(text: &str) -> &str {
    text.trim_start_matches(|sign: char| !sign.is_alphanumeric())
}

/// What follows a label such as `question` or `q`, if that begins with a sign of these.
fn labelled(text: &str, is_next: impl Fn(char) -> bool) -> Option<&str> {
    let behind = |label: &&str| {
        let rest = text.strip_prefix(*label)?;
        let rest = rest.trim_start_matches([' ', '*', '#', '_']);
        rest.starts_with(&is_next).then_some(rest)
    };
    LABELS.iter().find_map(behind)
}

#[cfg(test)]
mod tests {
    use super::Answer::{Nan, No, Unparsed, Yes};
    use super::*;

    /// What the published code reads wrongly, and what models write.
    #[test]
    fn completions_are_read_by_their_numbers() {
        let table: &[(&str, &str, &[Answer])] = &[
            ("as asked for", "1. Yes\n2. No\n3. nan", &[Yes, No, Nan]),
            (
                "a comma behind the word",
                "1. Yes, it is.\n2. No, none.\n3. NaN",
                &[Yes, No, Nan],
            ),
            (
                "a full stop behind it",
                "1. Yes.\n2. No.\n3. N/A.",
                &[Yes, No, Nan],
            ),
            (
                "brackets",
                "1) yes\n(2) no\n[3] Not applicable",
                &[Yes, No, Nan],
            ),
            (
                "letters before numbers",
                "Q1: Yes\nQuestion 2: No\nq3. n/a",
                &[Yes, No, Nan],
            ),
            (
                "bold numbers",
                "**1.** Yes\n**2.** No\n**3.** nan",
                &[Yes, No, Nan],
            ),
            (
                "bold lines",
                "**1. Yes**\n- **Q2:** **No**\n* 3. *nan*",
                &[Yes, No, Nan],
            ),
            ("other signs", "1: yes\n2 - no\n#3 — nan", &[Yes, No, Nan]),
            (
                "labels",
                "1. Answer: yes\nA2: no\n3. A: nan",
                &[Yes, No, Nan],
            ),
            (
                "a list",
                "{\n\"1\": \"yes\",\n\"2\": \"no\",\n\"3\": \"nan\"\n}",
                &[Yes, No, Nan],
            ),
            (
                "blank lines and tokens",
                "<s> 1. Yes\n\n\n2. No\n \n3. nan</s>",
                &[Yes, No, Nan],
            ),
            ("one line", "1. Yes 2. No, 3. nan", &[Yes, No, Nan]),
            (
                "lines of explanation shift nothing",
                "1. Yes\nThe light falls from the left. No shadow is odd.\n2. No\n   Yes, I looked.\n3. nan",
                &[Yes, No, Nan],
            ),
            ("a line is missing", "1. Yes\n3. No", &[Yes, Unparsed, No]),
            ("another order", "3. No\n1. Yes\n2. nan", &[Yes, Nan, No]),
            (
                "a word alone, where the published code aborts",
                "Yes\n",
                &[Unparsed; 3],
            ),
            (
                "no numbers, as many lines",
                "Yes\nNo.\nN/A",
                &[Yes, No, Nan],
            ),
            (
                "no numbers, and bullets",
                "- Yes\n- No\n- Answer: nan",
                &[Yes, No, Nan],
            ),
            ("no numbers, too few lines", "Yes\nNo", &[Unparsed; 3]),
            (
                "no numbers, too many lines",
                "Yes\nNo\nNo\nYes",
                &[Unparsed; 3],
            ),
            (
                "no numbers, an explanation that is none",
                "Yes\nThe leg is hidden.\nNo\nnan",
                &[Yes, No, Nan],
            ),
            (
                "the questions repeated, then answered",
                "1. Is it real?\n2. Is it odd?\n3. Is it there?\n\n1. Yes\n2. No\n3. nan",
                &[Yes, No, Nan],
            ),
            (
                "the same twice",
                "1. Yes\n2. No\n3. nan\n1. Yes",
                &[Yes, No, Nan],
            ),
            (
                "two answers are none",
                "1. Yes\n2. No\n3. nan\n1. No",
                &[Unparsed, No, Nan],
            ),
            (
                "the choices repeated",
                "1. yes/no\n2. Yes or no\n3. No",
                &[Unparsed, Unparsed, No],
            ),
            (
                "longer words",
                "1. Yesterday\n2. Nothing\n3. Nano",
                &[Unparsed; 3],
            ),
            (
                "neither",
                "1. Maybe\n2. I cannot say\n3. Not really",
                &[Unparsed; 3],
            ),
            (
                "not the first word",
                "1. It is: yes\n2. No\n3. nan",
                &[Unparsed, No, Nan],
            ),
            (
                "numbers of no question",
                "0. No\n1. Yes\n4. No\n12. Yes",
                &[Yes, Unparsed, Unparsed],
            ),
            ("decimals", "2.5 no\n1. Yes", &[Yes, Unparsed, Unparsed]),
            ("nothing", "", &[Unparsed; 3]),
            ("another alphabet", "1. 是\n２. No\n3. Да", &[Unparsed; 3]),
            (
                "a number without end",
                "99999999999999999999999. Yes",
                &[Unparsed; 3],
            ),
        ];
        for (about, completion, expected) in table {
            assert_eq!(numbered(completion, 3), *expected, "{about}");
        }
    }

    #[test]
    fn ten_questions_have_ten_answers() {
        let lines: Vec<String> = (1..=10).map(|number| format!("{number}. Yes")).collect();
        assert_eq!(numbered(&lines.join("\n"), 10), [Yes; 10]);
        assert_eq!(numbered(&lines.join(" "), 10), [Yes; 10]);
        // The 1 of 10 is no first answer.
        assert_eq!(numbered("10. No", 10)[..9], [Unparsed; 9]);
        assert_eq!(numbered("1. Yes", 0), []);
    }

    #[test]
    fn a_single_answer_is_its_first_word() {
        let table = [
            ("Yes", Yes),
            (" no.\n", No),
            ("**Yes**, the image shows it.", Yes),
            ("No\nYes, but elsewhere", No),
            ("\n\nN/A", Nan),
            ("NaN, there is no elephant", Nan),
            ("Not applicable.", Nan),
            ("1. Yes", Yes),
            ("Answer: no", No),
            ("ASSISTANT: Yes</s>", Yes),
            ("The answer is yes", Unparsed),
            ("A: yes", Yes),
            ("A yes", Unparsed),
            ("A no-parking sign", Unparsed),
            ("ASSISTANT: 1. No", No),
            ("A yellow bus", Unparsed),
            ("Yes or no?", Unparsed),
            ("", Unparsed),
            ("...", Unparsed),
        ];
        for (completion, expected) in table {
            assert_eq!(single(completion), expected, "{completion:?}");
        }
    }
}
