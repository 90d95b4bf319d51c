//! Syntax errors in the words of somebody who writes pipelines.

use std::ops::Range;

use ccsr_stage::params::{SourceId, Span};
use granit_parser::{ErrorKind, ScanError};

use super::build::too_deep;
use crate::diagnostic::Diagnostic;

/// What the parser complained of; `open` is the innermost bracket that is not closed.
pub(super) fn diagnostic(
    text: &str,
    source: SourceId,
    error: &ScanError,
    open: Option<Span>,
) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(text.len());
    let range = place(text, text.floor_char_boundary(at), error.kind());
    let span = Span {
        source,
        start: range.start as u32,
        end: range.end as u32,
    };
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(span);
    }
    let (message, help) = words(text, &range, error);
    let mut problem = Diagnostic::new("yaml::syntax", message).at(span);
    if let Some(help) = help {
        problem = problem.with_help(help);
    }
    match open {
        Some(bracket) if bracket.start < span.start => {
            problem.with_related(bracket, "this bracket is still open")
        }
        _ => problem,
    }
}

/// What to underline for an error that the parser noticed at `at`.
fn place(text: &str, at: usize, kind: &ErrorKind) -> Range<usize> {
    match kind {
        ErrorKind::TabInPlainScalar
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart => {
            let first = text[..at].trim_end_matches('\t').len();
            let tab = (first < at).then_some(first);
            // Noticed where the scalar starts that the tab cuts short.
            let tab = tab.or_else(|| text[at..].find('\t').map(|after| at + after));
            tab.map_or_else(|| word(text, at), |tab| tab..tab + 1)
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement
            if text[at..].starts_with(':') =>
        {
            at..at + 1
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::UnclosedQuotedScalar
            if text[at..].starts_with(['[', '{', '"', '\'']) =>
        {
            at..at + 1
        }
        ErrorKind::ExpectedBlockMappingKey => {
            let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let dash = line + (text[line..at].len() - text[line..at].trim_start().len());
            if text[dash..at].starts_with('-') {
                dash..dash + 1
            } else {
                word(text, at)
            }
        }
        _ => word(text, at),
    }
}

/// The word at `at`; where no word is, the end of what stands before.
fn word(text: &str, at: usize) -> Range<usize> {
    let length = text[at..]
        .find(char::is_whitespace)
        .unwrap_or(text.len() - at);
    if length > 0 {
        return at..at + length;
    }
    let end = text[..at].trim_end().len();
    end..end
}

/// Message and advice.
fn words(text: &str, place: &Range<usize>, error: &ScanError) -> (String, Option<&'static str>) {
    const QUOTES: &str = "if it is part of the text, put the text in quotes";
    const ENTRY: &str = "an entry is `name: value`, with a space after the colon";
    const ESCAPE: &str =
        "in double quotes `\\` starts an escape: write `\\\\`, or use single quotes";
    let line_before = &text[text[..place.start].rfind('\n').map_or(0, |at| at + 1)..place.start];
    let (message, help) = match error.kind() {
        ErrorKind::TabInPlainScalar
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart => (
            "a tab cannot indent",
            "YAML is indented with spaces: replace the tab",
        ),
        ErrorKind::MappingValueNotAllowed if line_before.contains(": ") => {
            ("a second `: ` in one line", QUOTES)
        }
        ErrorKind::MappingValueNotAllowed => (
            "no entry can start here",
            "is a `:` missing in the line above, or is this line indented wrongly?",
        ),
        ErrorKind::SimpleKeyExpected => ("a `:` is missing after this", ENTRY),
        ErrorKind::InvalidSimpleKey => ("a name and its `:` must stand in one line", ENTRY),
        ErrorKind::ExpectedBlockMappingKey if text[place.clone()].starts_with('-') => (
            "an element of a list stands where an entry of a map is expected",
            "align it with the list it belongs to; an entry is `name: value`",
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedDocumentStart => (
            "this line is not aligned with the entries above",
            "the entries of a map start in the same column",
        ),
        ErrorKind::ExpectedBlockSequenceEntry => (
            "an element of the list is expected here",
            "each element starts with `- `, in the same column",
        ),
        ErrorKind::BlockSequenceEntryNotAllowed => (
            "a list cannot start here",
            "start it in the next line, or write `[a, b]`",
        ),
        ErrorKind::InvalidColonPlacement
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => (
            "this cannot stand between the brackets",
            "between brackets elements are separated by `,`; is the closing bracket missing?",
        ),
        ErrorKind::UnclosedFlowCollection { .. } => ("this bracket is never closed", ""),
        ErrorKind::MismatchedFlowCollectionEnd { close, .. } => {
            return (format!("this bracket is closed by `{close}`"), None);
        }
        ErrorKind::MisplacedFlowCollectionEnd => ("this bracket closes nothing", QUOTES),
        ErrorKind::UnclosedQuotedScalar => ("this quote is never closed", ""),
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "there is more text after the closing quote",
            "put all of the text in the quotes; a `'` inside single quotes is written `''`",
        ),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => ("this text has an escape that means nothing", ESCAPE),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            let code = u32::from(*character);
            return (
                format!("the character U+{code:04X} cannot stand in YAML"),
                None,
            );
        }
        ErrorKind::UnexpectedCharacter { character } => {
            return (
                format!("text cannot start with `{character}` unless it is in quotes"),
                None,
            );
        }
        ErrorKind::MissingAnchorOrAliasName => ("`&` and `*` need a name after them", QUOTES),
        ErrorKind::MissingTagUri | ErrorKind::UndeclaredTagHandle => (
            "this tag means nothing here",
            "if `!` is part of the text, put the text in quotes",
        ),
        ErrorKind::InvalidBlockScalarHeader => (
            "`|` and `>` begin a text that starts in the next line",
            QUOTES,
        ),
        _ => return (format!("this is not YAML: {}", error.info()), None),
    };
    (message.to_owned(), (!help.is_empty()).then_some(help))
}
