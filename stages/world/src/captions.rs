//! Captions: what can be said of a scene, in many ways, and rightly or with one thing wrong.
//!
//! [`facts`] is everything that captions may say of a scene. [`caption`] says some of it, in keywords or in prose;
//! [`wrong`] says it with one [`Fact`] changed. [`Wish::parse`] reads either back exactly.

mod claim;
mod phrases;
mod write;

pub use claim::{Claim, claims};
pub(crate) use phrases::{backgrounds, hours, places, poses};

use crate::grammar::{self, pick_where};
use crate::kinds::{Background, Class, Colour, DefectKind, Place, Pose, Time, Weather};
use crate::random::Random;
use crate::scene::{MAX_ANIMALS, Scene};
use crate::truth::seen;
use crate::wish::Wish;

/// One thing that can be said of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// What the animals are.
    Class,
    /// How many there are.
    Count,
    /// Their colour.
    Colour,
    /// What they do.
    Pose,
    /// Where they are.
    Place,
    /// What stands along the horizon.
    Background,
    /// The time of day.
    Time,
    /// The weather.
    Weather,
}

impl Fact {
    /// All eight.
    pub const ALL: &'static [Self] = &[
        Self::Class,
        Self::Count,
        Self::Colour,
        Self::Pose,
        Self::Place,
        Self::Background,
        Self::Time,
        Self::Weather,
    ];

    /// The name, one word in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Count => "count",
            Self::Colour => "colour",
            Self::Pose => "pose",
            Self::Place => "place",
            Self::Background => "background",
            Self::Time => "time",
            Self::Weather => "weather",
        }
    }

    /// Whether the wish says it.
    pub const fn is_in(self, wish: &Wish) -> bool {
        match self {
            Self::Class => wish.class.is_some(),
            Self::Count => wish.count.is_some(),
            Self::Colour => wish.colour.is_some(),
            Self::Pose => wish.pose.is_some(),
            Self::Place => wish.place.is_some(),
            Self::Background => wish.background.is_some(),
            Self::Time => wish.time.is_some(),
            Self::Weather => wish.weather.is_some(),
        }
    }

    /// In what two wishes differ.
    pub fn differing(one: &Wish, other: &Wish) -> Vec<Self> {
        let differs = |fact: Self| match fact {
            Self::Class => one.class != other.class,
            Self::Count => one.count != other.count,
            Self::Colour => one.colour != other.colour,
            Self::Pose => one.pose != other.pose,
            Self::Place => one.place != other.place,
            Self::Background => one.background != other.background,
            Self::Time => one.time != other.time,
            Self::Weather => one.weather != other.weather,
        };
        let all = Self::ALL.iter().copied();
        all.filter(|&fact| differs(fact)).collect()
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A caption, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The words.
    pub text: String,
    /// What they say: what [`Wish::parse`] reads in them.
    pub says: Wish,
    /// What of it is not so; nothing of a true caption.
    pub wrong: Option<Fact>,
}

/// All that captions may say of a scene: what a person would see, and what holds for every animal.
///
/// Where animals of several classes stand together, neither class, count nor colour is said: the truth has it
/// that a prompt for one class is not respected by a picture of two.
pub fn facts(scene: &Scene) -> Wish {
    Captioner::of(scene).facts
}

