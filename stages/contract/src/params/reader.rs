//! Reading the tree as a typed value.
//!
//! serde stops at the first error. To report all of them, the reader sets the entry at fault aside
//! and reads again, until nothing new comes up; names that the type does not know are all found on
//! the way, because serde tells the reader the names that it does know.

mod access;
mod error;

use std::cell::RefCell;

use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeOwned, Visitor};

use access::{List, Map, Variant};
use error::Error;

use super::files::{DOCUMENT, FILE, FOLDER, HUB};
use super::{Documents, Entry, Node, NodeKind, Problem, ResolvedPath, Span};

/// Reads `node` as a `T`.
///
/// # Errors
/// Every problem there is, in the order in which they stand.
pub fn read<T: DeserializeOwned>(
    node: &Node,
    documents: &dyn Documents,
) -> Result<T, Vec<Problem>> {
    let context = Context {
        documents,
        problems: RefCell::default(),
        aside: RefCell::default(),
    };
    loop {
        match T::deserialize(Reader {
            node,
            context: &context,
        }) {
            Ok(value) if context.problems.borrow().is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => {
                if let Some(problem) = error.problem {
                    context.report(problem);
                }
                match error.culprit {
                    Some(span) if context.set_aside(span) => {}
                    _ => break,
                }
            }
        }
    }
    let mut problems = context.problems.into_inner();
    problems.sort_by_key(|problem| problem.span);
    Err(problems)
}

/// The candidate that `word` was probably meant to be, if one is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance =
        |other: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &other.to_lowercase());
    let allowed = (word.chars().count() / 3).max(1);
    let near = candidates.into_iter().map(|other| (distance(other), other));
    near.filter(|(far, _)| *far <= allowed)
        .min_by_key(|(far, _)| *far)
        .map(|(_, other)| other)
}

struct Context<'a> {
    documents: &'a dyn Documents,
    problems: RefCell<Vec<Problem>>,
    /// Values that a problem was reported for; they read as if they were not there.
    aside: RefCell<Vec<Span>>,
}

