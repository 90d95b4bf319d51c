//! A scene: the complete description of one picture, and its text.
//!
//! [`Scene`] holds what is to be seen and nothing else; the image, the boxes, the caption and the answers all
//! follow from it. Its text is compact JSON whose numbers have three decimals, so that it round-trips exactly.

use serde::{Deserialize, Serialize};

use crate::kinds::{Background, Class, Colour, DefectKind, Place, Pose, Time, Weather};
use crate::wish::Wish;

/// The most animals a scene may hold.
pub const MAX_ANIMALS: usize = 6;

/// One picture, described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// The animals, in no particular order; [`Animal::depth`] says who stands before whom.
    pub animals: Vec<Animal>,
    /// The ground.
    pub place: Place,
    /// The horizon.
    pub background: Background,
    /// The time of day.
    pub time: Time,
    /// The weather.
    pub weather: Weather,
    /// Where clouds, trees and tufts stand: any number.
    pub detail: u32,
    /// A stray translucent thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ghost: Option<Spot>,
    /// A ragged piece of noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<Spot>,
}

/// One animal of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Animal {
    /// What it is.
    pub class: Class,
    /// Its main colour.
    pub colour: Colour,
    /// What it does.
    pub pose: Pose,
    /// Where it stands: the middle of its feet, `0` the image's left edge, `1` the right.
    pub x: f32,
    /// Where it stands, `0` the image's top edge, `1` the bottom.
    pub y: f32,
    /// Its size: the longer side it has when standing, as a share of the image's side.
    pub scale: f32,
    /// Where it looks.
    pub facing: Facing,
    /// Its distance: the animals of smaller depth are drawn over those of larger.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub depth: f32,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<DefectKind>,
}

/// The side to which an animal looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facing {
    /// To the left.
    Left,
    /// To the right.
    Right,
}

/// A place in the image with a size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// The centre, as a share of the image's width.
    pub x: f32,
    /// The centre, as a share of the image's height.
    pub y: f32,
    /// The extent, as a share of the image's side.
    pub size: f32,
}

/// Why a text is no scene.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// Not JSON, or not the JSON of a scene.
    #[error("not a scene")]
    Syntax(#[from] serde_json::Error),
    /// More animals than a scene may hold.
    #[error("{found} animals where at most {MAX_ANIMALS} may be")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// A number outside its range.
    #[error("`{field}` is {value}, outside {low}..={high}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: f32,
        /// The least it may be.
        low: f32,
        /// The most it may be.
        high: f32,
    },
    /// An animal has a defect that it cannot show, or has it twice.
    #[error("a {pose} {class} cannot have the defect `{defect}` (or has it twice)")]
    Unsuitable {
        /// The animal's class.
        class: Class,
        /// The animal's pose.
        pose: Pose,
        /// The defect.
        defect: DefectKind,
    },
}

impl Scene {
    /// Whether nothing at all is wrong with it.
    pub fn is_sound(&self) -> bool {
        self.ghost.is_none()
            && self.torn.is_none()
            && self.animals.iter().all(|a| a.defects.is_empty())
    }

    /// What is wrong, animal by animal, then with the scene.
    pub fn defects(&self) -> Vec<DefectKind> {
        let of_animals = self
            .animals
            .iter()
            .flat_map(|animal| animal.defects.iter().copied());
        let torn = self.torn.map(|_| DefectKind::TornPatch);
        let ghost = self.ghost.map(|_| DefectKind::Ghost);
        of_animals.chain(torn).chain(ghost).collect()
    }

    /// The wish that this scene would fulfil to the letter.
    ///
    /// With animals of several classes, it is about those of the first one's class; colour and pose are those
    /// that all of them share.
    pub fn as_wish(&self) -> Wish {
        let mut wish = Wish {
            place: Some(self.place),
            background: Some(self.background),
            time: Some(self.time),
            weather: Some(self.weather),
            ..Wish::default()
        };
        if let Some(first) = self.animals.first() {
            let same = || {
                self.animals
                    .iter()
                    .filter(|animal| animal.class == first.class)
            };
            wish.class = Some(first.class);
            wish.count = Some(same().count() as u8);
            wish.colour = same()
                .all(|a| a.colour == first.colour)
                .then_some(first.colour);
            wish.pose = same().all(|a| a.pose == first.pose).then_some(first.pose);
        }
        wish
    }

    /// What is to be seen, in the keyword style of prompts; defects are not mentioned.
    pub fn caption(&self) -> String {
        crate::grammar::describe(&self.as_wish(), &self.others())
    }

    /// The animals from the farthest to the nearest, as they are painted.
    pub(crate) fn far_to_near(&self) -> impl Iterator<Item = &Animal> {
        let order = self.order_far_to_near().into_iter();
        order.map(|index| &self.animals[index])
    }

    /// Their numbers in that order.
    pub(crate) fn order_far_to_near(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.animals.len()).collect();
        // The sort is stable, so equal depths keep the scene's order.
        order.sort_by(|a, b| self.animals[*b].depth.total_cmp(&self.animals[*a].depth));
        order
    }

    /// The classes of the animals that are not of the first one's, with their counts.
    fn others(&self) -> Vec<(Class, usize)> {
        let first = self.animals.first().map(|animal| animal.class);
        Class::ALL
            .iter()
            .filter(|&&class| Some(class) != first)
            .map(|&class| {
                (
                    class,
                    self.animals.iter().filter(|a| a.class == class).count(),
                )
            })
            .filter(|&(_, count)| count > 0)
            .collect()
    }

    /// The scene as compact JSON.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a scene has only string keys and finite numbers")
    }

    /// Reads what [`Scene::to_text`] wrote.
    pub fn from_text(text: &str) -> Result<Self, SceneError> {
        let scene: Self = serde_json::from_str(text)?;
        scene.check()?;
        Ok(scene)
    }

    /// Checks the numbers' ranges and that each defect suits its animal.
    pub fn check(&self) -> Result<(), SceneError> {
        if self.animals.len() > MAX_ANIMALS {
            return Err(SceneError::TooMany {
                found: self.animals.len(),
            });
        }
        for spot in self.ghost.iter().chain(&self.torn) {
            within("x", spot.x, -1.0, 2.0)?;
            within("y", spot.y, -1.0, 2.0)?;
            within("size", spot.size, 0.01, 1.0)?;
        }
        for animal in &self.animals {
            within("x", animal.x, -1.0, 2.0)?;
            within("y", animal.y, -1.0, 2.0)?;
            within("scale", animal.scale, 0.02, 2.0)?;
            within("depth", animal.depth, -1.0, 1.0)?;
            for (index, &defect) in animal.defects.iter().enumerate() {
                let twice = animal.defects[..index].contains(&defect);
                if twice || !defect.suits(animal.class, animal.pose) {
                    return Err(SceneError::Unsuitable {
                        class: animal.class,
                        pose: animal.pose,
                        defect,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Animal {
    /// Whether it has this defect.
    pub(crate) fn has(&self, defect: DefectKind) -> bool {
        self.defects.contains(&defect)
    }
}

fn within(field: &'static str, value: f32, low: f32, high: f32) -> Result<(), SceneError> {
    // NaN is in no range.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(SceneError::OutOfRange {
        field,
        value,
        low,
        high,
    })
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

/// The number with three decimals, as scenes hold them.
pub(crate) fn rounded(value: f32) -> f32 {
    ((f64::from(value) * 1000.0).round() / 1000.0) as f32
}
