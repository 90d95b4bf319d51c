//! The inks of an animal's body.

use crate::kinds::{Class, Colour, DefectKind};
use crate::render::canvas::Ink;
use crate::scene::Animal;

/// What the far side's legs lose in brightness.
const FAR: f32 = 0.66;

/// Colours that no animal has, in threes: body, head and limbs.
const WRONG: [[Ink; 3]; 3] = [
    [
        Ink::rgb(70, 205, 90),
        Ink::rgb(235, 60, 190),
        Ink::rgb(60, 200, 235),
    ],
    [
        Ink::rgb(190, 80, 235),
        Ink::rgb(120, 235, 60),
        Ink::rgb(245, 130, 60),
    ],
    [
        Ink::rgb(45, 185, 230),
        Ink::rgb(250, 225, 60),
        Ink::rgb(235, 70, 150),
    ],
];

/// The inks of one animal.
pub(crate) struct Coat {
    /// Torso and neck.
    pub(super) body: Ink,
    /// The underside.
    pub(super) belly: Ink,
    /// The back, where light falls.
    pub(super) back: Ink,
    /// The head.
    pub(super) head: Ink,
    /// The near legs.
    pub(super) leg: Ink,
    /// The far legs.
    pub(super) far_leg: Ink,
    /// Stripes, spots, patches, manes.
    pub(super) mark: Ink,
    /// Muzzles and the like.
    pub(super) pale: Ink,
    /// Noses, hooves, eyes.
    pub(super) dark: Ink,
}

impl Coat {
    /// The inks of an animal of its colour, or of the wrong ones.
    pub(super) fn of(animal: &Animal) -> Self {
        let body = ink(animal.colour);
        let mut coat = Self {
            body,
            belly: body.times(0.8),
            back: body.mix(Ink::rgb(255, 250, 235), 0.14),
            head: body,
            leg: body,
            far_leg: body.times(FAR),
            mark: mark(animal.class, animal.colour),
            pale: body.mix(Ink::rgb(250, 235, 215), 0.5),
            dark: Ink::rgb(34, 28, 28),
        };
        if animal.class == Class::Sheep {
            coat.head = Ink::rgb(60, 52, 50);
            coat.leg = coat.head;
            coat.far_leg = coat.head.times(FAR);
        }
        if animal.has(DefectKind::WrongColours) {
            let [body, head, leg] = WRONG[animal.colour as usize % WRONG.len()];
            coat = Self {
                body,
                belly: body.times(0.8),
                back: body.times(1.1),
                head,
                leg,
                far_leg: leg.times(FAR),
                mark: head.times(0.8),
                pale: leg,
                dark: coat.dark,
            };
        }
        coat
    }
}

/// The main ink of a colour.
const fn ink(colour: Colour) -> Ink {
    match colour {
        Colour::Grey => Ink::rgb(142, 144, 154),
        Colour::Brown => Ink::rgb(126, 84, 50),
        Colour::White | Colour::BlackAndWhite => Ink::rgb(240, 238, 230),
        Colour::Black => Ink::rgb(52, 49, 54),
        Colour::Golden => Ink::rgb(222, 168, 68),
        Colour::Red => Ink::rgb(186, 62, 44),
        Colour::Tan => Ink::rgb(208, 174, 128),
        Colour::Orange => Ink::rgb(226, 128, 46),
        Colour::Yellow => Ink::rgb(240, 208, 66),
        Colour::Blue => Ink::rgb(72, 122, 206),
        Colour::Green => Ink::rgb(92, 156, 76),
        Colour::Pink => Ink::rgb(234, 154, 172),
    }
}

/// The ink of the marks that a class has on a body of this colour.
fn mark(class: Class, colour: Colour) -> Ink {
    let body = ink(colour);
    let bright = body.luminance() > 0.32;
    match (class, colour) {
        (_, Colour::BlackAndWhite) => Ink::rgb(36, 33, 36),
        (Class::Giraffe, _) if bright => body.mix(Ink::rgb(110, 58, 24), 0.72),
        (Class::Cow | Class::Zebra, Colour::White) => Ink::rgb(196, 186, 170),
        (Class::Zebra | Class::Cow, _) if bright => Ink::rgb(36, 33, 36),
        (Class::Zebra | Class::Cow | Class::Giraffe, _) => Ink::rgb(232, 226, 212),
        (Class::Lion, _) => body.mix(Ink::rgb(104, 50, 16), 0.68),
        (Class::Horse, Colour::White | Colour::Grey) => body.times(0.62),
        _ if bright => body.times(0.6),
        _ => body.times(0.45),
    }
}
