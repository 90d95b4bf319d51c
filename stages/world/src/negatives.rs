//! Hard negatives: for a scene, scenes that differ from it in one thing.
//!
//! The rest stays where it was, pixel for pixel where it can: the same animals at the same places, the same
//! clouds and tufts, the same defects. Only a larger number of animals needs a new layout.

use crate::captions::{Fact, facts, other, other_class, other_colour};
use crate::draw::{Order, carry_out};
use crate::grammar::pick_where;
use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};
use crate::random::Random;
use crate::scene::{MAX_ANIMALS, Scene};
use crate::wish::Wish;

/// How often a change is tried: it may hide an animal, or leave a defect without what it needs.
const ATTEMPTS: usize = 16;

/// A scene of which everything is true that is true of this one, but for one fact.
///
/// `None` if the fact cannot be said of the scene, or cannot be changed alone: a second trunk suits none but
/// elephants. A place is changed for one where the pose is natural if it was so, and which the weather and the
/// background suit.
pub fn negative(scene: &Scene, fact: Fact, seed: u64) -> Option<Scene> {
    let facts = facts(scene);
    if !fact.is_in(&facts) {
        return None;
    }
    let text = scene.to_text();
    let random = &mut Random::from_parts(&[
        b"negative",
        fact.name().as_bytes(),
        text.as_bytes(),
        &seed.to_le_bytes(),
    ]);
    (0..ATTEMPTS)
        .filter_map(|_| changed(scene, &facts, fact, random))
        .find(|other| is_alike_but_for(fact, scene, &facts, other))
}

/// One negative of each fact that can be changed alone.
pub fn negatives(scene: &Scene, seed: u64) -> Vec<(Fact, Scene)> {
    let of = |&fact: &Fact| Some((fact, negative(scene, fact, seed)?));
    Fact::ALL.iter().filter_map(of).collect()
}

fn is_alike_but_for(fact: Fact, scene: &Scene, of_scene: &Wish, other: &Scene) -> bool {
    Fact::differing(&facts(other), of_scene) == [fact]
        && other.defects() == scene.defects()
        && other.check().is_ok()
}

fn changed(scene: &Scene, facts: &Wish, fact: Fact, random: &mut Random) -> Option<Scene> {
    let mut other_scene = scene.clone();
    match fact {
        Fact::Class => {
            let class = other_class(facts.class?, random);
            for animal in &mut other_scene.animals {
                animal.class = class;
            }
        }
        Fact::Count => return recounted(scene, facts, random),
        Fact::Colour => {
            let natural = facts.class.map_or(Colour::ALL, Class::natural_colours);
            let colour = other_colour(facts.colour?, natural, random);
            for animal in &mut other_scene.animals {
                animal.colour = colour;
            }
        }
        Fact::Pose => {
            let natural = facts.pose?.is_natural_in(scene.place);
            let pose = pick_where(random, Pose::ALL, |pose| {
                Some(pose) != facts.pose && (!natural || pose.is_natural_in(scene.place))
            });
            for animal in &mut other_scene.animals {
                animal.pose = pose;
            }
        }
        Fact::Place => other_scene.place = other_place(scene, random)?,
        Fact::Background => {
            other_scene.background = other(Background::ALL, scene.background, random);
        }
        Fact::Time => other_scene.time = other(Time::ALL, scene.time, random),
        Fact::Weather => other_scene.weather = other(Weather::ALL, scene.weather, random),
    }
    Some(other_scene)
}

fn other_place(scene: &Scene, random: &mut Random) -> Option<Place> {
    let natural = |place: Place| {
        let of_animal = |pose: Pose| pose.is_natural_in(place) == pose.is_natural_in(scene.place);
        scene.animals.iter().all(|animal| of_animal(animal.pose))
    };
    let fits = |place: Place| place.borders(scene.background) && place.knows(scene.weather);
    let choices: Vec<Place> = Place::ALL
        .iter()
        .copied()
        .filter(|&place| place != scene.place && natural(place) && fits(place))
        .collect();
    (!choices.is_empty()).then(|| random.pick(&choices))
}

/// One animal fewer or more. Who has a defect stays.
fn recounted(scene: &Scene, facts: &Wish, random: &mut Random) -> Option<Scene> {
    let sound: Vec<usize> = (0..scene.animals.len())
        .filter(|&index| scene.animals[index].defects.is_empty())
        .collect();
    let can_leave = scene.animals.len() > 1 && !sound.is_empty();
    let can_come = scene.animals.len() < MAX_ANIMALS && sound.len() == scene.animals.len();
    if can_leave && (!can_come || random.chance(0.5)) {
        let mut fewer = scene.clone();
        fewer.animals.remove(random.pick(&sound));
        return Some(fewer);
    }
    if !can_come {
        return None;
    }
    let order = Order {
        class: facts.class,
        count: facts.count? + 1,
        colour: facts.colour?,
        pose: facts.pose?,
        place: scene.place,
        background: scene.background,
        time: scene.time,
        weather: scene.weather,
        stranger: None,
        facing: None,
    };
    Some(Scene {
        detail: scene.detail,
        ghost: scene.ghost,
        torn: scene.torn,
        ..carry_out(&order, &random.seed(), 0.0)
    })
}
