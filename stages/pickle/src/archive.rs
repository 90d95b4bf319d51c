//! The zip archive of a checkpoint: which file of it lies where.
//!
//! `torch.save` stores files as they are, so that five kinds of records are all that is needed of zip. The crate `zip` (9.8)
//! reserves memory for as many files as an archive says that it has, if they had room in it: several times the archive's
//! length, at which the program is ended. Here nothing is reserved for what is not there.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use crate::error::Fault;

/// What the record at the archive's end begins with, of 22 bytes and a comment.
const END: &[u8] = b"PK\x05\x06";
/// Where the end of a large archive lies: the 20 bytes before the end.
const LOCATOR: &[u8] = b"PK\x06\x07";
/// The end of a large archive, of 56 bytes.
const LARGE_END: &[u8] = b"PK\x06\x06";
/// A file in the directory, of 46 bytes, its name, extra fields and a comment.
const ENTRY: &[u8] = b"PK\x01\x02";
/// What lies before a file's bytes, of 30 bytes, its name and extra fields.
const HEADER: &[u8] = b"PK\x03\x04";
/// How far the end's record may begin before the file's end.
const FURTHEST_END: u64 = 22 + 65_535;
/// The extra field of numbers that 32 bits do not hold.
const WIDE: u64 = 1;
/// Bytes of the directory and of the pickle, at most. The pickle of the largest YOLO-World has some 200 kB.
const LARGEST: u64 = 8 << 20;
/// Bytes that are read at a time to be summed.
const CHUNK: u64 = 1 << 20;

/// A file of the archive.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its header begins.
    header: u64,
    bytes: u64,
    crc: u32,
    is_stored: bool,
    /// Where its bytes begin, once they were held against their checksum.
    checked: Option<u64>,
}

/// An archive: its directory in memory.
#[derive(Debug)]
pub(crate) struct Archive<R> {
    reader: R,
    length: u64,
    entries: HashMap<String, Entry>,
}

impl<R: Read + Seek> Archive<R> {
    pub(crate) fn open(mut reader: R) -> Result<Self, Fault> {
        let length = reader.seek(SeekFrom::End(0))?;
        let mut archive = Self {
            reader,
            length,
            entries: HashMap::new(),
        };
        let (start, bytes) = archive.directory()?;
        let directory = archive.read_whole("its directory", start, bytes)?;
        let mut rest = directory.as_slice();
        while !rest.is_empty() {
            let (name, entry, next) =
                entry(rest).ok_or_else(|| Fault::damaged("its directory is broken"))?;
            archive.entries.insert(name, entry);
            rest = next;
        }
        // Files that lie over each other would be read over and over.
        let entries = archive.entries.values();
        let all = entries.fold(0, |all: u64, entry| all.saturating_add(entry.bytes));
        if all > length {
            return Err(Fault::damaged(format!(
                "{all} bytes are said to be in a file of {length}"
            )));
        }
        Ok(archive)
    }

    /// How long the whole archive is, in bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// The names of all files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Where a file's bytes begin in the archive, and how many they are. They are held against their checksum the first time.
    pub(crate) fn checked(&mut self, name: &str) -> Result<(u64, u64), Fault> {
        let damaged = |what: String| Fault::damaged(format!("`{name}` in it: {what}"));
        let entry = self.entries.get(name).copied();
        let entry = entry.ok_or_else(|| damaged("it is not found".to_owned()))?;
        if let Some(start) = entry.checked {
            return Ok((start, entry.bytes));
        }
        if !entry.is_stored {
            return Err(damaged(
                "it is compressed, which PyTorch never does".to_owned(),
            ));
        }
        let header = self.read(entry.header, 30)?;
        let lengths = number::<2>(&header, 26).zip(number::<2>(&header, 28));
        let (Some((name_bytes, extra_bytes)), true) = (lengths, header.starts_with(HEADER)) else {
            return Err(damaged(format!("it does not begin at {}", entry.header)));
        };
        let start = entry.header + 30 + name_bytes + extra_bytes;
        let mut sum = crc32fast::Hasher::new();
        let mut done = 0;
        while done < entry.bytes {
            let count = (entry.bytes - done).min(CHUNK);
            sum.update(&self.read(start + done, count)?);
            done += count;
        }
        // PyTorch can be told to write no checksums, and writes 0 (`set_crc32_options`).
        if entry.crc != 0 && entry.crc != sum.finalize() {
            return Err(damaged(
                "its bytes are not those that were written (CRC-32)".to_owned(),
            ));
        }
        let checked = self.entries.get_mut(name).map(|entry| &mut entry.checked);
        checked.map(|checked| checked.replace(start));
        Ok((start, entry.bytes))
    }

