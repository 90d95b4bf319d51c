//! From a wish to a scene: what a generator makes of a prompt, mistakes included.
//!
//! [`draw`] completes the wish, perhaps misreads it, lays the animals out, and perhaps spoils the result. Each
//! of these reads its own stream of random numbers, so that with one seed a higher rate of defects changes
//! which scenes are spoilt, and nothing else about them.

mod layout;
mod spoil;

use crate::grammar::pick_where;
use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};
use crate::random::Random;
use crate::scene::{Facing, Scene};
use crate::wish::Wish;

/// How often things go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// The probability that a scene has a defect, `0.0..=1.0`.
    pub defect: f64,
    /// The probability that a part of the wish is not fulfilled, `0.0..=1.0`.
    pub misreading: f64,
}

/// What is drawn: a wish without open ends. Without a class it is a landscape.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) class: Option<Class>,
    pub(crate) count: u8,
    pub(crate) colour: Colour,
    pub(crate) pose: Pose,
    pub(crate) place: Place,
    pub(crate) background: Background,
    pub(crate) time: Time,
    pub(crate) weather: Weather,
    /// An animal that nobody asked for.
    pub(crate) stranger: Option<Class>,
    /// Where all animals look. To either side, most of them to the same, if it is left open.
    pub(crate) facing: Option<Facing>,
}

/// Draws a scene for a wish; the same arguments give the same scene.
///
/// What the wish leaves open is filled at random, so that it fits together. A wish for neither an animal nor
/// anything an animal has gives a landscape half of the time. A wish for nothing cannot be misread.
pub fn draw(wish: &Wish, seed: &[u8; 32], rates: &Rates) -> Scene {
    let mut order = complete(wish, &mut stream(b"complete", seed));
    let misreading = &mut stream(b"misread", seed);
    if misreading.chance(rates.misreading) {
        misread(&mut order, wish, misreading);
    }
    carry_out(&order, seed, rates.defect)
}

/// Lays an order out, and spoils the scene with the given probability.
pub(crate) fn carry_out(order: &Order, seed: &[u8; 32], defect: f64) -> Scene {
    let mut scene = layout::compose(order, &mut stream(b"layout", seed));
    let spoiling = &mut stream(b"spoil", seed);
    if spoiling.chance(defect) {
        spoil::spoil(&mut scene, spoiling);
    }
    scene
}

fn stream(purpose: &[u8], seed: &[u8; 32]) -> Random {
    Random::from_parts(&[b"draw", purpose, seed])
}

fn complete(wish: &Wish, random: &mut Random) -> Order {
    let about_animals = wish.count.is_some() || wish.colour.is_some() || wish.pose.is_some();
    let landscape = wish.class.is_none() && !about_animals && random.chance(0.5);
    let any = random.pick(Class::ALL);
    let class = wish.class.unwrap_or(any);
    let count = random.pick(&[1, 1, 2, 2, 3]);
    let colour = random.pick(class.natural_colours());
    // A given pose looks for a place that suits it, and the other way round.
    let place = pick_where(random, Place::ALL, |place| {
        wish.pose.is_none_or(|pose| pose.is_natural_in(place))
            && wish.weather.is_none_or(|weather| place.knows(weather))
    });
    let place = wish.place.unwrap_or(place);
    let pose = pick_where(random, Pose::ALL, |pose| pose.is_natural_in(place));
    let background = pick_where(random, Background::ALL, |background| {
        place.borders(background)
    });
    let weather = pick_where(random, Weather::ALL, |weather| place.knows(weather));
    let time = random.pick(Time::ALL);
    Order {
        class: (!landscape).then_some(class),
        count: wish.count.unwrap_or(count),
        colour: wish.colour.unwrap_or(colour),
        pose: wish.pose.unwrap_or(pose),
        place,
        background: wish.background.unwrap_or(background),
        time: wish.time.unwrap_or(time),
        weather: wish.weather.unwrap_or(weather),
        stranger: None,
        facing: None,
    }
}

/// A part of a wish that can be misread.
#[derive(Clone, Copy)]
enum Part {
    Class,
    Stranger,
    Count,
    Colour,
    Pose,
    Place,
    Background,
    Time,
    Weather,
}

/// Gets one part of the wish wrong. Counts are the likeliest to go wrong, classes the least.
fn misread(order: &mut Order, wish: &Wish, random: &mut Random) {
    let parts = [
        (Part::Class, 1, wish.class.is_some()),
        (Part::Stranger, 2, wish.class.is_some()),
        (Part::Count, 5, wish.count.is_some()),
        (Part::Colour, 4, wish.colour.is_some()),
        (Part::Pose, 3, wish.pose.is_some()),
        (Part::Place, 3, wish.place.is_some()),
        (Part::Background, 2, wish.background.is_some()),
        (Part::Time, 3, wish.time.is_some()),
        (Part::Weather, 2, wish.weather.is_some()),
    ];
    let lots: Vec<Part> = parts
        .into_iter()
        .filter(|&(_, _, asked)| asked)
        .flat_map(|(part, weight, _)| std::iter::repeat_n(part, weight))
        .collect();
    if lots.is_empty() {
        return;
    }
    match random.pick(&lots) {
        Part::Class => {
            let class = pick_where(random, Class::ALL, |class| Some(class) != order.class);
            order.class = Some(class);
            if wish.colour.is_none() {
                order.colour = class.natural_colours()[0];
            }
        }
        Part::Stranger => {
            order.stranger = Some(pick_where(random, Class::ALL, |class| {
                Some(class) != order.class
            }));
        }
        Part::Count => {
            let fewer = order.count > 1 && (order.count >= 4 || random.chance(0.5));
            order.count = if fewer {
                order.count - 1
            } else {
                order.count + 1
            };
        }
        Part::Colour => {
            let colours = order.class.unwrap_or(Class::Dog).natural_colours();
            let others: Vec<Colour> = colours
                .iter()
                .copied()
                .filter(|&colour| colour != order.colour)
                .collect();
            order.colour = if others.is_empty() {
                pick_where(random, Colour::ALL, |colour| colour != order.colour)
            } else {
                random.pick(&others)
            };
        }
        Part::Pose => {
            let place = order.place;
            order.pose = pick_where(random, Pose::ALL, |pose| {
                pose != order.pose && pose.is_natural_in(place)
            });
        }
        Part::Place => order.place = pick_where(random, Place::ALL, |place| place != order.place),
        Part::Background => {
            order.background = pick_where(random, Background::ALL, |background| {
                background != order.background
            });
        }
        Part::Time => order.time = pick_where(random, Time::ALL, |time| time != order.time),
        Part::Weather => {
            order.weather = pick_where(random, Weather::ALL, |weather| weather != order.weather);
        }
    }
}
