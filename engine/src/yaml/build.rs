//! From the parser's events to the tree.
//!
//! There is no recursion: what is open stands on a stack. Every copy of a value (an anchor keeps
//! one, an alias makes one) is paid for from a budget before it is made.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use ccsr_stage::params::{Entry, Node, NodeKind, SourceId, Span};
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};

use super::frame::{Built, Content, Frame};
use super::{MAX_ALIASED, MAX_DEPTH, MAX_PROBLEMS, MAX_VALUES, place, scalar, syntax, tag};
use crate::diagnostic::Diagnostic;

/// The tree, if the text could be read to its end, and what is wrong.
pub(super) fn build(text: &str, source: SourceId) -> (Option<Node>, Vec<Diagnostic>) {
    let mut builder = Builder {
        text,
        source,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        problems: Vec::new(),
        values: 0,
        aliased: 0,
        before: 0,
    };
    let complete = builder.run().is_ok();
    let Builder { root, problems, .. } = builder;
    let empty = || Node {
        span: Span {
            source,
            start: 0,
            end: 0,
        },
        kind: NodeKind::Null,
    };
    (complete.then(|| root.unwrap_or_else(empty)), problems)
}

/// Nothing after this can be read; why was reported.
struct Stop;

struct Builder<'a> {
    text: &'a str,
    source: SourceId,
    open: Vec<Frame>,
    /// What each anchor stands for; nothing until it is complete.
    anchors: HashMap<usize, Built>,
    root: Option<Node>,
    problems: Vec<Diagnostic>,
    /// How many values there are, copies included.
    values: usize,
    /// How many of them aliases made.
    aliased: usize,
    /// Where the event before ended.
    before: usize,
}

