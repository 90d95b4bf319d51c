//! What a model is called: `owner/name`, and `@revision` if it is not the main branch.

use std::fmt;
use std::str::FromStr;

/// A model on a hub: `owner/name@revision`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId {
    owner: String,
    name: String,
    revision: Option<String>,
}

impl ModelId {
    /// The branch that is meant when none is named.
    pub const MAIN: &'static str = "main";

    /// `owner/name`.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(Self::MAIN)
    }

    /// The commit, if the revision is one: nothing on the hub can change what it means.
    pub fn commit(&self) -> Option<&str> {
        self.revision.as_deref().filter(|text| is_commit(text))
    }

    /// The name of the model's folder in a cache.
    pub(crate) fn folder(&self) -> String {
        format!("models--{}--{}", self.owner, self.name)
    }
}

/// 40 hexadecimal digits.
pub(crate) fn is_commit(text: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 40 && text.bytes().all(digit)
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ModelId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        if repository.contains("://") {
            return Err(IdError::Address(text.to_owned()));
        }
        let mut parts = repository.split('/');
        let (Some(owner), Some(name), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(IdError::Parts(text.to_owned()));
        };
        for part in [owner, name] {
            if !is_name(part) {
                return Err(IdError::Name {
                    id: text.to_owned(),
                    part: part.to_owned(),
                });
            }
        }
        if let Some(revision) = revision
            && !is_revision(revision)
        {
            return Err(IdError::Revision {
                id: text.to_owned(),
                revision: revision.to_owned(),
            });
        }
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.map(str::to_owned),
        })
    }
}

/// As the hub allows. `--` is what parts owner and name in a cache, so no name has it.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: char| matches!(c, '-' | '.');
    (1..=96).contains(&text.len())
        && text.chars().all(plain)
        && !text.starts_with(end)
        && !text.ends_with(end)
        && !text.contains("--")
        && !text.contains("..")
}

/// As git allows, for what becomes a path in `refs/`.
fn is_revision(text: &str) -> bool {
    let refused = |c: char| c.is_ascii_control() || " ~^:?*[\\@".contains(c);
    let parts = || text.split('/');
    text.len() <= 200
        && !text.contains(refused)
        && !text.contains("..")
        && parts().all(|part| {
            !part.is_empty() && !part.starts_with('.') && part.strip_suffix(".lock").is_none()
        })
}

/// Why a text names no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A page's address was given.
    #[error("`{0}` is an address; expected `owner/name`, as it stands on top of the model's page")]
    Address(String),
    /// Not two parts.
    #[error("`{0}` does not name a model; expected `owner/name` or `owner/name@revision`")]
    Parts(String),
    /// A part that no hub would allow.
    #[error(
        "`{part}` in `{id}` cannot be a name on a hub; expected 1 to 96 letters, digits, `-`, `_` and `.`, with no `--` or `..`, and neither `-` nor `.` at an end"
    )]
    Name {
        /// What was given.
        id: String,
        /// The part of it.
        part: String,
    },
    /// A revision that cannot be one.
    #[error(
        "`{revision}` in `{id}` is not a revision; expected a branch, a tag, or a commit of 40 hexadecimal digits"
    )]
    Revision {
        /// What was given.
        id: String,
        /// What stands behind its `@`.
        revision: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_written() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (text, revision) in [
            ("openai/clip-vit-base-patch32".to_owned(), "main"),
            ("stabilityai/sd-turbo@v1.0".to_owned(), "v1.0"),
            ("a/b@refs/pr/1".to_owned(), "refs/pr/1"),
            (format!("a/b_c.d@{commit}"), commit),
        ] {
            let id: ModelId = text.parse().unwrap();
            assert_eq!((id.to_string(), id.revision()), (text, revision));
            assert_eq!(id.commit().is_some(), revision.len() == 40);
        }
        let id: ModelId = "a/b".parse().unwrap();
        assert_eq!(id.folder(), "models--a--b");
    }

    #[test]
    fn what_is_no_id_says_what_was_expected() {
        for text in [
            "",
            "name",
            "a/b/c",
            "https://huggingface.co/a/b",
            "a/",
            "/b",
            "a/b c",
            "../b",
            "a/..",
            "a--b/c",
            "a/b@",
            "a/b@x..y",
            "a/b@/x",
            "a/b@x y",
            "a/b@x/../../y",
        ] {
            let error = text.parse::<ModelId>().unwrap_err().to_string();
            assert!(error.contains("expected"), "{text}: {error}");
        }
    }
}
