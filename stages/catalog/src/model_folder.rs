//! A folder with a network that plays a role: which of its files are read, and what they are in keys.

use std::path::PathBuf;

use ccsr_stage::params::{FolderPath, ResolvedPath};
use ccsr_stage::{Inputs, Source, StageError, Value};

/// What loaders read: configurations and tokenizers, tokenizers' lists, weights, chat templates.
const READ: [&str; 5] = [".json", ".txt", ".safetensors", ".model", ".jinja"];

/// A model's folder, as the hub lays it out.
#[derive(Clone)]
pub(crate) struct ModelFolder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How people write it.
    pub(crate) display: String,
    parts: &'static [&'static str],
    /// Parts that lie elsewhere.
    elsewhere: Vec<(&'static str, ResolvedPath)>,
    /// Whether the one part is the folder itself.
    is_whole: bool,
    /// The one file that is read; all that loaders read, if none.
    file: Option<String>,
}

impl ModelFolder {
    /// A folder whose model lies in folders of these names.
    pub(crate) fn of_parts(folder: FolderPath, parts: &'static [&'static str]) -> Self {
        let FolderPath(found) = folder;
        Self {
            path: found.path,
            display: found.display,
            parts,
            elsewhere: Vec::new(),
            is_whole: false,
            file: None,
        }
    }

    /// The same with one of its parts from another folder, if there is one.
    pub(crate) fn with_part(mut self, part: &'static str, folder: Option<FolderPath>) -> Self {
        let found = folder.map(|FolderPath(found)| (part, found));
        self.elsewhere.extend(found);
        self
    }

    /// Where a part lies.
    pub(crate) fn part(&self, part: &str) -> PathBuf {
        let elsewhere = self.elsewhere(part);
        elsewhere.map_or_else(|| self.path.join(part), |found| found.path.clone())
    }

    fn elsewhere(&self, part: &str) -> Option<&ResolvedPath> {
        let mut elsewhere = self.elsewhere.iter();
        elsewhere.find_map(|(name, found)| (*name == part).then_some(found))
    }

    /// A folder that has the model in itself, which the engine is told under one name.
    pub(crate) fn whole(folder: FolderPath, name: &'static [&'static str; 1]) -> Self {
        Self {
            is_whole: true,
            ..Self::of_parts(folder, name)
        }
    }

    /// A folder of which one file is read, and looked at: beside it there may be others as large.
    pub(crate) fn file(folder: FolderPath, name: &'static [&'static str; 1], file: &str) -> Self {
        Self {
            file: Some(file.to_owned()),
            ..Self::whole(folder, name)
        }
    }

    /// The folders, or the file, for the engine to look at.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let source = |name: &'static str| {
            let below = match &self.file {
                Some(file) => Some(file.as_str()),
                None => (!self.is_whole).then_some(name),
            };
            let (path, display) = match (self.elsewhere(name), below) {
                (Some(found), _) => (found.path.clone(), found.display.clone()),
                (None, Some(below)) => (self.path.join(below), format!("{}/{below}", self.display)),
                (None, None) => (self.path.clone(), self.display.clone()),
            };
            Source {
                name,
                path,
                display,
                folder: self.file.is_none(),
            }
        };
        self.parts.iter().copied().map(source).collect()
    }

    /// The digest of the files that are read, by their names: where they lie is no part of it.
    pub(crate) fn digest(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        self.digest_of(inputs, self.parts)
    }

    /// The same of some of its parts.
    pub(crate) fn digest_of(
        &self,
        inputs: &Inputs<'_>,
        parts: &[&'static str],
    ) -> Result<Value, StageError> {
        let is_read =
            |name: &str| self.file.is_some() || READ.iter().any(|ending| name.ends_with(ending));
        let part = |part: &'static str| {
            let files = inputs.source(part)?.iter();
            let files = files.filter(|file| is_read(&file.name));
            let listed = files.map(|file| (file.name.clone(), file.digest.to_string().into()));
            Ok((part, Value::map::<String>(listed)))
        };
        let parts: Result<Vec<_>, StageError> = parts.iter().copied().map(part).collect();
        // As text: it names no blob.
        Ok(Value::from(Value::map(parts?).digest().to_string()))
    }

    /// What tells the network in memory from others.
    pub(crate) fn identity(&self, name: &str) -> Value {
        let elsewhere = self.elsewhere.iter().map(|(_, found)| &found.path);
        let paths = [&self.path].into_iter().chain(elsewhere);
        let paths = paths.map(|path| Value::from(&*path.to_string_lossy()));
        Value::list([Value::from(name)].into_iter().chain(paths))
    }
}
