//! A bank of questions with true answers, beyond the ten that a judge is asked.
//!
//! [`ask`] puts one question about an image: one of the paper's ten in other words, or a plain one after a fact, the
//! legs, or a defect. [`bank`] puts many, on request as many that are answered by yes as by no.

mod balance;
mod wordings;

pub use balance::Balance;

use crate::captions::{Fact, facts, other, other_class, other_colour};
use crate::captions::{backgrounds, hours, numbered, places, poses};
use crate::captions::{wrong_background, wrong_place, wrong_weather};
use crate::grammar::pick_where;
use crate::kinds::{Class, Colour, DefectKind, Pose, Time};
use crate::random::Random;
use crate::scene::{Animal, MAX_ANIMALS, Scene};
use crate::truth::{About, Answer, Witness, seen};
use crate::wish::Wish;

/// How often a class is asked after that is not there, where that makes no sense.
const ABSENT: f64 = 0.08;

/// What a question of the bank is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// One of the paper's ten, in other words.
    Paper(About),
    /// Whether a fact is such and such: is it night?
    Fact(Fact),
    /// Whether the number of legs is right.
    Legs,
    /// Whether there is this defect, asked for plainly: does it have a tail?
    Defect(DefectKind),
}

impl Topic {
    /// Every topic.
    pub fn all() -> impl Iterator<Item = Self> {
        let paper = About::ALL.iter().copied().map(Self::Paper);
        let facts = Fact::ALL.iter().copied().map(Self::Fact);
        let defects = DefectKind::ALL.iter().copied().map(Self::Defect);
        paper.chain(facts).chain([Self::Legs]).chain(defects)
    }

    /// The name: that of the paper's question, fact or defect, or `legs`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paper(about) => about.name(),
            Self::Fact(fact) => fact.name(),
            Self::Legs => "legs",
            Self::Defect(kind) => kind.name(),
        }
    }
}

/// A question and its true answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The words.
    pub text: String,
    /// What it is about.
    pub topic: Topic,
    /// The answer.
    pub answer: Answer,
    /// Whether the answer says that something is wrong with the image, which is seldom so.
    pub finds_fault: bool,
}

/// The wordings of one of the paper's questions, with `{class}`, `{a class}`, `{classes}` and `{prompt}` in them.
pub const fn wordings(about: About) -> &'static [&'static str] {
    wordings::of_paper(about)
}

/// Puts a question about an image that shows the scene, for which the prompt was written; the class is the prompt's.
///
/// `None` if it cannot be asked: after the legs of who sleeps, the tail of a bear, or the trunk of a dog. Whether a
/// fact is asked for as it is or as it is not is a matter of chance.
pub fn ask(scene: &Scene, prompt: &str, class: Class, topic: Topic, seed: u64) -> Option<Question> {
    Asker::of(scene).ask(prompt, class, topic, &mut stream(scene, seed))
}

/// Puts as many different questions as are wanted, each about one of the prompts and its class.
///
/// There must be a prompt. With [`Balance::Even`], it should be a true and a wrong one.
pub fn bank(
    scene: &Scene,
    prompts: &[(&str, Class)],
    wanted: usize,
    balance: Balance,
    seed: u64,
) -> Vec<Question> {
    let mut random = stream(scene, seed);
    let asker = Asker::of(scene);
    let topics: Vec<Topic> = Topic::all().collect();
    let mut questions: Vec<Question> = Vec::with_capacity(wanted);
    // Some questions cannot be asked, and some are dropped; there are thousands for every scene.
    for _ in 0..wanted.saturating_mul(200) {
        if questions.len() == wanted || prompts.is_empty() {
            break;
        }
        let (prompt, class) = random.pick(prompts);
        let topic = random.pick(&topics);
        let question = asker.ask(prompt, class, topic, &mut random);
        let keeps = |question: &Question| {
            let kept = balance.keeps(question);
            !questions.iter().any(|other| other.text == question.text) && random.chance(kept)
        };
        questions.extend(question.filter(keeps));
    }
    questions
}

fn stream(scene: &Scene, seed: u64) -> Random {
    let text = scene.to_text();
    Random::from_parts(&[b"question", text.as_bytes(), &seed.to_le_bytes()])
}

/// Who has looked at a scene, and asks.
struct Asker<'a> {
    scene: &'a Scene,
    facts: Wish,
    seen: Vec<&'a Animal>,
    witness: Witness<'a>,
}

impl<'a> Asker<'a> {
    fn of(scene: &'a Scene) -> Self {
        Self {
            scene,
            facts: facts(scene),
            seen: seen(scene),
            witness: Witness::of(scene),
        }
    }

