//! The parameters of `command`.

use std::collections::BTreeMap;
use std::fmt;

use ccsr_stage::ColumnType;
use schemars::JsonSchema;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::duration::Span;

/// Parameters of `command`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The program and its arguments, each an element of the list; no shell reads them. In
    /// arguments, `{column}` stands for the row's value (the path of a file, if that is an image or
    /// a blob), `{rows}` for the path of a file with the rows, `{out.NAME}` for the path of the
    /// declared file `NAME`, `{out}` for the folder of such files. The program runs in the folder of
    /// the file that this is written in. Files that arguments name are in the key by their content.
    pub argv: Argv,
    /// What one process is for: a `row`; a `batch` of rows that do not depend on each other; a whole
    /// `table`.
    #[serde(default)]
    pub per: Per,
    /// How many rows come of each: `one`, or `many`, that is any number.
    #[serde(default)]
    pub rows: RowsEach,
    /// What the program reads from its standard input: the rows as `jsonl`, or `none`. Left out:
    /// the rows, unless `argv` names `{rows}` or a column.
    #[serde(default)]
    pub stdin: Option<Stdin>,
    /// The columns that the program answers with, as JSON lines on its standard output:
    /// `{verdict: text, score: float}`.
    #[serde(default)]
    pub columns: BTreeMap<String, OutputType>,
    /// The files that the program writes, each a column: `{picture: {path: out.png, type: image}}`.
    #[serde(default)]
    pub files: BTreeMap<String, OutputFile>,
    /// The columns that the program gets to see in rows; what it does not see is not in the key. All
    /// of them, if left out.
    #[serde(default)]
    pub reads: Option<Vec<String>>,
    /// With `per: table`: names of further tables that it reads. `from: {rows: a, NAME: b}` binds
    /// them, and `{NAME}` in `argv` is the path of a file with their rows.
    #[serde(default)]
    pub tables: Vec<String>,
    /// Files and folders that the program reads besides those that `argv` names. Their content is
    /// in every key.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Columns that name files, and the folders that these files lie in: `{file: data}`. A file's
    /// content is in the keys of the rows that name it, as paths relative to where `argv` is written.
    #[serde(default)]
    pub row_files: BTreeMap<String, String>,
    /// Variables that the program sees. They are in the key.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of variables that the program sees as they are outside. Their values are in the key.
    #[serde(default)]
    pub pass_env: Vec<String>,
    /// Names of variables that the program sees as they are outside and that are neither in the key
    /// nor stored: tokens and the like.
    #[serde(default)]
    pub secret_env: Vec<String>,
    /// The time that one process may take: `30s`, `500ms`, `2m`, `1h`. No bound, if left out.
    #[serde(default)]
    pub timeout: Option<Span>,
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Argv(pub Vec<String>);

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Argv;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, the program and its arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Argv, A::Error> {
                let mut argv = Vec::new();
                while let Some(argument) = list.next_element()? {
                    argv.push(argument);
                }
                Ok(Argv(argv))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Argv, E> {
                let words: Vec<&str> = text.split_whitespace().collect();
                Err(E::custom(format!(
                    "expected a list of arguments, found one text, which no shell splits; write \
                     `[{}]`",
                    words.join(", ")
                )))
            }
        }

        deserializer.deserialize_any(List)
    }
}

/// What one process is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// A row.
    #[default]
    Row,
    /// Many rows, each answered for itself.
    Batch,
    /// All rows.
    Table,
}

/// How many rows come of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowsEach {
    /// One: a line a row.
    #[default]
    One,
    /// Any number: each line is one, or, with `per: batch`, a list of those of one row.
    Many,
}

/// What a program reads from its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// The rows, a JSON object a line.
    Jsonl,
    /// Nothing.
    None,
}

/// Type of a column that a program answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputType {
    /// Text.
    Text,
    /// Whole numbers.
    Int,
    /// Numbers.
    Float,
    /// `true` or `false`.
    Bool,
    /// Any JSON value.
    Json,
    /// The path of an image in the folder `{out}`.
    Image,
    /// The path of a file in the folder `{out}`.
    Blob,
}

impl OutputType {
    /// The type of the table's column.
    pub(super) const fn column(self) -> ColumnType {
        match self {
            Self::Text => ColumnType::Text,
            Self::Int => ColumnType::Int,
            Self::Float => ColumnType::Float,
            Self::Bool => ColumnType::Bool,
            Self::Json => ColumnType::Json,
            Self::Image => ColumnType::Image,
            Self::Blob => ColumnType::Blob,
        }
    }

    /// What a program should have written, in a person's words.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int => "a whole number of at most 64 bits",
            Self::Float => "a number",
            Self::Bool => "true or false",
            Self::Json => "any value",
            Self::Image => "the path of an image in the folder `{out}`",
            Self::Blob => "the path of a file in the folder `{out}`",
        }
    }

    /// Whether it is told as the path of a file.
    pub(super) const fn is_file(self) -> bool {
        matches!(self, Self::Image | Self::Blob)
    }
}

/// A file that a program writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutputFile {
    /// Its name, for programs that look at endings; that of the column, if left out.
    pub path: Option<String>,
    /// What it is: a `blob`, or an `image`, of which the pixels are kept.
    #[serde(rename = "type")]
    pub kind: FileType,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileType {
    /// A PNG, JPEG or WebP image.
    Image,
    /// Any bytes.
    #[default]
    Blob,
}

impl OutputFile {
    /// The type of its column.
    pub(super) const fn kind(&self) -> OutputType {
        match self.kind {
            FileType::Image => OutputType::Image,
            FileType::Blob => OutputType::Blob,
        }
    }

    /// Its name, as that of the column `column`.
    pub(super) fn name<'a>(&'a self, column: &'a str) -> &'a str {
        self.path.as_deref().unwrap_or(column)
    }
}
