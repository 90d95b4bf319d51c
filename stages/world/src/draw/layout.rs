//! Where the animals of an order stand, and how large they are.

use super::Order;
use crate::anatomy::Figure;
use crate::kinds::{Class, Colour, Place, Pose};
use crate::random::Random;
use crate::scene::{Animal, Facing, MAX_ANIMALS, Scene, rounded};

/// How seldom an animal is cut by the image's edge.
const CUT: f64 = 0.06;

/// Lays an order out.
pub(super) fn compose(order: &Order, random: &mut Random) -> Scene {
    let mut scene = Scene {
        animals: Vec::new(),
        place: order.place,
        background: order.background,
        time: order.time,
        weather: order.weather,
        detail: (random.bits() >> 40) as u32,
        ghost: None,
        torn: None,
    };
    let Some(class) = order.class else {
        return scene;
    };
    // The stranger takes the last slot.
    let own = usize::from(order.count).min(MAX_ANIMALS - usize::from(order.stranger.is_some()));
    let slots = own + usize::from(order.stranger.is_some());
    let facing = random.pick(&[Facing::Left, Facing::Right]);
    for slot in 0..slots {
        let stranger = order.stranger.filter(|_| slot == own);
        let (class, colour) = match stranger {
            Some(other) => (other, random.pick(other.natural_colours())),
            None => (class, order.colour),
        };
        let turned = random.chance(0.25);
        let facing = match (facing, turned && slots > 1) {
            (Facing::Left, false) | (Facing::Right, true) => Facing::Left,
            _ => Facing::Right,
        };
        let what = What {
            class,
            colour,
            pose: order.pose,
            facing: order.facing.unwrap_or(facing),
        };
        scene
            .animals
            .push(place(&what, order.place, (slot, slots), random));
    }
    scene
}

/// An animal before it has a place.
struct What {
    class: Class,
    colour: Colour,
    pose: Pose,
    facing: Facing,
}

/// Puts an animal into its slot: as large as fits, the farther the smaller.
fn place(what: &What, place: Place, (slot, slots): (usize, usize), random: &mut Random) -> Animal {
    let mut animal = Animal {
        class: what.class,
        colour: what.colour,
        pose: what.pose,
        x: 0.0,
        y: 0.0,
        scale: 1.0,
        facing: what.facing,
        depth: 0.0,
        defects: Vec::new(),
    };
    let [left, top, right, bottom] = Figure::of(&animal).bounds();
    let (width, height) = (right - left, bottom - top);
    let (wide, tall, least) = match slots {
        1 => (0.86, 0.8, 0.82),
        2 => (0.56, 0.72, 0.85),
        3 => (0.43, 0.62, 0.85),
        _ => (1.3 / slots as f32, 0.5, 0.85),
    };
    // Small animals look large only when they are close: birds and cats stay a little smaller.
    let stature = match what.class {
        Class::Cat | Class::Bird => 0.86,
        Class::Dog | Class::Sheep => 0.93,
        _ => 1.0,
    };
    let depth = if slots == 1 {
        random.between(0.0, 0.3)
    } else {
        random.between(0.0, 1.0)
    };
    let scale = (wide / width).min(tall / height)
        * random.between(least, 1.0)
        * stature
        * (1.0 - 0.14 * depth);
    let shore = match place {
        Place::Lake => 0.87,
        Place::River => 0.85,
        Place::Beach => 0.8,
        _ => 0.76,
    };
    let y = 0.955 - (0.955 - shore) * depth;
    // Feet at `y`; whatever would stick out at the top moves the animal down.
    let y = y.max(0.03 - top * scale).min(0.975);
    let centre = if slots == 1 {
        0.5 + random.between(-1.0, 1.0) * (0.48 - width * scale / 2.0).max(0.0)
    } else {
        let free = 1.0 - width * scale;
        0.5 + (slot as f32 / (slots - 1) as f32 - 0.5) * free * 0.94 + random.between(-0.02, 0.02)
    };
    // Only who stands at the side can be cut there; anyone else would be pushed behind a neighbour.
    let cut = random.chance(CUT) && (slot == 0 || slot + 1 == slots);
    let side = if centre < 0.5 { -1.0 } else { 1.0 };
    let centre = if cut {
        0.5 + side * (0.5 - width * scale * random.between(0.3, 0.45))
    } else {
        centre
    };
    animal.scale = rounded(scale);
    animal.x = rounded(centre - f32::midpoint(left, right) * scale);
    animal.y = rounded(y);
    animal.depth = rounded(depth);
    animal
}