/// All that is to be seen, thing by thing and always in the same words: how many animals, each of them, the nearest first,
/// with what is wrong with it, and what is around them.
///
/// ```
/// use ccsr_world::{Rates, Wish, captions, draw};
///
/// let wish = Wish::parse("two grey elephants walking in the savanna at sunset");
/// let scene = draw(&wish, &[1; 32], &Rates::default());
/// let elephant = "elephant, grey, walking";
/// let inventory = captions::inventory(&scene);
/// assert!(inventory.starts_with(&format!("2 animals. {elephant}. {elephant}. savanna, ")));
/// ```
pub fn inventory(scene: &Scene) -> String {
    let mut seen = seen(scene);
    seen.sort_by(|a, b| a.depth.total_cmp(&b.depth));
    let animals = seen.iter().map(|animal| {
        let looks = [
            animal.class.words(),
            animal.colour.words(),
            animal.pose.words(),
        ];
        let defects = animal.defects.iter().map(|defect| defect.words());
        looks.into_iter().chain(defects).collect::<Vec<_>>()
    });
    let of_scene = scene.defects().into_iter();
    let of_scene = of_scene.filter(|defect| defect.is_of_scene());
    let around = [
        scene.place.words(),
        scene.background.words(),
        scene.time.words(),
        scene.weather.words(),
    ];
    let around = around.into_iter().chain(of_scene.map(DefectKind::words));
    let mut parts = vec![format!("{} animals", seen.len())];
    parts.extend(animals.map(|animal| animal.join(", ")));
    parts.push(around.collect::<Vec<_>>().join(", "));
    parts.join(". ")
}

/// A true caption of a scene; the seed chooses what is said, and how.
pub fn caption(scene: &Scene, seed: u64) -> Caption {
    Captioner::of(scene).caption(seed)
}

/// A caption of a scene in which one thing is wrong, and says so.
///
/// Every fact that can be said of the scene is as likely to be wrong as any other. A wrong number is mostly one
/// off; a wrong class is mostly one that looks alike.
pub fn wrong(scene: &Scene, seed: u64) -> Caption {
    Captioner::of(scene).wrong(seed)
}

/// A true caption that says the class and at most so many things more.
pub fn brief(scene: &Scene, things: usize, seed: u64) -> Caption {
    Captioner::of(scene).right(b"brief caption", seed, few_of(things))
}

/// The same with one thing wrong: one of those that it says, or the class.
pub fn brief_wrong(scene: &Scene, things: usize, seed: u64) -> Caption {
    Captioner::of(scene).spoilt(b"wrong brief caption", seed, few_of(things))
}

/// What a caption says: of these facts some, and this one always.
trait Choice: Fn(&Wish, Option<Fact>, &mut Random) -> Wish {}

impl<F: Fn(&Wish, Option<Fact>, &mut Random) -> Wish> Choice for F {}

/// Who has looked at a scene, and can write many captions of it.
pub(crate) struct Captioner {
    /// Its scene, as what captions are drawn by.
    scene: String,
    facts: Wish,
    /// Whether there are animals of several classes, of which a caption says only that they are there.
    crowd: bool,
}

impl Captioner {
    pub(crate) fn of(scene: &Scene) -> Self {
        let seen = seen(scene);
        let mut facts = Wish {
            place: Some(scene.place),
            background: Some(scene.background),
            time: Some(scene.time),
            weather: Some(scene.weather),
            ..Wish::default()
        };
        let alone = seen.iter().all(|animal| animal.class == seen[0].class);
        if let Some(first) = seen.first() {
            let posed = seen.iter().all(|animal| animal.pose == first.pose);
            facts.pose = posed.then_some(first.pose);
        }
        if let Some(first) = seen.first().filter(|_| alone) {
            facts.class = Some(first.class);
            facts.count = Some(seen.len() as u8);
            let coloured = seen.iter().all(|animal| {
                animal.colour == first.colour && !animal.has(DefectKind::WrongColours)
            });
            facts.colour = coloured.then_some(first.colour);
        }
        Self {
            scene: scene.to_text(),
            facts,
            crowd: !alone,
        }
    }

    pub(crate) fn caption(&self, seed: u64) -> Caption {
        self.right(b"caption", seed, some_of)
    }

    pub(crate) fn wrong(&self, seed: u64) -> Caption {
        self.spoilt(b"wrong caption", seed, some_of)
    }

    /// A caption that says what is chosen of the facts.
    fn right(&self, purpose: &[u8], seed: u64, chosen: impl Choice) -> Caption {
        let random = &mut self.stream(purpose, seed);
        let says = chosen(&self.facts, None, random);
        Caption {
            text: write::write(&says, self.crowd, random),
            says,
            wrong: None,
        }
    }

