//! The true answers to the ten questions that a judge asks about an image.
//!
//! An animal counts as visible if [`TrueBox::is_seen`](crate::TrueBox::is_seen); "of the class" means of the
//! class that the question is about, "others" are visible animals of any other class.
//!
//! | about | yes if | no if | nan if |
//! |---|---|---|---|
//! | `realism` | else | missing shadow, ghost or torn patch | |
//! | `odd-patterns` | torn patch, ghost or wrong colours | else | |
//! | `class-visible` | one of the class is visible | else | |
//! | `looks-normal` | else | one of the class has a leg, head, neck or trunk missing or too many; torn patch | none of the class is visible |
//! | `natural-behaviour` | all of the class have their heads and do what the place allows ([`Pose::is_natural_in`](crate::Pose::is_natural_in)) | else | none of the class is visible |
//! | `confusable-objects` | others are visible, or a ghost | else | none of the class is visible |
//! | `anatomy` | else | one of the class has any anatomical defect, tails included | none of the class is visible |
//! | `colours-match` | all of the class have the wished colour (or, none being wished, a natural one), and none wrong ones | else, or none of the class is visible | |
//! | `abnormalities` | any defect anywhere | else | |
//! | `prompt-respected` | everything the wish gives holds for the visible animals, and no others stand beside the wished class | else | |

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::boxes::TrueBox;
use crate::kinds::{Class, DefectKind};
use crate::random::Random;
use crate::scene::{Animal, Scene};
use crate::wish::Wish;

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Whether light, shadows and reflections are real.
    Realism,
    /// Whether there are subtle unexpected patterns.
    OddPatterns,
    /// Whether the class is clearly visible.
    ClassVisible,
    /// Whether posture, head, body, legs and surroundings look normal.
    LooksNormal,
    /// Whether the animal behaves naturally.
    NaturalBehaviour,
    /// Whether something else could be mistaken for the class.
    ConfusableObjects,
    /// Whether the anatomy is right: the number of legs, the tail, the head.
    Anatomy,
    /// Whether colours are as the prompt says.
    ColoursMatch,
    /// Whether there are less obvious deviations or abnormalities.
    Abnormalities,
    /// Whether the prompt is fully respected.
    PromptRespected,
}

impl About {
    /// All ten, in the order in which they are asked.
    pub const ALL: &'static [Self] = &[
        Self::Realism,
        Self::OddPatterns,
        Self::ClassVisible,
        Self::LooksNormal,
        Self::NaturalBehaviour,
        Self::ConfusableObjects,
        Self::Anatomy,
        Self::ColoursMatch,
        Self::Abnormalities,
        Self::PromptRespected,
    ];

    /// The name, in kebab-case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Realism => "realism",
            Self::OddPatterns => "odd-patterns",
            Self::ClassVisible => "class-visible",
            Self::LooksNormal => "looks-normal",
            Self::NaturalBehaviour => "natural-behaviour",
            Self::ConfusableObjects => "confusable-objects",
            Self::Anatomy => "anatomy",
            Self::ColoursMatch => "colours-match",
            Self::Abnormalities => "abnormalities",
            Self::PromptRespected => "prompt-respected",
        }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of the ten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is nothing a question can be about; expected one of {}",
    names()
)]
pub struct UnknownAbout {
    /// The name.
    pub name: String,
}

fn names() -> String {
    let names: Vec<&str> = About::ALL.iter().map(|about| about.name()).collect();
    names.join(", ")
}

impl FromStr for About {
    type Err = UnknownAbout;

    fn from_str(name: &str) -> Result<Self, UnknownAbout> {
        let found = Self::ALL.iter().copied().find(|about| about.name() == name);
        found.ok_or_else(|| UnknownAbout {
            name: name.to_owned(),
        })
    }
}

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// The question does not apply.
    Nan,
}

impl Answer {
    /// `yes`, `no` or `nan`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Nan => "nan",
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// The true answer to the question about a scene that was drawn for a wish; the table is in the
/// [module's documentation](self).
pub fn truth(scene: &Scene, wish: &Wish, class: Class, about: About) -> Answer {
    Witness::of(scene).truth(wish, class, about)
}

/// Who has looked at a scene, and can answer many questions about it.
pub struct Witness<'a> {
    scene: &'a Scene,
    /// The animals that a person would notice.
    seen: Vec<&'a Animal>,
}

impl<'a> Witness<'a> {
    /// Looks at a scene, which takes longer than answering.
    pub fn of(scene: &'a Scene) -> Self {
        let seen = seen(scene);
        Self { scene, seen }
    }

    /// The animals that a person would notice.
    pub fn seen(&self) -> &[&'a Animal] {
        &self.seen
    }

    /// What [`truth()`] says.
    pub fn truth(&self, wish: &Wish, class: Class, about: About) -> Answer {
        answer(self.scene, &self.seen, wish, class, about)
    }

