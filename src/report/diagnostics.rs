//! Diagnostics as text for people: what is wrong, the line at fault, what to do.
//!
//! Drawn by annotate-snippets, which the Rust project keeps for its own compilers: the picture is
//! the one that users of Rust know, colours are one switch, and it depends on next to nothing.
//! miette draws as well, but wants its trait on what it draws, and its pictures come with 54 crates
//! (these with 3). More: `docs/decisions/yaml.md`.
//!
//! Each place is drawn as the one line in which it starts, under its `name:line:column`, which
//! editors and terminals follow.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use ccsr_engine::{Diagnostic, Sources};
use ccsr_stage::params::{SourceId, Span};

/// Columns of a terminal that lines are shortened to.
const WIDTH: usize = 120;

/// The diagnostics in the order given, an empty line between two.
pub(crate) fn render(sources: &Sources, diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let renderer = renderer.term_width(WIDTH);
    let drawn = diagnostics.iter().map(|diagnostic| {
        let group = group(sources, diagnostic);
        renderer.render(&[group]).trim_end().to_owned() + "\n"
    });
    drawn.collect::<Vec<_>>().join("\n")
}

fn group<'a>(sources: &'a Sources, diagnostic: &'a Diagnostic) -> Group<'a> {
    let title = Level::ERROR
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code);
    let mut group = Group::with_title(title);
    if let Some(span) = diagnostic.span {
        let label = diagnostic.label.as_deref().map(visible);
        group = group.elements(snippet(sources, span, AnnotationKind::Primary, label));
    }
    for (span, what) in &diagnostic.related {
        group = group.elements(snippet(
            sources,
            *span,
            AnnotationKind::Context,
            Some(visible(what)),
        ));
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(visible(help))),
        None => group,
    }
}

/// The line in which `span` starts; nothing for a place that is nowhere.
fn snippet<'a>(
    sources: &'a Sources,
    span: Span,
    kind: AnnotationKind,
    label: Option<Cow<'a, str>>,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    if span.source == SourceId::default() {
        return None;
    }
    let (line, column) = sources.location(span);
    let text = sources.line_text(span);
    let before: usize = text.chars().take(column - 1).map(char::len_utf8).sum();
    let length = (span.end - span.start) as usize;
    let end = text.floor_char_boundary(before + length);
    Some(
        Snippet::source(text)
            .path(sources.get(span.source).name.as_str())
            .line_start(line)
            .annotation(kind.span(before..end.max(before)).label(label)),
    )
}

/// Texts quote what somebody wrote, which must not steer the terminal. The library sees to titles
/// and source lines only.
fn visible(text: &str) -> Cow<'_, str> {
    let steers = |character: char| character.is_control() && character != '\n';
    if text.contains(steers) {
        text.replace(steers, "\u{fffd}").into()
    } else {
        text.into()
    }
}

// Named, because `fuzz/` draws with this file, too.
#[cfg(test)]
#[path = "diagnostics/tests.rs"]
mod tests;
