//! Why a stage is not what it was: the fields in which two stage values differ, with both values.

use std::fmt;
use std::sync::Arc;

use ccsr_cache::Value;
use serde::Serialize;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where it is: `with.min_confidence`, `files.path`, `tables.images`.
    pub field: String,
    /// What it was; `None` if it was not there.
    pub old: Option<Value>,
    /// What it is; `None` if it is gone.
    pub new: Option<Value>,
}

/// The fields in which `new` differs from `old`, down to the leaves.
pub fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), Some(old), Some(new), &mut found);
    found
}

fn compare(field: String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Change>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Map(a)), Some(Value::Map(b))) => {
            let names: std::collections::BTreeSet<&Arc<str>> = a.keys().chain(b.keys()).collect();
            for name in names {
                compare(join(&field, name), a.get(name), b.get(name), found);
            }
        }
        (Some(Value::List(a)), Some(Value::List(b))) => compare_lists(&field, a, b, found),
        _ => found.push(Change {
            field,
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}

/// Elements that have an `id` are compared with their namesakes, others with their neighbours.
fn compare_lists(field: &str, old: &[Value], new: &[Value], found: &mut Vec<Change>) {
    let id = |value: &Value| value.get("id").and_then(Value::as_text).map(str::to_owned);
    if let (Some(olds), Some(news)) = (
        old.iter().map(id).collect::<Option<Vec<_>>>(),
        new.iter().map(id).collect::<Option<Vec<_>>>(),
    ) {
        let added = news.iter().filter(|name| !olds.contains(name));
        for name in olds.iter().chain(added) {
            let at = |names: &[String], list: &[Value]| {
                names
                    .iter()
                    .position(|n| n == name)
                    .map(|index| list[index].clone())
            };
            compare(
                join(field, name),
                at(&olds, old).as_ref(),
                at(&news, new).as_ref(),
                found,
            );
        }
        let order = |names: Vec<String>| Value::list(names.into_iter().map(Value::from));
        if olds.iter().all(|name| news.contains(name)) && olds.len() == news.len() && olds != news {
            let field = join(field, "order");
            found.push(Change {
                field,
                old: Some(order(olds)),
                new: Some(order(news)),
            });
        }
        return;
    }
    for index in 0..old.len().max(new.len()) {
        compare(
            join(field, &index.to_string()),
            old.get(index),
            new.get(index),
            found,
        );
    }
}

fn join(field: &str, name: &str) -> String {
    if field.is_empty() {
        name.to_owned()
    } else {
        format!("{field}.{name}")
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A digest tells a person nothing; that the content is another one does.
        if let (Some(Value::Blob(_)), Some(Value::Blob(_))) = (&self.old, &self.new) {
            let (what, name) = self.field.split_once('.').unwrap_or(("", &self.field));
            return match what {
                "tables" => write!(f, "the table `{name}` has other rows"),
                "files" => write!(f, "the content of `{name}` changed"),
                _ => write!(f, "`{}` has another content", self.field),
            };
        }
        let field = self.field.strip_prefix("with.").unwrap_or(&self.field);
        match (&self.old, &self.new) {
            (None, Some(new)) => write!(f, "`{field}` is new: {}", shown(new)),
            (Some(old), None) => write!(f, "`{field}` is gone; it was {}", shown(old)),
            (Some(old), Some(new)) => write!(f, "`{field}` was {}, now {}", shown(old), shown(new)),
            (None, None) => write!(f, "`{field}`"),
        }
    }
}

fn shown(value: &Value) -> String {
    const WIDTH: usize = 120;
    let text = value.to_text();
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: serde_json::Value, new: serde_json::Value) -> Vec<String> {
        let value = |json| Value::from_json(json).unwrap();
        changes(&value(old), &value(new))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_leaf_that_changed_is_named_with_both_values() {
        assert_eq!(
            told(
                serde_json::json!({"with": {"min_confidence": 0.6, "keep": 1}, "revision": 1}),
                serde_json::json!({"with": {"min_confidence": 0.5, "keep": 1}, "revision": 2}),
            ),
            [
                "`revision` was 1, now 2",
                "`min_confidence` was 0.6, now 0.5"
            ]
        );
    }

    #[test]
    fn questions_are_compared_by_their_ids() {
        let question = |id: &str, text: &str| serde_json::json!({"id": id, "text": text});
        assert_eq!(
            told(
                serde_json::json!({"with": {"questions": [question("q1", "a"), question("q2", "b")]}}),
                serde_json::json!({"with": {"questions": [question("q2", "b"), question("q1", "c")]}}),
            ),
            [
                r#"`questions.q1.text` was "a", now "c""#,
                r#"`questions.order` was ["q1","q2"], now ["q2","q1"]"#
            ]
        );
        assert_eq!(
            told(
                serde_json::json!({"with": {"questions": [question("q1", "a")]}}),
                serde_json::json!({"with": {"questions": [question("q1", "a"), question("q2", "b")]}}),
            ),
            [r#"`questions.q2` is new: {"id":"q2","text":"b"}"#]
        );
    }

    #[test]
    fn digests_are_not_shown_to_people() {
        let blob = |text: &[u8]| Value::Blob(ccsr_cache::Digest::of(text)).to_json();
        assert_eq!(
            told(
                serde_json::json!({"tables": {"images": blob(b"a")}, "files": {"path": [blob(b"a")]}}),
                serde_json::json!({"tables": {"images": blob(b"b")}, "files": {"path": [blob(b"b")]}}),
            ),
            [
                "the content of `path.0` changed",
                "the table `images` has other rows"
            ]
        );
    }
}
