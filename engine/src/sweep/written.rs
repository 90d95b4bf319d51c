//! A value as people would type it behind `--set path=`.

use ccsr_stage::params::{Entry, Node, NodeKind, SourceId};

use crate::yaml;

/// The value in one line of YAML, which reads as the same value again.
pub(crate) fn written(node: &Node) -> String {
    match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Bool(truth) => truth.to_string(),
        NodeKind::Int(number) => number.to_string(),
        NodeKind::Float(number) => float(*number),
        NodeKind::Text(text) => word(text),
        NodeKind::List(elements) => {
            let elements: Vec<_> = elements.iter().map(written).collect();
            format!("[{}]", elements.join(", "))
        }
        NodeKind::Map(entries) => {
            let entry = |entry: &Entry| format!("{}: {}", word(&entry.key), written(&entry.value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// The same of a text that was typed: `0.40` is `0.4`.
pub fn as_written(text: &str) -> String {
    let parsed = yaml::parse(text, SourceId::default());
    parsed.map_or_else(|_| text.to_owned(), |node| written(&node))
}

fn float(number: f64) -> String {
    if number.is_nan() {
        ".nan".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { ".inf" } else { "-.inf" }.to_owned()
    } else {
        // With a point or an exponent, so that it stays a float.
        format!("{number:?}")
    }
}

/// A text as it is, if nothing else could be meant by it; else in quotes.
fn word(text: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "_-./".contains(character);
    let reads_as_itself = || {
        let parsed = yaml::parse(text, SourceId::default());
        parsed.is_ok_and(|node| node.as_text() == Some(text))
    };
    if text.starts_with(char::is_alphabetic) && text.chars().all(is_plain) && reads_as_itself() {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ccsr_stage::params::Span;
    use proptest::prelude::*;

    use super::*;

    fn without_places(node: Node) -> Node {
        let kind = match node.kind {
            NodeKind::List(elements) => {
                NodeKind::List(elements.into_iter().map(without_places).collect())
            }
            NodeKind::Map(entries) => {
                let entry = |entry: Entry| Entry {
                    key_span: Span::default(),
                    value: without_places(entry.value),
                    ..entry
                };
                NodeKind::Map(entries.into_iter().map(entry).collect())
            }
            other => other,
        };
        Node {
            span: Span::default(),
            kind,
        }
    }

    fn node(kind: NodeKind) -> Node {
        Node {
            span: Span::default(),
            kind,
        }
    }

    fn any_node() -> impl Strategy<Value = Node> {
        let text = prop_oneof!["[a-z0-9_. -]{0,8}", "\\PC{0,6}", Just("true".to_owned())];
        let leaf = prop_oneof![
            Just(NodeKind::Null),
            any::<bool>().prop_map(NodeKind::Bool),
            any::<i64>().prop_map(NodeKind::Int),
            prop::num::f64::NORMAL.prop_map(NodeKind::Float),
            text.clone().prop_map(|text| NodeKind::Text(text.into())),
        ];
        leaf.prop_map(node).prop_recursive(3, 12, 4, move |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4);
            let map = prop::collection::btree_map(text.clone(), inner, 0..4);
            let entry = |(key, value): (String, Node)| Entry {
                key: Arc::from(key),
                key_span: Span::default(),
                value,
            };
            prop_oneof![
                list.prop_map(|elements| node(NodeKind::List(elements))),
                map.prop_map(move |map| node(NodeKind::Map(map.into_iter().map(entry).collect()))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(node in any_node()) {
            let text = written(&node);
            let read = yaml::parse(&text, SourceId::default()).map(without_places);
            prop_assert_eq!(read, Ok(node), "{}", text);
        }
    }

    #[test]
    fn plain_words_have_no_quotes() {
        for (text, shown) in [
            ("all_max", "all_max"),
            ("questions/paper.yaml", "questions/paper.yaml"),
            ("a b", "\"a b\""),
            ("true", "\"true\""),
            ("1.5", "\"1.5\""),
            ("${vars.x}", "\"${vars.x}\""),
            ("", "\"\""),
        ] {
            assert_eq!(word(text), shown);
        }
        assert_eq!([0.5, 1e-5, 3.0].map(float).join(" "), "0.5 1e-5 3.0");
    }
}
