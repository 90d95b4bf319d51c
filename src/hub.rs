//! The hub and its cache, as the environment names them: by the variables of Hugging Face's own
//! programs, so that nothing has to be said twice.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccsr_engine::{Models, Project};
use ccsr_hub::{Config, Hub, IdError, ModelId, Proxies, Token};

/// The models that the environment's cache has, for pipelines that name them.
#[derive(Debug)]
struct Cached(Hub);

impl Models for Cached {
    fn folder(&self, id: &str) -> Result<PathBuf, String> {
        let id: ModelId = id.parse().map_err(|error: IdError| error.to_string())?;
        self.0.path(&id).map_err(|error| error.to_string())
    }
}

/// The project in the environment that this program was started in: with its variables, and the models
/// of its hub's cache.
pub(crate) fn surrounded(project: Project) -> Project {
    project
        .with_variables(env::vars_os())
        .with_models(Arc::new(Cached(here())))
}

/// The hub that the environment means.
pub(crate) fn here() -> Hub {
    Hub::new(config(&|name| env::var(name).ok()))
}

/// Reads variables through a function, for tests.
fn config(variable: &dyn Fn(&str) -> Option<String>) -> Config {
    let said = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let home = said("HOME").map(PathBuf::from).unwrap_or_default();
    let path = |name| said(name).map(|path| expanded(&path, &home));
    let hf_home = path("HF_HOME").unwrap_or_else(|| {
        let caches = path("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"));
        caches.join("huggingface")
    });
    let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
    let mut config = Config::new(cache.unwrap_or_else(|| hf_home.join("hub")));
    if let Some(endpoint) = said("HF_ENDPOINT") {
        endpoint
            .trim()
            .trim_end_matches('/')
            .clone_into(&mut config.endpoint);
    }
    let kept = path("HF_TOKEN_PATH").unwrap_or_else(|| hf_home.join("token"));
    // A file that cannot be read is no token, and the hub says when one is needed.
    let token = said("HF_TOKEN").or_else(|| std::fs::read_to_string(kept).ok());
    config.token = token.as_deref().and_then(Token::new);
    config.offline = said("HF_HUB_OFFLINE").is_some_and(|value| is_yes(&value));
    config.proxies = Proxies::Environment;
    config.user_agent = format!("ccsr-flow/{}", env!("CARGO_PKG_VERSION"));
    config
}

fn expanded(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    }
}

/// As Hugging Face's own programs read it.
fn is_yes(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Config {
        let found = |name: &str| {
            let mut all = variables.iter();
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        config(&found)
    }

    #[test]
    fn the_cache_is_where_hugging_face_keeps_it() {
        let home = ("HOME", "/h");
        for (variables, cache) in [
            (vec![home], "/h/.cache/huggingface/hub"),
            (vec![home, ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (vec![home, ("HF_HOME", "~/hf")], "/h/hf/hub"),
            (vec![home, ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/c")], "/c"),
            (
                vec![home, ("HF_HUB_CACHE", "")],
                "/h/.cache/huggingface/hub",
            ),
        ] {
            assert_eq!(of(&variables).cache, Path::new(cache), "{variables:?}");
        }
    }

    #[test]
    fn the_hub_and_the_token_are_those_that_are_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_kept\n").unwrap();
        let home = ("HF_HOME", folder.path().to_str().unwrap());
        assert_eq!(of(&[home]).token, Token::new("hf_kept"));
        let said = of(&[
            home,
            ("HF_TOKEN", "hf_said"),
            ("HF_ENDPOINT", "http://localhost:1/"),
        ]);
        assert_eq!(said.token, Token::new("hf_said"));
        assert_eq!(said.endpoint, "http://localhost:1");
        assert_eq!(of(&[]).endpoint, Config::ENDPOINT);
        let offline = |value| of(&[("HF_HUB_OFFLINE", value)]).offline;
        assert_eq!(
            ["1", "True", "0", "", "no"].map(offline),
            [true, true, false, false, false]
        );
    }
}
