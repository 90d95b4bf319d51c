//! Why a unit is missing: the fields in which it differs from the nearest unit that was committed
//! earlier.

use ccsr_cache::{Action, StoreError, Value};
use serde::Serialize;

use crate::active::guarded;
use crate::explain::{Change, changes};
use crate::graph::StageId;
use crate::standing::{ListedUnit, Survey};

/// Committed units that are looked through for the nearest.
const EARLIER: usize = 10_000;
/// Missing units that are shown of a stage.
const EXAMPLES: usize = 3;

/// A unit, and what is known about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnitWhy {
    /// What its stage calls it.
    pub name: Option<String>,
    /// What its outcome depends on.
    pub input: Value,
    /// How it stands.
    #[serde(flatten)]
    pub state: UnitState,
}

/// How a unit stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UnitState {
    /// Its outcome is in the cache.
    Known {
        /// The run that computed it.
        run: String,
        /// Seconds that it took.
        seconds: f64,
        /// What it came to.
        outcome: Value,
    },
    /// It would be computed.
    Missing {
        /// The run that computed the nearest earlier unit; `None` if there is none of this kind.
        nearest: Option<String>,
        /// In what it differs from that one. Empty: that one's outcome was lost.
        changes: Vec<Change>,
    },
}

/// Some of a stage's missing units.
pub(super) fn examples(survey: &mut Survey<'_>, id: StageId) -> Result<Vec<UnitWhy>, StoreError> {
    let Ok(units) = survey.units(id)? else {
        return Ok(Vec::new());
    };
    let missing: Vec<_> = units.iter().filter(|unit| unit.stored.is_none()).collect();
    let step = missing.len().div_ceil(EXAMPLES).max(1);
    let shown: Vec<_> = missing.into_iter().step_by(step).collect();
    explain(survey, id, &shown)
}

/// Explains units of a stage.
pub(super) fn explain(
    survey: &Survey<'_>,
    id: StageId,
    units: &[&ListedUnit],
) -> Result<Vec<UnitWhy>, StoreError> {
    let node = survey.pipeline.stage(id);
    let any_missing = units.iter().any(|unit| unit.stored.is_none());
    let earlier = if any_missing {
        survey.store.recent_actions(node.kind, EARLIER)?
    } else {
        Vec::new()
    };
    let explained = units.iter().map(|listed| {
        let state = match &listed.stored {
            Some(stored) => UnitState::Known {
                run: stored.run.clone(),
                seconds: stored.seconds,
                outcome: stored.outcome.clone(),
            },
            None => missing(&listed.unit.input, node.revision, &earlier),
        };
        let name = guarded(|| Ok(node.stage.describe(&listed.unit)));
        UnitWhy {
            name: name.ok().flatten(),
            input: listed.unit.input.clone(),
            state,
        }
    });
    Ok(explained.collect())
}

fn missing(input: &Value, revision: u32, earlier: &[Action]) -> UnitState {
    let differences = |action: &Action| {
        let mut found = changes(&action.input, input);
        if action.revision != revision {
            found.push(Change {
                field: "revision".to_owned(),
                old: Some(Value::Int(action.revision.into())),
                new: Some(Value::Int(revision.into())),
            });
        }
        found
    };
    let near = earlier
        .iter()
        .map(|action| (action, differences(action)))
        .min_by_key(|(_, changes)| changes.iter().map(weight).sum::<usize>());
    UnitState::Missing {
        nearest: near.as_ref().map(|(action, _)| action.run.clone()),
        changes: near.map(|(_, changes)| changes).unwrap_or_default(),
    }
}

/// How far a change takes two units apart: a text of which much stayed is nearer than another text.
fn weight(change: &Change) -> usize {
    const FAR: usize = 8;
    let texts = (&change.old, &change.new);
    let (Some(Value::Text(old)), Some(Value::Text(new))) = texts else {
        return FAR;
    };
    let same = old
        .chars()
        .zip(new.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let rest = |text: &str| text.chars().count() - same;
    let backwards = old.chars().rev().zip(new.chars().rev());
    let most = rest(old).min(rest(new));
    let end = backwards.take(most).take_while(|(a, b)| a == b).count();
    let longest = old.chars().count().max(new.chars().count()).max(1);
    FAR - (same + end) * (FAR - 1) / longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(old: &str, new: &str) -> usize {
        weight(&Change {
            field: String::new(),
            old: Some(old.into()),
            new: Some(new.into()),
        })
    }

    #[test]
    fn a_text_that_differs_little_is_near() {
        assert_eq!(text("abc", "xyz"), 8);
        assert!(text("Is there a lion?", "Is there one lion?") < text("Is there a lion?", "Who?"));
        assert!(text("aaa", "aaaa") >= 1);
    }

    #[test]
    fn the_nearest_unit_is_the_one_with_the_fewest_changes() {
        let input = |prompt: &str, steps: i64| {
            Value::map([
                ("prompt", Value::from(prompt)),
                ("steps", Value::Int(steps)),
            ])
        };
        let action = |input, run: &str| Action {
            revision: 1,
            input,
            run: run.to_owned(),
        };
        let earlier = [action(input("b", 9), "far"), action(input("a", 9), "near")];
        let state = missing(&input("a", 10), 1, &earlier);
        let UnitState::Missing { nearest, changes } = state else {
            panic!("{state:?}");
        };
        assert_eq!(nearest.as_deref(), Some("near"));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].to_string(), "`steps` was 9, now 10");
        let lost = missing(&input("a", 9), 1, &earlier);
        assert!(matches!(lost, UnitState::Missing { changes, .. } if changes.is_empty()));
    }
}
