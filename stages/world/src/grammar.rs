//! Prompts in keyword style, made slot by slot.
//!
//! A prompt is an opening, the animals with their pose, the time and weather, the place, the background, and
//! (in [`Style::Camera`]) a tail of sharpness, camera, lens and light. Whatever is written here,
//! [`Wish::parse`] reads back exactly.

use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};
use crate::random::Random;
use crate::wish::Wish;

/// How a prompt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// With sharpness, camera, lens and light, as training prompts do.
    Camera,
    /// With the last thing to be seen, as validation prompts do.
    Plain,
}

const OPENINGS: &[&str] = &[
    "Wide shot of",
    "Wildlife picture of",
    "Close view of",
    "Documentary photograph of",
    "Profile picture of",
    "Outdoor photograph of",
    "Candid shot of",
    "Low view of",
    "Detailed image of",
    "Photo of",
];

/// Words that ask for nothing the world could show.
const DECORATIONS: &[&str] = &[
    "", "", "", "young", "adult", "majestic", "calm", "curious", "handsome", "wild",
];

const SHARPNESS: &[&str] = &["tack sharp", "crisp focus", "fine detail", "sharp details"];

const GENRES: &[&str] = &[
    "nature photography",
    "wildlife photography",
    "outdoor photography",
];

const CAMERAS: &[&str] = &[
    "Canon EOS M6",
    "Leica SL2",
    "Hasselblad X1D II 50C",
    "Fujifilm X-T2",
    "Nikon D850",
];

const LIGHTS: &[&str] = &["natural lighting", "soft lighting", "available lighting"];

/// The colours that prompts ask for beside the natural ones.
const REQUESTED: &[Colour] = &[
    Colour::Grey,
    Colour::Brown,
    Colour::White,
    Colour::Black,
    Colour::Golden,
    Colour::Red,
];

/// The prompt of an ordinal: a wish of the class, written with a camera tail.
pub fn prompt(seed: u64, class: Class, ordinal: u64) -> String {
    prompt_in(Style::Camera, seed, class, ordinal)
}

/// The prompt of an ordinal, in either style.
pub fn prompt_in(style: Style, seed: u64, class: Class, ordinal: u64) -> String {
    // The words' choice is independent of the wish's, so that equal wishes still read differently.
    let words = stream(b"words", seed, class, ordinal).bits();
    write(&wish(seed, class, ordinal), style, words)
}

/// The wish behind a prompt: about the class, plausible, with some of its slots left open.
pub fn wish(seed: u64, class: Class, ordinal: u64) -> Wish {
    let mut random = stream(b"wish", seed, class, ordinal);
    let count = [Some(1), Some(1), Some(1), Some(2), Some(2), Some(3), None];
    let colour = random.chance(0.6).then(|| {
        let natural = random.chance(0.8);
        random.pick(if natural {
            class.natural_colours()
        } else {
            REQUESTED
        })
    });
    let pose = random.pick(Pose::ALL);
    let place = pick_where(&mut random, Place::ALL, |place| pose.is_natural_in(place));
    let background = pick_where(&mut random, Background::ALL, |background| {
        place.borders(background)
    });
    let weather = pick_where(&mut random, Weather::ALL, |weather| place.knows(weather));
    let time = random.pick(Time::ALL);
    Wish {
        class: Some(class),
        count: random.pick(&count),
        colour,
        pose: Some(pose),
        place: Some(place),
        background: random.chance(0.85).then_some(background),
        time: random.chance(0.75).then_some(time),
        weather: random.chance(0.6).then_some(weather),
    }
}

/// Writes a wish; the seed chooses the words.
pub(crate) fn write(wish: &Wish, style: Style, seed: u64) -> String {
    let random = &mut Random::from_parts(&[b"write", &seed.to_le_bytes()]);
    let opening = random.pick(OPENINGS);
    let decoration = random.pick(DECORATIONS);
    let mut subject = animals(wish, decoration, random.below(3));
    if let Some(pose) = wish.pose {
        subject = format!("{subject} {}", random.pick(pose_phrases(pose)));
    }
    let mut slots = vec![format!("{opening} {subject}")];
    slots.extend(
        wish.time
            .map(|time| random.pick(time_phrases(time)).to_owned()),
    );
    slots.extend(
        wish.weather
            .map(|weather| random.pick(weather_phrases(weather)).to_owned()),
    );
    slots.extend(
        wish.place
            .map(|place| random.pick(place_phrases(place)).to_owned()),
    );
    slots.extend(wish.background.map(|background| {
        let what = background.words();
        match random.below(3) {
            0 => format!("{what} in the background"),
            1 => format!("{what} behind"),
            _ => format!("{what} in the distance"),
        }
    }));
    if style == Style::Camera {
        slots.extend(tail(random));
    }
    slots.join(", ")
}

/// Sharpness, camera, lens and light: what training prompts end with.
pub(crate) fn tail(random: &mut Random) -> Vec<String> {
    let slots = [
        SHARPNESS,
        GENRES,
        CAMERAS,
        &["50mm"],
        &["f/2.8"],
        LIGHTS,
        &["RAW"],
    ];
    slots
        .map(|choices| random.pick(choices).to_owned())
        .to_vec()
}

