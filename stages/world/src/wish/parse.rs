//! Reading wishes out of arbitrary text: words, clauses and noun phrases.

use super::Wish;
use super::phrases::{
    AGES, BACKGROUNDS, CLASSES, COATS, COLOURS, DISTANT, GROUPS, MARKERS, NUMBERS, PLACES, POSES,
    STOPS, TIMES, WEATHERS,
};
use crate::kinds::{Background, Class, Colour};

/// How many words before an animal's name are searched for its colour and number.
const REACH: usize = 7;

/// A word of the text, in lower case.
struct Word {
    text: String,
    /// Which clause it stands in; commas, colons and full stops part clauses.
    clause: usize,
}

/// The wish of a text.
pub(super) fn wish(prompt: &str) -> Wish {
    let words = split(prompt);
    let mut wish = Wish::default();
    if let Some((at, class, plural)) = animal(&words) {
        wish.class = Some(class);
        (wish.colour, wish.count) = noun_phrase(&words[..at], words[at].clause);
        if wish.count.is_none() && !plural {
            wish.count = Some(1);
        }
    }
    wish.colour = wish.colour.or_else(|| coat(&words));
    wish.pose = first(&words, POSES, None);
    let distant = distant(&words);
    wish.background = match distant {
        Some((_, background)) => Some(background),
        None => first(&words, BACKGROUNDS, None),
    };
    wish.place = first(&words, PLACES, distant.map(|(at, _)| at));
    wish.time = first(&words, TIMES, None);
    wish.weather = first(&words, WEATHERS, None);
    wish
}

fn split(prompt: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut clause = 0;
    let mut text = String::new();
    let mut characters = prompt.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() {
            text.extend(character.to_lowercase());
            continue;
        }
        if !text.is_empty() {
            words.push(Word {
                text: std::mem::take(&mut text),
                clause,
            });
        }
        // A full stop inside a number (f/2.8) parts nothing.
        let parts = match character {
            ',' | ';' | ':' | '\n' | '!' | '?' => true,
            '.' => characters.peek().is_none_or(|next| next.is_whitespace()),
            _ => false,
        };
        clause += usize::from(parts);
    }
    if !text.is_empty() {
        words.push(Word { text, clause });
    }
    words
}

/// The first entry whose phrase occurs; among those that begin at one word, the table's first.
fn first<T: Copy>(words: &[Word], table: &[(&str, T)], except: Option<usize>) -> Option<T> {
    (0..words.len())
        .filter(|&at| Some(at) != except)
        .find_map(|at| {
            table
                .iter()
                .find(|(phrase, _)| begins(&words[at..], phrase))
        })
        .map(|&(_, value)| value)
}

fn begins(words: &[Word], phrase: &str) -> bool {
    let mut words = words.iter();
    phrase
        .split(' ')
        .all(|part| words.next().is_some_and(|word| word.text == part))
}

fn lookup<T: Copy>(table: &[(&str, T)], text: &str) -> Option<T> {
    table
        .iter()
        .find(|(word, _)| *word == text)
        .map(|&(_, value)| value)
}

/// The first animal: where, which, and whether its name is a plural.
fn animal(words: &[Word]) -> Option<(usize, Class, bool)> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    words.iter().enumerate().find_map(|(at, word)| {
        let class = Class::from_name(&word.text).or_else(|| lookup(CLASSES, &word.text))?;
        let before = if at > 0 { text(at - 1) } else { "" };
        // Not every bear is one.
        let elsewhere = matches!(
            (before, word.text.as_str(), text(at + 1), text(at + 2)),
            ("teddy", "bear" | "bears", _, _)
                | ("hot", "dog" | "dogs", _, _)
                | ("sea", "lion" | "lions", _, _)
                | (_, "bird", "s", "eye")
        );
        let plural = word.text.ends_with('s') && word.text != "lioness"
            || matches!(&*word.text, "sheep" | "cattle");
        (!elsewhere).then_some((at, class, plural))
    })
}

/// The colour and number that stand before an animal's name, read backwards.
fn noun_phrase(before: &[Word], clause: usize) -> (Option<Colour>, Option<u8>) {
    let mut colour = None;
    let mut at = before.len();
    let least = before.len().saturating_sub(REACH);
    while at > least && before[at - 1].clause == clause {
        at -= 1;
        let text = before[at].text.as_str();
        if let Some(found) = lookup(COLOURS, text) {
            let pied = text == "white" && at >= 2 && begins(&before[at - 2..], "black and white");
            colour = colour.or(Some(if pied { Colour::BlackAndWhite } else { found }));
            at -= if pied { 2 } else { 0 };
        } else if let Some(number) = lookup(NUMBERS, text).or_else(|| digits(text)) {
            // "A 4 year old lion" is one lion.
            let of_age = before
                .get(at + 1)
                .is_some_and(|next| AGES.contains(&next.text.as_str()));
            if !of_age {
                return (colour, Some(number));
            }
        } else if text == "of" && at > 0 {
            return (colour, lookup(GROUPS, &before[at - 1].text));
        } else if matches!(text, "a" | "an" | "single" | "lone") {
            return (colour, Some(1));
        } else if STOPS.contains(&text) {
            break;
        }
    }
    (colour, None)
}

