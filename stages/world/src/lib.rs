//! A world with known truth: procedural pictures of animals, for which everything a research loop asks has
//! one right answer.
//!
//! Read [`Scene`] first: it describes one picture completely. From it follow the [image](Scene::render), a
//! [caption](Scene::caption), the [boxes](Scene::boxes) and the [true answers](truth()) to the ten questions.
//! [`captions`] say what is so, or what is not; [`questions`] ask; [`negatives`] differ in one thing; the [`Web`] is
//! all of that without end, in [splits](Split) that share nothing.
//! A [`Wish`] is what a prompt asks for; [`draw()`] makes a scene of it, well or badly; [`grammar`] writes prompts;
//! [`judge`] and [`detect()`] are a judge and a detector with known error rates.
//!
//! Everything is a pure function of its arguments. Scenes, prompts, captions and answers are the same on every
//! machine; pixels are the same on one machine, and may differ in their last bits between two. Nothing here
//! learns, reads files or knows of pipelines.
//!
//! ```
//! use ccsr_world::{Rates, Wish, draw};
//!
//! let wish = Wish::parse("two grey elephants walking in the savanna at sunset, Nikon D850, 50mm, f/2.8");
//! let scene = draw(&wish, &[1; 32], &Rates::default());
//! assert!(scene.is_sound());
//! assert!(scene.caption().starts_with("Photo of two grey elephants walking, sunset"));
//! assert_eq!(scene.render(64).pixels.len(), 64 * 64 * 3);
//! ```

mod anatomy;
mod boxes;
pub mod captions;
mod detect;
mod draw;
pub mod grammar;
mod kinds;
pub mod negatives;
pub mod questions;
mod random;
mod render;
mod scene;
mod split;
mod trace;
pub mod truth;
mod web;
mod wish;

pub use boxes::TrueBox;
pub use captions::{Caption, Fact};
pub use detect::{Detection, FLOOR, detect};
pub use draw::{Rates, draw};
pub use grammar::Style;
pub use kinds::{Background, BodyPart, Class, Colour, DefectKind, Place, Pose, Time, Weather};
pub use random::Random;
pub use render::{Image, MAX_SIZE, MIN_SIZE};
pub use scene::{Animal, Facing, MAX_ANIMALS, Scene, SceneError, Spot};
pub use split::Split;
pub use trace::Trace;
pub use truth::{About, Answer, UnknownAbout, Witness, judge, truth};
pub use web::{Example, Web};
pub use wish::Wish;
