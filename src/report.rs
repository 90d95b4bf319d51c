//! What is told after the fact: errors in a file, the summary of a run.

pub(crate) mod agreement;
pub(crate) mod changes;
pub(crate) mod compare;
pub(crate) mod diagnostics;
pub(crate) mod html;
pub(crate) mod summary;
pub(crate) mod sweep;
pub(crate) mod trials;
pub(crate) mod why;
