//! Parameters that can be read but do not fit: where in the tree the part at fault stands.

use std::fmt;

use super::{Documents, Node, NodeKind, Problem, Span};

/// A part of the parameters that does not fit the rest of them, or what the suite offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The names and numbers that lead to it: `questions`, `3`, `text`. They lead on into a file
    /// that a parameter names. Empty: the parameters as a whole.
    pub path: Vec<String>,
    /// Whether the name that the path ends in is at fault, rather than the value under it.
    pub of_name: bool,
    /// What is wrong, as a sentence.
    pub message: String,
}

impl Misfit {
    /// A value that does not fit.
    pub fn new<P: Into<String>>(
        path: impl IntoIterator<Item = P>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into_iter().map(Into::into).collect(),
            of_name: false,
            message: message.into(),
        }
    }

    /// A name that does not fit, such as that of something there is none of.
    pub fn of_name<P: Into<String>>(
        path: impl IntoIterator<Item = P>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            of_name: true,
            ..Self::new(path, message)
        }
    }

    /// The misfit as a problem, at the place that its path leads to, or as far as it leads.
    fn placed(self, with: Option<&Node>, documents: &dyn Documents) -> Problem {
        let span = with.map(|node| place(node, &self.path, self.of_name, documents));
        Problem::new(span, self.message)
    }
}

/// Everything about parameters that does not fit. A sentence alone is about them as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfits(Vec<Misfit>);

impl Misfits {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one or several.
    pub fn add(&mut self, misfits: impl Into<Self>) {
        self.0.extend(misfits.into().0);
    }

    /// The same, one step further in.
    #[must_use]
    pub fn below(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        for misfit in &mut self.0 {
            misfit.path.insert(0, name.clone());
        }
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Misfit> {
        self.0.iter()
    }

    /// That there is none.
    ///
    /// # Errors
    /// Themselves, if there are any.
    pub fn check(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Each as a problem at its place; at least one, as something was refused.
    pub(crate) fn placed(self, with: Option<&Node>, documents: &dyn Documents) -> Vec<Problem> {
        let found = if self.0.is_empty() {
            Self::from("these parameters are refused").0
        } else {
            self.0
        };
        let place = |misfit: Misfit| misfit.placed(with, documents);
        found.into_iter().map(place).collect()
    }
}

impl From<Vec<Misfit>> for Misfits {
    fn from(misfits: Vec<Misfit>) -> Self {
        Self(misfits)
    }
}

impl From<Misfit> for Misfits {
    fn from(misfit: Misfit) -> Self {
        Self(vec![misfit])
    }
}

impl From<String> for Misfits {
    fn from(message: String) -> Self {
        Misfit::new::<String>([], message).into()
    }
}

impl From<&str> for Misfits {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

/// The sentences, a line each.
impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, misfit) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{}", misfit.message)?;
        }
        Ok(())
    }
}

/// Follows `path` from `node`. A value is shown where it was written, which for that of a variable
/// or of an override is not where its name stands.
fn place(node: &Node, path: &[String], of_name: bool, documents: &dyn Documents) -> Span {
    let Some((first, rest)) = path.split_first() else {
        return node.span;
    };
    let next = match &node.kind {
        NodeKind::Map(entries) => {
            let entry = entries.iter().find(|entry| *entry.key == **first);
            if let Some(entry) = entry
                && of_name
                && rest.is_empty()
            {
                return entry.key_span;
            }
            entry.map(|entry| &entry.value)
        }
        NodeKind::List(elements) => {
            let at: Option<usize> = first.parse().ok();
            at.and_then(|at| elements.get(at))
        }
        NodeKind::Text(text) => {
            let resolved = documents.resolve(text, node.span).ok();
            let tree = resolved.and_then(|path| documents.load(&path, node.span).ok());
            return tree.map_or(node.span, |tree| place(&tree, path, of_name, documents));
        }
        _ => None,
    };
    next.map_or(node.span, |next| place(next, rest, of_name, documents))
}

#[cfg(test)]
mod tests;
