//! What a pickle builds: inert values that refer to each other by number, so that neither cycles nor depth matter.

use std::sync::Arc;

use crate::names::Name;
use crate::tensor::{DIMENSIONS, Storage, Tensor};

/// The number of a value.
pub(crate) type Id = usize;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// Something of which nothing matters here: bytes, sets, long numbers.
    Other,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or a function, which is never called.
    Name(Name),
    /// An object of some class, with the state that it would get.
    Object(Option<Id>),
    Storage(Storage),
    Tensor(Arc<Tensor>),
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<Value>);

impl Values {
    pub(crate) fn add(&mut self, value: Value) -> Id {
        self.0.push(value);
        self.0.len() - 1
    }

    pub(crate) fn get(&self, id: Id) -> &Value {
        &self.0[id]
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> &mut Value {
        &mut self.0[id]
    }

    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Numbers of a tuple that are sizes, of as many dimensions as a tensor may have.
    pub(crate) fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Tuple(items) = self.get(id) else {
            return None;
        };
        if items.len() > DIMENSIONS {
            return None;
        }
        let size = |item: &Id| self.int(*item)?.try_into().ok();
        items.iter().map(size).collect()
    }

    /// The entries of a dictionary.
    pub(crate) fn entries(&self, id: Id) -> &[(Id, Id)] {
        match self.get(id) {
            Value::Dict(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a dictionary under a text; of several, the last.
    pub(crate) fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let mut entries = self.entries(dict).iter().rev();
        let found = entries.find(|(name, _)| self.text(*name) == Some(key));
        found.map(|(_, value)| *value)
    }

    /// What people call it.
    pub(crate) fn described(&self, id: Id) -> String {
        match self.get(id) {
            Value::None => "None".to_owned(),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => "a number".to_owned(),
            Value::Text(_) => "a text".to_owned(),
            Value::Other => "bytes, a set or the like".to_owned(),
            Value::Tuple(_) => "a tuple".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Name(name) => format!("the name `{name}`"),
            Value::Object(_) => "an object that is no module".to_owned(),
            Value::Storage(_) => "a storage".to_owned(),
            Value::Tensor(_) => "a tensor".to_owned(),
            Value::Dict(entries) => {
                let names = entries.iter().filter_map(|(key, _)| self.text(*key));
                let names: Vec<&str> = names.take(10).collect();
                format!("a dictionary of `{}`", names.join("`, `"))
            }
        }
    }
}
