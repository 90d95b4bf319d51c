//! What a repository holds at a revision, as the hub tells it.

use serde::Deserialize;

use crate::digest::Etag;
use crate::layout::is_within;

/// The answer to `/api/models/{id}/revision/{revision}?blobs=true`, as far as it is read.
#[derive(Deserialize)]
struct Answer {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Large>,
}

#[derive(Deserialize)]
struct Large {
    sha256: Option<String>,
    /// As other servers that speak this protocol call it.
    oid: Option<String>,
    size: Option<u64>,
}

/// The files of a commit.
pub(crate) struct Listing {
    pub(crate) commit: String,
    pub(crate) files: Vec<RemoteFile>,
}

/// A file on the hub, as far as the listing describes it.
#[derive(Clone)]
pub(crate) struct RemoteFile {
    pub(crate) path: String,
    pub(crate) size: Option<u64>,
    pub(crate) etag: Option<Etag>,
}

impl Listing {
    /// Reads the answer; the error says what is odd about it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let answer: Answer =
            serde_json::from_slice(bytes).map_err(|error| format!("its listing: {error}"))?;
        let commit = answer.sha.filter(|sha| crate::id::is_commit(sha));
        let commit = commit.ok_or("its listing names no commit")?;
        let files = answer.siblings.into_iter().map(Sibling::file);
        Ok(Self {
            commit,
            files: files.collect::<Result<_, _>>()?,
        })
    }
}

impl Sibling {
    fn file(self) -> Result<RemoteFile, String> {
        if !is_within(&self.rfilename) {
            return Err(format!(
                "it lists a file `{}`",
                self.rfilename.escape_debug()
            ));
        }
        let (size, etag) = match self.lfs {
            Some(large) => {
                // In some answers the digest comes with its kind in front.
                let oid = large.sha256.or(large.oid);
                let oid = oid.map(|oid| oid.trim_start_matches("sha256:").to_owned());
                (large.size.or(self.size), oid)
            }
            None => (self.size, self.blob_id),
        };
        Ok(RemoteFile {
            path: self.rfilename,
            size,
            etag: etag.as_deref().and_then(Etag::read),
        })
    }
}
