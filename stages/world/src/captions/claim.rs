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
        text: words(&says, fact, random).expect("it is one of the facts that are said"),
        holds,
    }
}

/// The fact in words, as prompts or captions have it; the wish must say it.
fn words(says: &Wish, fact: Fact, random: &mut Random) -> Option<String> {
    let as_written = random.chance(0.5);
    let [written, told] = match fact {
        Fact::Class => {
            let class = says.class?;
            let is_one = says.count == Some(1);
            return Some(if is_one { class.name() } else { class.plural() }.to_owned());
        }
        Fact::Count => return Some(numbered(says.count?, says.class?)),
        Fact::Background => return write::background(says, random),
        Fact::Colour => [phrases::colours(says.colour?); 2],
        Fact::Pose => {
            let pose = says.pose?;
            [grammar::pose_phrases(pose), phrases::poses(pose)]
        }
        Fact::Place => {
            let place = says.place?;
            [grammar::place_phrases(place), phrases::places(place)]
        }
        Fact::Time => {
            let time = says.time?;
            [grammar::time_phrases(time), phrases::times(time)]
        }
        Fact::Weather => {
            let weather = says.weather?;
            [
                grammar::weather_phrases(weather),
                phrases::weathers(weather),
            ]
        }
    };
    let phrases = if as_written { written } else { told };
    Some(random.pick(phrases).to_owned())
}
