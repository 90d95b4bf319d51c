//! Numbers and strings off a file, never more than it has.

use std::io::{BufReader, Read};

/// What is wrong at a place of the file.
pub(crate) enum Fault {
    /// The system could not read.
    Read(std::io::Error),
    /// The bytes from here on say something impossible.
    Damaged(u64, String),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

/// Reads a file of known length from its start on.
pub(crate) struct Reader<R> {
    inner: BufReader<R>,
    position: u64,
    length: u64,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(inner: R, length: u64) -> Self {
        Self {
            inner: BufReader::with_capacity(1 << 16, inner),
            position: 0,
            length,
        }
    }

    /// Where the next byte is read, from the file's start.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// What is wrong, at the place reached.
    pub(crate) fn fault(&self, what: impl Into<String>) -> Fault {
        Fault::Damaged(self.position, what.into())
    }

    /// Fails unless `count` things of at least `size` bytes each can follow: whoever calls may
    /// then believe the count.
    pub(crate) fn expect(&self, count: u64, size: u64, things: &str) -> Result<(), Fault> {
        let left = self.length - self.position;
        match count.checked_mul(size) {
            Some(bytes) if bytes <= left => Ok(()),
            _ => Err(self.fault(format!(
                "{count} {things} are said to follow, but only {left} bytes do"
            ))),
        }
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.expect(N as u64, 1, "bytes")?;
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.inner.read_exact(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A string: its length in bytes, then UTF-8.
    pub(crate) fn text(&mut self) -> Result<String, Fault> {
        let length = self.u64()?;
        self.expect(length, 1, "bytes of text")?;
        let start = self.position;
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes)
            .map_err(|_| Fault::Damaged(start, "a text that is not UTF-8".to_owned()))
    }
}
