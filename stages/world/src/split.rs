//! Splits that never overlap, whatever their sizes and seeds.

use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::scene::Scene;

/// A part of all scenes, and of all texts. Eight in ten are for training, one each for validation and testing.
///
/// Where a scene or a text belongs follows from itself alone, so that no two splits share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// What models learn from.
    Train,
    /// What settings are chosen by.
    Validation,
    /// What is looked at once, at the end.
    Test,
}

impl Split {
    /// All three.
    pub const ALL: &'static [Self] = &[Self::Train, Self::Validation, Self::Test];

    /// The name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The split of a scene, by what is in it: its animals' classes, colours and poses, place, background, time
    /// and weather.
    ///
    /// Where the animals stand and what is wrong with them does not matter. So a scene and its spoilt copy are in
    /// one split, and what is tested are combinations that no training scene has.
    pub fn of_scene(scene: &Scene) -> Self {
        let mut parts: Vec<String> = scene
            .animals
            .iter()
            .map(|animal| format!("{} {} {}", animal.class, animal.colour, animal.pose))
            .collect();
        parts.sort_unstable();
        parts.push(scene.place.to_string());
        parts.push(scene.background.to_string());
        parts.push(scene.time.to_string());
        parts.push(scene.weather.to_string());
        Self::of(b"split of a scene", &parts)
    }

    /// The split of a caption or prompt, by its words: case, spaces and punctuation do not matter.
    pub fn of_text(text: &str) -> Self {
        let words: Vec<String> = text
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        Self::of(b"split of a text", &words)
    }

    fn of(purpose: &[u8], parts: &[String]) -> Self {
        let mut bytes = vec![purpose];
        bytes.extend(parts.iter().map(String::as_bytes));
        match Random::from_parts(&bytes).below(10) {
            0 => Self::Validation,
            1 => Self::Test,
            _ => Self::Train,
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
