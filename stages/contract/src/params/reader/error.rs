//! An error while reading, on its way up to the place that knows where it happened.

use std::fmt;

use serde::de;

use super::nearest;
use crate::params::{Node, Problem, Span};

/// An error on its way up to the place that knows where it happened.
#[derive(Debug)]
pub(super) struct Error {
    /// `None` where all there is to say was reported.
    pub(super) problem: Option<Problem>,
    /// The innermost entry or element at fault.
    pub(super) culprit: Option<Span>,
}

impl Error {
    pub(super) fn at(span: Span, message: impl Into<String>) -> Self {
        Self {
            problem: Some(Problem::new(Some(span), message)),
            culprit: None,
        }
    }

    pub(super) fn expected(what: &str, node: &Node) -> Self {
        Self::at(
            node.span,
            format!("expected {what}, found {}", node.described()),
        )
    }

    /// Fills in the place, if none is known yet.
    pub(super) fn within(mut self, node: &Node) -> Self {
        if let Some(problem) = &mut self.problem {
            problem.span.get_or_insert(node.span);
        }
        self
    }

    pub(super) fn blame(mut self, node: &Node) -> Self {
        self = self.within(node);
        self.culprit.get_or_insert(node.span);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem.as_ref().map_or("", |problem| &problem.message))
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            problem: Some(Problem::new(None, message.to_string())),
            culprit: None,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("`{field}` is missing"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::custom(format_args!(
            "`{variant}` is not one of {}",
            expected
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ));
        if let (Some(problem), Some(near)) = (
            &mut error.problem,
            nearest(variant, expected.iter().copied()),
        ) {
            problem.help = Some(format!("did you mean `{near}`?"));
        }
        error
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {length} elements"))
    }
}
