//! Archives: bytes that changed, and directories that lie.

use std::fs::File;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;

use ccsr_pickle::TorchFile;

use super::{FOUR, read, read_bytes, tensor, zipped};

/// A tensor of four numbers, which are the first.
fn four() -> Vec<u8> {
    tensor("0", 4, b"K\x00K\x04\x85K\x01\x85")
}

/// Where these bytes are found first.
fn place_of(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut places = bytes.windows(wanted.len());
    places.position(|found| found == wanted).unwrap()
}

/// A file of the directory, whose numbers are all in the extra field for those that 32 bits do not hold.
fn wide_entry(name: &[u8], crc: u32, bytes: u64, header: u64) -> Vec<u8> {
    let mut entry = b"PK\x01\x02\x2d\0\x2d\0\0\0\0\0\0\0\0\0".to_vec();
    entry.extend(crc.to_le_bytes());
    entry.extend([0xff; 8]);
    entry.extend((name.len() as u16).to_le_bytes());
    entry.extend(28_u16.to_le_bytes());
    entry.extend([0; 10]);
    entry.extend([0xff; 4]);
    entry.extend(name);
    entry.extend(b"\x01\0\x18\0");
    for number in [bytes, bytes, header] {
        entry.extend(number.to_le_bytes());
    }
    entry
}

/// The two records that a large archive ends with, before the usual one.
fn large_end(at: u64, files: u64, bytes: u64, directory: u64) -> Vec<u8> {
    let mut end = b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0".to_vec();
    for number in [files, files, bytes, directory] {
        end.extend(number.to_le_bytes());
    }
    end.extend(b"PK\x06\x07\0\0\0\0");
    end.extend(at.to_le_bytes());
    end.extend(b"\x01\0\0\0PK\x05\x06\0\0\0\0");
    end.extend([0xff; 12]);
    end.extend([0; 2]);
    end
}

#[test]
fn a_bit_that_flipped_is_an_error_that_names_the_tensor() {
    let mut numbers = FOUR;
    numbers[7] = 42;
    let whole = zipped(&four(), &[("file/data/0", &numbers)]);
    read_bytes(&whole).unwrap();
    let mut flipped = whole.clone();
    flipped[place_of(&whole, &numbers) + 7] ^= 1;
    let error = read_bytes(&flipped).unwrap_err();
    assert!(
        error.contains("the tensor `w`: `file/data/0`") && error.contains("CRC-32"),
        "{error}"
    );

    // Written, it would be a file without an error: none is left.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut file = TorchFile::of_reader(Cursor::new(&flipped), Path::new("file.pt")).unwrap();
    let error = file.write_safetensors(&path).unwrap_err().to_string();
    assert!(error.contains("the tensor `w`"), "{error}");
    assert!(!path.exists());

    let mut flipped = whole.clone();
    flipped[place_of(&whole, b"FloatStorage")] ^= 1;
    let error = read_bytes(&flipped).unwrap_err();
    assert!(
        error.contains("`file/data.pkl`") && error.contains("CRC-32"),
        "{error}"
    );
}

#[test]
fn numbers_of_another_byte_order_are_refused() {
    let numbers = ("file/data/0", &FOUR[..]);
    let little = ("file/byteorder", &b"little"[..]);
    read_bytes(&zipped(&four(), &[numbers, little])).unwrap();
    let big = ("file/byteorder", &b"big"[..]);
    let error = read_bytes(&zipped(&four(), &[numbers, big])).unwrap_err();
    assert!(error.contains("`big`-endian"), "{error}");
}

/// More files than 16 bits count: the directory is described in 64 bits.
#[test]
fn an_archive_of_very_many_files_is_read() {
    let names: Vec<String> = (0..65_600)
        .map(|name| format!("file/data/{name}"))
        .collect();
    let files: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), &FOUR[..]))
        .collect();
    read_bytes(&zipped(
        &tensor("65599", 4, b"K\x00K\x04\x85K\x01\x85"),
        &files,
    ))
    .unwrap();
}

/// Numbers of a file that 32 bits would not hold, and some that nothing holds.
#[test]
fn files_that_are_described_in_64_bits_lie_within_the_archive() {
    let whole = zipped(&four(), &[("file/data/0", &FOUR)]);
    let directory = place_of(&whole, b"PK\x01\x02");
    let second = directory + place_of(&whole[directory..], b"file/data/0") - 46;
    let header = place_of(&whole, b"file/data/0") - 30;
    let crc = u32::from_le_bytes(*whole[second + 16..].first_chunk().unwrap());
    let described = |bytes, header| {
        let mut file = whole[..second].to_vec();
        file.extend(wide_entry(b"file/data/0", crc, bytes, header));
        let (at, start) = (file.len() as u64, directory as u64);
        file.extend(large_end(at, 2, at - start, start));
        read_bytes(&file)
    };
    described(16, header as u64).unwrap();
    for (bytes, header) in [
        (u64::MAX, header as u64),
        (1 << 40, header as u64),
        (16, u64::MAX),
        (16, u64::MAX - 20),
        (16, 1 << 40),
        (16, header as u64 + 1),
        (17, header as u64),
    ] {
        let error = described(bytes, header).unwrap_err();
        assert!(error.contains("is damaged"), "{error}");
    }
}

/// Sixteen gigabytes of nothing, and an end that says that hundreds of millions of files are there, for which they have room:
/// the program ends (SIGABRT) where memory for them is reserved.
#[test]
fn files_that_are_only_said_to_be_there_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.pt");
    let mut entry = b"PK\x01\x02".to_vec();
    entry.resize(46, 0);
    entry[28] = 15;
    entry.extend(b"file/data.other");
    let (start, end) = (1_u64 << 30, 1_u64 << 34);
    for (bytes, shown) in [
        (u64::MAX, "its directory has"),
        (end - start, "its directory has"),
        (entry.len() as u64, "no `data.pkl`"),
    ] {
        let mut file = File::create(&path).unwrap();
        for (place, record) in [
            (start, &entry),
            (end, &large_end(end, 1 << 28, bytes, start)),
        ] {
            file.seek(SeekFrom::Start(place)).unwrap();
            file.write_all(record).unwrap();
        }
        let error = read(&path).unwrap_err();
        assert!(error.contains(shown), "{error}");
    }
}

/// One file's bytes under many names, to be read over and over.
#[test]
fn files_that_lie_over_each_other_are_refused() {
    let numbers = [1; 400];
    let whole = zipped(&four(), &[("file/data/0", &numbers)]);
    let directory = place_of(&whole, b"PK\x01\x02");
    let second = directory + place_of(&whole[directory..], b"file/data/0") - 46;
    let end = place_of(&whole, b"PK\x05\x06");
    let mut many = whole[..end].to_vec();
    for name in b'1'..=b'9' {
        many.extend(&whole[second..end]);
        let last = many.len() - 1;
        many[last] = name;
    }
    let bytes = (many.len() - directory) as u32;
    let mut last = whole[end..].to_vec();
    last[8] = 11;
    last[10] = 11;
    last[12..16].copy_from_slice(&bytes.to_le_bytes());
    many.extend(last);
    let error = read_bytes(&many).unwrap_err();
    assert!(error.contains("are said to be in a file of"), "{error}");
}
