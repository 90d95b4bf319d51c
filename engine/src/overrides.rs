//! `--set path=value`: changing a value of the pipeline from outside the file.
//!
//! A path names what stands in the merged tree: `seed`, `vars.size`, `stages.lora.with.rank`,
//! `stages.prompts.with.classes.0`. The value is YAML. An entry that is not there is added, but not
//! a stage: a misspelt name must not pass for a new one. Several values with commas between them are
//! a sweep. The values of a sweep's trials are put in place by the same rules.

mod split;

use std::sync::Arc;

use ccsr_stage::params::{Entry, Node, NodeKind, SourceId, Span, nearest};

use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::project::Project;
use crate::yaml;

/// A value and where in the tree to put it.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) path: Arc<str>,
    pub(crate) path_span: Span,
    pub(crate) value: Node,
}

impl Setting {
    /// Whether it chooses the suite, which happens before anything is set.
    pub(crate) fn is_suite(&self) -> bool {
        &*self.path == "suite"
    }
}

/// What `--set` said: a path and its value, or the values that a sweep gives it.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) text: String,
    pub(crate) path: Arc<str>,
    pub(crate) path_span: Span,
    pub(crate) values: Vec<Node>,
}

impl Typed {
    /// A setting for each value.
    pub(crate) fn settings(&self) -> impl Iterator<Item = Setting> {
        self.values.iter().map(|value| Setting {
            path: self.path.clone(),
            path_span: self.path_span,
            value: value.clone(),
        })
    }
}

/// Reads `path=value` or `path=value,value,…`.
pub(crate) fn read(
    set: &str,
    loader: &Loader<'_>,
    project: &Project,
) -> Result<Typed, Vec<Diagnostic>> {
    let source = loader.add("--set", project.root(), set);
    let within = |start: usize, end: usize| Span {
        source,
        start: start as u32,
        end: end as u32,
    };
    let Some((path, value)) = set.split_once('=') else {
        let message = format!("expected `path=value`, found `{set}`");
        return Err(vec![
            Diagnostic::new("set::syntax", message).at(within(0, set.len())),
        ]);
    };
    let start = path.len() + 1;
    let ranges = split::at_commas(value);
    let several = ranges.len() > 1;
    let mut values = Vec::with_capacity(ranges.len());
    for range in ranges {
        let written = &value[range.clone()];
        if several && written.trim().is_empty() {
            let place = within(start + range.start, start + range.end);
            return Err(vec![
                Diagnostic::new("set::syntax", "there is no value between the commas")
                    .at(place)
                    .with_help(quoting(path, value)),
            ]);
        }
        // Spaces stand for what is before it, so that places are those in what was typed.
        let padded = format!("{}{written}", " ".repeat(start + range.start));
        let mut value = yaml::parse(&padded, source)?;
        let written = written.trim();
        if matches!(value.kind, NodeKind::Null) && !matches!(written, "null" | "~") {
            value.kind = NodeKind::Text(written.into());
        }
        values.push(value);
    }
    Ok(Typed {
        text: set.to_owned(),
        path: path.trim().into(),
        path_span: within(0, path.len()),
        values,
    })
}

/// Several values where one is needed.
pub(crate) fn several(typed: &Typed) -> Diagnostic {
    let Typed { text, path, .. } = typed;
    let first = &typed.values[0].span;
    let last = &typed.values[typed.values.len() - 1].span;
    let place = Span {
        end: last.end,
        ..*first
    };
    let (count, value) = (
        typed.values.len(),
        text.split_once('=').map_or("", |(_, value)| value),
    );
    let message = format!("`{path}` gets {count} values, and a run has one");
    Diagnostic::new("set::several", message)
        .at(place)
        .with_help(format!(
            "`ccsr-flow sweep run FILE --set {text}` runs a trial with each; {}",
            quoting(path, value)
        ))
}

fn quoting(path: &str, value: &str) -> String {
    let quoted = value.trim().replace('\\', "\\\\").replace('"', "\\\"");
    format!("a text with commas stands in quotes: --set '{path}=\"{quoted}\"'")
}

