//! The words of the world: what may stand in a scene, and how each is called.
//!
//! Every kind is a plain enum whose names are those of scenes' texts, prompts and captions alike. What a kind
//! looks like is the business of the renderer, what prompts call it that of [`Wish`](crate::Wish).

use serde::{Deserialize, Serialize};

/// An enum whose variants have names.
macro_rules! kind {
    ($(#[$about:meta])* $kind:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $kind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl $kind {
            /// Every one of them, in the order of their definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, in kebab-case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The name in words, without hyphens.
            pub fn words(self) -> String {
                self.name().replace('-', " ")
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

/// `from_name` for the kinds whose names have no plural.
macro_rules! named {
    ($($kind:ident),+) => {
        $(impl $kind {
            /// The kind of this name; case, and hyphens or spaces between words, do not matter.
            pub fn from_name(name: &str) -> Option<Self> {
                let wanted = name.trim().to_lowercase().replace([' ', '_'], "-");
                Self::ALL.iter().copied().find(|kind| kind.name() == wanted)
            }
        })+
    };
}

kind! {
    /// An animal's class.
    Class {
        /// Big ears, a trunk, tusks, thick legs.
        Elephant = "elephant",
        /// A long neck, spots, ossicones.
        Giraffe = "giraffe",
        /// A horse in stripes.
        Zebra = "zebra",
        /// A mane and a tail that ends in a tuft.
        Lion = "lion",
        /// Bulky, round ears, hardly a tail.
        Bear = "bear",
        /// Patches, horns, a broad pink muzzle.
        Cow = "cow",
        /// Hanging ears, a tail held high, a red collar.
        Dog = "dog",
        /// Two legs, a beak, wings and a fanned tail.
        Bird = "bird",
        /// A flowing mane and tail.
        Horse = "horse",
        /// Pointed ears, whiskers, a long curling tail.
        Cat = "cat",
        /// Wool, a dark face and thin dark legs.
        Sheep = "sheep",
    }
}

impl Class {
    /// The name of several of them.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Elephant => "elephants",
            Self::Giraffe => "giraffes",
            Self::Zebra => "zebras",
            Self::Lion => "lions",
            Self::Bear => "bears",
            Self::Cow => "cows",
            Self::Dog => "dogs",
            Self::Bird => "birds",
            Self::Horse => "horses",
            Self::Cat => "cats",
            Self::Sheep => "sheep",
        }
    }

    /// The class of this name, singular or plural, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let wanted = name.trim().to_lowercase();
        Self::ALL
            .iter()
            .copied()
            .find(|class| class.name() == wanted || class.plural() == wanted)
    }

    /// The colours in which the class occurs by nature, the commonest first.
    pub const fn natural_colours(self) -> &'static [Colour] {
        use Colour::{
            Black, BlackAndWhite, Blue, Brown, Golden, Grey, Orange, Red, Tan, White, Yellow,
        };
        match self {
            Self::Elephant => &[Grey, Brown],
            Self::Giraffe => &[Golden, Orange, Tan],
            Self::Zebra => &[BlackAndWhite],
            Self::Lion => &[Golden, Tan],
            Self::Bear => &[Brown, Black, White],
            Self::Cow => &[BlackAndWhite, Brown, White],
            Self::Dog => &[Brown, Golden, Black, White, Tan],
            Self::Bird => &[Red, Blue, Yellow, Brown, White, Black],
            Self::Horse => &[Brown, Black, White, Grey, Tan],
            Self::Cat => &[Orange, Grey, Black, White, Tan],
            Self::Sheep => &[White, Black],
        }
    }
}

kind! {
    /// The main colour of an animal.
    Colour {
        /// A cool middle grey.
        Grey = "grey",
        /// A warm brown.
        Brown = "brown",
        /// Off-white.
        White = "white",
        /// Nearly black.
        Black = "black",
        /// Yellowish brown.
        Golden = "golden",
        /// Reddish brown to red.
        Red = "red",
        /// Pale brown.
        Tan = "tan",
        /// Orange.
        Orange = "orange",
        /// Bright yellow.
        Yellow = "yellow",
        /// Blue.
        Blue = "blue",
        /// Green.
        Green = "green",
        /// Pink.
        Pink = "pink",
        /// White with black stripes or patches.
        BlackAndWhite = "black-and-white",
    }
}

