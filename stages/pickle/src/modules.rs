//! A network among the values: the tensors of its modules, by their names.

use std::collections::BTreeMap;

use crate::error::Fault;
use crate::tensor::Tensor;
use crate::value::{Id, Value, Values};

/// Modules within modules, at most.
const DEEPEST: usize = 64;
/// Modules, at most: more only appear where a file names the same ones over and over.
const MOST: usize = 100_000;
/// Where checkpoints have their network, the best first: averaged weights before those of the last step.
const PLACES: [&str; 3] = ["ema", "model", "state_dict"];

/// A network.
pub(crate) struct Found {
    /// Its tensors.
    pub(crate) tensors: BTreeMap<String, Tensor>,
    /// The attributes of its outermost module.
    pub(crate) attributes: Option<Id>,
}

/// The network in a checkpoint.
pub(crate) fn find(values: &Values, whole: Id) -> Result<Found, Fault> {
    let mut place = whole;
    // A network may lie in a dictionary in a dictionary: `{"model": {"state_dict": …}}`.
    for _ in 0..PLACES.len() {
        if let Some(found) = network(values, place)? {
            return Ok(found);
        }
        let inner = PLACES.iter().filter_map(|name| values.entry(place, name));
        let mut inner = inner.filter(|id| !matches!(values.get(*id), Value::None));
        match inner.next() {
            Some(inner) => place = inner,
            None => break,
        }
    }
    Err(Fault::NoNetwork(values.described(place)))
}

fn network(values: &Values, id: Id) -> Result<Option<Found>, Fault> {
    let mut tensors = BTreeMap::new();
    let state = match values.get(id) {
        Value::Object(Some(state)) if values.entry(*state, "_modules").is_some() => *state,
        Value::Dict(entries) => {
            for (key, value) in entries {
                if let (Some(name), Value::Tensor(tensor)) = (values.text(*key), values.get(*value))
                {
                    tensors.insert(name.to_owned(), tensor.clone());
                }
            }
            let attributes = None;
            return Ok((!tensors.is_empty()).then_some(Found {
                tensors,
                attributes,
            }));
        }
        _ => return Ok(None),
    };
    // Modules that are left to be looked at: their state, their name, how deep they lie.
    let mut modules = vec![(state, String::new(), 0)];
    let mut seen = 0;
    while let Some((state, name, depth)) = modules.pop() {
        seen += 1;
        if seen > MOST || depth > DEEPEST {
            return Err(Fault::damaged(format!(
                "its modules go on without an end: `{name}` lies {depth} deep, after {seen} others"
            )));
        }
        for (key, tensor) in own_tensors(values, state) {
            tensors.insert(format!("{name}{key}"), tensor.clone());
        }
        let children = values
            .entry(state, "_modules")
            .map_or(&[][..], |id| values.entries(id));
        for (key, child) in children {
            if let (Some(key), Value::Object(Some(state))) = (values.text(*key), values.get(*child))
            {
                modules.push((*state, format!("{name}{key}."), depth + 1));
            }
        }
    }
    let attributes = Some(state);
    Ok((!tensors.is_empty()).then_some(Found {
        tensors,
        attributes,
    }))
}

/// The tensors that a module has itself: what it learns, and what it keeps beside that.
fn own_tensors(values: &Values, state: Id) -> impl Iterator<Item = (&str, &Tensor)> {
    let places = ["_parameters", "_buffers"].into_iter();
    let entries = places.filter_map(move |place| Some(values.entries(values.entry(state, place)?)));
    entries
        .flatten()
        .filter_map(|(key, value)| match values.get(*value) {
            Value::Tensor(tensor) => Some((values.text(*key)?, tensor)),
            _ => None,
        })
}