    fn ask(
        &self,
        prompt: &str,
        class: Class,
        topic: Topic,
        random: &mut Random,
    ) -> Option<Question> {
        match topic {
            Topic::Paper(about) => Some(self.of_paper(prompt, class, about, random)),
            Topic::Fact(fact) => Some(self.of_fact(class, fact, random)),
            Topic::Legs => self.of_legs(class, random),
            Topic::Defect(kind) => self.of_defect(class, kind, random),
        }
    }

    fn of_paper(&self, prompt: &str, class: Class, about: About, random: &mut Random) -> Question {
        let class = match about {
            About::ClassVisible => self.some_class(class, random),
            // These are about the prompt, and so about its class.
            About::ColoursMatch | About::PromptRespected => class,
            _ => self.usual_class(class, random),
        };
        let answer = self.witness.truth(&Wish::parse(prompt), class, about);
        let words = random.pick(wordings::of_paper(about));
        let of_animal = matches!(
            about,
            About::LooksNormal
                | About::NaturalBehaviour
                | About::ConfusableObjects
                | About::Anatomy
        );
        let text = self.fill(&ended(words, of_animal, random), class);
        Question {
            text: text.replace("{prompt}", prompt),
            topic: Topic::Paper(about),
            answer,
            finds_fault: is_fault(about, answer),
        }
    }

    fn of_fact(&self, class: Class, fact: Fact, random: &mut Random) -> Question {
        let class = match fact {
            Fact::Class => self.some_class(class, random),
            _ => self.usual_class(class, random),
        };
        let own = self.own(class);
        let right = random.chance(0.5);
        let of_animal = matches!(fact, Fact::Colour | Fact::Pose);
        let (value, holds) = self.value(class, fact, right, random);
        let words = ended(random.pick(wordings::of_fact(fact)), of_animal, random);
        let answer = if of_animal && own.is_empty() {
            Answer::Nan
        } else {
            holds.into()
        };
        let verb = if value.starts_with("one ") {
            "Is there"
        } else {
            "Are there"
        };
        let text = words.replace("{Is there}", verb).replace("{value}", &value);
        Question {
            text: self.fill(&text, class),
            topic: Topic::Fact(fact),
            answer,
            finds_fault: false,
        }
    }

    /// What a fact is asked to be, in words, and whether it is.
    fn value(&self, class: Class, fact: Fact, right: bool, random: &mut Random) -> (String, bool) {
        let own = self.own(class);
        let (scene, first) = (self.scene, own.first());
        match fact {
            Fact::Class => (String::new(), !own.is_empty()),
            Fact::Count => {
                let found = own.len() as u8;
                let any: Vec<u8> = (1..=MAX_ANIMALS as u8).collect();
                let near = random.chance(0.7);
                let wrong = pick_where(random, &any, |other| {
                    other != found && (!near || other.abs_diff(found) == 1)
                });
                let asked = if right && found > 0 { found } else { wrong };
                (numbered(asked, class), asked == found)
            }
            Fact::Colour => {
                let natural = class.natural_colours();
                let colour = first.map_or(natural[0], |animal| animal.colour);
                let asked = if right {
                    colour
                } else {
                    other_colour(colour, natural, random)
                };
                let holds = |animal: &&Animal| {
                    animal.colour == asked && !animal.has(DefectKind::WrongColours)
                };
                (Colour::words(asked), own.iter().all(holds))
            }
            Fact::Pose => {
                let pose = first.map_or(Pose::Standing, |animal| animal.pose);
                let asked = if right {
                    pose
                } else {
                    other(Pose::ALL, pose, random)
                };
                let holds = own.iter().all(|animal| animal.pose == asked);
                (random.pick(poses(asked)).to_owned(), holds)
            }
            Fact::Place => {
                let wrong = wrong_place(scene.place, Some(scene.background), random);
                let asked = if right { scene.place } else { wrong };
                (random.pick(places(asked)).to_owned(), right)
            }
            Fact::Background => {
                let wrong = wrong_background(scene.background, Some(scene.place), random);
                let asked = if right { scene.background } else { wrong };
                (random.pick(backgrounds(asked)).to_owned(), right)
            }
            Fact::Time => {
                let asked = if right {
                    scene.time
                } else {
                    other(Time::ALL, scene.time, random)
                };
                (random.pick(hours(asked)).to_owned(), right)
            }
            Fact::Weather => {
                let wrong = wrong_weather(scene.weather, random);
                let asked = if right { scene.weather } else { wrong };
                (random.pick(wordings::of_weather(asked)).to_owned(), right)
            }
        }
    }