    /// The same with one of the facts wrong.
    fn spoilt(&self, purpose: &[u8], seed: u64, chosen: impl Choice) -> Caption {
        let random = &mut self.stream(purpose, seed);
        let fact = pick_where(random, Fact::ALL, |fact| fact.is_in(&self.facts));
        let mut says = chosen(&self.facts, Some(fact), random);
        change(&mut says, &self.facts, fact, random);
        Caption {
            text: write::write(&says, self.crowd, random),
            says,
            wrong: Some(fact),
        }
    }

    fn stream(&self, purpose: &[u8], seed: u64) -> Random {
        Random::from_parts(&[purpose, self.scene.as_bytes(), &seed.to_le_bytes()])
    }
}

/// The classes that are taken for one another most easily, the likeliest first.
pub const fn look_alikes(class: Class) -> &'static [Class] {
    use Class::{Bear, Bird, Cat, Cow, Dog, Elephant, Giraffe, Horse, Lion, Sheep, Zebra};
    match class {
        Elephant => &[Bear, Cow],
        Giraffe => &[Horse, Zebra],
        Zebra => &[Horse, Giraffe],
        Bear => &[Dog, Elephant],
        Cow => &[Horse, Sheep],
        Dog => &[Cat, Lion],
        Lion | Bird => &[Cat, Dog],
        Horse => &[Zebra, Cow],
        Cat => &[Dog, Lion],
        Sheep => &[Cow, Dog],
    }
}

/// "two dogs".
pub(crate) fn numbered(count: u8, class: Class) -> String {
    let wish = Wish {
        class: Some(class),
        count: Some(count),
        ..Wish::default()
    };
    match count {
        1 => format!("one {class}"),
        _ => grammar::animals(&wish, "", 0),
    }
}

/// Another class than this one: mostly one that looks alike.
pub(crate) fn other_class(class: Class, random: &mut Random) -> Class {
    if random.chance(0.6) {
        return random.pick(look_alikes(class));
    }
    pick_where(random, Class::ALL, |other| other != class)
}

/// What is said of the facts: little in short captions, most in long ones, and always the class.
fn some_of(facts: &Wish, always: Option<Fact>, random: &mut Random) -> Wish {
    let talkative = random.pick(&[0.15, 0.4, 0.6, 0.8, 1.0]);
    let usual = [
        (Fact::Count, 0.9),
        (Fact::Colour, 0.75),
        (Fact::Pose, 0.95),
        (Fact::Place, 0.95),
        (Fact::Time, 0.85),
        (Fact::Weather, 0.75),
        (Fact::Background, 0.7),
    ];
    let said = usual.map(|(fact, usual)| {
        let chosen = random.chance(usual * talkative);
        (chosen || always == Some(fact)).then_some(fact)
    });
    only(facts, &said.into_iter().flatten().collect::<Vec<_>>())
}

/// The class, and so many of the other facts at most.
fn few_of(things: usize) -> impl Choice {
    move |facts: &Wish, always: Option<Fact>, random: &mut Random| {
        let can_be_said = |fact: &Fact| *fact != Fact::Class && fact.is_in(facts);
        let mut said: Vec<Fact> = Fact::ALL.iter().copied().filter(can_be_said).collect();
        random.shuffle(&mut said);
        said.sort_by_key(|fact| Some(*fact) != always);
        said.truncate(things);
        only(facts, &said)
    }
}

