//! Putting what is said into words, in one of five forms.

use super::phrases;
use crate::grammar::{self, Style};
use crate::random::Random;
use crate::wish::Wish;

/// How a caption is built.
#[derive(Clone, Copy)]
enum Form {
    /// As the [`grammar`] writes prompts.
    Prompt,
    /// Keywords in any order.
    Keywords,
    /// One sentence, or a phrase without a verb.
    Sentence,
    /// One sentence that begins with the place, the time or the weather.
    Inverted,
    /// The animals first, and a short sentence for each of the rest.
    Sentences,
}

/// Writes a caption that says this. A crowd is animals whose classes are not said.
pub(super) fn write(says: &Wish, crowd: bool, random: &mut Random) -> String {
    use Form::{Inverted, Keywords, Prompt, Sentence, Sentences};
    let form = random.pick(&[
        Prompt, Prompt, Keywords, Keywords, Sentence, Sentence, Sentence, Inverted, Sentences,
    ]);
    let text = match form {
        Prompt if crowd => keywords(says, crowd, random),
        Prompt => {
            let style = random.pick(&[Style::Camera, Style::Plain]);
            return grammar::write(says, style, random.bits());
        }
        Keywords => keywords(says, crowd, random),
        Sentence => sentence(says, crowd, random),
        Inverted => inverted(says, crowd, random),
        Sentences => sentences(says, crowd, random),
    };
    if random.chance(0.75) {
        return capitalised(&text);
    }
    text
}

fn keywords(says: &Wish, crowd: bool, random: &mut Random) -> String {
    let opening = random.pick(phrases::OPENINGS);
    let animals = with_pose(&animals(says, crowd, random), says, random);
    let mut slots = vec![
        says.time
            .map(|time| random.pick(grammar::time_phrases(time)).to_owned()),
        says.weather
            .map(|weather| random.pick(grammar::weather_phrases(weather)).to_owned()),
        says.place
            .map(|place| random.pick(grammar::place_phrases(place)).to_owned()),
        background(says, random),
    ];
    random.shuffle(&mut slots);
    let first = [opening, &animals].join(" ").trim_start().to_owned();
    let mut slots: Vec<String> = std::iter::once(first)
        .chain(slots.into_iter().flatten())
        .collect();
    if random.chance(0.4) {
        let tail = grammar::tail(random);
        let length = 1 + random.below(tail.len());
        slots.extend(tail.into_iter().take(length));
    }
    slots.join(", ")
}

fn sentence(says: &Wish, crowd: bool, random: &mut Random) -> String {
    let animals = animals(says, crowd, random);
    let mut words = if random.chance(0.5) {
        let opening = random.pick(phrases::PROSE_OPENINGS);
        format!("{opening} {}", with_pose(&animals, says, random))
    } else {
        with_verb(&animals, says, random)
    };
    for adverbial in adverbials(says, random) {
        words = format!("{words} {adverbial}");
    }
    if let Some(background) = background(says, random) {
        words = match random.below(3) {
            0 => format!("{words}, {background}"),
            _ => format!("{words} with {background}"),
        };
    }
    stopped(words, random)
}

fn inverted(says: &Wish, crowd: bool, random: &mut Random) -> String {
    let mut adverbials = adverbials(says, random);
    if adverbials.is_empty() {
        return sentence(says, crowd, random);
    }
    let first = adverbials.remove(0);
    let animals = animals(says, crowd, random);
    let mut words = format!("{first}, {}", with_verb(&animals, says, random));
    for adverbial in adverbials {
        words = format!("{words} {adverbial}");
    }
    if let Some(background) = background(says, random) {
        words = format!("{words}, with {background}");
    }
    stopped(words, random)
}