kind! {
    /// What an animal does.
    Pose {
        /// On all legs, looking ahead.
        Standing = "standing",
        /// One step forward.
        Walking = "walking",
        /// At a gallop.
        Running = "running",
        /// Muzzle (or trunk) at a tuft of leaves.
        Eating = "eating",
        /// Muzzle (or trunk) in a pool of water.
        Drinking = "drinking",
        /// Lying, eyes closed.
        Sleeping = "sleeping",
        /// Head raised.
        LookingUp = "looking-up",
        /// Legs in water.
        Bathing = "bathing",
    }
}

kind! {
    /// The ground a scene plays on.
    Place {
        /// Dry grass and a flat-topped tree.
        Savanna = "savanna",
        /// Between trunks, under leaves.
        Forest = "forest",
        /// Dunes and cactuses.
        Desert = "desert",
        /// Brown puddles.
        Mud = "mud",
        /// Grass, with a river through it.
        River = "river",
        /// The grassy shore of a lake.
        Lake = "lake",
        /// Sand, and the sea's surf.
        Beach = "beach",
        /// Green grass and flowers.
        Meadow = "meadow",
    }
}

kind! {
    /// What stands along the horizon.
    Background {
        /// Rolling hills.
        Hills = "hills",
        /// Peaks with snow.
        Mountains = "mountains",
        /// A row of large trees.
        LargeTrees = "large-trees",
        /// A dark green wall with palms.
        Rainforest = "rainforest",
        /// The open sea.
        Sea = "sea",
        /// A distant lake.
        Lake = "lake",
        /// Nothing but sky.
        OpenSky = "open-sky",
    }
}

kind! {
    /// The time of day.
    Time {
        /// A low sun on the left, a pink sky.
        Sunrise = "sunrise",
        /// A fresh blue sky.
        Morning = "morning",
        /// The sun overhead.
        Noon = "noon",
        /// A warm sky, the sun on the right.
        Afternoon = "afternoon",
        /// A low red sun on the right.
        Sunset = "sunset",
        /// Moon and stars.
        Night = "night",
    }
}

kind! {
    /// The weather.
    Weather {
        /// Hardly a cloud.
        Clear = "clear",
        /// Many clouds.
        Cloudy = "cloudy",
        /// A grey sky and falling rain.
        Rain = "rain",
        /// Falling snow on whitened ground.
        Snow = "snow",
        /// Pale bands that hide the distance.
        Mist = "mist",
    }
}

kind! {
    /// Something wrong in a picture, as generators get things wrong.
    DefectKind {
        /// The legs that it walks ahead with are not there: the forelegs, or a bird's.
        LegMissing = "leg-missing",
        /// There is a leg too many, which stands apart from the others; a bird has two.
        ExtraLeg = "extra-leg",
        /// An elephant has two trunks.
        SecondTrunk = "second-trunk",
        /// The animal has two necks, each with its head.
        SecondNeck = "second-neck",
        /// The neck ends in nothing.
        HeadMissing = "head-missing",
        /// The tail is not there.
        TailMissing = "tail-missing",
        /// Colours that no animal has.
        WrongColours = "wrong-colours",
        /// The animal casts no shadow.
        MissingShadow = "missing-shadow",
        /// A ragged piece of the image is noise.
        TornPatch = "torn-patch",
        /// A translucent thing floats in the air.
        Ghost = "ghost",
    }
}

impl Pose {
    /// Whether an animal would do this there: there must be something to eat, drink or bathe in, and ground
    /// to run or lie on.
    pub const fn is_natural_in(self, place: Place) -> bool {
        match self {
            Self::Standing | Self::Walking | Self::LookingUp => true,
            Self::Running | Self::Sleeping => !matches!(place, Place::Mud),
            Self::Eating => !matches!(place, Place::Desert | Place::Beach | Place::Mud),
            Self::Drinking => !matches!(place, Place::Desert | Place::Beach),
            Self::Bathing => matches!(
                place,
                Place::River | Place::Lake | Place::Beach | Place::Mud
            ),
        }
    }
}