    /// All of a file that is small.
    pub(crate) fn file(&mut self, name: &str) -> Result<Vec<u8>, Fault> {
        let (start, bytes) = self.checked(name)?;
        self.read_whole(&format!("`{name}` in it"), start, bytes)
    }

    /// Bytes of the archive, by their place.
    pub(crate) fn read(&mut self, start: u64, count: u64) -> Result<Vec<u8>, Fault> {
        let end = start.checked_add(count).filter(|end| *end <= self.length);
        let fits = usize::try_from(count).ok().filter(|_| end.is_some());
        let fits = fits.ok_or_else(|| {
            Fault::damaged(format!(
                "{count} bytes are said to be at {start} in a file of {}",
                self.length
            ))
        })?;
        let mut bytes = vec![0; fits];
        self.reader.seek(SeekFrom::Start(start))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_whole(&mut self, what: &str, start: u64, bytes: u64) -> Result<Vec<u8>, Fault> {
        if bytes > LARGEST {
            return Err(Fault::damaged(format!(
                "{what} has {bytes} bytes; at most {LARGEST} are read"
            )));
        }
        self.read(start, bytes)
    }

    /// Where the directory begins, and how many bytes it has.
    fn directory(&mut self) -> Result<(u64, u64), Fault> {
        let foreign = || Fault::NotTorch("it is no zip archive".to_owned());
        let count = self.length.min(FURTHEST_END);
        let tail = self.read(self.length - count, count)?;
        // The bytes of its comment are all that may follow.
        let mut places = (0..tail.len().saturating_sub(21)).rev();
        let end = places.find(|place| {
            tail[*place..].starts_with(END)
                && number::<2>(&tail, place + 20) == Some((tail.len() - place - 22) as u64)
        });
        let end = end.ok_or_else(foreign)?;
        let locator = end.checked_sub(20).map(|place| &tail[place..end]);
        if let Some(locator) = locator.filter(|locator| locator.starts_with(LOCATOR)) {
            let place = number::<8>(locator, 8).ok_or_else(foreign)?;
            let large = self.read(place, 56)?;
            let place = number::<8>(&large, 48).zip(number::<8>(&large, 40));
            return place
                .filter(|_| large.starts_with(LARGE_END))
                .ok_or_else(foreign);
        }
        let place = number::<4>(&tail, end + 16).zip(number::<4>(&tail, end + 12));
        place.ok_or_else(foreign)
    }
}

/// A file of the directory by its name, and what follows it.
fn entry(bytes: &[u8]) -> Option<(String, Entry, &[u8])> {
    let lengths = [28, 30, 32].map(|at| number::<2>(bytes, at));
    let [name, extra, comment] = lengths.map(|length| length.map(|length| length as usize));
    let (head, rest) = bytes.split_at_checked(46)?;
    let (name, rest) = rest.split_at_checked(name?)?;
    let (extra, rest) = rest.split_at_checked(extra?)?;
    let (_, rest) = rest.split_at_checked(comment?)?;
    let mut wide = wide(extra);
    let mut widened = |at| match number::<4>(head, at)? {
        0xffff_ffff => {
            let (whole, rest) = wide.split_first_chunk()?;
            wide = rest;
            Some(u64::from_le_bytes(*whole))
        }
        number => Some(number),
    };
    // In this order they lie in the extra field.
    let (bytes, compressed, header) = (widened(24)?, widened(20)?, widened(42)?);
    let is_encrypted = number::<2>(head, 8)? & 1 == 1;
    let entry = Entry {
        header,
        bytes,
        crc: number::<4>(head, 16)? as u32,
        is_stored: number::<2>(head, 10)? == 0 && !is_encrypted && compressed == bytes,
        checked: None,
    };
    let name = String::from_utf8_lossy(name).into_owned();
    head.starts_with(ENTRY).then_some((name, entry, rest))
}

/// The numbers among extra fields that 32 bits do not hold, 8 bytes each.
fn wide(mut extra: &[u8]) -> &[u8] {
    while let Some((kind, length)) = number::<2>(extra, 0).zip(number::<2>(extra, 2)) {
        let Some((field, rest)) = extra[4..].split_at_checked(length as usize) else {
            break;
        };
        if kind == WIDE {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// The number of `N` bytes at a place, if there is one.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut whole = [0; 8];
    whole[..N].copy_from_slice(bytes.get(at..at + N)?);
    Some(u64::from_le_bytes(whole))
}