impl Builder<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
        };
        for event in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    // A flow map may also start with `?` or, written without brackets, nowhere.
                    let is_bracket =
                        |span: &Span| self.text[span.start as usize..].starts_with(['[', '{']);
                    let brackets = self.open.iter().rev().filter_map(Frame::bracket);
                    let open = { brackets }.find(is_bracket);
                    self.report(syntax::diagnostic(self.text, self.source, &error, open))?;
                    return Err(Stop);
                }
            };
            let range = span.byte_range().unwrap_or(self.before..self.before);
            let tag = span.tag_span().and_then(|tag| tag.byte_range());
            self.event(event, range.clone(), tag)?;
            self.before = range.end;
        }
        Ok(())
    }

    fn event(
        &mut self,
        event: Event<'_>,
        range: Range<usize>,
        tag_range: Option<Range<usize>>,
    ) -> Result<(), Stop> {
        let tag_span = self.span(tag_range.unwrap_or(range.clone()));
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                self.report(
                    Diagnostic::new("yaml::several-documents", "a second document starts here")
                        .at(self.span(range))
                        .with_help("one file holds one document: make two files of it"),
                )?;
                Err(Stop)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(|tag| (tag, tag_span));
                let built = self.scalar(&text, style, range, tag)?;
                self.close(built, anchor)
            }
            Event::Alias(anchor) => {
                let built = self.alias(anchor, self.span(range))?;
                self.finish(built)
            }
            Event::UnresolvedAlias(name) => {
                let span = self.span(range);
                let message = format!("nothing above this line is marked `&{name}`");
                let help = "if `*` is part of the text, put the text in quotes";
                let problem = Diagnostic::new("yaml::alias", message).at(span);
                self.report(problem.with_help(help))?;
                self.finish(Built {
                    // One complaint is enough if it stands where a name does.
                    name: Some(format!("*{name}").into()),
                    ..Built::unknown(span)
                })
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.report_if(tag.and_then(|tag| tag::collection(&tag, tag_span, "seq")))?;
                let flow = style == StructureStyle::Flow;
                let start = if !flow && self.expects_value() {
                    place::block_list(self.text, self.before, range.start)
                } else {
                    range.start
                };
                self.open(Frame::list(self.span(start..range.end), flow, anchor))
            }
            Event::MappingStart(style, anchor, tag) => {
                self.report_if(tag.and_then(|tag| tag::collection(&tag, tag_span, "map")))?;
                self.open(Frame::map(
                    self.span(range),
                    style == StructureStyle::Flow,
                    anchor,
                ))
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.open.pop() else {
                    return Ok(());
                };
                let anchor = frame.anchor;
                self.close(frame.finish(range.end as u32), anchor)
            }
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        range: Range<usize>,
        tag: Option<(&Tag, Span)>,
    ) -> Result<Built, Stop> {
        let plain = matches!(style, ScalarStyle::Plain);
        let range = match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                place::block_scalar(self.text, self.before, range)
            }
            _ if plain && range.is_empty() && self.expects_value() => {
                let at = place::missing_value(self.text, range.start);
                at..at
            }
            _ => range,
        };
        // The parser says `~` where nothing stands.
        let text = if plain && range.is_empty() { "" } else { text };
        let span = self.span(range);
        let as_text = || NodeKind::Text(Arc::from(text));
        let kind = match tag {
            None if plain => scalar::plain(text),
            None => Ok(as_text()),
            Some((tag, at)) => {
                let (kind, problem) = tag::scalar(tag, at, text);
                self.report_if(problem)?;
                kind
            }
        };
        let kind = if let Ok(kind) = kind {
            kind
        } else {
            self.report(beyond_numbers(text, span))?;
            as_text()
        };
        let name = (!plain || span.start < span.end).then(|| Arc::from(text));
        Ok(Built {
            merge: plain && tag.is_none() && text == "<<",
            name,
            ..Built::leaf(Node { span, kind })
        })
    }

    /// Whether what comes next belongs to a name.
    fn expects_value(&self) -> bool {
        let map = self.open.last().and_then(Frame::as_map);
        map.is_some_and(|map| map.key.is_some())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Built, Stop> {
        let Some(target) = self.anchors.get(&anchor) else {
            let problem = Diagnostic::new("yaml::alias", "this would stand for itself")
                .at(span)
                .with_label("an alias of what it is a part of");
            self.report(problem)?;
            return Ok(Built::unknown(span));
        };
        let (size, height) = (target.size, target.height);
        if self.aliased + size > MAX_ALIASED {
            let message = format!("the aliases stand for more than {MAX_ALIASED} values together");
            self.report(Diagnostic::new("yaml::alias-bomb", message).at(span))?;
            return Err(Stop);
        }
        if self.open.len() + height > MAX_DEPTH {
            self.report(too_deep(span))?;
            return Err(Stop);
        }
        self.aliased += size;
        self.count(size, span)?;
        let kind = self.anchors[&anchor].node.kind.clone();
        Ok(Built {
            size,
            height,
            name: None,
            ..Built::leaf(Node { span, kind })
        })
    }

    fn open(&mut self, frame: Frame) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            self.report(too_deep(frame.span))?;
            return Err(Stop);
        }
        self.open.push(frame);
        Ok(())
    }

    /// A value is complete and an anchor may keep it.
    fn close(&mut self, built: Built, anchor: usize) -> Result<(), Stop> {
        self.count(1, built.node.span)?;
        if anchor != 0 {
            self.count(built.size, built.node.span)?;
            self.anchors.insert(anchor, built.clone());
        }
        self.finish(built)
    }

    /// A value goes where it belongs.
    fn finish(&mut self, built: Built) -> Result<(), Stop> {
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        frame.end = frame.end.max(built.node.span.end);
        frame.size += built.size;
        frame.height = frame.height.max(built.height + 1);
        match &mut frame.content {
            Content::List(elements) => elements.push(built.node),
            Content::Map(map) => match map.key.take() {
                None => {
                    let (key, problem) = map.name(built);
                    map.key = Some(key);
                    self.report_if(problem)?;
                }
                Some(None) => {}
                Some(Some((key, key_span))) => map.entries.push(Entry {
                    key,
                    key_span,
                    value: built.node,
                }),
            },
        }
        Ok(())
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), Stop> {
        self.values += values;
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        let message = format!("there are more than {MAX_VALUES} values in this text");
        self.report(Diagnostic::new("yaml::too-large", message).at(span))?;
        Err(Stop)
    }

    fn report_if(&mut self, problem: Option<Diagnostic>) -> Result<(), Stop> {
        problem.map_or(Ok(()), |problem| self.report(problem))
    }

    fn report(&mut self, problem: Diagnostic) -> Result<(), Stop> {
        self.problems.push(problem);
        if self.problems.len() < MAX_PROBLEMS {
            return Ok(());
        }
        self.problems.push(Diagnostic::new(
            "yaml::too-many-problems",
            format!("there are {MAX_PROBLEMS} problems and more; the rest was not read"),
        ));
        Err(Stop)
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span {
            source: self.source,
            start: range.start as u32,
            end: range.end as u32,
        }
    }
}

fn beyond_numbers(text: &str, span: Span) -> Diagnostic {
    let message = format!(
        "`{text}` is beyond what a number can be: whole numbers end at {}, others at {:e}",
        i64::MAX,
        f64::MAX
    );
    Diagnostic::new("yaml::number", message)
        .at(span)
        .with_help("put it in quotes if text is what you mean")
}

pub(super) fn too_deep(span: Span) -> Diagnostic {
    let message = format!("there are more than {MAX_DEPTH} lists and maps inside each other");
    Diagnostic::new("yaml::too-deep", message).at(span)
}