fn digits(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| (1..=99).contains(number))
}

/// A colour that lies on fur, skin and the like.
fn coat(words: &[Word]) -> Option<Colour> {
    words
        .windows(2)
        .filter(|pair| COATS.contains(&pair[1].text.as_str()))
        .find_map(|pair| lookup(COLOURS, &pair[0].text))
}

/// The background that a marker names, and the word that names it.
fn distant(words: &[Word]) -> Option<(usize, Background)> {
    words
        .iter()
        .enumerate()
        .filter(|(_, word)| MARKERS.contains(&word.text.as_str()))
        .find_map(|(marker, word)| {
            let nearest = |clause: usize| {
                (0..words.len())
                    .filter(|&at| words[at].clause == clause)
                    .filter_map(|at| Some((at, lookup(DISTANT, &words[at].text)?)))
                    .min_by_key(|&(at, _)| at.abs_diff(marker))
            };
            // "Background: large trees" names it in the next clause.
            let alone = words
                .iter()
                .filter(|other| other.clause == word.clause)
                .count()
                == 1;
            nearest(word.clause).or_else(|| alone.then(|| nearest(word.clause + 1)).flatten())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{Place, Pose, Time, Weather};

    fn class(class: Class, count: impl Into<Option<u8>>) -> Wish {
        Wish {
            class: Some(class),
            count: count.into(),
            ..Wish::default()
        }
    }

    #[test]
    fn human_prompts_are_understood() {
        let bears = Wish {
            colour: Some(Colour::Brown),
            weather: Some(Weather::Snow),
            ..class(Class::Bear, 3)
        };
        assert_eq!(wish("Three brown bears on a fallen tree, snowy"), bears);

        let elephant = Wish {
            pose: Some(Pose::Bathing),
            place: Some(Place::River),
            time: Some(Time::Sunset),
            ..class(Class::Elephant, 1)
        };
        let text = "a photo of an elephant bathing in a river at sunset, Nikon D850 50mm f/2.8";
        assert_eq!(wish(text), elephant);

        let cows = Wish {
            colour: Some(Colour::BlackAndWhite),
            pose: Some(Pose::Eating),
            place: Some(Place::Meadow),
            background: Some(Background::Mountains),
            weather: Some(Weather::Clear),
            ..class(Class::Cow, 2)
        };
        let text = "A pair of black-and-white cows grazing in a meadow under a blue sky with mountains in the distance.";
        assert_eq!(wish(text), cows);
    }

    #[test]
    fn counts_follow_number_words_articles_and_plurals() {
        for (text, count) in [
            ("elephants", None),
            ("photo of elephants walking", None),
            ("A herd of elephants", None),
            ("the elephant", Some(1)),
            ("elephant", Some(1)),
            ("one big elephant", Some(1)),
            ("2 elephants", Some(2)),
            ("an HD picture of two enormous old grey elephants", Some(2)),
            ("a trio of elephants", Some(3)),
            ("a group of four elephants", Some(4)),
            ("some elephants", None),
            ("a 4 year old elephant", Some(1)),
            ("one of the elephants", None),
        ] {
            assert_eq!(wish(text).count, count, "{text}");
            assert_eq!(wish(text).class, Some(Class::Elephant), "{text}");
        }
        assert_eq!(wish("sheep"), class(Class::Sheep, None));
        assert_eq!(wish("a sheep"), class(Class::Sheep, 1));
    }

    #[test]
    fn a_camera_is_no_animal() {
        let tail = "sharp, photography, Hasselblad X1D II 50C, Canon EOS M6, Leica SL2, Fujifilm X-T2, 50mm, f/2.8, \
                    natural lighting, RAW photo";
        assert_eq!(wish(tail), Wish::default());
    }

    #[test]
    fn look_alikes_are_not_taken() {
        assert_eq!(wish("a teddy bear eating a hot dog").class, None);
        assert_eq!(
            wish("bird's eye view of two zebras").class,
            Some(Class::Zebra)
        );
        assert_eq!(wish("a zebra in the golden hour").colour, None);
        assert_eq!(
            wish("a giraffe with brown fur, blue sky").colour,
            Some(Colour::Brown)
        );
        assert_eq!(wish("a red barn and a cow").colour, None);
    }

    #[test]
    fn lakes_lie_where_the_clause_puts_them() {
        assert_eq!(wish("a dog by a lake").place, Some(Place::Lake));
        let behind = wish("a dog in a forest with a lake in the background");
        assert_eq!(behind.place, Some(Place::Forest));
        assert_eq!(behind.background, Some(Background::Lake));
        let named = wish("a dog in a meadow. Background: large trees");
        assert_eq!(named.background, Some(Background::LargeTrees));
    }

    #[test]
    fn any_text_is_survived() {
        for text in [
            "",
            " ",
            "...",
            "🐘🐘",
            "a",
            "of of of",
            "İstanbul'da bir kedi",
            "background",
        ] {
            assert!(wish(text).class.is_none(), "{text}");
        }
    }
}
