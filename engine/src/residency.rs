//! Which resources are in memory.
//!
//! A resource is loaded when a unit that names it is about to execute, shared by all stages whose
//! resource has the same identity, and dropped, least recently used first, when another needs the
//! room. One that is executing is held by its worker until the batch is over.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use ccsr_cache::Digest;
use ccsr_stage::{Resource, StageError};

struct Resident {
    identity: Digest,
    resource: Arc<dyn Resource>,
}

#[derive(Default)]
struct State {
    /// Least recently used first.
    residents: Vec<Resident>,
    loading: Vec<Digest>,
}

/// The resources in memory.
pub(crate) struct Residency {
    /// Bytes that resources may occupy together; one larger than that is loaded alone.
    budget: u64,
    state: Mutex<State>,
    loaded: Condvar,
}

impl Residency {
    pub(crate) fn new(budget: Option<u64>) -> Self {
        let budget = budget.unwrap_or(u64::MAX);
        Self {
            budget,
            state: Mutex::default(),
            loaded: Condvar::new(),
        }
    }

    /// Whether the resource of this identity is in memory.
    pub(crate) fn holds(&self, identity: Digest) -> bool {
        self.lock()
            .residents
            .iter()
            .any(|resident| resident.identity == identity)
    }

    /// The resource of this identity, loaded by `load` if it is not in memory.
    pub(crate) fn get(
        &self,
        identity: Digest,
        load: impl FnOnce() -> Result<Arc<dyn Resource>, StageError>,
    ) -> Result<Arc<dyn Resource>, StageError> {
        let mut state = self.lock();
        while state.loading.contains(&identity) {
            state = self
                .loaded
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(position) = state.residents.iter().position(|r| r.identity == identity) {
            let resident = state.residents.remove(position);
            let resource = resident.resource.clone();
            state.residents.push(resident);
            return Ok(resource);
        }
        state.loading.push(identity);
        drop(state);
        let loaded = load();
        let mut state = self.lock();
        state.loading.retain(|other| *other != identity);
        self.loaded.notify_all();
        let resource = loaded?;
        let mut occupied: u64 = state.residents.iter().map(|r| r.resource.bytes()).sum();
        while occupied.saturating_add(resource.bytes()) > self.budget && !state.residents.is_empty()
        {
            occupied -= state.residents.remove(0).resource.bytes();
        }
        state.residents.push(Resident {
            identity,
            resource: resource.clone(),
        });
        Ok(resource)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Weights(u64);

    impl Resource for Weights {
        fn bytes(&self) -> u64 {
            self.0
        }

        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    fn load(residency: &Residency, name: &str, bytes: u64, loads: &AtomicUsize) {
        residency
            .get(Digest::of(name.as_bytes()), || {
                loads.fetch_add(1, Ordering::Relaxed);
                Ok(Arc::new(Weights(bytes)))
            })
            .unwrap();
    }

    #[test]
    fn the_least_recently_used_makes_room() {
        let (residency, loads) = (Residency::new(Some(10)), AtomicUsize::new(0));
        for name in ["vae", "unet", "vae", "text", "vae", "unet"] {
            load(&residency, name, 4, &loads);
        }
        // `text` pushes `unet` out, and `unet` comes back; `vae` stays.
        assert_eq!(loads.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn what_two_threads_want_is_loaded_once() {
        let (residency, loads) = (Residency::new(None), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| load(&residency, "unet", 4, &loads));
            }
        });
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_failed_load_can_be_tried_again() {
        let (residency, loads) = (Residency::new(None), AtomicUsize::new(0));
        let failed = residency.get(Digest::of(b"unet"), || {
            Err(StageError::failed("no such file"))
        });
        assert!(failed.is_err());
        load(&residency, "unet", 4, &loads);
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }
}