/// The class, and of the other facts those that are said.
fn only(facts: &Wish, said: &[Fact]) -> Wish {
    let says = |fact| said.contains(&fact);
    Wish {
        class: facts.class,
        // One animal is always said to be one, by its article or its singular.
        count: facts.count.filter(|&found| says(Fact::Count) || found == 1),
        colour: facts.colour.filter(|_| says(Fact::Colour)),
        pose: facts.pose.filter(|_| says(Fact::Pose)),
        place: facts.place.filter(|_| says(Fact::Place)),
        background: facts.background.filter(|_| says(Fact::Background)),
        time: facts.time.filter(|_| says(Fact::Time)),
        weather: facts.weather.filter(|_| says(Fact::Weather)),
    }
}

/// Gets one fact wrong; the wish must say it.
fn change(wish: &mut Wish, facts: &Wish, fact: Fact, random: &mut Random) {
    match fact {
        Fact::Class => wish.class = wish.class.map(|class| other_class(class, random)),
        Fact::Count => wish.count = wish.count.map(|count| other_count(count, random)),
        Fact::Colour => {
            let natural = wish.class.map_or(Colour::ALL, Class::natural_colours);
            wish.colour = wish
                .colour
                .map(|colour| other_colour(colour, natural, random));
        }
        Fact::Pose => wish.pose = wish.pose.map(|pose| other(Pose::ALL, pose, random)),
        Fact::Place => {
            let place = |place| wrong_place(place, facts.background, random);
            wish.place = wish.place.map(place);
        }
        Fact::Background => {
            let background = |background| wrong_background(background, facts.place, random);
            wish.background = wish.background.map(background);
        }
        Fact::Time => wish.time = wish.time.map(|time| other(Time::ALL, time, random)),
        Fact::Weather => {
            wish.weather = wish.weather.map(|weather| wrong_weather(weather, random));
        }
    }
}

/// A place that nobody would take the picture's for: none whose water or trees are to be seen on the horizon.
pub(crate) fn wrong_place(place: Place, behind: Option<Background>, random: &mut Random) -> Place {
    pick_where(random, Place::ALL, |other| {
        let seen = match behind {
            Some(Background::LargeTrees | Background::Rainforest) => other == Place::Forest,
            Some(Background::Sea | Background::Lake) => has_water(other),
            _ => false,
        };
        other != place && !seen
    })
}

/// A background that nobody would take the picture's for: none whose water or trees are to be seen before it.
pub(crate) fn wrong_background(
    background: Background,
    before: Option<Place>,
    random: &mut Random,
) -> Background {
    let watery = |other| matches!(other, Background::Sea | Background::Lake);
    let wooded = |other| matches!(other, Background::LargeTrees | Background::Rainforest);
    pick_where(random, Background::ALL, |other| {
        let seen = before.is_some_and(|place| {
            has_water(place) && watery(other) || place == Place::Forest && wooded(other)
        });
        other != background && !seen
    })
}

const fn has_water(place: Place) -> bool {
    matches!(place, Place::River | Place::Lake | Place::Beach)
}

/// A weather that is not to be seen: where it rains or snows, there are clouds.
pub(crate) fn wrong_weather(weather: Weather, random: &mut Random) -> Weather {
    let falls = matches!(weather, Weather::Rain | Weather::Snow);
    pick_where(random, Weather::ALL, |other| {
        other != weather && !(falls && other == Weather::Cloudy)
    })
}

/// Any of the choices but this one.
pub(crate) fn other<T: Copy + PartialEq>(choices: &[T], than: T, random: &mut Random) -> T {
    pick_where(random, choices, |choice| choice != than)
}

fn other_count(count: u8, random: &mut Random) -> u8 {
    let near = random.chance(0.7);
    let any: Vec<u8> = (1..=MAX_ANIMALS as u8).collect();
    pick_where(random, &any, |other| {
        other != count && (!near || other.abs_diff(count) == 1)
    })
}

/// Another colour: one that occurs, if there is one, or any.
pub(crate) fn other_colour(colour: Colour, natural: &[Colour], random: &mut Random) -> Colour {
    let occurs = natural.iter().any(|&other| other != colour);
    if occurs && random.chance(0.5) {
        return other(natural, colour, random);
    }
    other(Colour::ALL, colour, random)
}
