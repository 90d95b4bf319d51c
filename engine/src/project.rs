//! The project: the folder that no path of a pipeline leaves.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use ccsr_stage::params::ResolvedPath;

/// A project's folder, absolute, and what is around it.
#[derive(Clone, Debug)]
pub struct Project {
    root: PathBuf,
    cache: PathBuf,
    variables: Variables,
    models: Option<Arc<dyn Models>>,
}

/// Where models of a hub are.
pub trait Models: fmt::Debug + Send + Sync {
    /// The folder of `owner/name`, or `owner/name@revision`. Nothing is downloaded.
    ///
    /// # Errors
    /// A sentence: why it is not to be had, and what to do.
    fn folder(&self, id: &str) -> Result<PathBuf, String>;
}

/// Variables of the environment. Their values may be secrets, so only their names are shown.
#[derive(Clone, Default)]
struct Variables(BTreeMap<OsString, OsString>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Name of the cache folder.
pub const CACHE: &str = ".ccsr";

impl Project {
    /// The project that a pipeline file belongs to: the nearest folder above it that holds a
    /// `.ccsr` or a `.git`; without one, `working` if the file lies below it, else its own folder.
    pub fn of(pipeline: &Path, working: &Path) -> io::Result<Self> {
        let file = working.join(pipeline).canonicalize()?;
        let working = working.canonicalize()?;
        let folder = file.parent().unwrap_or(&file).to_owned();
        let marked = |folder: &&Path| folder.join(CACHE).is_dir() || folder.join(".git").exists();
        let root = folder.ancestors().find(marked).map(Path::to_owned);
        let unmarked = || {
            if folder.starts_with(&working) {
                working
            } else {
                folder.clone()
            }
        };
        Ok(Self::at(root.unwrap_or_else(unmarked)))
    }

    /// The project of this folder.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let cache = root.join(CACHE);
        Self {
            root,
            cache,
            variables: Variables::default(),
            models: None,
        }
    }

    /// The same project with its cache elsewhere.
    #[must_use]
    pub fn with_cache(self, cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            ..self
        }
    }

    /// The same project, whose external programs are started in this environment.
    #[must_use]
    pub fn with_variables(self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self {
            variables: Variables(variables.into_iter().collect()),
            ..self
        }
    }

    /// The same project, in which `hf://owner/name` names a folder of these.
    #[must_use]
    pub fn with_models(self, models: Arc<dyn Models>) -> Self {
        Self {
            models: Some(models),
            ..self
        }
    }

    /// Where models of a hub are, if somebody knows.
    pub(crate) fn models(&self) -> Option<&dyn Models> {
        self.models.as_deref()
    }

    /// A variable of the environment that external programs are started in.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.0.get(OsStr::new(name));
        value.map(OsString::as_os_str)
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where its cache is: `.ccsr` in its folder, unless it was put elsewhere.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Resolves a path against a folder; `None` if it leaves the project.
    pub fn resolve(&self, folder: &Path, path: &str) -> Option<ResolvedPath> {
        let path = normal(&folder.join(path))?;
        let below = path.strip_prefix(&self.root).ok()?;
        let parts = below
            .components()
            .map(|part| part.as_os_str().to_string_lossy());
        let display = parts.collect::<Vec<_>>().join("/");
        Some(ResolvedPath {
            display: if display.is_empty() {
                ".".to_owned()
            } else {
                display
            },
            path,
        })
    }

    /// How people write a path of the project.
    pub fn display(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned()
    }
}

/// The path without `.` and `..`, by its letters: links are not followed, so that a link inside the
/// project is a way, chosen on purpose, to data elsewhere.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            other => normal.push(other),
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        let project = Project::at("/data/project");
        let folder = Path::new("/data/project/pipelines");
        let resolved = |path: &str| {
            project
                .resolve(folder, path)
                .map(|resolved| resolved.display)
        };
        assert_eq!(resolved("../out/./x.csv").as_deref(), Some("out/x.csv"));
        assert_eq!(
            resolved("questions/paper.yaml").as_deref(),
            Some("pipelines/questions/paper.yaml")
        );
        assert_eq!(resolved("/data/project/a").as_deref(), Some("a"));
        assert_eq!(resolved("../../secret"), None);
        assert_eq!(resolved("/etc/passwd"), None);
        assert_eq!(resolved("../../project-two/a"), None);
        assert_eq!(resolved("../../../../../.."), None);
    }
}
