//! A network among the values: the tensors of its modules, by their names.

use std::collections::BTreeMap;

use crate::error::Fault;
use crate::tensor::Tensor;
use crate::value::{Id, Value, Values};

/// Modules within modules, at most.
const DEEPEST: usize = 64;
/// Bytes of a tensor's name, at most.
const LONGEST: usize = 1000;
/// Bytes that all modules' attributes, their names and their tensors take, at most: more only appear where a file names
/// the same ones over and over.
const MOST: usize = 64 << 20;
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
                    let name = checked("", name)?;
                    tensors.insert(name, Tensor::clone(tensor));
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
    let mut left = MOST;
    while let Some((state, name, depth)) = modules.pop() {
        let mut spend = |bytes: usize| -> Result<(), Fault> {
            let rest = left.checked_sub(bytes).filter(|_| depth <= DEEPEST);
            left = rest.ok_or_else(|| {
                Fault::damaged(format!(
                    "its modules go on without an end: `{name}` lies {depth} deep"
                ))
            })?;
            Ok(())
        };
        spend(size_of_val(values.entries(state)))?;
        for part in ["_parameters", "_buffers", "_modules"] {
            let part = values.entry(state, part);
            spend(part.map_or(0, |part| size_of_val(values.entries(part))))?;
        }
        for (key, tensor) in own_tensors(values, state) {
            let name = checked(&name, key)?;
            spend(name.len() + size_of::<Tensor>())?;
            tensors.insert(name, Tensor::clone(tensor));
        }
        let children = values
            .entry(state, "_modules")
            .map_or(&[][..], |id| values.entries(id));
        for (key, child) in children {
            if let (Some(key), Value::Object(Some(state))) = (values.text(*key), values.get(*child))
            {
                let name = checked(&name, key)? + ".";
                spend(name.len() + size_of::<Id>())?;
                modules.push((*state, name, depth + 1));
            }
        }
    }
    let attributes = Some(state);
    Ok((!tensors.is_empty()).then_some(Found {
        tensors,
        attributes,
    }))
}

/// The name of what a module has, if one may be called so: at some length, and not as safetensors call what is no tensor.
fn checked(module: &str, key: &str) -> Result<String, Fault> {
    if module.len() + key.len() > LONGEST {
        return Err(Fault::damaged(format!(
            "a name has more than {LONGEST} bytes: `{module}{key}`"
        )));
    }
    let name = format!("{module}{key}");
    if name == "__metadata__" {
        return Err(Fault::damaged(format!(
            "a tensor may not be called `{name}`"
        )));
    }
    Ok(name)
}

/// The tensors that a module has itself: what it learns, and what it keeps beside that.
fn own_tensors(values: &Values, state: Id) -> impl Iterator<Item = (&str, &Tensor)> {
    let places = ["_parameters", "_buffers"].into_iter();
    let entries = places.filter_map(move |place| Some(values.entries(values.entry(state, place)?)));
    entries
        .flatten()
        .filter_map(|(key, value)| match values.get(*value) {
            Value::Tensor(tensor) => Some((values.text(*key)?, &**tensor)),
            _ => None,
        })
}
