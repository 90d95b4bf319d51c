//! What the engine lends a stage while it computes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use ccsr_cache::Digest;

use crate::StageError;

/// Something heavy that a unit needs in memory: a network on its device, as a rule.
///
/// The engine loads it when a unit that names it misses, keeps it while it is needed and drops it
/// when another resource needs the room.
pub trait Resource: Any + Send + Sync {
    /// Memory that it occupies, in bytes; an estimate is enough.
    fn bytes(&self) -> u64 {
        0
    }

    /// Itself, for [`Batch::resource`](crate::Batch::resource) to look into.
    fn as_any(&self) -> &dyn Any;
}

/// Read access to blobs. Bytes are verified when read.
pub trait Blobs: Sync {
    /// The bytes of `digest`.
    ///
    /// # Errors
    /// [`StageError::Lost`] if the cache lost or damaged them: hand it on, and the engine makes
    /// the blob again.
    fn read(&self, digest: &Digest) -> Result<Vec<u8>, StageError>;
}

/// Where and how units execute. Nothing in here may change an outcome beyond rounding.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The device, as the user named it: `cpu`, `cuda:0`.
    pub device: String,
    /// Threads that one batch may keep busy.
    pub threads: usize,
}

/// When a batch has to end, whether or not it is done.
///
/// A network cannot be stopped within a step, so most stages never look; one that waits for somebody
/// else (an external program) looks often, and ends what it waits for.
#[derive(Clone, Default)]
pub struct Limits {
    deadline: Option<Instant>,
    abandoned: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Limits {
    /// Limits that nothing reaches.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same limits with the moment at which the stage's time is over.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same limits, asked through `abandoned` whether nobody waits for the batch any more.
    #[must_use]
    pub fn with_abandoned(mut self, abandoned: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        self.abandoned = Some(abandoned);
        self
    }

    /// When the stage's time is over, if it is bounded.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the stage's time is over.
    pub fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether nobody waits for the batch any more: end at once, with any error.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.as_ref().is_some_and(|asked| asked())
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
