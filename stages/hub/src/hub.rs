//! [`Hub`]: the one door.

use std::path::PathBuf;

use crate::config::Config;
use crate::error::HubError;
use crate::id::ModelId;
use crate::layout::Layout;
use crate::list::{self, Snapshot};
use crate::pull::{self, Progress, PullOptions, Pulled};
use crate::remote::Remote;
use crate::verify::{self, Verdict};

/// A hub, and the cache of what was downloaded from it. Cheap to make: nothing is opened or asked.
#[derive(Clone, Debug)]
pub struct Hub {
    config: Config,
}

impl Hub {
    /// The hub and cache of this configuration.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// The folder with the files of a model, as far as they were pulled. The hub is not asked.
    pub fn path(&self, id: &ModelId) -> Result<PathBuf, HubError> {
        Ok(self.snapshot(id)?.1)
    }

    /// Downloads what is missing of a model. Its snapshot appears when all of it is there.
    pub fn pull(
        &self,
        id: &ModelId,
        options: &PullOptions,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Pulled, HubError> {
        if self.config.offline {
            return Err(HubError::Offline { id: id.to_string() });
        }
        let remote = Remote::new(&self.config);
        pull::pull(&remote, &self.layout(id), id, options, progress)
    }

    /// Reads every file of a model and compares it with what the hub called it; `progress` hears of bytes
    /// done and of all. The hub is not asked.
    pub fn verify(
        &self,
        id: &ModelId,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Verdict, HubError> {
        let (commit, folder) = self.snapshot(id)?;
        verify::verify(&self.layout(id), commit, &folder, progress)
    }

    /// The models in the cache, by name: one entry a snapshot.
    pub fn list(&self) -> Result<Vec<Snapshot>, HubError> {
        list::list(&self.config.cache)
    }

    fn layout(&self, id: &ModelId) -> Layout {
        Layout::of(&self.config.cache, id)
    }

    fn snapshot(&self, id: &ModelId) -> Result<(String, PathBuf), HubError> {
        let layout = self.layout(id);
        let found = layout.commit(id)?.map(|commit| {
            let folder = layout.snapshot(&commit);
            (commit, folder)
        });
        let found = found.filter(|(_, folder)| folder.is_dir());
        found.ok_or_else(|| HubError::NotPulled {
            id: id.to_string(),
            cache: self.config.cache.clone(),
        })
    }
}
