//! What changed, so that a person sees the difference: short values in one line, long ones below
//! each other, shortened to the parts in which they differ.

use ccsr_cache::Value;
use ccsr_engine::Change;
use ccsr_engine::rows::{RowChange, RowFate, TableChanges};
use ccsr_engine::tabular::cell;

use crate::ui::{count, counted};

/// Values that are together longer than this get a line each, in characters.
const ONE_LINE: usize = 72;
/// Longest value that is shown, in characters.
const LINE: usize = 100;
/// What is shown of the agreement around a difference, in characters.
const AROUND: usize = 40;

/// A change, in one line or in three.
pub(crate) fn change(change: &Change) -> Vec<String> {
    let field = field(&change.field);
    match (&change.old, &change.new) {
        (Some(Value::Blob(_)), Some(Value::Blob(_))) => vec![content(&change.field)],
        (Some(old), Some(new)) => {
            let (old, new) = (shown(old), shown(new));
            if old.chars().count() + new.chars().count() <= ONE_LINE {
                return vec![format!("`{field}` was {old}, now {new}")];
            }
            let (old, new) = apart(&old, &new);
            vec![
                format!("`{field}` changed"),
                format!("  - {old}"),
                format!("  + {new}"),
            ]
        }
        (None, Some(new)) => vec![format!(
            "`{field}` is new: {}",
            shortened(&shown(new), LINE)
        )],
        (Some(old), None) => {
            vec![format!(
                "`{field}` is gone; it was {}",
                shortened(&shown(old), LINE)
            )]
        }
        (None, None) => Vec::new(),
    }
}

/// The name of a field as it stands in the pipeline.
fn field(field: &str) -> &str {
    field.strip_prefix("with.").unwrap_or(field)
}

/// A digest tells a person nothing; that the content is another one does.
fn content(name: &str) -> String {
    match name.split_once('.') {
        Some(("tables", name)) => format!("the table `{name}` has other rows"),
        Some(("files", name)) => format!("the content of `{name}` changed"),
        _ => format!("`{name}` is another one"),
    }
}

/// A value in one line; never a digest.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Blob(_) => "a blob".to_owned(),
        Value::Text(text) => format!("\"{}\"", text.replace('\n', "⏎")),
        Value::List(values) => {
            format!(
                "[{}]",
                values.iter().map(shown).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Map(entries) => {
            let entry =
                |(name, value): (&std::sync::Arc<str>, &Value)| format!("{name}: {}", shown(value));
            format!(
                "{{{}}}",
                entries.iter().map(entry).collect::<Vec<_>>().join(", ")
            )
        }
        other => cell(other).replace('\n', "⏎"),
    }
    .replace(|c: char| c.is_control(), "\u{fffd}")
}

/// Two long texts, each shortened around the part in which they differ.
fn apart(old: &str, new: &str) -> (String, String) {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let backwards = old.iter().rev().zip(new.iter().rev()).take(rest);
    let tail = backwards.take_while(|(a, b)| a == b).count();
    let cut = |text: &[char]| {
        let (start, end) = (
            head.saturating_sub(AROUND),
            (text.len() - tail + AROUND).min(text.len()),
        );
        let middle: String = text[start..end].iter().collect();
        let (before, after) = (
            if start > 0 { "…" } else { "" },
            if end < text.len() { "…" } else { "" },
        );
        format!("{before}{}{after}", shortened(&middle, 3 * LINE))
    };
    (cut(&old), cut(&new))
}

pub(crate) fn shortened(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// In what two tables differ: a line that counts, and some rows.
pub(crate) fn table(changes: &TableChanges) -> Vec<String> {
    let mut parts = Vec::new();
    for (number, what) in [
        (changes.added, "new"),
        (changes.removed, "gone"),
        (changes.changed, "changed"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    if changes.reordered {
        parts.push("another order".to_owned());
    }
    for (names, what) in [
        (&changes.columns_added, "new"),
        (&changes.columns_removed, "gone"),
    ] {
        parts.extend(
            names
                .iter()
                .map(|name| format!("the column `{name}` is {what}")),
        );
    }
    let mut lines = vec![format!(
        "{} → {}: {}",
        count(changes.old_rows),
        counted(changes.new_rows, "row"),
        parts.join(", ")
    )];
    for (name, column) in &changes.columns {
        let what = if column.images {
            counted(column.rows, "image")
        } else {
            counted(column.rows, "row")
        };
        let largest = column
            .largest
            .map(|largest| format!(", at most by {largest}"))
            .unwrap_or_default();
        lines.push(format!("  `{name}` differs in {what}{largest}"));
    }
    lines.extend(
        changes
            .examples
            .iter()
            .flat_map(row)
            .map(|line| format!("  {line}")),
    );
    lines
}

fn row(row: &RowChange) -> Vec<String> {
    let name = named(&row.row);
    match row.what {
        RowFate::Added => vec![format!("new: {name}")],
        RowFate::Removed => vec![format!("gone: {name}")],
        RowFate::Changed => {
            let cells: Vec<_> = row.cells.iter().flat_map(change).collect();
            match cells.as_slice() {
                [only] => vec![format!("{name}: {only}")],
                several => std::iter::once(name)
                    .chain(several.iter().map(|line| format!("  {line}")))
                    .collect(),
            }
        }
    }
}

/// A row by its identifying values: `prompt="…" candidate=3`.
pub(crate) fn named<'a>(row: impl IntoIterator<Item = (&'a String, &'a Value)>) -> String {
    let parts = row
        .into_iter()
        .map(|(name, value)| format!("{name}={}", shortened(&shown(value), 60)));
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<String> {
        change(&Change {
            field: "with.questions.q3.text".to_owned(),
            old: Some(old.into()),
            new: Some(new.into()),
        })
    }

    #[test]
    fn a_small_difference_in_a_long_text_can_be_seen() {
        assert_eq!(told("a", "b"), ["`questions.q3.text` was \"a\", now \"b\""]);
        let text = |word: &str| {
            format!(
                "Look at the animal for a while and then tell {word} there is anything wrong with any of its legs or not"
            )
        };
        assert_eq!(
            told(&text("whether"), &text("if")),
            [
                "`questions.q3.text` changed",
                "  - …at the animal for a while and then tell whether there is anything wrong with any of its…",
                "  + …at the animal for a while and then tell if there is anything wrong with any of its…",
            ]
        );
    }

    #[test]
    fn digests_are_never_shown() {
        let blob = |text: &str| Some(Value::Blob(ccsr_cache::Digest::of(text.as_bytes())));
        let told = change(&Change {
            field: "image".to_owned(),
            old: blob("a"),
            new: blob("b"),
        });
        assert_eq!(told, ["`image` is another one"]);
        assert_eq!(
            shown(&Value::map([("image", blob("a").unwrap())])),
            "{image: a blob}"
        );
    }
}
