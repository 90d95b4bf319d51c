//! Pulls from a hub on this machine, as they go well and as they fail.

mod failures;
mod good;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::testing::{Kept, Request, Server};
use crate::{Config, Hub, HubError, ModelId, Progress, PullOptions, Pulled, Token};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const ID: &str = "owner/name";

/// A hub with a model, and an empty cache.
struct Place {
    server: Server,
    storage: Server,
    cache: TempDir,
    config: Config,
}

impl Place {
    fn new() -> Self {
        let (server, storage) = (Server::start(), Server::start());
        server.publish(ID, COMMIT, &files());
        server.store_at(&storage);
        let cache = tempfile::tempdir().unwrap();
        let mut config = Config::new(cache.path());
        config.endpoint = server.endpoint();
        config.retries = 0;
        config.backoff = Duration::from_millis(1);
        config.patience = Duration::from_secs(5);
        Self {
            server,
            storage,
            cache,
            config,
        }
    }

    fn hub(&self) -> Hub {
        Hub::new(self.config.clone())
    }

    fn pull(&self, id: &str) -> Result<Pulled, HubError> {
        self.hub()
            .pull(&named(id), &PullOptions::default(), &mut |_| {})
    }

    /// Why a pull fails, and that it leaves no snapshot.
    #[track_caller]
    fn failure(&self, id: &str) -> HubError {
        let error = self.pull(id).unwrap_err();
        let absent = self.hub().path(&named(id)).unwrap_err();
        assert!(matches!(absent, HubError::NotPulled { .. }), "{absent}");
        error
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.cache
            .path()
            .join("models--owner--name/blobs")
            .join(name)
    }
}

fn named(id: &str) -> ModelId {
    id.parse().unwrap()
}

/// 300 KB that repeat nowhere near a buffer's size.
fn weights() -> &'static [u8] {
    static WEIGHTS: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
        (0..300_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    });
    &WEIGHTS
}

fn files() -> [(&'static str, Kept, &'static [u8]); 5] {
    [
        ("README.md", Kept::Small, b"# Name"),
        ("config.json", Kept::Small, b"{}"),
        ("model.safetensors", Kept::Large, weights()),
        ("pytorch_model.bin", Kept::Large, b"pickle"),
        ("vae/config.json", Kept::Small, b"{\"a\": 1}"),
    ]
}

fn sha256() -> String {
    crate::digest::names(weights()).0
}

/// The requests for weights, in a storage.
fn stored(requests: Vec<Request>) -> Vec<Request> {
    let stored = requests
        .into_iter()
        .filter(|request| request.path.starts_with("/storage/"));
    stored.collect()
}
