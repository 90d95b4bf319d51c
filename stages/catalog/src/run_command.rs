//! `command`: an external program as a stage.
//!
//! A program is called once for each row, for many rows together, or for whole tables. What it
//! gets to see is what enters the key: its arguments as they are filled in, the content of its own
//! file and of those that its arguments and `inputs` name, the row's values, declared variables.
//!
//! `keys.rs` makes units of rows; `work.rs` executes a batch of them, call by call (`call.rs`), with
//! the files that each needs (`files.rs`); `process.rs` watches over the processes. Users read
//! `docs/commands.md`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use ccsr_stage::{
    Batch, Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort, Partition,
    PartitionOutcomes, Resolved, Roles, Row, RowCounts, Schema, Schemas, Site, Source, Stage,
    StageError, StageKind, Table, Unit, Value,
};

mod argv;
mod call;
mod checks;
mod duration;
mod failure;
mod files;
mod keys;
mod lines;
mod pace;
mod params;
mod process;
mod program;
mod work;

use argv::{Argument, Slot};
use pace::Pace;
pub use params::{Argv, OutputFile, OutputType, Params, Per, RowsEach, Stdin};
use program::Sources;

/// Columns of the output, with their types.
type Columns = BTreeMap<String, OutputType>;

/// Variables that every program sees. They are in no key.
const ALWAYS_PASSED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE"];
/// Port of the table whose rows the program is called for, and of the one that it makes.
const ROWS: &str = "rows";
/// Rows that one process gets at a time with `per: batch`, unless the stage says `batch`.
const ROWS_A_PROCESS: usize = 256;

/// The stage.
pub struct RunCommand {
    params: Params,
    /// `argv`, the program included.
    arguments: Vec<Argument>,
    program: PathBuf,
    /// The program as people call it, for errors.
    called: String,
    /// The folder of the file in which `argv` is written.
    folder: PathBuf,
    sources: Sources,
    /// The sources that matter to every row.
    shared: Vec<&'static str>,
    /// The source of each column that names files.
    row_files: BTreeMap<String, &'static str>,
    /// Ports of further tables.
    tables: Vec<&'static str>,
    /// What the program sees of the environment.
    environment: Vec<(OsString, OsString)>,
    /// What of it enters keys.
    keyed_environment: BTreeMap<String, Value>,
    /// Where temporary files are put.
    temporary: PathBuf,
    pace: Pace,
}

impl RunCommand {
    /// Whether the program is given rows, rather than single values of a row.
    fn gets_rows(&self) -> bool {
        self.stdin() == Stdin::Jsonl || self.slots().any(|slot| is_table(slot, ROWS))
    }

    fn stdin(&self) -> Stdin {
        let told = |slot: &Slot| matches!(slot, Slot::Column(_)) || is_table(slot, ROWS);
        let unless_told = || {
            if self.slots().any(told) {
                Stdin::None
            } else {
                Stdin::Jsonl
            }
        };
        self.params.stdin.unwrap_or_else(unless_told)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.arguments.iter().flat_map(Argument::slots)
    }

    /// The columns of its own that the stage adds, in their order.
    fn declared(&self) -> impl Iterator<Item = (&str, ColumnType)> {
        let columns = self.params.columns.iter();
        let columns = columns.map(|(name, kind)| (name.as_str(), kind.column()));
        let files = self.params.files.iter();
        columns.chain(files.map(|(name, file)| (name.as_str(), file.kind().column())))
    }

    /// Whether every process answers with exactly one row a row.
    fn is_one_to_one(&self) -> bool {
        self.params.per != Per::Table && self.params.rows == RowsEach::One
    }
}

fn is_table(slot: &Slot, name: &str) -> bool {
    matches!(slot, Slot::Table(table) if table == name)
}

impl Stage for RunCommand {
    fn identity(&self) -> Value {
        let params = &self.params;
        let texts = |texts: &[String]| Value::list(texts.iter().map(|t| Value::from(t.as_str())));
        let mut parts = self.constants();
        parts.push(("argv", texts(&params.argv.0)));
        if let Some(reads) = &params.reads {
            parts.push(("reads", texts(reads)));
        }
        if !params.row_files.is_empty() {
            parts.push(("row_files", crate::identity_of(&params.row_files)));
        }
        Value::map(parts)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut columns: BTreeMap<String, ColumnType> = BTreeMap::new();
        for slot in self.slots() {
            if let Slot::Column(name) = slot {
                columns.insert(name.clone(), ColumnType::Json);
            }
        }
        for name in self.params.reads.iter().flatten() {
            columns.insert(name.clone(), ColumnType::Json);
        }
        for name in self.params.row_files.keys() {
            columns.insert(name.clone(), ColumnType::Text);
        }
        let rows = InputPort::new(ROWS, columns);
        let needed = self.params.per != Per::Table || !rows.columns.is_empty();
        let rows = if needed { rows } else { rows.optional() };
        let none = || std::iter::empty::<(String, ColumnType)>();
        let more = self.tables.iter().map(|name| InputPort::new(name, none()));
        std::iter::once(rows).chain(more).collect()
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let rows = inputs.get(ROWS);
        if rows.is_none() && self.slots().any(|slot| is_table(slot, ROWS)) {
            return Err(StageError::input(
                "`argv` names `{rows}`, and the stage reads no table; say which: `from: STAGE`",
            ));
        }
        let mut schema = match (self.params.per, rows) {
            (Per::Table, _) | (_, None) => Schema::default(),
            (_, Some(rows)) => (**rows).clone(),
        };
        for (name, kind) in self.declared() {
            schema = schema.with(name, kind);
        }
        Ok(vec![OutputPort::new(ROWS, schema)])
    }