fn sentences(says: &Wish, crowd: bool, random: &mut Random) -> String {
    let animals = animals(says, crowd, random);
    let mut first = with_verb(&animals, says, random);
    if let Some(place) = says.place {
        first = format!("{first} {}", random.pick(phrases::places(place)));
    }
    let mut rest = vec![
        says.time
            .map(|time| format!("it is {}", random.pick(phrases::hours(time)))),
        says.weather
            .map(|weather| random.pick(phrases::weather_sentences(weather)).to_owned()),
        says.background.map(|background| {
            let what = random.pick(phrases::backgrounds(background));
            let place = random.pick(&["in the background", "on the horizon", "in the distance"]);
            format!("{place} one can see {what}")
        }),
    ];
    random.shuffle(&mut rest);
    let all = std::iter::once(first).chain(rest.into_iter().flatten());
    let all: Vec<String> = all.map(|sentence| capitalised(&sentence)).collect();
    format!("{}.", all.join(". "))
}

/// The animals with their number and colour: "two grey elephants", "an elephant with grey skin".
fn animals(says: &Wish, crowd: bool, random: &mut Random) -> String {
    let Some(class) = says.class else {
        let names = if crowd {
            phrases::CROWDS
        } else {
            phrases::LANDSCAPES
        };
        return random.pick(names).to_owned();
    };
    let name = if says.count == Some(1) {
        class.name()
    } else {
        class.plural()
    };
    let decoration = random.pick(phrases::DECORATIONS);
    let colour = says
        .colour
        .map(|colour| random.pick(phrases::colours(colour)));
    // "Black and white fur" would be read as white.
    let of_one_word = colour.filter(|words| !words.contains([' ', '-']));
    let coated = of_one_word.filter(|_| random.chance(0.2));
    let before = if coated.is_some() { None } else { colour };
    let words = [decoration, before.unwrap_or_default(), name];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let noun = words.join(" ");
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    let phrase = match says.count {
        None => format!("{}{noun}", random.pick(phrases::GROUPS)),
        Some(1) if random.chance(0.75) => format!("{article} {noun}"),
        Some(count) => format!("{} {noun}", random.pick(phrases::numbers(count))),
    };
    match coated {
        Some(colour) => format!("{phrase} with {colour} {}", phrases::coat(class)),
        None => phrase,
    }
}

/// "a dog sleeping".
fn with_pose(animals: &str, says: &Wish, random: &mut Random) -> String {
    match says.pose {
        Some(pose) => format!("{animals} {}", random.pick(phrases::poses(pose))),
        None => animals.to_owned(),
    }
}

/// "a dog is sleeping", "there are two dogs".
fn with_verb(animals: &str, says: &Wish, random: &mut Random) -> String {
    let one = says
        .class
        .map_or_else(|| !animals.contains("animals"), |_| says.count == Some(1));
    let verb = if one || animals.starts_with("a landscape") {
        "is"
    } else {
        "are"
    };
    match says.pose {
        Some(pose) => match random.below(3) {
            0 => format!("there {verb} {}", with_pose(animals, says, random)),
            _ => format!("{animals} {verb} {}", random.pick(phrases::poses(pose))),
        },
        None if random.chance(0.5) => format!("there {verb} {animals}"),
        None => animals.to_owned(),
    }
}

/// Place, time and weather, in any order.
fn adverbials(says: &Wish, random: &mut Random) -> Vec<String> {
    let mut adverbials = vec![
        says.place.map(|place| random.pick(phrases::places(place))),
        says.time.map(|time| random.pick(phrases::times(time))),
        says.weather
            .map(|weather| random.pick(phrases::weathers(weather))),
    ];
    random.shuffle(&mut adverbials);
    adverbials
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

/// "hills in the distance".
pub(super) fn background(says: &Wish, random: &mut Random) -> Option<String> {
    let what = random.pick(phrases::backgrounds(says.background?));
    Some(format!("{what} {}", random.pick(phrases::AFAR)))
}

/// With a full stop, mostly.
fn stopped(words: String, random: &mut Random) -> String {
    if random.chance(0.7) {
        words + "."
    } else {
        words
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
