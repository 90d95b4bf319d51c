//! The web: any number of captioned scenes, some of them defective, some wrongly captioned.
//!
//! What models are trained on, as big models are on what people put on the web. Unlike the prompts of the
//! [`grammar`](crate::grammar), its scenes hold what is seldom asked for, too: landscapes, strange colours,
//! animals that sleep in the mud, and animals of two kinds side by side.

use crate::captions::{Caption, Captioner, other_class};
use crate::draw::{Order, carry_out};
use crate::grammar::pick_where;
use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};
use crate::questions::{self, Balance, Question};
use crate::random::Random;
use crate::scene::{Facing, Scene};
use crate::split::Split;

/// How often there is no animal.
const LANDSCAPE: f64 = 0.04;
/// How often an animal of another class stands beside the others.
const STRANGER: f64 = 0.08;
/// How often the animals have a colour of any kind, rather than a natural one.
const ANY_COLOUR: f64 = 0.2;
/// How often poses, places, backgrounds and weathers are put together without regard to what is natural.
const ODD: f64 = 0.12;

/// An endless list of captioned scenes.
#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    /// Another seed gives other scenes.
    pub seed: u64,
    /// The part of all scenes and captions from which its own come.
    pub split: Split,
    /// The classes that scenes are about, in turn; every class if there is none here. Where animals of two classes stand
    /// together, both are of these, if there are two.
    pub classes: Vec<Class>,
    /// The probability that a scene has a defect, `0.0..=1.0`.
    pub defects: f64,
    /// The probability that one thing in a caption is wrong, `0.0..=1.0`.
    pub wrong: f64,
    /// Where all animals look. To either side, most of a scene's to the same, if there is none here.
    pub facing: Option<Facing>,
}

/// A captioned scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The class that the caption speaks of, or else the one that the scene is about.
    pub class: Class,
    /// The scene.
    pub scene: Scene,
    /// What is said of it, rightly or wrongly.
    pub caption: Caption,
}

impl Web {
    /// One of its examples. Neither depends on how many there are, nor on the other examples.
    ///
    /// A rate changes which scenes are spoilt or which captions are wrong, and nothing of the others.
    pub fn example(&self, ordinal: u64) -> Example {
        self.example_of(ordinal, self.scene(ordinal))
    }

    /// The scene of one of its examples: the first with this ordinal that belongs to the split.
    pub fn scene(&self, ordinal: u64) -> Scene {
        let about = self.about(ordinal);
        let mut random = self.stream(b"scene", ordinal, about.name().as_bytes());
        loop {
            let order = self.order(about, &mut random);
            let scene = carry_out(&order, &random.seed(), self.defects);
            if Split::of_scene(&scene) == self.split {
                return scene;
            }
        }
    }

    /// The example of a scene, which is its own or what remains of it.
    pub fn example_of(&self, ordinal: u64, scene: Scene) -> Example {
        let caption = self.caption(&scene, ordinal);
        let class = caption.says.class.unwrap_or_else(|| self.about(ordinal));
        Example {
            class,
            scene,
            caption,
        }
    }

    fn about(&self, ordinal: u64) -> Class {
        let classes: &[Class] = if self.classes.is_empty() {
            Class::ALL
        } else {
            &self.classes
        };
        classes[(ordinal % classes.len() as u64) as usize]
    }

    /// Questions about one of its examples; those about a prompt are about its caption, or about another one that
    /// is right where that is wrong and the other way round.
    ///
    /// If they are to be even, as many answers are yes as are no, over many examples.
    pub fn questions(
        &self,
        ordinal: u64,
        example: &Example,
        count: usize,
        even: bool,
    ) -> Vec<Question> {
        let mut random = self.stream(b"questions", ordinal, b"");
        let captioner = Captioner::of(&example.scene);
        let other = self.first(&captioner, example.caption.wrong.is_none(), &mut random);
        let prompts = [&example.caption, &other].map(|caption| {
            let class = caption.says.class.unwrap_or(example.class);
            (caption.text.as_str(), class)
        });
        let balance = if even {
            Balance::Even {
                defects: self.defects,
            }
        } else {
            Balance::AsItFalls
        };
        questions::bank(&example.scene, &prompts, count, balance, random.bits())
    }

    fn caption(&self, scene: &Scene, ordinal: u64) -> Caption {
        let wrong = self.stream(b"wrong", ordinal, b"").chance(self.wrong);
        let mut random = self.stream(b"caption", ordinal, b"");
        self.first(&Captioner::of(scene), wrong, &mut random)
    }

    /// The first caption that belongs to the split.
    fn first(&self, captioner: &Captioner, wrong: bool, random: &mut Random) -> Caption {
        loop {
            let seed = random.bits();
            let caption = if wrong {
                captioner.wrong(seed)
            } else {
                captioner.caption(seed)
            };
            if Split::of_text(&caption.text) == self.split {
                return caption;
            }
        }
    }

    fn stream(&self, purpose: &[u8], ordinal: u64, about: &[u8]) -> Random {
        let (seed, ordinal) = (self.seed.to_le_bytes(), ordinal.to_le_bytes());
        Random::from_parts(&[b"web", purpose, &seed, &ordinal, about])
    }

    fn order(&self, about: Class, random: &mut Random) -> Order {
        let natural = !random.chance(ODD);
        let any_colour = random.chance(ANY_COLOUR);
        let pose = random.pick(Pose::ALL);
        let place = pick_where(random, Place::ALL, |place| {
            !natural || pose.is_natural_in(place)
        });
        let background = pick_where(random, Background::ALL, |background| {
            !natural || place.borders(background)
        });
        let weather = pick_where(random, Weather::ALL, |weather| {
            !natural || place.knows(weather)
        });
        let mut stranger = other_class(about, random);
        if !self.classes.contains(&stranger) && self.classes.iter().any(|class| *class != about) {
            stranger = pick_where(random, &self.classes, |class| class != about);
        }
        Order {
            class: (!random.chance(LANDSCAPE)).then_some(about),
            count: random.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4]),
            colour: random.pick(if any_colour {
                Colour::ALL
            } else {
                about.natural_colours()
            }),
            pose,
            place,
            background,
            time: random.pick(Time::ALL),
            weather,
            stranger: random.chance(STRANGER).then_some(stranger),
            facing: self.facing,
        }
    }
}
