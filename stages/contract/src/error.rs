//! What can go wrong inside a stage.

use std::any::Any;

use ccsr_cache::{Digest, ValueError};

use crate::TableError;

/// An error of a stage. The engine adds the stage's name and its line of YAML.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The inputs do not let the stage do its work; the text says what, where and what to do.
    #[error("{0}")]
    Input(String),
    /// One unit could not be computed; the text says why.
    #[error("{0}")]
    Failed(String),
    /// A blob that the cache should hold is gone or damaged.
    #[error("the cache lost the blob {0}")]
    Lost(Digest),
    /// The cache itself could not be used while the stage ran.
    #[error("{0}")]
    Cache(String),
    /// The device has no memory left for this batch; a smaller one may fit.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The time that it was given is over; the text says which.
    #[error("{0}")]
    TimedOut(String),
    /// Nobody waits for it any more; it was ended.
    #[error("ended before it was done")]
    Abandoned,
    /// The stage panicked: a defect of ours, caught at the worker.
    #[error("the stage panicked: {0}")]
    Panicked(String),
    /// A table is not what the stage was promised.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A value is not of the type that the stage wrote.
    #[error("a stored value cannot be read back: {0}")]
    Value(#[from] ValueError),
}

impl StageError {
    /// An [`StageError::Input`] that says `message`.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// The same for another unit of the batch that failed as a whole.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Input(text) => Self::Input(text.clone()),
            Self::Failed(text) => Self::Failed(text.clone()),
            Self::Lost(digest) => Self::Lost(*digest),
            Self::Cache(text) => Self::Cache(text.clone()),
            Self::OutOfMemory(text) => Self::OutOfMemory(text.clone()),
            Self::TimedOut(text) => Self::TimedOut(text.clone()),
            Self::Abandoned => Self::Abandoned,
            Self::Panicked(text) => Self::Panicked(text.clone()),
            Self::Table(_) | Self::Value(_) => Self::Failed(self.to_string()),
        }
    }

    /// What a panic said. Backends say by a panic, too, that a device has no memory left: that is told from
    /// defects, so that smaller batches are tried.
    pub fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "no message".to_owned());
        let said = text.to_lowercase();
        let of_memory = ["out of memory", "outofmemory", "out_of_memory"];
        if of_memory.iter().any(|words| said.contains(words)) {
            Self::OutOfMemory(text)
        } else {
            Self::Panicked(text)
        }
    }

    /// A [`StageError::Failed`] that says `message`.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_about_memory_is_told_from_others() {
        for text in [
            "Error while reading data: The server is out of memory",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "OutOfMemory { size: 12 }",
        ] {
            let error = StageError::of_panic(&text);
            assert!(matches!(error, StageError::OutOfMemory(_)), "{text}");
        }
        for panic in [
            &"shapes differ" as &(dyn Any + Send),
            &"a text".to_owned(),
            &3,
        ] {
            let error = StageError::of_panic(panic);
            assert!(matches!(error, StageError::Panicked(_)), "{error}");
        }
    }
}
