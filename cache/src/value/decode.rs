//! Reading the canonical encoding back. Only what [`Value::write_canonical`] writes is accepted.

use super::{Value, ValueError, canonical_bits};
use crate::Digest;

/// Deeper nesting than this is not written by anything of ours and could exhaust the stack.
const MAX_DEPTH: usize = 128;

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn finish(self) -> Result<(), ValueError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(malformed("bytes follow the value"))
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Value, ValueError> {
        if depth > MAX_DEPTH {
            return Err(malformed("the value is nested too deeply"));
        }
        Ok(match self.array::<1>()?[0] {
            0 => Value::Null,
            1 => match self.array::<1>()?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(malformed("a truth value is neither 0 nor 1")),
            },
            2 => Value::Int(i64::from_le_bytes(self.array()?)),
            3 => {
                let bits = u64::from_le_bytes(self.array()?);
                let number = f64::from_bits(bits);
                if canonical_bits(number) != bits {
                    return Err(malformed("a number is not in its canonical form"));
                }
                Value::Float(number)
            }
            4 => Value::from(self.text()?),
            5 => Value::Blob(Digest::from_bytes(self.array()?)),
            6 => {
                let count = self.length()?;
                (0..count)
                    .map(|_| self.value(depth + 1))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::list)?
            }
            7 => {
                let mut entries = Vec::<(&str, Value)>::new();
                for _ in 0..self.length()? {
                    let name = self.text()?;
                    if entries.last().is_some_and(|(last, _)| *last >= name) {
                        return Err(malformed("the names of a map are not in order"));
                    }
                    entries.push((name, self.value(depth + 1)?));
                }
                Value::map(entries)
            }
            _ => return Err(malformed("a tag is not known")),
        })
    }

    fn text(&mut self) -> Result<&'a str, ValueError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| malformed("a text is not UTF-8"))
    }

    /// A length or count. Every element takes a byte at least, so one beyond the rest is a lie.
    fn length(&mut self) -> Result<usize, ValueError> {
        let length = u64::from_le_bytes(self.array()?);
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.rest.len())
            .ok_or_else(|| malformed("a length is beyond the end"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ValueError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ValueError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| malformed("the bytes end too early"))?;
        self.rest = rest;
        Ok(taken)
    }
}

fn malformed(what: &str) -> ValueError {
    ValueError(format!("not a canonical encoding: {what}"))
}
