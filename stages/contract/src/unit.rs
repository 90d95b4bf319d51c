//! Units of work and their outcomes.

use std::sync::Arc;

use ccsr_cache::{Digest, Value};

/// One piece of work, identified by everything that its outcome depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Everything the outcome depends on: this, the stage kind and its revision are the action key.
    pub input: Value,
    /// The resource to have in memory when it executes; `None` for work that needs no model.
    pub resource: Option<Arc<str>>,
    /// Units of one group are put in the same batch where they fit. Never keyed.
    pub group: u64,
    /// What execution needs and the input determines already (the path of a file whose digest is in
    /// the input). Never keyed: it must not change the outcome.
    pub hint: Value,
}

impl Unit {
    /// A unit that depends on `input` and needs no resource.
    pub const fn new(input: Value) -> Self {
        Self {
            input,
            resource: None,
            group: 0,
            hint: Value::Null,
        }
    }

    /// The same unit, which needs the resource `name`.
    #[must_use]
    pub fn with_resource(mut self, name: impl Into<Arc<str>>) -> Self {
        self.resource = Some(name.into());
        self
    }

    /// The same unit in another batching group.
    #[must_use]
    pub const fn with_group(mut self, group: u64) -> Self {
        self.group = group;
        self
    }

    /// The same unit with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: Value) -> Self {
        self.hint = hint;
        self
    }
}

/// What executing a unit gave: a value, and the bytes of the blobs that the value names.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    value: Value,
    blobs: Vec<(Digest, Vec<u8>)>,
    note: Option<String>,
}

impl Outcome {
    /// An outcome without blobs.
    pub const fn of(value: Value) -> Self {
        Self {
            value,
            blobs: Vec::new(),
            note: None,
        }
    }

    /// An outcome that is one blob.
    pub fn of_blob(bytes: Vec<u8>) -> Self {
        let mut outcome = Self::default();
        outcome.value = Value::Blob(outcome.add_blob(bytes));
        outcome
    }

    /// Adds a blob and returns the digest to name it by in the value.
    pub fn add_blob(&mut self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.blobs.push((digest, bytes));
        digest
    }

    /// The same blobs under another value.
    #[must_use]
    pub fn with_value(mut self, value: Value) -> Self {
        self.value = value;
        self
    }

    /// The same outcome with what people should know about it: a sentence, told by the run that
    /// executes the unit. It is no part of the outcome.
    #[must_use]
    pub fn with_note(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }

    /// What people should know about it.
    pub const fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// The value, and the blobs with their digests.
    pub fn into_parts(self) -> (Value, Vec<(Digest, Vec<u8>)>) {
        (self.value, self.blobs)
    }
}

/// A part of a stage's work whose waves do not wait for the other parts: an image, a class, all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The stage's own number for it.
    pub index: usize,
    /// What people call it.
    pub name: Arc<str>,
}

impl Partition {
    /// A partition.
    pub fn new(index: usize, name: impl Into<Arc<str>>) -> Self {
        Self {
            index,
            name: name.into(),
        }
    }

    /// The one partition of a stage that is not divided.
    pub fn whole() -> Self {
        Self::new(0, "all")
    }
}

/// A unit and its outcome's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The unit, as the stage asked for it.
    pub unit: Arc<Unit>,
    /// The value of its outcome.
    pub outcome: Value,
}

/// Everything that a partition's waves gave, in the order in which the units were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionOutcomes {
    /// The partition.
    pub partition: Partition,
    /// Its units, wave after wave.
    pub resolved: Vec<Resolved>,
}
