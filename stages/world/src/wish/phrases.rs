//! The phrases that prompts use, and what they mean.
//!
//! Only tables. In each, an earlier entry wins over a later one that begins at the same word.

use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};

/// Names of animals beside those of the classes themselves.
pub(super) const CLASSES: &[(&str, Class)] = &[
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

/// Colours, where they stand before an animal or on its coat.
pub(super) const COLOURS: &[(&str, Colour)] = &[
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
pub(super) const COATS: &[&str] = &["fur", "skin", "coat", "hide", "wool", "feathers", "plumage"];

/// What animals do.
pub(super) const POSES: &[(&str, Pose)] = &[
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

/// Grounds.
pub(super) const PLACES: &[(&str, Place)] = &[
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
pub(super) const MARKERS: &[&str] = &[
    "background",
    "backdrop",
    "behind",
    "distance",
    "distant",
    "horizon",
];

pub(super) const DISTANT: &[(&str, Background)] = &[
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
pub(super) const BACKGROUNDS: &[(&str, Background)] = &[
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

/// Hours.
pub(super) const TIMES: &[(&str, Time)] = &[
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

/// Weathers.
pub(super) const WEATHERS: &[(&str, Weather)] = &[
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

/// Number words.
pub(super) const NUMBERS: &[(&str, u8)] = &[
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

/// What stands before "of" and counts.
pub(super) const GROUPS: &[(&str, u8)] = &[("pair", 2), ("couple", 2), ("duo", 2), ("trio", 3)];

/// What a number before them counts, rather than animals.
pub(super) const AGES: &[&str] = &["year", "years", "month", "months", "week", "weeks"];

/// Words that end an animal's noun phrase on its left.
pub(super) const STOPS: &[&str] = &[
    "of", "with", "in", "on", "at", "near", "from", "to", "by", "for", "some", "few", "several",
    "many", "the", "this", "that", "these", "those", "its", "his", "her", "their", "is", "are",
];
