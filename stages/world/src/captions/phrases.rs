//! The words of prose: how each fact is put into a sentence. Only tables.

use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};

/// What keyword captions begin with.
pub(super) const OPENINGS: &[&str] = &[
    "",
    "photo of",
    "picture of",
    "image of",
    "photograph of",
    "snapshot of",
    "close-up of",
    "wide view of",
    "wildlife photo of",
    "nature shot of",
];

/// What prose begins with, where it does not begin with the animal.
pub(super) const PROSE_OPENINGS: &[&str] = &[
    "a photo of",
    "a picture of",
    "an image of",
    "a photograph of",
    "this is a picture of",
    "this photo shows",
    "the picture shows",
    "here we see",
    "you can see",
    "we are looking at",
];

/// What else an animal may be called that changes nothing to be seen.
pub(super) const DECORATIONS: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "young",
    "adult",
    "big",
    "beautiful",
    "wild",
    "lovely",
    "healthy",
    "calm",
    "old",
];

/// Names of many animals that nobody counted.
pub(super) const GROUPS: &[&str] = &[
    "",
    "",
    "",
    "several ",
    "some ",
    "a group of ",
    "a number of ",
];

/// Animals of several classes.
pub(super) const CROWDS: &[&str] = &[
    "animals",
    "several animals",
    "different animals",
    "various animals",
    "animals of different kinds",
];

/// No animals at all.
pub(super) const LANDSCAPES: &[&str] = &[
    "a landscape",
    "an empty landscape",
    "scenery",
    "a view",
    "nature",
    "a landscape without animals",
];

/// A number before a noun, and whether it takes the plural: always but for 1.
pub(super) const fn numbers(count: u8) -> &'static [&'static str] {
    match count {
        1 => &["one", "a single", "a lone", "1"],
        2 => &["two", "two", "2", "a pair of", "a couple of"],
        3 => &["three", "three", "3", "a trio of", "a group of three"],
        4 => &["four", "four", "4", "a group of four"],
        5 => &["five", "five", "5", "a group of five"],
        _ => &["six", "six", "6", "a group of six"],
    }
}

pub(super) const fn colours(colour: Colour) -> &'static [&'static str] {
    match colour {
        Colour::Grey => &["grey", "grey", "gray"],
        Colour::Brown => &["brown"],
        Colour::White => &["white"],
        Colour::Black => &["black"],
        Colour::Golden => &["golden"],
        Colour::Red => &["red", "red", "reddish"],
        Colour::Tan => &["tan", "tan", "beige"],
        Colour::Orange => &["orange", "orange", "ginger"],
        Colour::Yellow => &["yellow"],
        Colour::Blue => &["blue"],
        Colour::Green => &["green"],
        Colour::Pink => &["pink"],
        Colour::BlackAndWhite => &["black and white", "black-and-white"],
    }
}

/// What the colour of an animal lies on.
pub(super) const fn coat(class: Class) -> &'static str {
    match class {
        Class::Elephant => "skin",
        Class::Giraffe | Class::Zebra | Class::Horse | Class::Cow => "coat",
        Class::Lion | Class::Bear | Class::Dog | Class::Cat => "fur",
        Class::Bird => "feathers",
        Class::Sheep => "wool",
    }
}

/// What follows "is" or "are", or the noun itself.
pub(crate) const fn poses(pose: Pose) -> &'static [&'static str] {
    match pose {
        Pose::Standing => &[
            "standing",
            "standing",
            "standing still",
            "standing there",
            "posing",
        ],
        Pose::Walking => &[
            "walking",
            "walking",
            "walking along",
            "strolling",
            "wandering about",
        ],
        Pose::Running => &[
            "running",
            "running",
            "running along",
            "running fast",
            "sprinting",
        ],
        Pose::Eating => &[
            "eating",
            "eating",
            "eating leaves",
            "feeding",
            "munching leaves",
            "chewing leaves",
        ],
        Pose::Drinking => &["drinking", "drinking", "drinking water", "sipping water"],
        Pose::Sleeping => &[
            "sleeping",
            "sleeping",
            "asleep",
            "lying down",
            "resting",
            "dozing",
            "napping",
        ],
        Pose::LookingUp => &["looking up", "looking up", "gazing up"],
        Pose::Bathing => &[
            "bathing",
            "bathing",
            "wading in water",
            "splashing in water",
        ],
    }
}

