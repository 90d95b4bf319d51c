//! Digests of large files by several threads, each of which reads and hashes parts of its own.
//!
//! BLAKE3 is a tree over a file's kilobytes, so its parts can be hashed where they are read, while they
//! are in a processor's cache. Files are read, not mapped: one that somebody truncates meanwhile must
//! not kill the process.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::Digest;

/// Bytes that are read and hashed at a time: a power of two that fits into a core's own cache.
const PART: u64 = 256 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The digest of a file's first `size` bytes. One that is shorter is an error of the kind
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
pub(crate) fn digest(file: &File, size: u64) -> io::Result<Digest> {
    let root = if size <= PART {
        read(file, 0, size, blake3::hash)?
    } else {
        let (left, right) = halves(file, 0, size)?;
        merge_subtrees_root(&left, &right, Mode::Hash)
    };
    Ok(Digest::from_bytes(*root.as_bytes()))
}

fn halves(file: &File, offset: u64, size: u64) -> io::Result<(ChainingValue, ChainingValue)> {
    let left = left_subtree_len(size);
    let (left, right) = rayon::join(
        || subtree(file, offset, left),
        || subtree(file, offset + left, size - left),
    );
    Ok((left?, right?))
}

/// The value of a part of the tree that is not all of it.
fn subtree(file: &File, offset: u64, size: u64) -> io::Result<ChainingValue> {
    if size <= PART {
        return read(file, offset, size, |bytes| {
            let mut hasher = Hasher::new();
            hasher.set_input_offset(offset).update(bytes);
            hasher.finalize_non_root()
        });
    }
    let (left, right) = halves(file, offset, size)?;
    Ok(merge_subtrees_non_root(&left, &right, Mode::Hash))
}

/// Reads a part and does something with it, before another part takes its place.
fn read<T>(file: &File, offset: u64, size: u64, then: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(PART as usize, 0);
        let part = &mut buffer[..size as usize];
        file.read_exact_at(part, offset)?;
        Ok(then(part))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn it_is_the_digest_of_the_bytes_whatever_their_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..5 * PART + 77)
            .map(|index| ((index * index) >> 7) as u8)
            .collect();
        let part = PART as usize;
        for size in [
            0,
            1,
            1024,
            1025,
            part - 1,
            part,
            part + 1,
            2 * part,
            3 * part - 5,
            bytes.len(),
        ] {
            File::create(&path)
                .unwrap()
                .write_all(&bytes[..size])
                .unwrap();
            let file = File::open(&path).unwrap();
            let found = digest(&file, size as u64).unwrap();
            assert_eq!(found, Digest::of(&bytes[..size]), "{size} bytes");
        }
        let file = File::open(&path).unwrap();
        let short = digest(&file, bytes.len() as u64 + 1).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
    }
}
