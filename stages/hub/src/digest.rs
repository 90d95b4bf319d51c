//! Etags: under what name a hub keeps a file's bytes, and whether they are those bytes.
//!
//! A large file goes by its SHA-256, a small one by the SHA-1 that git gives it. Any other name says
//! nothing about the content.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The name of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Etag {
    /// SHA-256 of the content: 64 hexadecimal digits.
    Sha256(String),
    /// SHA-1 of git's blob object: 40 hexadecimal digits.
    Git(String),
    /// Something else.
    Opaque(String),
}

impl Etag {
    /// Reads what a header or a listing says: quotes and the mark of weak etags are left out. A name that
    /// cannot be a file's is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match text.len() {
            64 if hex => Some(Self::Sha256(text.to_ascii_lowercase())),
            40 if hex => Some(Self::Git(text.to_ascii_lowercase())),
            1..=200 if text.bytes().all(plain) && !text.starts_with('.') => {
                Some(Self::Opaque(text.to_owned()))
            }
            _ => None,
        }
    }

    /// The name as a text.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Sha256(text) | Self::Git(text) | Self::Opaque(text) => text,
        }
    }

    /// What computes this kind of name for content of `size` bytes.
    pub(crate) fn hasher(&self, size: u64) -> Hasher {
        match self {
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Self::Git(_) => {
                let mut hasher = Sha1::new();
                hasher.update(format!("blob {size}\0"));
                Hasher::Git(hasher)
            }
            Self::Opaque(_) => Hasher::Nothing,
        }
    }

    /// Whether the hasher, which has seen all the content, came to this name. An opaque name fits anything.
    pub(crate) fn fits(&self, hasher: Hasher) -> bool {
        let digits = match hasher {
            Hasher::Sha256(hasher) => hex(&hasher.finalize()),
            Hasher::Git(hasher) => hex(&hasher.finalize()),
            Hasher::Nothing => return true,
        };
        digits == self.as_str()
    }
}

/// Computes an etag from bytes as they pass.
pub(crate) enum Hasher {
    Sha256(Sha256),
    Git(Sha1),
    Nothing,
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Git(hasher) => hasher.update(bytes),
            Self::Nothing => {}
        }
    }

    /// Takes in what is left of a file; `passed` hears of every piece.
    pub(crate) fn read(&mut self, file: &mut File, passed: &mut dyn FnMut(u64)) -> io::Result<u64> {
        let mut buffer = vec![0; 1 << 20];
        let mut all = 0;
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return Ok(all),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.update(&buffer[..read]);
            all += read as u64;
            passed(read as u64);
        }
    }
}

/// Whether a file's content is what its etag says.
pub(crate) fn holds(path: &Path, etag: &Etag, passed: &mut dyn FnMut(u64)) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut hasher = etag.hasher(file.metadata()?.len());
    hasher.read(&mut file, passed)?;
    Ok(etag.fits(hasher))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The names under which a hub would keep this content: as a large file, and as a small one.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn names(content: &[u8]) -> (String, String) {
    let mut git = Sha1::new();
    git.update(format!("blob {}\0", content.len()));
    git.update(content);
    (hex(&Sha256::digest(content)), hex(&git.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_read_as_hubs_write_them() {
        let git = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
        assert_eq!(
            Etag::read(&format!("\"{git}\"")),
            Some(Etag::Git(git.into()))
        );
        assert_eq!(
            Etag::read("W/\"abc-1\""),
            Some(Etag::Opaque("abc-1".into()))
        );
        let sha = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
        assert_eq!(Etag::read(sha), Some(Etag::Sha256(sha.to_lowercase())));
        assert_eq!(
            ["", "a/b", "..", "\"\""].map(Etag::read),
            [const { None }; 4]
        );
    }

    #[test]
    fn digests_are_those_of_git_and_sha256() {
        let (sha256, git) = names(b"");
        assert!(sha256.starts_with("e3b0c442") && git.starts_with("e69de29b"));
        let etag = Etag::Git(names(b"hello\n").1);
        assert_eq!(etag.as_str(), "ce013625030ba8dba906f756967f9e9ca394464a");
        let mut hasher = etag.hasher(6);
        hasher.update(b"hel");
        hasher.update(b"lo\n");
        assert!(etag.fits(hasher));
    }
}
