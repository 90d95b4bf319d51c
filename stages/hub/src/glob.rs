//! Patterns for files: `*.json`, `unet/*`. As in Hugging Face's own programs, `*` matches slashes too.

use std::str::FromStr;

use globset::{Glob, GlobMatcher};

/// A pattern for a file's path in its repository.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Whether the path is meant.
    pub fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        // A folder means what is in it.
        let whole = match text.strip_suffix('/') {
            Some(folder) => format!("{folder}/*"),
            None => text.to_owned(),
        };
        let glob = Glob::new(&whole).map_err(|error| GlobError {
            pattern: text.to_owned(),
            problem: error.kind().to_string(),
        })?;
        Ok(Self {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
        })
    }
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {problem}; expected one such as `*.json` or `unet/*`")]
pub struct GlobError {
    pattern: String,
    problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_crosses_folders() {
        let matches = |pattern: &str, path| pattern.parse::<Pattern>().unwrap().matches(path);
        assert!(matches("*.json", "unet/config.json"));
        assert!(matches("unet/", "unet/a/b.bin"));
        assert!(matches("unet/*", "unet/a/b.bin"));
        assert!(!matches("unet/*", "vae/config.json"));
        assert!(matches("{unet,vae}/*.json", "vae/config.json"));
        let error = "{a".parse::<Pattern>().unwrap_err().to_string();
        assert!(
            error.contains("`{a`") && error.contains("expected"),
            "{error}"
        );
    }
}
