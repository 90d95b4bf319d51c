//! Files that a call of the program needs, and the paths that its arguments name.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;

use ccsr_stage::{Digest, StageError, Table, Value};

use super::argv::Slot;
use super::call::Call;
use super::failure::Failure;
use super::{Per, ROWS, Stdin, argv, keys, lines};

/// What a call needs.
pub(super) struct Prepared {
    pub(super) arguments: Vec<OsString>,
    pub(super) stdin: Option<File>,
}

impl Call<'_> {
    /// Puts the files in place that the program reads, and fills in their paths.
    pub(super) fn prepare(&self) -> Result<Prepared, Failure> {
        let stage = self.work.stage;
        if stage
            .slots()
            .any(|slot| matches!(slot, Slot::Out | Slot::OutFile(_)))
        {
            fs::create_dir(&self.out).map_err(|error| self.unprepared(&error))?;
        }
        let rows = if stage.gets_rows() {
            self.rows()?
        } else {
            None
        };
        let stdin = match rows.as_deref().filter(|_| stage.stdin() == Stdin::Jsonl) {
            Some(text) => Some(self.stdin(text)?),
            None => None,
        };
        let argv = match self.units.first().and_then(|unit| unit.input.get("argv")) {
            Some(Value::List(argv)) => argv.clone(),
            _ => return Err(malformed()),
        };
        let mut failure = None;
        let mut arguments = Vec::with_capacity(argv.len());
        for argument in argv.iter().skip(1) {
            let path = |name: &str| {
                let path = self.path(name, rows.as_deref());
                path.map_err(|problem| failure = Some(problem)).ok()
            };
            match argv::written(argument, path) {
                Some(argument) => arguments.push(argument),
                None => return Err(failure.unwrap_or_else(malformed)),
            }
        }
        Ok(Prepared { arguments, stdin })
    }

    /// The path that a placeholder stands for.
    fn path(&self, name: &str, rows: Option<&str>) -> Result<PathBuf, Failure> {
        let stage = self.work.stage;
        if name == argv::OUT {
            return Ok(self.out.clone());
        }
        if let Some(column) = name.strip_prefix("out.")
            && let Some(file) = stage.params.files.get(column)
        {
            return Ok(self.out.join(file.name(column)));
        }
        if name == argv::ROWS {
            return self.put("rows.jsonl", rows.unwrap_or_default().as_bytes());
        }
        if stage.params.tables.iter().any(|table| table == name) {
            let (table, text) = (self.table(name)?, format!("{name}.jsonl"));
            let rows = table.map_or(Ok(String::new()), |table| self.lines(&table, name, None))?;
            return self.put(&text, rows.as_bytes());
        }
        let unit = self.units.first().ok_or_else(malformed)?;
        let blob = unit.input.get("row").and_then(|row| row.get(name));
        let digest = blob.and_then(Value::as_blob).ok_or_else(malformed)?;
        self.blob(&format!("1-{name}"), &digest)
    }

    /// The rows as lines; `None` if there is no table to take them from.
    fn rows(&self) -> Result<Option<String>, Failure> {
        let stage = self.work.stage;
        if stage.params.per == Per::Table {
            let reads = stage.params.reads.as_deref();
            let table = self.table(ROWS)?;
            return table
                .map(|table| self.lines(&table, ROWS, reads))
                .transpose();
        }
        let mut text = String::new();
        for (number, unit) in (1..).zip(self.units) {
            let Some(Value::Map(row)) = unit.input.get("row") else {
                text.push_str("{}\n");
                continue;
            };
            let path = |column: &str| {
                let digest = row.get(column).and_then(Value::as_blob);
                let digest = digest.ok_or_else(malformed)?;
                self.blob(&format!("{number}-{column}"), &digest)
            };
            text.push_str(&lines::line(row.iter(), path)?);
        }
        Ok(Some(text))
    }

    /// A table that the unit is about.
    fn table(&self, port: &str) -> Result<Option<Table>, Failure> {
        let unit = self.units.first().ok_or_else(malformed)?;
        let stored = unit.hint.get("tables").and_then(|tables| tables.get(port));
        let Some(digest) = stored.and_then(Value::as_blob) else {
            return Ok(None);
        };
        let bytes = self.work.batch.blobs.read(&digest)?;
        let table = Table::decode(&bytes).map_err(StageError::from)?;
        Ok(Some(table))
    }

    /// The rows of a table as lines.
    fn lines(
        &self,
        table: &Table,
        port: &str,
        reads: Option<&[String]>,
    ) -> Result<String, Failure> {
        let part = reads.map(|reads| keys::only(table, reads)).transpose()?;
        let table = part.as_ref().unwrap_or(table);
        let names: Vec<Arc<str>> = table.columns().iter().map(|c| c.name().into()).collect();
        let mut text = String::new();
        for row in table.rows() {
            let cells = names.iter().zip(row.values());
            let path = |column: &str| {
                let digest = row.blob(column).map_err(StageError::from)?;
                self.blob(&format!("{port}-{}-{column}", row.index() + 1), &digest)
            };
            text.push_str(&lines::line(cells, path)?);
        }
        Ok(text)
    }

    /// A file with the bytes of a blob.
    fn blob(&self, name: &str, digest: &Digest) -> Result<PathBuf, Failure> {
        let bytes = self.work.batch.blobs.read(digest)?;
        // Programs go by endings.
        let ending = if bytes.starts_with(b"\x89PNG") {
            ".png"
        } else {
            ""
        };
        let plain = |c: char| if c == '/' || c.is_control() { '_' } else { c };
        let name: String = name.chars().map(plain).collect();
        self.put(&format!("{name}{ending}"), &bytes)
    }

    /// Puts a file where the program finds it.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Failure> {
        let path = self.inside.join(name);
        let written = fs::create_dir_all(&self.inside).and_then(|()| fs::write(&path, bytes));
        written.map_err(|error| self.unprepared(&error))?;
        Ok(path)
    }

    fn stdin(&self, text: &str) -> Result<File, Failure> {
        let mut file = self.anonymous()?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.rewind())
            .map_err(|error| self.unprepared(&error))?;
        Ok(file)
    }

    /// A file without a name.
    pub(super) fn anonymous(&self) -> Result<File, Failure> {
        tempfile::tempfile_in(self.work.folder).map_err(|error| self.unprepared(&error))
    }

    fn unprepared(&self, error: &std::io::Error) -> Failure {
        self.work.stage.unprepared(self.work.folder, error)
    }
}

fn malformed() -> Failure {
    Failure::Input("a unit came without what it is about".to_owned())
}
