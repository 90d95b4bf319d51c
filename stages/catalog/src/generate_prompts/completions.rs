//! What a language model wrote: its completions by what they are, as a table, and in a sentence.

use std::collections::BTreeMap;

use ccsr_stage::{ColumnType, Resolved, Schema, StageError, Table, Value};

use super::params::Params;
use super::sift::{Draft, Reason, Sifted};
use crate::roles::Completion;

/// The completions that are known.
pub(super) struct Completions(BTreeMap<Draft, Completion>);

impl Completions {
    /// Those of units.
    pub(super) fn of(resolved: &[Resolved]) -> Result<Self, StageError> {
        let completion = |resolved: &Resolved| {
            let draft = Draft::of_hint(&resolved.unit.hint);
            let draft = draft.ok_or_else(|| StageError::failed("a unit came without its hint"))?;
            Ok((draft, resolved.outcome.read()?))
        };
        let known: Result<_, StageError> = resolved.iter().map(completion).collect();
        Ok(Self(known?))
    }

    /// One of them.
    pub(super) fn get(&self, draft: Draft) -> Option<&Completion> {
        self.0.get(&draft)
    }

    /// A row a completion.
    pub(super) fn table(&self, classes: &[String], sifted: &Sifted) -> Result<Table, StageError> {
        let mut table = Table::builder(schema());
        for (draft, Completion { text, is_cut }) in &self.0 {
            let accepted = sifted.taken.get(draft).copied().unwrap_or_default();
            table.push([
                Value::from(classes[draft.class].as_str()),
                Value::Int(i64::from(draft.chunk)),
                Value::Int(i64::from(draft.attempt)),
                Value::from(text.as_str()),
                Value::Bool(*is_cut),
                Value::Int(i64::from(accepted)),
            ])?;
        }
        Ok(table.finish())
    }

    /// What became of a class's completions, to go on with in a sentence.
    pub(super) fn told(&self, class: usize, params: &Params, sifted: &Sifted) -> String {
        let completions = self.0.keys().filter(|draft| draft.class == class).count();
        let Params {
            chunk, max_tokens, ..
        } = params;
        let dropped = sifted.dropped[class].iter();
        let dropped = dropped.map(|(reason, lines)| match reason {
            Reason::OffTopic => format!("{lines} do not mention {}", params.classes[class]),
            Reason::TooLong => format!("{lines} have more than {max_tokens} tokens"),
            Reason::Repeated => format!("{lines} repeat another"),
            Reason::Excluded => format!("{lines} are among the excluded ones"),
            Reason::Remark => format!("{lines} are headings or remarks"),
            Reason::Cut => format!("{lines} are cut off for want of `max_new_tokens`"),
        });
        let dropped = match dropped.collect::<Vec<_>>().as_slice() {
            [] => "no line was dropped".to_owned(),
            reasons => format!("of the lines that were dropped, {}", reasons.join(", ")),
        };
        format!(
            " (completions asked for: {completions}, of {chunk} prompts each; {dropped}); raise `retries`"
        )
    }
}

/// The columns of the table.
pub(super) fn schema() -> Schema {
    Schema::new([
        ("class", ColumnType::Text),
        ("chunk", ColumnType::Int),
        ("attempt", ColumnType::Int),
        ("text", ColumnType::Text),
        ("cut", ColumnType::Bool),
        ("accepted", ColumnType::Int),
    ])
}
