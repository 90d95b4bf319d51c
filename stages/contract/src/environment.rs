//! What the engine lends a stage while it computes.

use std::any::Any;

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
