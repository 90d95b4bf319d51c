//! Checkpoints of PyTorch: whole files, and pickles in a file that is as it should be.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use ccsr_pickle::TorchFile;
use safetensors::SafeTensors;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::memory;

/// Storages that a pickle finds, `0` and so on, of this many bytes each.
const STORAGES: usize = 12;
const NUMBERS: [u8; 512] = [1; 512];
/// How often all tensors together may have the file's bytes.
const SHARED: usize = 4;

thread_local! {
    static FOLDER: TempDir = memory::folder();
}

/// Reads a checkpoint and every tensor in it, and writes those that could be read. The input is a pickle; if it begins with
/// `z`, a whole file follows.
pub fn checkpoints(input: &[u8]) {
    let bytes = match input.split_first() {
        Some((b'z', file)) => file.to_vec(),
        _ => zipped(input),
    };
    let most = bytes.len() * SHARED;
    match TorchFile::of_reader(Cursor::new(bytes), Path::new("c.pt")) {
        Ok(mut file) => {
            let _ = (file.attribute("yaml"), file.attribute("names"));
            if let Some(read) = all(&mut file) {
                let bytes: usize = read.values().map(Vec::len).sum();
                assert!(bytes <= most, "{bytes} bytes are more than {most}");
                let path = FOLDER.with(|folder| folder.path().join("model.safetensors"));
                written(&mut file, &path, &read);
            }
        }
        Err(error) => assert!(error.to_string().contains("c.pt"), "{error}"),
    }
}

/// All tensors, if all can be read.
fn all<R: Read + Seek>(file: &mut TorchFile<R>) -> Option<BTreeMap<String, Vec<u8>>> {
    let tensors = file.tensors().clone();
    let mut read = BTreeMap::new();
    for (name, tensor) in tensors {
        let bytes = file.read_tensor(&name).ok()?;
        let numbers: usize = tensor.shape().iter().product();
        assert_eq!(bytes.len(), numbers * tensor.kind().size(), "{name}");
        read.insert(name, bytes);
    }
    Some(read)
}

/// What was read is what other programs find in the file that is written.
fn written<R: Read + Seek>(
    file: &mut TorchFile<R>,
    path: &PathBuf,
    expected: &BTreeMap<String, Vec<u8>>,
) {
    file.write_safetensors(path).expect("all of it was read");
    let written = fs::read(path).expect("it was written a moment ago");
    let written = SafeTensors::deserialize(&written).expect("it was written a moment ago");
    assert_eq!(written.len(), expected.len());
    for (name, bytes) in expected {
        let tensor = written.tensor(name).expect("it was written a moment ago");
        assert_eq!(tensor.shape(), file.tensors()[name].shape(), "{name}");
        assert_eq!(tensor.data(), bytes, "{name}");
    }
}

fn zipped(pickle: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let storages = (0..STORAGES).map(|key| (format!("c/data/{key}"), &NUMBERS[..]));
    for (name, content) in [("c/data.pkl".to_owned(), pickle)]
        .into_iter()
        .chain(storages)
    {
        zip.start_file(name, options).expect("memory takes files");
        zip.write_all(content).expect("memory takes bytes");
    }
    zip.finish().expect("memory takes files").into_inner()
}
