//! The texts of a compilation, and where in them a span lies.
//!
//! A span is three numbers; [`Sources`] turns it back into a file, a line and a column. Reading a
//! file happens here and nowhere else in the compiler, so a compilation sees one version of each.
//!
//! | code | what is wrong |
//! |---|---|
//! | `source::missing` | there is no such file |
//! | `source::unreadable` | the file cannot be read |
//! | `source::too-large` | the file is over [`MAX_BYTES`] |
//! | `source::encoding` | the file is not UTF-8 |

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use ccsr_stage::params::{SourceId, Span};

use crate::diagnostic::Diagnostic;

/// The most bytes that a text may have (16 MiB).
///
/// A pipeline is written by hand; what is larger is a mistake, such as a path to weights.
pub const MAX_BYTES: usize = 16 << 20;

/// The texts of a compilation.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The first stands for "nowhere", so that every id has a text.
    texts: Vec<SourceText>,
}

/// A text.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// As people write it.
    pub name: String,
    /// Where it was read.
    pub path: PathBuf,
    /// The text, without a byte-order mark.
    pub text: String,
    /// The byte at which each line starts.
    lines: Vec<u32>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            texts: vec![SourceText::new(
                String::new(),
                PathBuf::new(),
                String::new(),
            )],
        }
    }
}

impl Sources {
    /// No texts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text, which was read at `path` and which people call `name`.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        path: impl Into<PathBuf>,
        text: impl Into<String>,
    ) -> SourceId {
        let id = SourceId(self.texts.len() as u32);
        self.texts
            .push(SourceText::new(name.into(), path.into(), text.into()));
        id
    }

    /// Reads a file, unless a text of that path is there already.
    pub fn read(
        &mut self,
        name: impl Into<String>,
        path: impl AsRef<Path>,
    ) -> Result<SourceId, Diagnostic> {
        let path = path.as_ref();
        if let Some(known) = self.find(path) {
            return Ok(known);
        }
        let name = name.into();
        let text = read_text(&name, path)?;
        Ok(self.add(name, path, text))
    }

    /// The text that was read at `path`.
    pub fn find(&self, path: &Path) -> Option<SourceId> {
        let found = self.texts.iter().skip(1).position(|text| text.path == path);
        found.map(|index| SourceId(index as u32 + 1))
    }

    /// Every text, in the order in which they were added.
    pub fn texts(&self) -> impl Iterator<Item = &SourceText> {
        self.texts.iter().skip(1)
    }

    /// A text; an empty one without a name for "nowhere" and for ids of other compilations.
    pub fn get(&self, id: SourceId) -> &SourceText {
        self.texts.get(id.0 as usize).unwrap_or(&self.texts[0])
    }

    /// Line and column of the start of `span`, both from 1, the column in characters.
    pub fn location(&self, span: Span) -> (usize, usize) {
        self.get(span.source).location(span.start)
    }

    /// The line in which `span` starts, without its end.
    pub fn line_text(&self, span: Span) -> &str {
        let text = self.get(span.source);
        text.line(text.location(span.start).0)
    }

    /// What `span` covers; nothing if it does not lie in its text.
    pub fn slice(&self, span: Span) -> &str {
        let text = &self.get(span.source).text;
        text.get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// `name:line:column` of the start of `span`.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.location(span);
        format!("{}:{line}:{column}", self.get(span.source).name)
    }
}

impl SourceText {
    fn new(name: String, path: PathBuf, mut text: String) -> Self {
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0)
            .chain(ends.map(|(at, _)| at as u32 + 1))
            .collect();
        Self {
            name,
            path,
            text,
            lines,
        }
    }

    /// Line and column of a byte, both from 1, the column in characters.
    ///
    /// A byte inside a character counts as its first, one past the end as the end.
    pub fn location(&self, byte: u32) -> (usize, usize) {
        let byte = self.text.floor_char_boundary(byte as usize);
        let line = self.lines.partition_point(|start| *start as usize <= byte);
        let start = self.lines[line - 1] as usize;
        (line, self.text[start..byte].chars().count() + 1)
    }

    /// A line, from 1, without its end; nothing past the last.
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|line| self.lines.get(line)) else {
            return "";
        };
        let end = self
            .lines
            .get(line)
            .map_or(self.text.len(), |next| *next as usize);
        self.text[*start as usize..end].trim_end_matches(['\n', '\r'])
    }
}

fn read_text(name: &str, path: &Path) -> Result<String, Diagnostic> {
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            Diagnostic::new("source::missing", format!("there is no file `{name}`"))
        }
        _ => Diagnostic::new(
            "source::unreadable",
            format!("cannot read `{name}`: {error}"),
        ),
    };
    // Asked first, because opening a named pipe would wait for somebody to write to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        let message = format!("cannot read `{name}`: it is not a file");
        return Err(Diagnostic::new("source::unreadable", message));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(too_large(name));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good]
            .split(|byte| *byte == b'\n')
            .count();
        Diagnostic::new(
            "source::encoding",
            format!("`{name}` is not UTF-8 text: line {line} has bytes that mean nothing"),
        )
        .with_help("save it as UTF-8")
    })
}

/// The text `name` is too large.
pub(crate) fn too_large(name: &str) -> Diagnostic {
    let limit = MAX_BYTES >> 20;
    Diagnostic::new(
        "source::too-large",
        format!("`{name}` is larger than {limit} MiB"),
    )
    .with_help("a pipeline and the files it names are written by hand: is the path right?")
}

#[cfg(test)]
mod tests;
