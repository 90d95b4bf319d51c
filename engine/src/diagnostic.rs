//! What is wrong with a text, and where.
//!
//! A diagnostic is data: nothing here prints or knows colours. Codes are `area::name`; each
//! module that makes diagnostics has the table of its own.

use std::fmt;

use ccsr_stage::params::{Problem, Span};

/// Something wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake it is, such as `yaml::duplicate-key`.
    pub code: &'static str,
    /// What is wrong and what was expected.
    pub message: String,
    /// Where, if there is a place.
    pub span: Option<Span>,
    /// What to say at the place itself. A box, so that a result with a diagnostic stays small.
    pub label: Option<Box<str>>,
    /// Other places, and what each has to do with it.
    pub related: Vec<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without a place.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span: None,
            label: None,
            related: Vec::new(),
            help: None,
        }
    }

    /// A parameter's problem.
    pub fn from_problem(code: &'static str, problem: Problem) -> Self {
        Self {
            span: problem.span,
            help: problem.help,
            ..Self::new(code, problem.message)
        }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The same with something to say at its place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<Box<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with one more place.
    #[must_use]
    pub fn with_related(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related.push((span, what.into()));
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The message alone.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// For a document that the parameter reader asked for; it knows places, but no codes.
impl From<Diagnostic> for Problem {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            span: diagnostic.span,
            message: diagnostic.message,
            help: diagnostic.help,
        }
    }
}
/// An error and what caused it, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
