//! Tags: the core ones say what a value is, and no others mean anything here.

use std::sync::Arc;

use ccsr_stage::params::{NodeKind, Span};
use granit_parser::Tag;

use super::scalar::{self, Overflow};
use crate::diagnostic::Diagnostic;

/// What a scalar with a tag is, or text and why it cannot be that.
pub(super) fn scalar(
    tag: &Tag,
    span: Span,
    text: &str,
) -> (Result<NodeKind, Overflow>, Option<Diagnostic>) {
    let as_text = Ok(NodeKind::Text(Arc::from(text)));
    match tag.core_suffix() {
        // `!` alone: what stands here is not to be interpreted.
        None if tag.original() == "!" => (as_text, None),
        None => (as_text, Some(unknown(tag, span))),
        Some(name) => match scalar::tagged(name, text) {
            Some(kind) => (kind, None),
            None => (as_text, Some(wrong(tag, span, &format!("`{text}`")))),
        },
    }
}

/// Why a collection cannot have a tag; `name` is the core type that it is.
pub(super) fn collection(tag: &Tag, span: Span, name: &str) -> Option<Diagnostic> {
    let what = if name == "seq" { "a list" } else { "a map" };
    match tag.core_suffix() {
        Some(suffix) if suffix == name => None,
        Some(_) => Some(wrong(tag, span, what)),
        None if tag.original() == "!" => None,
        None => Some(unknown(tag, span)),
    }
}

fn wrong(tag: &Tag, span: Span, what: &str) -> Diagnostic {
    if !tag.core_suffix().is_some_and(is_core) {
        return unknown(tag, span);
    }
    let message = format!("{what} is not what the tag `{}` says", tag.original());
    Diagnostic::new("yaml::tag", message)
        .at(span)
        .with_help("leave the tag out, or change the value")
}

fn unknown(tag: &Tag, span: Span) -> Diagnostic {
    let message = format!("the tag `{}` means nothing here", tag.original());
    Diagnostic::new("yaml::tag", message)
        .at(span)
        .with_help("leave it out, or put the text in quotes if `!` is part of it")
}

fn is_core(name: &str) -> bool {
    matches!(
        name,
        "str" | "null" | "bool" | "int" | "float" | "seq" | "map"
    )
}