impl Context<'_> {
    fn report(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// False if it was aside already, so that reading again would go round in a circle.
    fn set_aside(&self, span: Span) -> bool {
        let mut aside = self.aside.borrow_mut();
        let new = !aside.contains(&span);
        if new {
            aside.push(span);
        }
        new
    }

    fn is_aside(&self, node: &Node) -> bool {
        self.aside.borrow().contains(&node.span)
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    context: &'a Context<'a>,
}

impl<'a> Reader<'a> {
    fn visit_list<'de, V: Visitor<'de>>(
        self,
        elements: &'a [Node],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let elements = elements
            .iter()
            .filter(|node| !self.context.is_aside(node))
            .collect::<Vec<_>>();
        let list = List {
            elements: elements.into_iter(),
            context: self.context,
        };
        visitor
            .visit_seq(list)
            .map_err(|error| error.within(self.node))
    }

    fn visit_map<'de, V: Visitor<'de>>(
        self,
        entries: &'a [Entry],
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut kept = Vec::with_capacity(entries.len());
        let mut incomplete = false;
        for entry in entries {
            if self.context.is_aside(&entry.value) {
                incomplete = true;
            } else if let Some(known) = known
                && !known.contains(&entry.key.as_ref())
            {
                self.context.report(unknown_name(entry, known));
                incomplete = true;
            } else {
                kept.push(entry);
            }
        }
        let map = Map {
            entries: kept.into_iter(),
            value: None,
            context: self.context,
        };
        visitor.visit_map(map).map_err(|mut error| {
            // A required entry that is missing because it was set aside, or misspelt, was reported.
            let missing = |p: &Problem| p.span.is_none() && p.message.ends_with("` is missing");
            if incomplete && error.problem.as_ref().is_some_and(missing) {
                error.problem = None;
            }
            error.within(self.node)
        })
    }

    fn whole(self, what: &str) -> Result<i64, Error> {
        match self.node.kind {
            NodeKind::Int(number) => Ok(number),
            _ => Err(Error::expected(what, self.node)),
        }
    }

    fn visit_path<'de, V: Visitor<'de>>(self, folder: bool, visitor: V) -> Result<V::Value, Error> {
        let span = self.node.span;
        let Some(text) = self.node.as_text() else {
            return Err(Error::expected(
                if folder {
                    "the path of a folder"
                } else {
                    "the path of a file"
                },
                self.node,
            ));
        };
        let failed = |problem| Error {
            problem: Some(problem),
            culprit: None,
        };
        let documents = self.context.documents;
        let resolved = match text.strip_prefix(HUB).filter(|_| folder) {
            None => documents.resolve(text, span).map_err(failed)?,
            Some(id) => ResolvedPath {
                path: documents
                    .model(id)
                    .map_err(|message| failed(Problem::new(Some(span), message)))?,
                display: text.to_owned(),
            },
        };
        let expected = if folder { "folder" } else { "file" };
        let path = &resolved.display;
        let problem = match std::fs::metadata(&resolved.path) {
            Ok(found) if found.is_dir() && folder || found.is_file() && !folder => None,
            Ok(found) => Some(format!(
                "`{path}` is {}, expected a {expected}",
                match () {
                    () if found.is_dir() => "a folder",
                    () if found.is_file() => "a file",
                    // Reading one could wait for ever.
                    () => "a pipe, a device or the like",
                }
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Some(format!("there is no {expected} `{path}`"))
            }
            Err(error) => Some(format!("cannot look at `{path}`: {error}")),
        };
        if let Some(message) = problem {
            return Err(failed(
                Problem::new(Some(span), message)
                    .with_help("paths are relative to the file that names them"),
            ));
        }
        let path = resolved.path.to_string_lossy().into_owned();
        visitor.visit_newtype_struct(SeqDeserializer::new([path, resolved.display].into_iter()))
    }

    fn visit_document<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let span = self.node.span;
        let Some(text) = self.node.as_text() else {
            return visitor.visit_newtype_struct(self);
        };
        let resolved = self.context.documents.resolve(text, span);
        let resolved = resolved.map_err(|problem| Error {
            problem: Some(problem),
            culprit: None,
        })?;
        let tree = self
            .context
            .documents
            .load(&resolved, span)
            .map_err(|problems| {
                for problem in problems {
                    self.context.report(problem);
                }
                Error {
                    problem: None,
                    culprit: None,
                }
            })?;
        visitor
            .visit_newtype_struct(Reader {
                node: &tree,
                context: self.context,
            })
            .map_err(|error| error.within(&tree))
    }
}

fn unknown_name(entry: &Entry, known: &'static [&'static str]) -> Problem {
    let names = known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let problem = if known.is_empty() {
        Problem::new(
            Some(entry.key_span),
            format!("`{}` is not expected: nothing is", entry.key),
        )
    } else {
        Problem::new(
            Some(entry.key_span),
            format!("`{}` is not expected here; there are {names}", entry.key),
        )
    };
    match nearest(&entry.key, known.iter().copied()) {
        Some(near) => problem.with_help(format!("did you mean `{near}`?")),
        None => problem,
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let (low, high) = (<$type>::MIN, <$type>::MAX);
            let number = self.whole("a whole number")?;
            let number = <$type>::try_from(number).map_err(|_| {
                Error::at(self.node.span, format!("expected a whole number from {low} to {high}, found `{number}`"))
            })?;
            visitor.$visit(number).map_err(|error: Error| error.within(self.node))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            NodeKind::Null => visitor.visit_unit(),
            NodeKind::Bool(truth) => visitor.visit_bool(*truth),
            NodeKind::Int(number) => visitor.visit_i64(*number),
            NodeKind::Float(number) => visitor.visit_f64(*number),
            NodeKind::Text(text) => visitor.visit_str(text),
            NodeKind::List(elements) => return self.visit_list(elements, visitor),
            NodeKind::Map(entries) => return self.visit_map(entries, None, visitor),
        }
        .map_err(|error: Error| error.within(self.node))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            NodeKind::Bool(truth) => visitor.visit_bool(truth),
            _ => Err(Error::expected("`true` or `false`", self.node)),
        }
    }

    whole_numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            NodeKind::Int(number) => visitor.visit_f64(number as f64),
            NodeKind::Float(number) => visitor.visit_f64(number),
            _ => Err(Error::expected("a number", self.node)),
        }
        .map_err(|error: Error| error.within(self.node))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            NodeKind::Text(text) => visitor
                .visit_str(text)
                .map_err(|error: Error| error.within(self.node)),
            NodeKind::Null | NodeKind::List(_) | NodeKind::Map(_) => {
                Err(Error::expected("text", self.node))
            }
            _ => {
                let mut error = Error::expected("text", self.node);
                if let Some(problem) = &mut error.problem {
                    problem.help = Some("put it in quotes if text is what you mean".to_owned());
                }
                Err(error)
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            NodeKind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            NodeKind::Null => visitor.visit_unit(),
            _ => Err(Error::expected("nothing", self.node)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            FILE => self.visit_path(false, visitor),
            FOLDER => self.visit_path(true, visitor),
            DOCUMENT => self.visit_document(visitor),
            _ => visitor
                .visit_newtype_struct(self)
                .map_err(|error| error.within(self.node)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            NodeKind::List(elements) => self.visit_list(elements, visitor),
            _ => Err(Error::expected("a list", self.node)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            NodeKind::Map(entries) => self.visit_map(entries, None, visitor),
            NodeKind::Null => self.visit_map(&[], None, visitor),
            _ => Err(Error::expected("a map", self.node)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.kind {
            NodeKind::Map(entries) => self.visit_map(entries, Some(fields), visitor),
            NodeKind::Null => self.visit_map(&[], Some(fields), visitor),
            _ => Err(Error::expected("a map", self.node)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (name, content) = match &self.node.kind {
            NodeKind::Text(name) => (name.as_ref(), None),
            NodeKind::Map(entries) if entries.len() == 1 => {
                (entries[0].key.as_ref(), Some(&entries[0].value))
            }
            _ => {
                let names = variants
                    .iter()
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(Error::expected(&format!("one of {names}"), self.node));
            }
        };
        visitor
            .visit_enum(Variant {
                name,
                content,
                reader: self,
            })
            .map_err(|error| error.within(self.node))
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit_struct tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests;