/// Says plainly what is to be seen: the first wording of every slot, and the other animals beside it.
pub(crate) fn describe(wish: &Wish, others: &[(Class, usize)]) -> String {
    let mut subject = animals(wish, "", 0);
    if let Some(pose) = wish.pose {
        subject = format!("{subject} {}", pose.words());
    }
    for &(class, count) in others {
        let other = Wish {
            class: Some(class),
            count: Some(count as u8),
            ..Wish::default()
        };
        subject = format!("{subject} and {}", animals(&other, "", 0));
    }
    let mut slots = vec![format!("Photo of {subject}")];
    slots.extend(wish.time.map(Time::words));
    slots.extend(
        wish.weather
            .map(|weather| weather_phrases(weather)[0].to_owned()),
    );
    slots.extend(wish.place.map(Place::words));
    slots.extend(
        wish.background
            .map(|b| format!("{} in the background", b.words())),
    );
    slots.join(", ")
}

/// "two young grey elephants": the noun phrase; `way` chooses among the words for a number.
pub(crate) fn animals(wish: &Wish, decoration: &str, way: usize) -> String {
    let Some(class) = wish.class else {
        return "a landscape".to_owned();
    };
    let one = wish.count == Some(1);
    let name = if one { class.name() } else { class.plural() };
    let colour = wish.colour.map(Colour::words).unwrap_or_default();
    let words: Vec<&str> = [decoration, &colour, name]
        .into_iter()
        .filter(|w| !w.is_empty())
        .collect();
    let phrase = words.join(" ");
    let number = match (wish.count, way) {
        (None, _) => return phrase,
        (Some(1), 0 | 1) => {
            let vowel = phrase.starts_with(['a', 'e', 'i', 'o', 'u']);
            if vowel { "an" } else { "a" }.to_owned()
        }
        (Some(1), _) => "one".to_owned(),
        (Some(2), 2) => "a pair of".to_owned(),
        (Some(3), 2) => "a trio of".to_owned(),
        (Some(count), _) => match count {
            2 => "two".to_owned(),
            3 => "three".to_owned(),
            4 => "four".to_owned(),
            5 => "five".to_owned(),
            6 => "six".to_owned(),
            more => more.to_string(),
        },
    };
    format!("{number} {phrase}")
}

fn stream(purpose: &[u8], seed: u64, class: Class, ordinal: u64) -> Random {
    Random::from_parts(&[
        b"grammar",
        purpose,
        &seed.to_le_bytes(),
        class.name().as_bytes(),
        &ordinal.to_le_bytes(),
    ])
}

/// One of the choices that pass the test; at least one must.
pub(crate) fn pick_where<T: Copy>(
    random: &mut Random,
    choices: &[T],
    test: impl Fn(T) -> bool,
) -> T {
    let passing: Vec<T> = choices
        .iter()
        .copied()
        .filter(|&choice| test(choice))
        .collect();
    random.pick(&passing)
}

pub(crate) fn pose_phrases(pose: Pose) -> &'static [&'static str] {
    match pose {
        Pose::Standing => &["standing still", "standing at ease", "standing in profile"],
        Pose::Walking => &["walking slowly", "strolling along", "walking ahead"],
        Pose::Running => &["running fast", "running very fast", "running freely"],
        Pose::Eating => &["eating leaves", "feeding quietly", "eating fresh greens"],
        Pose::Drinking => &["drinking water", "drinking calmly", "drinking deeply"],
        Pose::Sleeping => &["sleeping on the ground", "fast asleep", "lying down asleep"],
        Pose::LookingUp => &[
            "looking up",
            "looking up with interest",
            "looking up attentively",
        ],
        Pose::Bathing => &[
            "bathing",
            "bathing in shallow water",
            "bathing with pleasure",
        ],
    }
}

pub(crate) fn time_phrases(time: Time) -> &'static [&'static str] {
    match time {
        Time::Sunrise => &["sunrise", "first sunrise light", "pink sunrise"],
        Time::Morning => &["early morning", "fresh morning", "morning"],
        Time::Noon => &["bright noon", "midday", "high noon"],
        Time::Afternoon => &["late afternoon", "warm afternoon", "afternoon"],
        Time::Sunset => &["sunset", "glowing sunset", "fiery sunset"],
        Time::Night => &["night", "moonlit night", "quiet night"],
    }
}

pub(crate) fn weather_phrases(weather: Weather) -> &'static [&'static str] {
    match weather {
        Weather::Clear => &["clear sky", "sunny weather", "clear weather"],
        Weather::Cloudy => &["cloudy sky", "overcast sky", "drifting clouds"],
        Weather::Rain => &["falling rain", "rainy weather", "steady rain"],
        Weather::Snow => &["falling snow", "snowy weather", "thick snowfall"],
        Weather::Mist => &["thick mist", "misty air", "soft mist"],
    }
}

pub(crate) fn place_phrases(place: Place) -> &'static [&'static str] {
    match place {
        Place::Savanna => &["open savanna", "dry savanna", "golden savanna grass"],
        Place::Forest => &["forest clearing", "quiet forest", "forest floor"],
        Place::Desert => &["sandy desert", "wide desert", "desert dunes"],
        Place::Mud => &["deep mud", "wet mud", "muddy ground"],
        Place::River => &["river bank", "bend of a river", "shallow river"],
        Place::Lake => &["lake shore", "calm lake edge", "still lake"],
        Place::Beach => &["sandy beach", "wide beach", "empty beach"],
        Place::Meadow => &["green meadow", "flowering meadow", "wildflower meadow"],
    }
}
