//! For tests of stages: parameters from JSON, an in-memory runner, and the checks that every stage
//! kind passes.
//!
//! A [`Lab`] runs a stage as the engine would: partition by partition, wave by wave, batch by
//! batch, remembering every outcome. What a test then looks at is the tables and which units were
//! executed. Everything here panics instead of failing politely: it is the test's voice.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ccsr_cache::{Digest, Value};

use crate::params::{
    self, Documents, Entry, Node, NodeKind, Problem, ResolvedPath, SourceId, Span,
};
use crate::{
    Batch, Blobs, Environment, Inputs, Limits, Partition, PartitionOutcomes, Registry, Resolved,
    Roles, RowCounts, Schemas, Site, SourceFile, Stage, StageError, StageKind, Table, Unit,
};

/// The tree of some JSON. Every part has a place of its own.
pub fn node(json: &serde_json::Value) -> Node {
    fn place(next: &mut u32) -> Span {
        *next += 1;
        Span {
            source: SourceId(0),
            start: *next,
            end: *next,
        }
    }
    fn convert(json: &serde_json::Value, next: &mut u32) -> Node {
        use serde_json::Value as Json;
        let span = place(next);
        let kind = match json {
            Json::Null => NodeKind::Null,
            Json::Bool(truth) => NodeKind::Bool(*truth),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => NodeKind::Int(whole),
                None => NodeKind::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => NodeKind::Text(text.as_str().into()),
            Json::Array(list) => {
                NodeKind::List(list.iter().map(|json| convert(json, next)).collect())
            }
            Json::Object(map) => {
                let entries = map.iter().map(|(key, json)| Entry {
                    key: key.as_str().into(),
                    key_span: place(next),
                    value: convert(json, next),
                });
                NodeKind::Map(entries.collect())
            }
        };
        Node { span, kind }
    }
    convert(json, &mut 0)
}

/// Resolves paths against a folder; documents are JSON files.
pub struct Folder(pub PathBuf);

impl Documents for Folder {
    fn resolve(&self, path: &str, _: Span) -> Result<ResolvedPath, Problem> {
        Ok(ResolvedPath {
            path: self.0.join(path),
            display: path.to_owned(),
        })
    }

    fn load(&self, path: &ResolvedPath, span: Span) -> Result<Node, Vec<Problem>> {
        let problem = |text: String| vec![Problem::new(Some(span), text)];
        let text =
            std::fs::read_to_string(&path.path).map_err(|error| problem(error.to_string()))?;
        let json = serde_json::from_str(&text).map_err(|error| problem(error.to_string()))?;
        Ok(node(&json))
    }

    /// Where programs are found, and nothing else: tests run alike everywhere.
    fn variable(&self, name: &str) -> Option<OsString> {
        (name == "PATH").then(|| "/usr/local/bin:/usr/bin:/bin".into())
    }
}

