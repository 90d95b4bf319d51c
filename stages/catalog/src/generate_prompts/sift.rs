//! Which lines of the completions become prompts, and which completions are wanted next.
//!
//! The prompts of a class are a list without an end, of which `count` says how much is taken: chunk
//! after chunk, of each chunk as many as one was asked for, first those of its first completion, then,
//! while it is short, those of its further attempts. Nothing in that order depends on `count`, so a
//! larger one only makes the list longer. As no prompt may occur twice, not in two classes either,
//! the classes take turns, prompt by prompt: what one class takes later cannot be missing in
//! another's earlier part.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::vec::IntoIter;

use ccsr_stage::{StageError, Value};

use super::completions::Completions;
use super::lines::{Line, lines};
use super::measure::Length;
use crate::prompt_rules::{mentions, normalised};

/// A completion: the class by its position, the chunk, the attempt at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Draft {
    pub(super) class: usize,
    pub(super) chunk: u32,
    pub(super) attempt: u32,
}

impl Draft {
    /// As a unit's hint: what it names is in the unit's input already, by its texts and its seed.
    pub(super) fn to_hint(self) -> Value {
        Value::map([
            ("class", Value::Int(self.class as i64)),
            ("chunk", Value::Int(i64::from(self.chunk))),
            ("attempt", Value::Int(i64::from(self.attempt))),
        ])
    }

    /// Of a unit's hint.
    pub(super) fn of_hint(hint: &Value) -> Option<Self> {
        let number = |name| hint.get(name).and_then(Value::as_int);
        Some(Self {
            class: number("class")?.try_into().ok()?,
            chunk: number("chunk")?.try_into().ok()?,
            attempt: number("attempt")?.try_into().ok()?,
        })
    }
}

/// Why a line did not become a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// It does not mention the class.
    OffTopic,
    /// The text encoder does not read all of it.
    TooLong,
    /// It is one of the prompts before it.
    Repeated,
    /// It is one of the prompts of the port `exclude`.
    Excluded,
    /// It is a heading or a remark.
    Remark,
    /// It is half a line.
    Cut,
}

/// What is asked of the prompts.
pub(super) struct Rules<'a> {
    pub(super) classes: &'a [String],
    /// Prompts a class.
    pub(super) count: u32,
    /// Prompts of a chunk, at least 1.
    pub(super) chunk: u32,
    /// Further attempts at a chunk that is short.
    pub(super) retries: u32,
    pub(super) length: &'a Length,
    /// Prompts that must not be written, as they are compared.
    pub(super) excluded: HashSet<String>,
}

/// What the known completions give.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    /// The prompts of each class.
    pub(super) prompts: Vec<Vec<String>>,
    /// The completions that are wanted next; if there are any, all else is preliminary.
    pub(super) wanted: BTreeSet<Draft>,
    /// How many prompts were taken from each completion.
    pub(super) taken: BTreeMap<Draft, u32>,
    /// How many lines of each class were dropped, by reason.
    pub(super) dropped: Vec<BTreeMap<Reason, u32>>,
}

impl Rules<'_> {
    /// How many chunks a class has at most.
    pub(super) const fn chunks(&self) -> u32 {
        self.count.div_ceil(self.chunk)
    }

    /// Goes through what is known, and notes what is not.
    pub(super) fn sift(&self, known: &Completions) -> Result<Sifted, StageError> {
        let classes = self.classes.len();
        let mut sifted = Sifted {
            prompts: vec![Vec::new(); classes],
            dropped: vec![BTreeMap::new(); classes],
            ..Sifted::default()
        };
        let mut readers: Vec<Reader> = (0..classes).map(Reader::new).collect();
        let mut seen = HashSet::new();
        for _ in 0..self.count {
            for reader in &mut readers {
                reader.advance(self, known, &mut seen, &mut sifted)?;
            }
        }
        Ok(sifted)
    }

    /// Why a prompt cannot be taken.
    fn refuse(
        &self,
        prompt: &str,
        class: &str,
        seen: &mut HashSet<String>,
    ) -> Result<Option<Reason>, StageError> {
        if !mentions(prompt, class) {
            return Ok(Some(Reason::OffTopic));
        }
        if !self.length.fits(prompt)? {
            return Ok(Some(Reason::TooLong));
        }
        let compared = normalised(prompt);
        if self.excluded.contains(&compared) {
            return Ok(Some(Reason::Excluded));
        }
        Ok((!seen.insert(compared)).then_some(Reason::Repeated))
    }
}

/// How far the completions about one class were read.
struct Reader {
    class: usize,
    chunk: u32,
    /// Prompts that the chunk gave, or may still give.
    filled: u32,
    /// The next attempt at the chunk.
    attempt: u32,
    /// What is left of the attempt before.
    lines: IntoIter<Line>,
    /// Whether the rest of the chunk is not known yet.
    waits: bool,
}

impl Reader {
    fn new(class: usize) -> Self {
        Self {
            class,
            chunk: 0,
            filled: 0,
            attempt: 0,
            lines: Vec::new().into_iter(),
            waits: false,
        }
    }

    /// Takes the next prompt, if there is one. What is not known yet is taken to fill its chunk, so
    /// that nothing is wanted in vain.
    fn advance(
        &mut self,
        rules: &Rules<'_>,
        known: &Completions,
        seen: &mut HashSet<String>,
        sifted: &mut Sifted,
    ) -> Result<(), StageError> {
        while self.chunk < rules.chunks() {
            if self.filled == rules.chunk || self.attempt > rules.retries && self.lines.len() == 0 {
                self.next_chunk();
            } else if self.waits {
                self.filled += 1;
                return Ok(());
            } else if let Some(line) = self.lines.next() {
                let refused = match &line {
                    Line::Remark => Some(Reason::Remark),
                    Line::Cut => Some(Reason::Cut),
                    Line::Prompt(prompt) => {
                        rules.refuse(prompt, &rules.classes[self.class], seen)?
                    }
                };
                if let Some(reason) = refused {
                    *sifted.dropped[self.class].entry(reason).or_default() += 1;
                } else if let Line::Prompt(prompt) = line {
                    sifted.prompts[self.class].push(prompt);
                    *sifted
                        .taken
                        .entry(self.draft(self.attempt - 1))
                        .or_default() += 1;
                    self.filled += 1;
                    return Ok(());
                }
            } else if let Some(completion) = known.get(self.draft(self.attempt)) {
                self.lines = lines(completion).into_iter();
                self.attempt += 1;
            } else {
                sifted.wanted.insert(self.draft(self.attempt));
                self.waits = true;
            }
        }
        Ok(())
    }

    const fn draft(&self, attempt: u32) -> Draft {
        Draft {
            class: self.class,
            chunk: self.chunk,
            attempt,
        }
    }

    fn next_chunk(&mut self) {
        *self = Self {
            chunk: self.chunk + 1,
            ..Self::new(self.class)
        };
    }
}