    /// What [`judge`] says.
    pub fn judge(
        &self,
        wish: &Wish,
        class: Class,
        about: About,
        noise: &[u8; 32],
        error_rate: f64,
    ) -> (Answer, f64) {
        let mut random = Random::from_parts(&[b"judge", noise, about.name().as_bytes()]);
        let errs = random.chance(error_rate);
        let (sure, coin) = (random.unit(), random.chance(0.5));
        let answer = self.truth(wish, class, about);
        if !errs {
            return (answer, 0.4 + sure * 0.58);
        }
        let wrong = match answer {
            Answer::Yes => Answer::No,
            Answer::No => Answer::Yes,
            Answer::Nan => coin.into(),
        };
        (wrong, 0.05 + sure * 0.45)
    }
}

fn answer(scene: &Scene, seen: &[&Animal], wish: &Wish, class: Class, about: About) -> Answer {
    let own: Vec<&Animal> = seen
        .iter()
        .copied()
        .filter(|animal| animal.class == class)
        .collect();
    let of_class = |answer: bool| {
        if own.is_empty() {
            Answer::Nan
        } else {
            answer.into()
        }
    };
    let has = |kind: DefectKind| own.iter().any(|animal| animal.has(kind));
    let defects = scene.defects();
    let any = |kinds: &[DefectKind]| kinds.iter().any(|kind| defects.contains(kind));
    match about {
        About::Realism => (!any(&[
            DefectKind::MissingShadow,
            DefectKind::Ghost,
            DefectKind::TornPatch,
        ]))
        .into(),
        About::OddPatterns => any(&[
            DefectKind::TornPatch,
            DefectKind::Ghost,
            DefectKind::WrongColours,
        ])
        .into(),
        About::ClassVisible => (!own.is_empty()).into(),
        About::LooksNormal => of_class(
            scene.torn.is_none()
                && !DefectKind::ALL.iter().any(|&kind| {
                    kind.is_anatomical() && kind != DefectKind::TailMissing && has(kind)
                }),
        ),
        About::NaturalBehaviour => {
            let natural = own
                .iter()
                .all(|animal| animal.pose.is_natural_in(scene.place));
            of_class(natural && !has(DefectKind::HeadMissing))
        }
        About::ConfusableObjects => of_class(scene.ghost.is_some() || own.len() < seen.len()),
        About::Anatomy => of_class(
            !own.iter()
                .any(|animal| animal.defects.iter().any(|kind| kind.is_anatomical())),
        ),
        About::ColoursMatch => {
            let right = |animal: &&Animal| match wish.colour {
                Some(colour) => animal.colour == colour,
                None => class.natural_colours().contains(&animal.colour),
            };
            (!own.is_empty() && own.iter().all(right) && !has(DefectKind::WrongColours)).into()
        }
        About::Abnormalities => (!defects.is_empty()).into(),
        About::PromptRespected => respects(scene, seen, wish).into(),
    }
}

/// The animals that a person would notice.
pub(crate) fn seen(scene: &Scene) -> Vec<&Animal> {
    /// The boxes' side does not matter to what is seen.
    const SIZE: u32 = 512;
    let boxes: Vec<TrueBox> = scene.boxes(SIZE);
    let pairs = scene.animals.iter().zip(boxes);
    pairs
        .filter(|(_, found)| found.is_seen(SIZE))
        .map(|(animal, _)| animal)
        .collect()
}

fn respects(scene: &Scene, seen: &[&Animal], wish: &Wish) -> bool {
    fn holds<T: PartialEq>(wished: Option<T>, found: &T) -> bool {
        wished.is_none_or(|wished| wished == *found)
    }
    let about_animals = wish.class.is_some()
        || wish.count.is_some()
        || wish.colour.is_some()
        || wish.pose.is_some();
    (!about_animals || !seen.is_empty())
        && seen.iter().all(|animal| {
            holds(wish.class, &animal.class)
                && holds(wish.pose, &animal.pose)
                && holds(wish.colour, &animal.colour)
                && !(wish.colour.is_some() && animal.has(DefectKind::WrongColours))
        })
        && wish
            .count
            .is_none_or(|count| usize::from(count) == seen.len())
        && holds(wish.place, &scene.place)
        && holds(wish.background, &scene.background)
        && holds(wish.time, &scene.time)
        && holds(wish.weather, &scene.weather)
}

/// The answer of a judge who errs at a given rate, and how sure it is of it (inside `0.0..1.0`).
///
/// An error turns yes into no and the other way round, and nan into either; the judge is less sure when it
/// errs: the margin is in `0.05..0.5` then, in `0.4..0.98` otherwise. The noise decides both, for each question
/// on its own; a larger rate errs wherever a smaller one does.
pub fn judge(
    scene: &Scene,
    wish: &Wish,
    class: Class,
    about: About,
    noise: &[u8; 32],
    error_rate: f64,
) -> (Answer, f64) {
    Witness::of(scene).judge(wish, class, about, noise, error_rate)
}
