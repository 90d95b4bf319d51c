use super::*;
use crate::params::{Entry, ResolvedPath, SourceId};

/// A part written at byte `start` of the text `source`.
fn node(source: u32, start: u32, kind: NodeKind) -> Node {
    Node {
        span: span(source, start),
        kind,
    }
}

fn span(source: u32, start: u32) -> Span {
    Span {
        source: SourceId(source),
        start,
        end: start + 1,
    }
}

fn entry(key: &str, start: u32, value: Node) -> Entry {
    Entry {
        key: key.into(),
        key_span: span(0, start),
        value,
    }
}

/// One document, the text 9: `{text: …}`.
struct OneFile;

impl Documents for OneFile {
    fn resolve(&self, path: &str, _: Span) -> Result<ResolvedPath, Problem> {
        Ok(ResolvedPath {
            path: path.into(),
            display: path.to_owned(),
        })
    }

    fn load(&self, path: &ResolvedPath, _: Span) -> Result<Node, Vec<Problem>> {
        let text = entry("text", 1, node(9, 2, NodeKind::Text("?".into())));
        match path.display.as_str() {
            "file" => Ok(node(9, 0, NodeKind::Map(vec![text]))),
            _ => Err(Vec::new()),
        }
    }
}

/// `{size: …, list: [0, 1], file: file}`, where the value of `size` stands in another text.
fn tree() -> Node {
    let numbers = [21, 22].map(|start| node(0, start, NodeKind::Int(0)));
    let entries = vec![
        entry("size", 10, node(7, 3, NodeKind::Int(4))),
        entry("list", 20, node(0, 20, NodeKind::List(numbers.into()))),
        entry("file", 30, node(0, 31, NodeKind::Text("file".into()))),
        entry("gone", 40, node(0, 41, NodeKind::Text("gone".into()))),
    ];
    node(0, 1, NodeKind::Map(entries))
}

fn placed(misfits: impl Into<Misfits>) -> Vec<(SourceId, u32)> {
    let problems = misfits.into().placed(Some(&tree()), &OneFile);
    let spans = problems.into_iter().filter_map(|problem| problem.span);
    spans.map(|span| (span.source, span.start)).collect()
}

#[test]
fn misfits_are_shown_where_they_stand() {
    let at = |path: &[&str]| placed(Misfit::new(path.iter().copied(), "x"))[0];
    let here = SourceId(0);
    assert_eq!(at(&["size"]), (SourceId(7), 3), "where the value was set");
    assert_eq!(at(&["list", "1"]), (here, 22));
    assert_eq!(at(&["list", "2"]), (here, 20), "as far as the path leads");
    assert_eq!(at(&["file"]), (here, 31));
    assert_eq!(at(&["file", "text"]), (SourceId(9), 2), "inside the file");
    assert_eq!(at(&["gone", "text"]), (here, 41));
    assert_eq!(at(&["absent"]), (here, 1));
    assert_eq!(placed(Misfit::of_name(["size"], "x")), [(here, 10)]);
    assert_eq!(placed(Misfit::of_name(["absent"], "x")), [(here, 1)]);
}

#[test]
fn misfits_come_from_sentences_and_from_each_other() {
    assert_eq!(placed("all of it"), [(SourceId(0), 1)]);
    let mut found = Misfits::new();
    assert_eq!(found.clone().check(), Ok(()));
    found.add("one".to_owned());
    found.add(vec![Misfit::new(["b"], "two")]);
    let below = found.below("a");
    let paths: Vec<_> = below.iter().map(|misfit| misfit.path.join(".")).collect();
    assert_eq!(paths, ["a", "a.b"]);
    assert_eq!(below.to_string(), "one\ntwo");
    assert_eq!(below.clone().check(), Err(below));
    assert_eq!(Misfits::new().placed(None, &OneFile).len(), 1);
}