impl Place {
    /// Whether the background may be seen from there.
    pub const fn borders(self, background: Background) -> bool {
        match self {
            Self::Desert => !matches!(background, Background::Rainforest | Background::Lake),
            Self::Savanna => !matches!(background, Background::Rainforest),
            Self::Forest => !matches!(background, Background::OpenSky),
            Self::Lake => !matches!(background, Background::Lake | Background::Sea),
            Self::Beach => !matches!(background, Background::Lake),
            Self::Mud | Self::River | Self::Meadow => true,
        }
    }

    /// Whether the weather occurs there.
    pub const fn knows(self, weather: Weather) -> bool {
        !matches!(
            (self, weather),
            (Self::Desert, Weather::Snow | Weather::Rain)
        )
    }
}

kind! {
    /// What of an animal something is.
    BodyPart {
        /// The torso, with all that is no other part.
        Body = "body",
        /// A wing.
        Wing = "wing",
        /// A neck, with its mane.
        Neck = "neck",
        /// A head, with ears, horns, tusks and mane, and what it eats or sprays.
        Head = "head",
        /// An elephant's trunk.
        Trunk = "trunk",
        /// A tail.
        Tail = "tail",
        /// A hind leg, a bird's, or one too many.
        HindLeg = "hind-leg",
        /// A foreleg.
        ForeLeg = "foreleg",
        /// Where a leg or a head should be.
        Stump = "stump",
    }
}

named!(Colour, Pose, Place, Background, Time, Weather, DefectKind);

impl DefectKind {
    /// Whether it belongs to the scene rather than to one of the animals.
    pub const fn is_of_scene(self) -> bool {
        matches!(self, Self::TornPatch | Self::Ghost)
    }

    /// Whether it is an error of anatomy: a part missing, or one too many.
    pub const fn is_anatomical(self) -> bool {
        matches!(
            self,
            Self::LegMissing
                | Self::ExtraLeg
                | Self::SecondTrunk
                | Self::SecondNeck
                | Self::HeadMissing
                | Self::TailMissing
        )
    }

    /// Whether an animal of this class and pose can show it, so that a person would see it.
    pub const fn suits(self, class: Class, pose: Pose) -> bool {
        match self {
            // Folded legs and legs under water cannot be counted.
            Self::LegMissing | Self::ExtraLeg => !matches!(pose, Pose::Sleeping | Pose::Bathing),
            Self::SecondTrunk => matches!(class, Class::Elephant),
            Self::SecondNeck => !matches!(class, Class::Elephant),
            // Bears and sheep have stumps that nobody would miss.
            Self::TailMissing => !matches!(class, Class::Bear | Class::Sheep),
            Self::MissingShadow => !matches!(pose, Pose::Bathing),
            Self::HeadMissing | Self::WrongColours => true,
            Self::TornPatch | Self::Ghost => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for &class in Class::ALL {
            assert_eq!(Class::from_name(class.name()), Some(class));
            assert_eq!(
                Class::from_name(&class.plural().to_uppercase()),
                Some(class)
            );
        }
        assert_eq!(Class::from_name("unicorn"), None);
        assert_eq!(
            Colour::from_name("Black and white"),
            Some(Colour::BlackAndWhite)
        );
        assert_eq!(Pose::from_name("looking_up"), Some(Pose::LookingUp));
        for &kind in DefectKind::ALL {
            assert_eq!(DefectKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn every_defect_suits_some_animal_or_the_scene() {
        for &kind in DefectKind::ALL {
            let suits = Class::ALL
                .iter()
                .any(|&class| kind.suits(class, Pose::Standing));
            assert_ne!(suits, kind.is_of_scene(), "{kind}");
        }
    }
}
