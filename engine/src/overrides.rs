//! `--set path=value`: changing a value of the pipeline from outside the file.
//!
//! A path names what stands in the merged tree: `seed`, `vars.size`, `stages.lora.with.rank`,
//! `stages.prompts.with.classes.0`. The value is YAML. An entry that is not there is added, but not
//! a stage: a misspelt name must not pass for a new one.

use ccsr_stage::params::{Entry, Node, NodeKind, SourceId, Span, nearest};

use crate::diagnostic::Diagnostic;
use crate::loader::Loader;
use crate::project::Project;
use crate::yaml;

/// Applies one override to the tree.
pub(crate) fn apply(
    tree: &mut Node,
    set: &str,
    loader: &Loader<'_>,
    project: &Project,
) -> Result<(), Vec<Diagnostic>> {
    let source = loader.add("--set", project.root(), set);
    let Some((path, value)) = set.split_once('=') else {
        let error = Diagnostic::new(
            "set::syntax",
            format!("expected `path=value`, found `{set}`"),
        );
        let end = set.len() as u32;
        return Err(vec![error.at(Span {
            source,
            start: 0,
            end,
        })]);
    };
    // Spaces stand for the path, so that places are those in what was typed.
    let padded = format!("{}{value}", " ".repeat(path.len() + 1));
    let mut value = yaml::parse(&padded, source)?;
    let written = padded.trim();
    if matches!(value.kind, NodeKind::Null) && !matches!(written, "null" | "~") {
        value.kind = NodeKind::Text(written.into());
    }
    let place = |message: String| {
        Diagnostic::new("set::path", message).at(Span {
            source,
            start: 0,
            end: path.len() as u32,
        })
    };
    let mut parts = path.trim().split('.').collect::<Vec<_>>();
    let last = parts.pop().unwrap_or_default();
    if path.trim().split('.').any(str::is_empty) {
        return Err(vec![place(format!(
            "`{path}` is not a path; write names with dots between"
        ))]);
    }
    let mut node = tree;
    let mut walked: Vec<&str> = Vec::new();
    for part in parts {
        node = step(node, part, &walked, source).map_err(|(message, help)| {
            vec![match help {
                Some(help) => place(message).with_help(help),
                None => place(message),
            }]
        })?;
        walked.push(part);
    }
    put(node, last, &walked, value).map_err(|(message, help)| {
        vec![match help {
            Some(help) => place(message).with_help(help),
            None => place(message),
        }]
    })
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
    let names = || entries.iter().map(|entry| entry.key.as_ref());
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
