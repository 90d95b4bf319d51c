//! What makes a prompt acceptable: it is new, it mentions its class, the text encoder can read it.

/// The prompt as it is compared: lower-case, words apart by single spaces, no full stop at the end.
pub(crate) fn normalised(prompt: &str) -> String {
    let lower = prompt.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_owned()
}

/// About how many tokens a CLIP text encoder makes of a prompt: one a punctuation mark, one for
/// every eight letters of a word begun, and two for the ends.
pub(crate) fn tokens(prompt: &str) -> u32 {
    let mut count = 2;
    let mut letters = 0_u32;
    for character in prompt.chars() {
        if character.is_alphabetic() {
            letters += 1;
            continue;
        }
        count += letters.div_ceil(8);
        letters = 0;
        count += u32::from(!character.is_whitespace());
    }
    count + letters.div_ceil(8)
}

/// Whether the prompt has the class as a word, or its plural.
pub(crate) fn mentions(prompt: &str, class: &str) -> bool {
    mention(&words(prompt), class).is_some()
}

/// How a class stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// As one.
    Singular,
    /// As several.
    Plural,
    /// In a form that means either: sheep.
    Either,
}

/// Where a class first stands in the words of a text, itself or its plural.
pub(crate) fn mention(words: &[String], class: &str) -> Option<(usize, Number)> {
    let singular = self::words(class);
    let (last, rest) = singular.split_last()?;
    let plurals = plurals(last);
    words
        .windows(singular.len())
        .enumerate()
        .find_map(|(at, window)| {
            let (end, beginning) = window.split_last()?;
            let number = if beginning != rest {
                return None;
            } else if plurals.contains(end) {
                Number::Plural
            } else if end != last {
                return None;
            } else if SAME.contains(&end.as_str()) {
                Number::Either
            } else {
                Number::Singular
            };
            Some((at, number))
        })
}

/// Words whose plural is written as their singular.
const SAME: [&str; 6] = ["sheep", "deer", "fish", "moose", "bison", "aircraft"];

/// How the plural of a word may be written.
fn plurals(word: &str) -> Vec<String> {
    let mut plurals = vec![format!("{word}s"), format!("{word}es")];
    if let Some(stem) = word.strip_suffix('y') {
        plurals.push(format!("{stem}ies"));
    }
    if let Some(stem) = word.strip_suffix("fe").or_else(|| word.strip_suffix('f')) {
        plurals.push(format!("{stem}ves"));
    }
    let irregular = [
        ("person", "people"),
        ("mouse", "mice"),
        ("man", "men"),
        ("woman", "women"),
    ];
    plurals.extend(
        irregular
            .iter()
            .filter(|(one, _)| *one == word)
            .map(|(_, many)| (*many).to_owned()),
    );
    plurals
}

/// The words of a text, in lower case.
pub(crate) fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_the_same_when_only_case_and_spaces_differ() {
        assert_eq!(normalised("  A  wide\tPhoto. "), "a wide photo");
    }

    #[test]
    fn classes_are_mentioned_as_words() {
        assert!(mentions("Three Elephants, one tree", "elephant"));
        assert!(mentions("a teddy bear's picnic", "teddy bear"));
        assert!(mentions("two buses", "bus"));
        assert!(mentions("knives on a table", "knife"));
        assert!(mentions("people", "person"));
        assert!(mentions("a flock of sheep", "sheep"));
        assert!(!mentions("an elephantine thing", "elephant"));
        assert!(!mentions("a teddy and a bear", "teddy bear"));
    }

    #[test]
    fn tokens_are_counted_on_the_long_side() {
        assert_eq!(tokens(""), 2);
        assert_eq!(tokens("photo of an elephant"), 6);
        assert_eq!(tokens("50mm, f/2.8"), 2 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1);
    }
}
