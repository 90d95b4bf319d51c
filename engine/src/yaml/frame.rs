//! A list or map that is not complete yet.

use std::collections::HashMap;
use std::sync::Arc;

use ccsr_stage::params::{Entry, Node, NodeKind, Span};

use crate::diagnostic::Diagnostic;

/// A complete value, and what copying it would cost.
#[derive(Clone, Debug)]
pub(super) struct Built {
    pub(super) node: Node,
    /// How many values it is, itself included.
    pub(super) size: usize,
    /// How many lists and maps stand inside each other, itself included.
    pub(super) height: usize,
    /// As it was written, if it can be the name of an entry.
    pub(super) name: Option<Arc<str>>,
    /// Whether it is a merge key, should it stand where a name does.
    pub(super) merge: bool,
}

impl Built {
    /// A value without parts, which is no name.
    pub(super) fn leaf(node: Node) -> Self {
        Self {
            node,
            size: 1,
            height: 0,
            name: None,
            merge: false,
        }
    }

    /// In place of what cannot be known.
    pub(super) fn unknown(span: Span) -> Self {
        Self::leaf(Node {
            span,
            kind: NodeKind::Null,
        })
    }
}

/// A list or map that is not complete yet.
pub(super) struct Frame {
    pub(super) span: Span,
    pub(super) anchor: usize,
    pub(super) content: Content,
    /// Where its last part ends.
    pub(super) end: u32,
    pub(super) size: usize,
    pub(super) height: usize,
    flow: bool,
}

/// What is complete of it.
pub(super) enum Content {
    List(Vec<Node>),
    Map(OpenMap),
}

/// A name and where it stands; nothing if the entry cannot be kept.
type Key = Option<(Arc<str>, Span)>;

/// A map that is not complete yet.
#[derive(Default)]
pub(super) struct OpenMap {
    pub(super) entries: Vec<Entry>,
    /// The name whose value comes next.
    pub(super) key: Option<Key>,
    names: HashMap<Arc<str>, Span>,
}

impl Frame {
    pub(super) fn list(span: Span, flow: bool, anchor: usize) -> Self {
        Self::new(span, flow, anchor, Content::List(Vec::new()))
    }

    pub(super) fn map(span: Span, flow: bool, anchor: usize) -> Self {
        Self::new(span, flow, anchor, Content::Map(OpenMap::default()))
    }

    fn new(span: Span, flow: bool, anchor: usize, content: Content) -> Self {
        Self {
            span,
            anchor,
            content,
            end: span.end,
            size: 1,
            height: 1,
            flow,
        }
    }

    pub(super) fn as_map(&self) -> Option<&OpenMap> {
        match &self.content {
            Content::Map(map) => Some(map),
            Content::List(_) => None,
        }
    }

    /// Where its bracket stands, if it has one.
    pub(super) fn bracket(&self) -> Option<Span> {
        (self.flow && self.span.start < self.span.end).then_some(self.span)
    }

    /// Complete. Brackets end where the parser says; in a block it says where the next line starts.
    pub(super) fn finish(self, end: u32) -> Built {
        let end = if self.flow {
            self.end.max(end)
        } else {
            self.end
        };
        let kind = match self.content {
            Content::List(elements) => NodeKind::List(elements),
            Content::Map(map) => NodeKind::Map(map.entries),
        };
        Built {
            size: self.size,
            height: self.height,
            ..Built::leaf(Node {
                span: Span { end, ..self.span },
                kind,
            })
        }
    }
}

impl OpenMap {
    /// Takes `built` as the name of the next entry.
    pub(super) fn name(&mut self, built: Built) -> (Key, Option<Diagnostic>) {
        let span = built.node.span;
        if built.merge {
            let problem = Diagnostic::new("yaml::merge-key", "YAML 1.2 has no merge keys (`<<`)")
                .at(span)
                .with_help("write the entries out; an alias can stand for a whole value only");
            return (None, Some(problem));
        }
        let Some(name) = built.name else {
            let problem = Diagnostic::new("yaml::key", "the name of an entry must be a word")
                .at(span)
                .with_help("write `name: value`, with quotes around the name if it is unusual");
            return (None, Some(problem));
        };
        if let Some(first) = self.names.get(&name) {
            let problem =
                Diagnostic::new("yaml::duplicate-key", format!("`{name}` stands here twice"))
                    .at(span)
                    .with_label("again")
                    .with_related(*first, "first here");
            return (None, Some(problem));
        }
        self.names.insert(name.clone(), span);
        (Some((name, span)), None)
    }
}
