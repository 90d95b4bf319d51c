//! The roles played by a simulated world, whose truth is known: suites that use them run the whole
//! loop on any machine and can say how good its choices were.

mod detector;
mod drawer;
mod grammar;
mod judge;

pub use detector::WorldDetector;
pub use drawer::WorldDrawer;
pub use grammar::WorldGrammar;
pub use judge::WorldJudge;

use ccsr_stage::params::nearest;
use ccsr_stage::{Misfits, StageError, Value};
use ccsr_world::{Class, Scene};

/// The class that people call `name`.
pub(crate) fn class(name: &str) -> Result<Class, String> {
    Class::from_name(name).ok_or_else(|| {
        let known = || Class::ALL.iter().map(|class| class.name());
        let hint = nearest(name, known())
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!(
            "the world knows no class `{name}`; it knows {}{hint}",
            known().collect::<Vec<_>>().join(", ")
        )
    })
}

/// A text of a unit's input.
fn text<'a>(input: &'a Value, name: &str) -> Result<&'a str, StageError> {
    let missing = || StageError::failed(format!("a unit came without its `{name}`"));
    input.get(name).and_then(Value::as_text).ok_or_else(missing)
}

/// The scene of a unit's input.
pub(crate) fn scene(input: &Value) -> Result<Scene, StageError> {
    Scene::from_text(text(input, "scene")?)
        .map_err(|error| StageError::failed(format!("the image's `scene` cannot be read: {error}")))
}

/// To six decimals, as tables show it.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// That a share is one.
fn share(name: &str, value: f64) -> Misfits {
    crate::range::within(name, value, &(0.0..=1.0), "")
}