pub(crate) const fn places(place: Place) -> &'static [&'static str] {
    match place {
        Place::Savanna => &[
            "in the savanna",
            "on the savanna",
            "on the dry grassland",
            "on the plains",
        ],
        Place::Forest => &[
            "in a forest",
            "in the forest",
            "in the woods",
            "in a woodland",
        ],
        Place::Desert => &[
            "in the desert",
            "in a desert",
            "among dunes",
            "in a sandy desert",
        ],
        Place::Mud => &["in the mud", "in deep mud", "on muddy ground", "on wet mud"],
        Place::River => &[
            "by a river",
            "at a river",
            "on a riverbank",
            "beside a river",
            "next to a stream",
        ],
        Place::Lake => &[
            "by a lake",
            "at a lake",
            "beside a pond",
            "at the edge of a lake",
            "at the lakeside",
        ],
        Place::Beach => &[
            "on a beach",
            "at the beach",
            "on the beach",
            "on a sandy beach",
            "on the coast",
        ],
        Place::Meadow => &[
            "in a meadow",
            "on a meadow",
            "in a green field",
            "on a pasture",
        ],
    }
}

pub(super) const fn times(time: Time) -> &'static [&'static str] {
    match time {
        Time::Sunrise => &[
            "at sunrise",
            "at dawn",
            "just after sunrise",
            "in the light of sunrise",
        ],
        Time::Morning => &[
            "in the morning",
            "early in the morning",
            "on a fresh morning",
        ],
        Time::Noon => &["at noon", "at midday", "in the light of noon"],
        Time::Afternoon => &[
            "in the afternoon",
            "late in the afternoon",
            "on a warm afternoon",
        ],
        Time::Sunset => &[
            "at sunset",
            "at dusk",
            "in the evening",
            "in the golden hour",
        ],
        Time::Night => &[
            "at night",
            "by night",
            "in the moonlight",
            "in the middle of the night",
        ],
    }
}

pub(super) const fn weathers(weather: Weather) -> &'static [&'static str] {
    match weather {
        Weather::Clear => &["under a clear sky", "under clear skies", "in clear weather"],
        Weather::Cloudy => &[
            "under a cloudy sky",
            "under an overcast sky",
            "under clouds",
        ],
        Weather::Rain => &[
            "in the rain",
            "in pouring rain",
            "in rainy weather",
            "while it is raining",
        ],
        Weather::Snow => &[
            "in the snow",
            "in falling snow",
            "in snowy weather",
            "while it is snowing",
        ],
        Weather::Mist => &[
            "in the mist",
            "in thick fog",
            "in misty weather",
            "in foggy air",
        ],
    }
}

/// Sentences about the weather.
pub(super) const fn weather_sentences(weather: Weather) -> &'static [&'static str] {
    match weather {
        Weather::Clear => &["there is a clear sky", "it is clear weather"],
        Weather::Cloudy => &["it is cloudy", "the sky is overcast"],
        Weather::Rain => &["it is raining", "it is rainy"],
        Weather::Snow => &["it is snowing", "it is snowy"],
        Weather::Mist => &["it is misty", "it is foggy"],
    }
}

/// What follows "It is".
pub(crate) const fn hours(time: Time) -> &'static [&'static str] {
    match time {
        Time::Sunrise => &["sunrise", "dawn"],
        Time::Morning => &["morning", "early morning"],
        Time::Noon => &["noon", "midday"],
        Time::Afternoon => &["afternoon", "late afternoon"],
        Time::Sunset => &["sunset", "evening"],
        Time::Night => &["night", "nighttime"],
    }
}

pub(crate) const fn backgrounds(background: Background) -> &'static [&'static str] {
    match background {
        Background::Hills => &["hills", "rolling hills", "green hills"],
        Background::Mountains => &["mountains", "high mountains", "mountain peaks"],
        Background::LargeTrees => &["large trees", "tall trees", "a row of trees"],
        Background::Rainforest => &["a rainforest", "a dense rainforest", "a jungle"],
        Background::Sea => &["the sea", "the ocean", "the open sea"],
        Background::Lake => &["a lake", "a distant lake"],
        Background::OpenSky => &["open sky", "only open sky", "nothing but sky"],
    }
}

/// Where a background is.
pub(super) const AFAR: &[&str] = &[
    "in the background",
    "behind",
    "in the distance",
    "on the horizon",
];
