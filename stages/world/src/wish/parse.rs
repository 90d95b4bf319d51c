//! Reading wishes out of arbitrary text: words, clauses, and tables of phrases.

use super::Wish;
use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};

/// How many words before an animal's name are searched for its colour and number.
const REACH: usize = 7;

const CLASSES: &[(&str, Class)] = &[
    ("puppy", Class::Dog),
    ("puppies", Class::Dog),
    ("retriever", Class::Dog),
    ("labrador", Class::Dog),
    ("kitten", Class::Cat),
    ("kittens", Class::Cat),
    ("lioness", Class::Lion),
    ("lionesses", Class::Lion),
    ("grizzly", Class::Bear),
    ("grizzlies", Class::Bear),
    ("pony", Class::Horse),
    ("ponies", Class::Horse),
    ("foal", Class::Horse),
    ("foals", Class::Horse),
    ("lamb", Class::Sheep),
    ("lambs", Class::Sheep),
    ("cattle", Class::Cow),
    ("bull", Class::Cow),
    ("bulls", Class::Cow),
    ("parrot", Class::Bird),
    ("parrots", Class::Bird),
    ("eagle", Class::Bird),
    ("eagles", Class::Bird),
    ("sparrow", Class::Bird),
    ("sparrows", Class::Bird),
];

const COLOURS: &[(&str, Colour)] = &[
    ("grey", Colour::Grey),
    ("gray", Colour::Grey),
    ("brown", Colour::Brown),
    ("white", Colour::White),
    ("polar", Colour::White),
    ("black", Colour::Black),
    ("golden", Colour::Golden),
    ("red", Colour::Red),
    ("reddish", Colour::Red),
    ("tan", Colour::Tan),
    ("beige", Colour::Tan),
    ("orange", Colour::Orange),
    ("ginger", Colour::Orange),
    ("yellow", Colour::Yellow),
    ("blue", Colour::Blue),
    ("green", Colour::Green),
    ("pink", Colour::Pink),
];

/// What a colour may lie on, anywhere in the text, to be the animal's.
const COATS: &[&str] = &["fur", "skin", "coat", "hide", "wool", "feathers", "plumage"];

const POSES: &[(&str, Pose)] = &[
    ("looking up", Pose::LookingUp),
    ("looks up", Pose::LookingUp),
    ("look up", Pose::LookingUp),
    ("gazing up", Pose::LookingUp),
    ("head raised", Pose::LookingUp),
    ("looking forward", Pose::Standing),
    ("standing", Pose::Standing),
    ("stands", Pose::Standing),
    ("stand", Pose::Standing),
    ("posing", Pose::Standing),
    ("walking", Pose::Walking),
    ("walks", Pose::Walking),
    ("walk", Pose::Walking),
    ("strolling", Pose::Walking),
    ("wandering", Pose::Walking),
    ("marching", Pose::Walking),
    ("running", Pose::Running),
    ("runs", Pose::Running),
    ("galloping", Pose::Running),
    ("charging", Pose::Running),
    ("sprinting", Pose::Running),
    ("trotting", Pose::Running),
    ("chasing", Pose::Running),
    ("eating", Pose::Eating),
    ("eats", Pose::Eating),
    ("eat", Pose::Eating),
    ("grazing", Pose::Eating),
    ("grazes", Pose::Eating),
    ("feeding", Pose::Eating),
    ("browsing", Pose::Eating),
    ("chewing", Pose::Eating),
    ("munching", Pose::Eating),
    ("reaching", Pose::Eating),
    ("drinking", Pose::Drinking),
    ("drinks", Pose::Drinking),
    ("drink", Pose::Drinking),
    ("sipping", Pose::Drinking),
    ("sleeping", Pose::Sleeping),
    ("sleeps", Pose::Sleeping),
    ("asleep", Pose::Sleeping),
    ("lying", Pose::Sleeping),
    ("laying", Pose::Sleeping),
    ("resting", Pose::Sleeping),
    ("napping", Pose::Sleeping),
    ("dozing", Pose::Sleeping),
    ("bathing", Pose::Bathing),
    ("bathes", Pose::Bathing),
    ("swimming", Pose::Bathing),
    ("splashing", Pose::Bathing),
    ("wading", Pose::Bathing),
];

