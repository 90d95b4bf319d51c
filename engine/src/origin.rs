//! What a pipeline was compiled from: every text that was read, and the merged and interpolated
//! tree, so that a run can be made again when the files have changed.

use std::path::Path;

use ccsr_cache::Value;
use ccsr_stage::params::{Entry, Node, NodeKind};

use crate::compile::CompileOptions;
use crate::source::Sources;

/// What a pipeline was compiled from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// Name, seed, suite and stages after `include`, the suite, `--set` and variables: what the
    /// stages were told, in full.
    pub resolved: Value,
    /// The texts that were read, the pipeline's own first.
    pub texts: Vec<OriginText>,
    /// What `--set` changed, in order.
    pub set: Vec<String>,
    /// The suite that was named instead of the pipeline's own.
    pub suite: Option<String>,
}

/// A text that a pipeline was compiled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginText {
    /// The file, relative to the project; the name of a suite that the program brings along.
    pub name: String,
    /// Whether it is such a suite, which is no file.
    pub built_in: bool,
    /// The text.
    pub text: String,
}

/// What stands in the name of a text that is a suite of the program's.
const BUILT_IN: (&str, &str) = ("<suite ", ">");

/// How a suite that the program brings along is called where files are.
pub(crate) fn built_in_name(suite: &str) -> String {
    format!("{}{suite}{}", BUILT_IN.0, BUILT_IN.1)
}

impl Origin {
    pub(crate) fn new(resolved: Value, sources: &Sources, options: &CompileOptions<'_>) -> Self {
        let text = |source: &crate::source::SourceText| {
            let built_in = source
                .name
                .strip_prefix(BUILT_IN.0)
                .and_then(|name| name.strip_suffix(BUILT_IN.1));
            let is_file = source.path.file_name() != Some(crate::loader::NO_FILE.as_ref());
            (is_file || built_in.is_some()).then(|| OriginText {
                name: built_in.unwrap_or(&source.name).to_owned(),
                built_in: built_in.is_some(),
                text: source.text.clone(),
            })
        };
        Self {
            resolved,
            texts: sources.texts().filter_map(text).collect(),
            set: options.set.clone(),
            suite: options.suite.clone(),
        }
    }

    /// The text of a file, if it was read for this pipeline.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.texts.iter().find(|text| text.name == name);
        found.map(|text| text.text.as_str())
    }
}

/// A tree as a value, without its places.
pub(crate) fn plain(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Bool(truth) => Value::Bool(*truth),
        NodeKind::Int(number) => Value::Int(*number),
        NodeKind::Float(number) => Value::Float(*number),
        NodeKind::Text(text) => Value::Text(text.clone()),
        NodeKind::List(elements) => Value::list(elements.iter().map(plain)),
        NodeKind::Map(entries) => plain_map(entries),
    }
}

/// Entries as a map.
pub(crate) fn plain_map(entries: &[Entry]) -> Value {
    Value::map(
        entries
            .iter()
            .map(|entry| (entry.key.clone(), plain(&entry.value))),
    )
}

/// Whether a name that was written down somewhere is that of a file inside a project: nothing that
/// comes with a record may lead out of the folder that it is put into.
pub(crate) fn stays_inside(name: &str) -> bool {
    use std::path::Component;
    !name.is_empty()
        && !name.contains(['\0', '\\'])
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}
