//! Claims: the least that can be said of a scene, a few words each, rightly or wrongly.

use super::{Captioner, Fact, change, numbered, phrases, write};
use crate::grammar::{self, pick_where};
use crate::kinds::DefectKind;
use crate::random::Random;
use crate::scene::Scene;
use crate::wish::Wish;

/// How often a claim is that there is a defect.
const OF_DEFECT: f64 = 0.35;

/// What is said of a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// A few words: "in the rain", "two lions", "torn patch".
    pub text: String,
    /// Whether it is so.
    pub holds: bool,
}

/// As many claims about a scene as are wanted, about as many of them right as wrong: of its [facts](super::facts), and of
/// defects of any kind. The same may be claimed twice.
pub fn claims(scene: &Scene, wanted: usize, seed: u64) -> Vec<Claim> {
    let captioner = Captioner::of(scene);
    let random = &mut captioner.stream(b"claims", seed);
    let defects = scene.defects();
    let claim = |_| {
        if random.chance(OF_DEFECT) {
            of_defect(&defects, random)
        } else {
            of_fact(&captioner.facts, random)
        }
    };
    (0..wanted).map(claim).collect()
}

fn of_defect(there: &[DefectKind], random: &mut Random) -> Claim {
    let holds = !there.is_empty() && random.chance(0.5);
    let kind = if holds {
        random.pick(there)
    } else {
        pick_where(random, DefectKind::ALL, |kind| !there.contains(&kind))
    };
    Claim {
        text: kind.words(),
        holds,
    }
}

fn of_fact(facts: &Wish, random: &mut Random) -> Claim {
    let fact = pick_where(random, Fact::ALL, |fact| fact.is_in(facts));
    let holds = random.chance(0.5);
    let mut says = *facts;
    if !holds {
        change(&mut says, facts, fact, random);
    }
    Claim {
        text: words(&says, fact, random),
        holds,
    }
}

/// The fact in words, as prompts or captions have it.
fn words(says: &Wish, fact: Fact, random: &mut Random) -> String {
    let prompt = random.chance(0.5);
    let mut either = |written: &[&'static str], told: &[&'static str]| {
        Some(random.pick(if prompt { written } else { told }).to_owned())
    };
    let found = match fact {
        Fact::Class => says.class.map(|class| match says.count {
            Some(1) => class.name().to_owned(),
            _ => class.plural().to_owned(),
        }),
        Fact::Count => says
            .count
            .and_then(|count| Some(numbered(count, says.class?))),
        Fact::Colour => says
            .colour
            .and_then(|it| either(phrases::colours(it), phrases::colours(it))),
        Fact::Pose => says
            .pose
            .and_then(|it| either(grammar::pose_phrases(it), phrases::poses(it))),
        Fact::Place => says
            .place
            .and_then(|it| either(grammar::place_phrases(it), phrases::places(it))),
        Fact::Background => return write::background(says, random).unwrap_or_default(),
        Fact::Time => says
            .time
            .and_then(|it| either(grammar::time_phrases(it), phrases::times(it))),
        Fact::Weather => says
            .weather
            .and_then(|it| either(grammar::weather_phrases(it), phrases::weathers(it))),
    };
    found.unwrap_or_default()
}