const PLACES: &[(&str, Place)] = &[
    ("watering hole", Place::Lake),
    ("savanna", Place::Savanna),
    ("savannah", Place::Savanna),
    ("savannas", Place::Savanna),
    ("grassland", Place::Savanna),
    ("grasslands", Place::Savanna),
    ("plains", Place::Savanna),
    ("forest", Place::Forest),
    ("forests", Place::Forest),
    ("woods", Place::Forest),
    ("woodland", Place::Forest),
    ("rainforest", Place::Forest),
    ("jungle", Place::Forest),
    ("desert", Place::Desert),
    ("dunes", Place::Desert),
    ("mud", Place::Mud),
    ("muddy", Place::Mud),
    ("river", Place::River),
    ("riverbank", Place::River),
    ("stream", Place::River),
    ("creek", Place::River),
    ("lake", Place::Lake),
    ("lakeside", Place::Lake),
    ("pond", Place::Lake),
    ("waterhole", Place::Lake),
    ("beach", Place::Beach),
    ("shore", Place::Beach),
    ("coast", Place::Beach),
    ("meadow", Place::Meadow),
    ("field", Place::Meadow),
    ("pasture", Place::Meadow),
    ("farm", Place::Meadow),
    ("park", Place::Meadow),
    ("garden", Place::Meadow),
];

/// Words that make the nearest entry of [`DISTANT`] in their clause a background.
const MARKERS: &[&str] = &[
    "background",
    "backdrop",
    "behind",
    "distance",
    "distant",
    "horizon",
];

const DISTANT: &[(&str, Background)] = &[
    ("hills", Background::Hills),
    ("hill", Background::Hills),
    ("mountains", Background::Mountains),
    ("mountain", Background::Mountains),
    ("peaks", Background::Mountains),
    ("trees", Background::LargeTrees),
    ("tree", Background::LargeTrees),
    ("forest", Background::LargeTrees),
    ("woods", Background::LargeTrees),
    ("rainforest", Background::Rainforest),
    ("jungle", Background::Rainforest),
    ("sea", Background::Sea),
    ("ocean", Background::Sea),
    ("lake", Background::Lake),
    ("river", Background::Lake),
    ("pond", Background::Lake),
    ("sky", Background::OpenSky),
];

/// What is a background even where no marker says so.
const BACKGROUNDS: &[(&str, Background)] = &[
    ("hills", Background::Hills),
    ("mountains", Background::Mountains),
    ("mountain", Background::Mountains),
    ("large trees", Background::LargeTrees),
    ("tall trees", Background::LargeTrees),
    ("big trees", Background::LargeTrees),
    ("sea", Background::Sea),
    ("ocean", Background::Sea),
    ("open sky", Background::OpenSky),
];

const TIMES: &[(&str, Time)] = &[
    ("golden hour", Time::Sunset),
    ("sunrise", Time::Sunrise),
    ("dawn", Time::Sunrise),
    ("morning", Time::Morning),
    ("noon", Time::Noon),
    ("midday", Time::Noon),
    ("afternoon", Time::Afternoon),
    ("sunset", Time::Sunset),
    ("dusk", Time::Sunset),
    ("evening", Time::Sunset),
    ("night", Time::Night),
    ("nighttime", Time::Night),
    ("midnight", Time::Night),
    ("moonlight", Time::Night),
    ("moonlit", Time::Night),
    ("starry", Time::Night),
];

const WEATHERS: &[(&str, Weather)] = &[
    ("clear sky", Weather::Clear),
    ("clear skies", Weather::Clear),
    ("clear weather", Weather::Clear),
    ("clear day", Weather::Clear),
    ("blue sky", Weather::Clear),
    ("sunny", Weather::Clear),
    ("cloudy", Weather::Cloudy),
    ("overcast", Weather::Cloudy),
    ("clouds", Weather::Cloudy),
    ("rain", Weather::Rain),
    ("rainy", Weather::Rain),
    ("raining", Weather::Rain),
    ("rainfall", Weather::Rain),
    ("drizzle", Weather::Rain),
    ("storm", Weather::Rain),
    ("snow", Weather::Snow),
    ("snowy", Weather::Snow),
    ("snowing", Weather::Snow),
    ("snowfall", Weather::Snow),
    ("blizzard", Weather::Snow),
    ("mist", Weather::Mist),
    ("misty", Weather::Mist),
    ("fog", Weather::Mist),
    ("foggy", Weather::Mist),
    ("haze", Weather::Mist),
];

const NUMBERS: &[(&str, u8)] = &[
    ("one", 1),
    ("two", 2),
    ("both", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
];

const GROUPS: &[(&str, u8)] = &[("pair", 2), ("couple", 2), ("duo", 2), ("trio", 3)];

/// Words that end an animal's noun phrase on its left.
const STOPS: &[&str] = &[
    "of", "with", "in", "on", "at", "near", "from", "to", "by", "for", "some", "few", "several",
    "many", "the", "this", "that", "these", "those", "its", "his", "her", "their", "is", "are",
];

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
            return (colour, Some(number));
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
