//! What a prompt asks for, as far as the world can show it.
//!
//! [`Wish::parse`] reads any text and never fails: what it does not understand it leaves open.
//! [`Wish::to_prompt`] is its inverse for the prompts of our own [`grammar`](crate::grammar).

mod parse;
mod phrases;

use serde::{Deserialize, Serialize};

use crate::grammar::{self, Style};
use crate::kinds::{Background, Class, Colour, Place, Pose, Time, Weather};

/// What a prompt asks for; whatever is `None` is left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// The animals' class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// How many animals of the class; open for a bare plural.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u8>,
    /// Their colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// What they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pose: Option<Pose>,
    /// The ground.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The horizon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// The time of day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The weather.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weather: Option<Weather>,
}

impl Wish {
    /// Reads a prompt, in whatever words.
    ///
    /// Colours and counts are those of the animal's own noun phrase, so that a blue sky paints no elephant
    /// and a 50mm lens multiplies none. A word such as "lake" is a background if its clause says so
    /// ("a lake in the background"), else a place.
    pub fn parse(prompt: &str) -> Self {
        parse::wish(prompt)
    }

    /// Writes it as a prompt; the seed chooses among the ways to say the same.
    pub fn to_prompt(&self, style: Style, seed: u64) -> String {
        grammar::write(self, style, seed)
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