    fn of_legs(&self, class: Class, random: &mut Random) -> Option<Question> {
        let class = self.usual_class(class, random);
        let own = self.own(class);
        let shown = |animal: &&Animal| DefectKind::LegMissing.suits(animal.class, animal.pose);
        let wrong = |animal: &&Animal| {
            animal.has(DefectKind::LegMissing) || animal.has(DefectKind::ExtraLeg)
        };
        let words = ended(random.pick(wordings::LEGS), true, random);
        let fault = own.iter().any(wrong);
        own.iter().all(shown).then(|| Question {
            text: self.fill(&words, class),
            topic: Topic::Legs,
            answer: unless_absent(&own, !fault),
            finds_fault: fault,
        })
    }

    fn of_defect(&self, class: Class, kind: DefectKind, random: &mut Random) -> Option<Question> {
        let class = self.usual_class(class, random);
        let own = self.own(class);
        let (words, by_yes) = random.pick(wordings::of_defect(kind));
        let words = ended(words, !kind.is_of_scene(), random);
        let question = |answer, there| Question {
            text: self.fill(&words, class),
            topic: Topic::Defect(kind),
            answer,
            finds_fault: there,
        };
        if kind.is_of_scene() {
            let there = self.scene.defects().contains(&kind);
            return Some(question((there == by_yes).into(), there));
        }
        let suits = |animal: &&Animal| kind.suits(animal.class, animal.pose);
        let there = own.iter().any(|animal| animal.has(kind));
        let can_be_asked = kind.suits(class, Pose::Standing) && own.iter().all(suits);
        can_be_asked.then(|| question(unless_absent(&own, there == by_yes), there))
    }

    /// The animals of the class that are to be seen.
    fn own(&self, class: Class) -> Vec<&'a Animal> {
        let seen = self.seen.iter().copied();
        seen.filter(|animal| animal.class == class).collect()
    }

    /// A class that is to be seen, or as likely one that is not.
    fn some_class(&self, class: Class, random: &mut Random) -> Class {
        let present: Vec<Class> = self.seen.iter().map(|animal| animal.class).collect();
        if !present.is_empty() && random.chance(0.5) {
            return random.pick(&present);
        }
        let wrong = other_class(self.facts.class.unwrap_or(class), random);
        if present.contains(&wrong) {
            return pick_where(random, Class::ALL, |class| !present.contains(&class));
        }
        wrong
    }

    /// A class that is to be seen, and now and then one that is not.
    fn usual_class(&self, class: Class, random: &mut Random) -> Class {
        let present: Vec<Class> = self.seen.iter().map(|animal| animal.class).collect();
        if present.is_empty() || present.contains(&class) {
            return if random.chance(ABSENT) {
                other_class(class, random)
            } else {
                class
            };
        }
        if random.chance(ABSENT) {
            class
        } else {
            random.pick(&present)
        }
    }

    fn fill(&self, words: &str, class: Class) -> String {
        let many = self.own(class).len() > 1;
        let vowel = class.name().starts_with(['a', 'e', 'i', 'o', 'u']);
        let article = if vowel { "an" } else { "a" };
        let (animal, is, does) = if many {
            (class.plural(), "Are", "Do")
        } else {
            (class.name(), "Is", "Does")
        };
        let of_several = |which: &str| {
            if many {
                format!("{which} of the {}", class.plural())
            } else {
                format!("the {class}")
            }
        };
        let legs = if class == Class::Bird { "two" } else { "four" };
        words
            .replace("{a class}", &format!("{article} {class}"))
            .replace("{class}", class.name())
            .replace("{classes}", class.plural())
            .replace("{animal}", animal)
            .replace("{some}", &of_several("one"))
            .replace("{each}", &of_several("each"))
            .replace("{Is}", is)
            .replace("{Does}", does)
            .replace("{legs}", legs)
    }
}

/// The question with what says how to answer.
fn ended(words: &str, of_animal: bool, random: &mut Random) -> String {
    let endings = if of_animal {
        wordings::NAN_ENDINGS
    } else {
        wordings::ENDINGS
    };
    let ending = random.pick(endings);
    format!("{words} {ending}").trim_end().to_owned()
}

fn unless_absent(own: &[&Animal], yes: bool) -> Answer {
    if own.is_empty() {
        Answer::Nan
    } else {
        yes.into()
    }
}

/// Whether the answer to one of the paper's questions speaks against an image.
fn is_fault(about: About, answer: Answer) -> bool {
    let bad = match about {
        About::OddPatterns | About::ConfusableObjects | About::Abnormalities => Answer::Yes,
        About::Realism
        | About::LooksNormal
        | About::NaturalBehaviour
        | About::Anatomy
        | About::ColoursMatch => Answer::No,
        // These are asked as often of what is there as of what is not.
        About::ClassVisible | About::PromptRespected => return false,
    };
    answer == bad
}
