//! Files that end too early, contradict themselves, or claim what no file could hold.

use std::io::Write;

use ccsr_gguf::{Gguf, GgufError};
use tempfile::NamedTempFile;

use super::golden;

fn opened(bytes: &[u8]) -> Result<Gguf, GgufError> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Gguf::open(file.path())
}

#[track_caller]
fn refused(bytes: &[u8], said: &str) {
    let error = opened(bytes).unwrap_err().to_string();
    assert!(error.contains(said), "{error}");
}

/// A file written by hand.
struct Written(Vec<u8>);

impl Written {
    fn head(tensors: u64, entries: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(entries)
    }

    fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut written = self.u64(text.len() as u64);
        written.0.extend(text.as_bytes());
        written
    }

    /// A tensor of the directory.
    fn tensor(self, name: &str, sizes: &[u64], kind: u32, offset: u64) -> Self {
        let written = self.text(name).u32(sizes.len() as u32);
        let written = sizes
            .iter()
            .fold(written, |written, size| written.u64(*size));
        written.u32(kind).u64(offset)
    }

    /// Zeros up to a multiple of 32, then that many.
    fn data(mut self, bytes: usize) -> Self {
        let length = self.0.len().next_multiple_of(32) + bytes;
        self.0.resize(length, 0);
        self
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = std::fs::read(golden("small.gguf")).unwrap();
    assert!(opened(&whole).is_ok());
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&whole).unwrap();
    for length in (0..whole.len()).rev() {
        file.as_file().set_len(length as u64).unwrap();
        let error = Gguf::open(file.path()).unwrap_err();
        if length < 4 {
            assert!(
                matches!(error, GgufError::NotGguf { .. }),
                "{length}: {error}"
            );
        } else {
            assert!(
                matches!(error, GgufError::Damaged { .. }),
                "{length}: {error}"
            );
        }
    }
}

#[test]
fn no_wrong_byte_makes_it_panic() {
    let whole = std::fs::read(golden("small.gguf")).unwrap();
    let head = Gguf::open(&golden("small.gguf")).unwrap();
    let head = head.tensors().values().map(|tensor| tensor.offset).min();
    for at in 0..head.unwrap() as usize {
        for wrong in [0, 1, 9, 127, 128, 255] {
            let mut bytes = whole.clone();
            bytes[at] = wrong;
            if let Ok(gguf) = opened(&bytes) {
                for name in gguf.tensors().keys() {
                    let _ = gguf.dequantise(name);
                }
            }
        }
    }
}

#[test]
fn version_2_is_read_and_others_are_named() {
    let mut bytes = std::fs::read(golden("small.gguf")).unwrap();
    bytes[4] = 2;
    assert!(opened(&bytes).is_ok());
    bytes[4] = 1;
    refused(&bytes, "is GGUF version 1; versions 2 and 3 are read");
    bytes[4..8].copy_from_slice(&3_u32.to_be_bytes());
    refused(&bytes, "is big-endian");
    refused(b"PK\x03\x04 and so on", "it does not begin with `GGUF`");
}

#[test]
fn counts_that_no_file_could_hold_cost_nothing() {
    let most = u64::MAX;
    refused(
        &Written::head(most, 0).0,
        "tensors are said to follow, but only 0 bytes do",
    );
    refused(&Written::head(0, most / 2).0, "metadata are said to follow");
    let text = Written::head(0, 1).u64(1 << 40).data(64);
    refused(&text.0, "bytes of text are said to follow");
    for element in [0, 5, 7, 8, 9, 12] {
        let array = Written::head(0, 1).text("bomb").u32(9).u32(element);
        refused(
            &array.u64(1 << 60).data(64).0,
            "elements of an array are said to follow",
        );
    }
}

#[test]
fn arrays_are_not_nested_without_end() {
    let mut written = Written::head(0, 1).text("deep").u32(9);
    for _ in 0..100_000 {
        written = written.u32(9).u64(1);
    }
    refused(&written.0, "arrays nested more than 4 deep");
}

#[test]
fn metadata_that_contradict_themselves_are_refused() {
    let one = |number: u32| Written::head(0, 1).text("key").u32(number);
    refused(&one(13).data(8).0, "metadata of type 13; 0 to 12 are known");
    let mut truth = one(7);
    truth.0.push(2);
    refused(&truth.0, "2 where a truth value, 0 or 1, should stand");
    let mut text = one(8).u64(2);
    text.0.extend([0xFF, 0xFE]);
    refused(&text.0, "a text that is not UTF-8");
    let twice = Written::head(0, 2).text("key").u32(4).u32(1);
    refused(
        &twice.text("key").u32(4).u32(1).0,
        "`key` stands there twice",
    );
    let odd = Written::head(0, 1).text("general.alignment").u32(4);
    refused(
        &odd.u32(24).0,
        "is the number 24 (u32); a power of two is expected",
    );
}

#[test]
fn tensors_that_lie_are_refused() {
    let one = |sizes: &[u64], kind, offset| {
        let written = Written::head(1, 0).tensor("t", sizes, kind, offset);
        written.data(256).0
    };
    assert!(opened(&one(&[64], 0, 0)).is_ok());
    assert!(opened(&one(&[], 0, 0)).unwrap().tensor("t").unwrap().bytes == 4);
    refused(&one(&[65], 0, 0), "260 bytes long, but the file ends at");
    refused(&one(&[64], 0, 32), "is said to lie at");
    refused(&one(&[64], 0, 1 << 63), "is said to lie at");
    refused(&one(&[1], 0, 4), "lies at 4, which is no multiple of 32");
    refused(
        &one(&[1; 5], 0, 0),
        "has 5 dimensions; at most 4 are possible",
    );
    refused(&one(&[1], 4, 0), "not known (number 4)");
    refused(
        &one(&[48], 2, 0),
        "rows of 48, which are no blocks of 32 (Q4_0)",
    );
    refused(&one(&[1 << 33, 1 << 33], 0, 0), "impossibly many elements");
    refused(&one(&[1 << 62], 0, 0), "impossibly many elements");
    let two = |name, offset| {
        let written = Written::head(2, 0).tensor("t", &[16], 0, 0);
        written.tensor(name, &[8], 0, offset).data(128).0
    };
    assert!(opened(&two("u", 64)).is_ok());
    refused(&two("u", 32), "tensors `t` and `u` share bytes");
    refused(&two("t", 64), "tensor `t` stands there twice");
}

#[test]
fn a_file_that_shrinks_after_it_was_opened_is_an_error() {
    let whole = std::fs::read(golden("small.gguf")).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&whole).unwrap();
    let gguf = Gguf::open(file.path()).unwrap();
    file.as_file().set_len(1000).unwrap();
    assert!(matches!(
        gguf.read_tensor("last"),
        Err(GgufError::File { .. })
    ));
}
