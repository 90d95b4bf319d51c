//! Named values, in as little memory as they need: there are millions of them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::Value;

/// Named values, ordered by name; names are unique. Cloning shares them.
#[derive(Clone, PartialEq)]
pub struct Map(Arc<[(Arc<str>, Value)]>);

impl Map {
    /// A map with these entries; of several with one name, the last counts.
    pub(super) fn new<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let named = |(name, value): (K, Value)| (interned(name.as_ref()), value);
        let mut entries: Vec<_> = entries.into_iter().map(named).collect();
        let in_order = entries.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !in_order {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.reverse();
            entries.dedup_by(|(later, _), (kept, _)| later == kept);
            entries.reverse();
        }
        Self(entries.into())
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        place.ok().map(|place| &self.0[place].1)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The values in the order of their names.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Names that a thread keeps at most: kinds of maps are few, but maps keyed by data may come by.
const MAX_NAMES: usize = 4096;
/// Longer ones are data, as a rule.
const MAX_LENGTH: usize = 64;

thread_local! {
    static NAMES: RefCell<HashSet<Arc<str>>> = RefCell::default();
}

/// The name, shared with other maps that have it.
pub(super) fn interned(name: &str) -> Arc<str> {
    NAMES.with_borrow_mut(|names| match names.get(name) {
        Some(known) => Arc::clone(known),
        None => {
            let name: Arc<str> = name.into();
            if names.len() < MAX_NAMES && name.len() <= MAX_LENGTH {
                names.insert(Arc::clone(&name));
            }
            name
        }
    })
}