    fn sources(&self) -> Vec<Source> {
        self.sources.list().to_vec()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let given = rows.get(ROWS).copied().unwrap_or(0);
        match self.params.per {
            // What a program answers with nobody knows before.
            Per::Table => Bound::new(1, ROWS, u64::MAX),
            _ if self.is_one_to_one() => Bound::new(given, ROWS, given),
            _ => Bound::new(given, ROWS, u64::MAX),
        }
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        match self.params.per {
            Per::Table => Ok(vec![self.table_unit(inputs)?]),
            Per::Row | Per::Batch => self.row_units(inputs),
        }
    }

    fn batch(&self) -> usize {
        match self.params.per {
            Per::Row => self.pace.units(),
            Per::Batch => ROWS_A_PROCESS,
            Per::Table => 1,
        }
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let results = self.pace.measure(batch, || work::execute(self, batch));
        let results = results.into_iter();
        results
            .map(|result| result.map_err(StageError::from))
            .collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let given = inputs.tables.get(ROWS);
        let schemas = given.map(|table| (ROWS, table.schema().into()));
        let schema = self
            .outputs(&schemas.into_iter().collect())?
            .remove(0)
            .schema;
        let declared: Vec<&str> = self.declared().map(|(name, _)| name).collect();
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        let mut table = Table::builder(schema.clone());
        let mut add = |row: Option<Row<'_>>, outcome: &Value| -> Result<(), StageError> {
            for cells in lines::rows_of(outcome, declared.len())? {
                let cell = |(name, _): (&str, _)| {
                    let own = declared.iter().position(|known| *known == name);
                    let passed = || row.and_then(|row| row.find(name)).cloned();
                    own.map(|at| cells[at].clone())
                        .or_else(passed)
                        .unwrap_or_default()
                };
                table.push(schema.columns().map(cell))?;
            }
            Ok(())
        };
        match given.filter(|_| self.params.per != Per::Table) {
            Some(given) => {
                for (row, resolved) in given.rows().zip(resolved) {
                    add(Some(row), &resolved.outcome)?;
                }
            }
            None => {
                for resolved in resolved {
                    add(None, &resolved.outcome)?;
                }
            }
        }
        Ok(BTreeMap::from([(ROWS, table.finish())]))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        Some(unit.hint.get("about")?.as_text()?.to_owned())
    }
}

impl StageKind for RunCommand {
    const NAME: &'static str = "command";
    const SUMMARY: &'static str = "Runs an external program.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        Self::new_at(params, roles, &Site::nowhere())
    }

    /// Looks for the program and for the files that it names, where it is written.
    fn new_at(params: Params, _: &Roles, site: &Site<'_>) -> Result<Self, Misfits> {
        let mut misfits = checks::of_params(&params);
        let folder = site.folder("argv")?.path;
        let mut sources = Sources::default();
        let mut shared = Vec::new();

        let name = params.argv.0.first().map_or("", String::as_str);
        let mut called = name.to_owned();
        let search = site.variable("PATH");
        let program = program::find(name, &folder, search.as_deref());
        let program = program.map_err(|message| misfits.add(Misfit::new(["argv", "0"], message)));
        if let Ok(program) = &program {
            shared.push(sources.add(name, program.clone(), false));
        }
        let files: Vec<&str> = params.files.keys().map(String::as_str).collect();
        let mut arguments = Vec::new();
        for (index, text) in params.argv.0.iter().enumerate() {
            match Argument::parse(text, &params.tables, &files) {
                Ok(argument) => {
                    let path = folder.join(text);
                    if index > 0 && argument.slots().next().is_none() && path.is_file() {
                        if shared.len() == 1 {
                            called = format!("{called} {text}");
                        }
                        shared.push(sources.add(text, path, false));
                    }
                    arguments.push(argument);
                }
                Err(message) => {
                    misfits.add(Misfit::new(["argv", &index.to_string()], message));
                }
            }
        }
        for (index, text) in params.inputs.iter().enumerate() {
            match program::input(site, "inputs", text) {
                Ok((path, is_folder)) => shared.push(sources.add(text, path, is_folder)),
                Err(message) => {
                    misfits.add(Misfit::new(["inputs", &index.to_string()], message));
                }
            }
        }
        let mut row_files = BTreeMap::new();
        for (column, text) in &params.row_files {
            match program::input(site, "row_files", text) {
                Ok((path, true)) => {
                    row_files.insert(column.clone(), sources.add(text, path, true));
                }
                Ok((_, false)) => {
                    let message = format!("`{text}` is a file; expected the folder of the files");
                    misfits.add(Misfit::new(["row_files", column], message));
                }
                Err(message) => misfits.add(Misfit::new(["row_files", column], message)),
            }
        }
        misfits.add(checks::of_arguments(&params, &arguments));
        misfits.check()?;
        let program = program.map_err(|()| Misfits::new())?;
        shared.sort_unstable();
        shared.dedup();

        let text = |name: &str| site.variable(name);
        let (environment, keyed_environment) = keys::environment(&params, text);
        let temporary = site.variable("TMPDIR").filter(|path| !path.is_empty());
        let tables = params.tables.iter().map(|name| program::interned(name));
        Ok(Self {
            tables: tables.collect(),
            arguments,
            program,
            called,
            folder,
            sources,
            shared,
            row_files,
            environment,
            keyed_environment,
            temporary: temporary.map_or_else(|| "/tmp".into(), PathBuf::from),
            pace: Pace::default(),
            params,
        })
    }
}

#[cfg(test)]
mod tests;
