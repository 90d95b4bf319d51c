//! YAML text to the tree that the rest of the compiler reads.
//!
//! [`parse`] is the door. The events come from `granit-parser` (why: `docs/decisions/yaml.md`);
//! what a plain scalar means, and every rule below, is ours. Nothing here knows what a pipeline is.
//!
//! YAML 1.2, core schema: `yes`, `no`, `on` and `off` are text. Less is accepted than YAML allows,
//! where more would hurt whoever reads the file: names are text and stand once in a map, there is one
//! document, there are no tags but the core ones and no merge keys.
//!
//! | code | what is wrong |
//! |---|---|
//! | `yaml::syntax` | this is not YAML; the text after it was not read |
//! | `yaml::duplicate-key` | a name stands twice in a map |
//! | `yaml::key` | a name is not a plain or quoted word |
//! | `yaml::merge-key` | `<<`, which YAML 1.2 does not have |
//! | `yaml::tag` | a tag that means nothing here, or that its value contradicts |
//! | `yaml::number` | a number that no variable could hold |
//! | `yaml::alias` | an alias of nothing, or of what it stands in |
//! | `yaml::alias-bomb` | aliases stand for more than [`MAX_ALIASED`] values |
//! | `yaml::too-deep` | more than [`MAX_DEPTH`] lists and maps inside each other |
//! | `yaml::too-large` | more than [`MAX_VALUES`] values |
//! | `yaml::several-documents` | a second document |
//! | `yaml::too-many-problems` | more than [`MAX_PROBLEMS`]; the text after it was not read |

mod build;
mod frame;
mod place;
mod scalar;
mod syntax;
mod tag;

use ccsr_stage::params::{Node, SourceId};

use crate::diagnostic::Diagnostic;
use crate::source::{self, MAX_BYTES};

/// The most lists and maps inside each other, aliases followed.
pub const MAX_DEPTH: usize = 64;

/// The most values in a text, with what aliases stand for and what anchors keep.
pub const MAX_VALUES: usize = 1_000_000;

/// The most values that the aliases of a text may stand for together.
pub const MAX_ALIASED: usize = 100_000;

/// The most problems that are reported of one text.
pub const MAX_PROBLEMS: usize = 100;

/// The tree of a text. An empty text is [`Null`](ccsr_stage::params::NodeKind::Null).
///
/// # Errors
/// Every problem there is, in the order in which they stand; a syntax error is the last.
pub fn parse(text: &str, source: SourceId) -> Result<Node, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    match parse_with(text, source, &mut problems) {
        Some(node) if problems.is_empty() => Ok(node),
        _ => Err(problems),
    }
}

/// The same for callers that want to go on and find what else is wrong: the tree, with what was
/// meant most likely in place of each mistake, unless the text could not be read to its end.
pub fn parse_with(text: &str, source: SourceId, problems: &mut Vec<Diagnostic>) -> Option<Node> {
    if text.len() > MAX_BYTES {
        problems.push(source::too_large("the text"));
        return None;
    }
    let (node, found) = build::build(text, source);
    problems.extend(found);
    node
}

#[cfg(test)]
mod tests;
