//! How many of a class a prompt asks for.

use crate::prompt_rules::{Number, mention, words};

/// What ends a noun's own words, read from the noun to the left.
const ENDS: [&str; 15] = [
    "with", "and", "or", "in", "on", "at", "by", "near", "from", "to", "for", "behind", "under",
    "over", "between",
];
/// Colours, which `and` joins within a noun's own words: black and white zebras.
const COLOURS: [&str; 10] = [
    "black", "white", "grey", "gray", "brown", "golden", "red", "orange", "yellow", "tan",
];
/// Words for numbers, by what they count, from one.
const NUMBERS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];
/// Other words that say one.
const ONE: [&str; 5] = ["a", "an", "single", "lone", "solitary"];
/// Words that say how many, in `a pair of elephants`.
const GROUPS: [(&str, i64); 5] = [
    ("pair", 2),
    ("couple", 2),
    ("duo", 2),
    ("trio", 3),
    ("quartet", 4),
];

/// How many of the class the prompt asks for: a number before it, or one if it stands there in the singular. Open for a
/// bare plural, as in `a herd of elephants`, and if the class is not mentioned.
pub(super) fn wanted(prompt: &str, class: &str) -> Option<i64> {
    let clauses = prompt.split([',', '.', ';', ':', '!', '?', '(', ')', '\n']);
    clauses.into_iter().find_map(|clause| {
        let words = words(clause);
        let (at, number) = mention(&words, class)?;
        Some(counted(&words[..at]).or((number == Number::Singular).then_some(1)))
    })?
}

/// The number in a noun's own words before it.
fn counted(before: &[String]) -> Option<i64> {
    for (index, word) in before.iter().enumerate().rev() {
        let word = word.as_str();
        if let Some(number) = NUMBERS.iter().position(|number| *number == word) {
            return Some(number as i64 + 1);
        }
        if ONE.contains(&word) {
            return Some(1);
        }
        if let Some(number) = word.parse().ok().filter(|number| (1..100).contains(number)) {
            return Some(number);
        }
        if word == "of" {
            let group = before[..index].last()?;
            let group = GROUPS.iter().find(|(name, _)| name == group);
            return group.map(|(_, number)| *number);
        }
        let follows = before.get(index + 1).map(String::as_str);
        let joins_colours = word == "and" && follows.is_some_and(|next| COLOURS.contains(&next));
        if ENDS.contains(&word) && !joins_colours {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use ccsr_world::{Class, Style, Wish, grammar};

    use super::wanted;

    #[test]
    fn numbers_stand_before_the_class() {
        let elephants = |prompt| wanted(prompt, "elephant");
        assert_eq!(
            elephants("Photo of two large grey elephants walking"),
            Some(2)
        );
        assert_eq!(elephants("12 Elephants at a lake"), Some(12));
        assert_eq!(elephants("a pair of young elephants"), Some(2));
        assert_eq!(elephants("An elephant among three trees"), Some(1));
        assert_eq!(elephants("three zebras and an elephant"), Some(1));
        assert_eq!(elephants("photo of elephant, 50mm, f/2.8"), Some(1));
        assert_eq!(elephants("the lone bull elephant"), Some(1));
    }

    #[test]
    fn what_is_not_said_is_open() {
        assert_eq!(wanted("a herd of elephants", "elephant"), None);
        assert_eq!(wanted("elephants at two lakes", "elephant"), None);
        assert_eq!(wanted("a meadow", "elephant"), None);
        assert_eq!(wanted("two sheep", "sheep"), Some(2));
        assert_eq!(wanted("sheep on a hill", "sheep"), None);
    }

    /// The world reads its prompts by a grammar of its own.
    #[test]
    fn prompts_of_the_world_are_read_as_the_world_does() {
        let mut counted = 0;
        for class in Class::ALL.iter().copied() {
            for style in [Style::Camera, Style::Plain] {
                for ordinal in 0..200 {
                    let prompt = grammar::prompt_in(style, 7, class, ordinal);
                    let found = wanted(&prompt, class.name());
                    assert_eq!(found, Wish::parse(&prompt).count.map(i64::from), "{prompt}");
                    counted += usize::from(found.is_some());
                }
            }
        }
        assert!(counted > 1000, "{counted}");
    }
}