/// Problems in one line each.
pub fn messages(problems: Vec<Problem>) -> String {
    let lines = problems.into_iter().map(|problem| match problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a stage kind finds wrong with its parameters, each as `path: message`.
///
/// # Panics
/// If they cannot be read, or nothing is wrong with them.
pub fn misfits<K: StageKind>(
    with: &serde_json::Value,
    documents: &dyn Documents,
    roles: &Roles,
) -> Vec<String> {
    let with = node(with);
    let read = params::read::<K::Params>(&with, documents);
    let params = read.map_err(messages).expect("the parameters can be read");
    let built = K::new_at(params, roles, &Site::new(&with, documents));
    let found = built.err().expect("something does not fit");
    let shown = found
        .iter()
        .map(|misfit| format!("{}: {}", misfit.path.join("."), misfit.message));
    shown.collect()
}

/// The implementations that a suite binds: `(role, name, settings)`.
pub fn bind(
    registry: &Registry,
    bindings: &[(&str, &str, serde_json::Value)],
) -> Result<Roles, String> {
    let mut roles = Roles::default();
    for (role, name, with) in bindings {
        let implementation = registry
            .role(role, name)
            .ok_or_else(|| format!("there is no {role} `{name}`"))?;
        let bound =
            (implementation.build)(Some(&node(with)), &Folder(PathBuf::new())).map_err(messages)?;
        roles.bind(*role, bound);
    }
    Ok(roles)
}

/// What running a stage gave.
#[derive(Debug)]
pub struct Ran {
    tables: BTreeMap<&'static str, Arc<Table>>,
    /// The units that were executed, in order: those whose outcomes were not known.
    pub executed: Vec<Unit>,
    /// How many units were asked for.
    pub asked: usize,
    /// How many waves the partition with the most took.
    pub waves: usize,
}

impl Ran {
    /// The table of a port.
    ///
    /// # Panics
    /// If the stage wrote none.
    pub fn table(&self, port: &str) -> &Arc<Table> {
        self.tables
            .get(port)
            .unwrap_or_else(|| panic!("the stage wrote no table `{port}`"))
    }
}

/// Runs stages in memory.
#[derive(Debug, Default)]
pub struct Lab {
    /// The pipeline's seed.
    pub seed: u64,
    /// Units in a batch; the stage's own wish if `None`.
    pub batch: Option<usize>,
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    /// Outcomes by unit. Stage kinds are not told apart: their inputs do that.
    outcomes: Mutex<HashMap<Digest, Value>>,
}

impl Blobs for Lab {
    fn read(&self, digest: &Digest) -> Result<Vec<u8>, StageError> {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.get(digest).cloned().ok_or(StageError::Lost(*digest))
    }
}

impl Lab {
    /// A lab with this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// A lab with the same seed and blobs that knows no outcome.
    #[must_use]
    pub fn forgetful(&self) -> Self {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            seed: self.seed,
            batch: self.batch,
            blobs: Mutex::new(blobs.clone()),
            outcomes: Mutex::default(),
        }
    }

    /// Puts a blob where stages find it.
    pub fn add_blob(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(digest, bytes);
        digest
    }

    /// Runs a stage on tables, by port.
    ///
    /// # Panics
    /// If the stage breaks its contract: tables other than promised, an answer missing, more units
    /// or rows than its bound.
    pub fn run(
        &self,
        stage: &dyn Stage,
        tables: &[(&'static str, &Arc<Table>)],
    ) -> Result<Ran, StageError> {
        let tables: BTreeMap<&'static str, Arc<Table>> = tables
            .iter()
            .map(|(port, table)| (*port, Arc::clone(table)))
            .collect();
        let schemas: Schemas = tables
            .iter()
            .map(|(port, table)| (*port, Arc::new(table.schema())))
            .collect();
        check_ports(stage, &schemas);
        let promised = stage.outputs(&schemas)?;
        let sources = stage
            .sources()
            .into_iter()
            .map(|source| (source.name, source_files(&source.path, source.folder)));
        let sources = sources.collect();
        let inputs = Inputs {
            tables: &tables,
            sources: &sources,
            seed: self.seed,
        };
        let mut executed = Vec::new();
        let mut outcomes = Vec::new();
        let mut most_waves = 0;
        for partition in stage.partitions(&inputs)? {
            let (resolved, waves) = self.resolve(stage, &inputs, &partition, &mut executed)?;
            most_waves = most_waves.max(waves);
            outcomes.push(PartitionOutcomes {
                partition,
                resolved,
            });
        }
        let asked = outcomes.iter().map(|part| part.resolved.len()).sum();
        let written = stage.collect(&inputs, &outcomes)?;
        let rows: RowCounts = tables
            .iter()
            .map(|(port, table)| (*port, table.len() as u64))
            .collect();
        let bound = stage.bound(&rows);
        assert!(
            asked as u64 <= bound.units,
            "{asked} units, more than the bound of {}",
            bound.units
        );
        assert_eq!(written.len(), promised.len(), "a table too many or too few");
        for port in promised {
            let table = written.get(port.name).expect("every port has its table");
            assert_eq!(
                table.schema(),
                port.schema,
                "`{}` is not as promised",
                port.name
            );
            let most = bound.rows.get(port.name).copied().unwrap_or(0);
            assert!(
                table.len() as u64 <= most,
                "`{}` has more rows than its bound of {most}",
                port.name
            );
        }
        let tables = written
            .into_iter()
            .map(|(port, table)| (port, Arc::new(table)))
            .collect();
        Ok(Ran {
            tables,
            executed,
            asked,
            waves: most_waves,
        })
    }

    fn resolve(
        &self,
        stage: &dyn Stage,
        inputs: &Inputs<'_>,
        partition: &Partition,
        executed: &mut Vec<Unit>,
    ) -> Result<(Vec<Resolved>, usize), StageError> {
        let mut resolved: Vec<Resolved> = Vec::new();
        for wave in 0.. {
            let units = stage.units(inputs, partition, &resolved)?;
            if units.is_empty() {
                return Ok((resolved, wave));
            }
            let missed = self.missed(&units);
            let most = self.batch.unwrap_or_else(|| stage.batch()).max(1);
            for together in missed.chunk_by(|a, b| a.resource == b.resource) {
                for batch in together.chunks(most) {
                    self.execute(stage, batch)?;
                }
            }
            executed.extend(missed);
            let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            resolved.extend(units.into_iter().map(|unit| {
                let outcome = outcomes[&unit.input.digest()].clone();
                Resolved {
                    unit: unit.into(),
                    outcome,
                }
            }));
        }
        unreachable!("waves are counted without end")
    }

    /// The units whose outcomes are not known, each once.
    fn missed(&self, units: &[Unit]) -> Vec<Unit> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missed: Vec<Unit> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for unit in units {
            let key = unit.input.digest();
            if !outcomes.contains_key(&key) && seen.insert(key) {
                missed.push(unit.clone());
            }
        }
        missed
    }

    fn execute(&self, stage: &dyn Stage, units: &[Unit]) -> Result<(), StageError> {
        let environment = Environment {
            device: "cpu".to_owned(),
            threads: 2,
        };
        let resource = units[0].resource.as_deref();
        let resource = resource
            .map(|name| stage.load(name, &environment))
            .transpose()?;
        let shared: Vec<Arc<Unit>> = units.iter().cloned().map(Arc::new).collect();
        let batch = Batch {
            units: &shared,
            resource: resource.as_deref(),
            blobs: self,
            environment: &environment,
            limits: &Limits::none(),
            listener: &|_| (),
        };
        let results = stage.execute(&batch);
        assert_eq!(results.len(), units.len(), "one result a unit");
        for (unit, result) in units.iter().zip(results) {
            let (value, blobs) = result?.into_parts();
            let given: Vec<Digest> = blobs
                .into_iter()
                .map(|(_, bytes)| self.add_blob(bytes))
                .collect();
            for digest in given {
                assert!(
                    value.blobs().contains(&digest),
                    "an outcome's blob is not in its value"
                );
            }
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes.insert(unit.input.digest(), value);
        }
        Ok(())
    }
}

fn source_files(path: &Path, folder: bool) -> Vec<SourceFile> {
    fn walk(at: &Path, name: &str, files: &mut Vec<SourceFile>) {
        let entries = std::fs::read_dir(at).expect("a source folder can be listed");
        for entry in entries {
            let path = entry.expect("a source folder can be listed").path();
            let own = path.file_name().unwrap_or_default().to_string_lossy();
            let name = if name.is_empty() {
                own.into_owned()
            } else {
                format!("{name}/{own}")
            };
            if path.is_dir() {
                walk(&path, &name, files);
            } else {
                files.push(source_file(name, path));
            }
        }
    }
    fn source_file(name: String, path: PathBuf) -> SourceFile {
        let bytes = std::fs::read(&path).expect("a source file can be read");
        let digest = Digest::of(&bytes);
        SourceFile { name, path, digest }
    }
    if !folder {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return vec![source_file(name.into_owned(), path.to_owned())];
    }
    let mut files = Vec::new();
    walk(path, "", &mut files);
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn check_ports(stage: &dyn Stage, schemas: &Schemas) {
    let ports = stage.inputs();
    assert_eq!(
        ports,
        stage.inputs(),
        "the input ports change between two looks"
    );
    for port in &ports {
        match schemas.get(port.name) {
            None => assert!(port.optional, "nothing is bound to `{}`", port.name),
            Some(schema) => {
                for (column, wanted) in &port.columns {
                    let kind = schema.get(column);
                    let serves = kind.is_some_and(|kind| kind.serves(*wanted));
                    assert!(
                        serves,
                        "`{}` needs {wanted} `{column}`, found {kind:?}",
                        port.name
                    );
                }
            }
        }
    }
    for port in schemas.keys() {
        let known = ports.iter().any(|known| known.name == *port);
        assert!(known, "there is no port `{port}` to bind a table to");
    }
    if let (Ok(first), Ok(second)) = (stage.outputs(schemas), stage.outputs(schemas)) {
        assert_eq!(first, second, "the output ports change between two looks");
    }
}

/// What every stage kind must do, checked on one example: its parameters round-trip through their
/// serialised form, its ports are stable, and the same input gives the same tables twice, executed
/// one unit at a time or all at once.
///
/// Runs in labs made from `lab`, which itself stays as it is. Returns what the run gave.
///
/// # Panics
/// If the kind does not pass.
pub fn check_kind<K: StageKind>(
    with: &serde_json::Value,
    documents: &dyn Documents,
    roles: &Roles,
    lab: &Lab,
    tables: &[(&'static str, &Arc<Table>)],
) -> Ran {
    let build = |with: &serde_json::Value| {
        let with = node(with);
        let read = params::read::<K::Params>(&with, documents);
        let params = read.map_err(messages).expect("the parameters are right");
        let written = serde_json::to_value(&params).expect("parameters can be written");
        let stage = K::new_at(params, roles, &Site::new(&with, documents));
        let stage = stage.expect("the parameters go together");
        (stage, written)
    };
    let (stage, written) = build(with);
    let (again, rewritten) = build(&written);
    assert_eq!(written, rewritten, "the parameters do not round-trip");
    assert_eq!(
        stage.identity(),
        again.identity(),
        "the identity does not round-trip"
    );
    let run = |stage: &K, batch| {
        let mut lab = lab.forgetful();
        lab.batch = batch;
        lab.run(stage, tables).expect("the stage runs")
    };
    let whole = run(&stage, None);
    for batch in [None, Some(1), Some(3)] {
        let other = run(&again, batch);
        assert_eq!(
            whole.tables.keys().collect::<Vec<_>>(),
            other.tables.keys().collect::<Vec<_>>()
        );
        for (port, table) in &whole.tables {
            assert_eq!(
                table.digest(),
                other.tables[port].digest(),
                "`{port}` differs, batch {batch:?}"
            );
        }
    }
    whole
}