/// Puts a value into the tree.
pub(crate) fn apply(tree: &mut Node, setting: &Setting) -> Result<(), Diagnostic> {
    let Setting {
        path, path_span, ..
    } = setting;
    let place = |message: String| Diagnostic::new("set::path", message).at(*path_span);
    let refused = |(message, help): Refusal| match help {
        Some(help) => place(message).with_help(help),
        None => place(message),
    };
    let mut parts = path.split('.').collect::<Vec<_>>();
    if parts.iter().any(|part| part.is_empty()) {
        let message = format!("`{path}` is not a path; write names with dots between");
        return Err(place(message));
    }
    let last = parts.pop().unwrap_or_default();
    let mut node = tree;
    let mut walked: Vec<&str> = Vec::new();
    for part in parts {
        node = step(node, part, &walked, path_span.source).map_err(refused)?;
        walked.push(part);
    }
    put(node, last, &walked, setting.value.clone()).map_err(refused)
}

type Refusal = (String, Option<String>);

fn step<'n>(
    node: &'n mut Node,
    part: &str,
    walked: &[&str],
    source: SourceId,
) -> Result<&'n mut Node, Refusal> {
    if matches!(node.kind, NodeKind::Null) {
        node.kind = NodeKind::Map(Vec::new());
    }
    let shown = node.described();
    match &mut node.kind {
        NodeKind::Map(entries) => {
            let position = match entries.iter().position(|entry| &*entry.key == part) {
                Some(position) => position,
                None if may_add(walked) => {
                    let span = Span {
                        source,
                        start: 0,
                        end: 0,
                    };
                    let value = Node {
                        span,
                        kind: NodeKind::Map(Vec::new()),
                    };
                    entries.push(Entry {
                        key: part.into(),
                        key_span: span,
                        value,
                    });
                    entries.len() - 1
                }
                None => return Err(missing(part, walked, entries)),
            };
            Ok(&mut entries[position].value)
        }
        NodeKind::List(elements) => {
            let index = index(part, walked, elements.len())?;
            Ok(&mut elements[index])
        }
        _ => Err((
            format!("`{}` is {shown}, nothing is below it", walked.join(".")),
            None,
        )),
    }
}

fn put(node: &mut Node, last: &str, walked: &[&str], value: Node) -> Result<(), Refusal> {
    if walked.is_empty()
        && matches!(last, "vars" | "stages")
        && !matches!(value.kind, NodeKind::Map(_))
    {
        let message = format!("`{last}` is a map of names, not {}", value.described());
        return Err((message, None));
    }
    if matches!(node.kind, NodeKind::Null) {
        node.kind = NodeKind::Map(Vec::new());
    }
    let shown = node.described();
    match &mut node.kind {
        NodeKind::Map(entries) => match entries.iter_mut().find(|entry| &*entry.key == last) {
            Some(entry) => entry.value = value,
            None if may_add(walked) || (walked.is_empty() && matches!(last, "name" | "seed")) => {
                entries.push(Entry {
                    key: last.into(),
                    key_span: value.span,
                    value,
                });
            }
            None => return Err(missing(last, walked, entries)),
        },
        NodeKind::List(elements) => {
            let index = index(last, walked, elements.len())?;
            elements[index] = value;
        }
        _ => {
            return Err((
                format!("`{}` is {shown}, nothing is below it", walked.join(".")),
                None,
            ));
        }
    }
    Ok(())
}

/// New entries are welcome inside a stage. A new variable would be one that nothing reads.
fn may_add(walked: &[&str]) -> bool {
    walked.len() >= 2
}

fn missing(part: &str, walked: &[&str], entries: &[Entry]) -> Refusal {
    // These may be set though the file does not say them.
    let always = ["name", "seed"].into_iter().filter(|_| walked.is_empty());
    let written = || entries.iter().map(|entry| entry.key.as_ref());
    let more = always.filter(|name| written().all(|known| known != *name));
    let names = || written().chain(more.clone());
    let message = match walked {
        ["stages"] => format!("there is no stage `{part}`"),
        ["vars"] => format!("there is no variable `{part}`"),
        [] if part == "suite" => {
            return (
                "`suite` is not set this way".to_owned(),
                Some("use `--suite NAME`".to_owned()),
            );
        }
        _ => format!("there is no `{part}` to set"),
    };
    let help = match nearest(part, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "there are {}",
            names()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    (message, Some(help))
}

fn index(part: &str, walked: &[&str], length: usize) -> Result<usize, Refusal> {
    let index = part.parse::<usize>().ok().filter(|index| *index < length);
    index.ok_or_else(|| {
        (
            format!(
                "`{}` is a list of {length}; `{part}` is not in it",
                walked.join(".")
            ),
            None,
        )
    })
}
