//! Compiling a pipeline file: text → tree → [`Pipeline`], with every problem found.
//!
//! Trees are merged first (`include:`, the suite's `vars:`, `--set`), then variables are put where
//! they are used, then names are resolved ([`resolve`](crate::resolve)). Nothing is executed.

mod merge;
mod suite;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccsr_cache::Value;
use ccsr_stage::Registry;
use ccsr_stage::params::{Entry, Node, NodeKind, Span, nearest};

use self::merge::Parts;
use crate::diagnostic::Diagnostic;
use crate::interpolate::Interpolation;
use crate::loader::Loader;
use crate::origin::{Origin, plain, plain_map};
use crate::overrides::{self, Setting, Typed};
use crate::pipeline::Pipeline;
use crate::project::Project;
use crate::resolve;
use crate::source::Sources;
use crate::sweep::SweepSpec;

/// What may be said besides the file.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions<'a> {
    /// `path=value` overrides, in order.
    pub set: Vec<String>,
    /// A suite instead of the one that the file names.
    pub suite: Option<String>,
    /// Suites that the program brings along: name and text.
    pub suites: &'a [(&'a str, &'a str)],
    /// The devices that a stage may ask for by name. None: a stage cannot ask.
    pub devices: &'a [&'a str],
    /// Texts that are there already, by path: they are not read again, and need not be on the disk,
    /// such as what an editor has not saved.
    pub texts: Sources,
}

/// Why a file is no pipeline.
#[derive(Debug)]
pub struct CompileError {
    /// The texts that the diagnostics point into.
    pub sources: Sources,
    /// All that is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// Keys of a pipeline file, and of a file that it includes.
const PIPELINE_KEYS: &[&str] = &[
    "version", "name", "suite", "seed", "vars", "include", "stages", "sweeps",
];
const INCLUDE_KEYS: &[&str] = &["include", "vars", "stages"];
const SUITE_KEYS: &[&str] = &["version", "name", "roles", "vars"];

/// The version of the pipeline language.
pub(crate) const VERSION: i64 = 1;

/// Compiles a pipeline file. The sources come back too: an error at run time shows its line.
pub fn compile(
    path: &Path,
    project: &Project,
    registry: &Registry,
    options: &CompileOptions<'_>,
) -> Result<(Pipeline, Sources), CompileError> {
    let mut compiler = Compiler::new(project, options);
    let pipeline = compiler.compile(&project.root().join(path), registry);
    let resolved = std::mem::take(&mut compiler.resolved);
    let diagnostics = compiler.take_problems();
    let sources = compiler.loader.into_sources();
    match pipeline {
        Some(mut pipeline) if diagnostics.is_empty() => {
            pipeline.origin = Origin::new(resolved, &sources, options);
            Ok((pipeline, sources))
        }
        _ => Err(CompileError {
            sources,
            diagnostics,
        }),
    }
}

/// A reference that could not be replaced is of the wrong type for whoever reads it: that is no
/// problem of its own.
fn drop_consequences(diagnostics: &mut Vec<Diagnostic>) {
    let is_cause = |problem: &Diagnostic| problem.code.starts_with("vars::");
    let causes = diagnostics.iter().filter(|problem| is_cause(problem));
    let places: Vec<_> = causes.filter_map(|problem| problem.span).collect();
    diagnostics.retain(|problem| {
        is_cause(problem) || !problem.span.is_some_and(|span| places.contains(&span))
    });
}

/// A merged and interpolated pipeline, ready to be resolved.
pub(crate) struct Draft<'a> {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) seed: u64,
    pub(crate) suite: Option<Suite>,
    /// A suite was named but could not be read.
    pub(crate) suite_is_broken: bool,
    pub(crate) stages: Vec<Entry>,
    /// Names of the devices that stages may ask for.
    pub(crate) devices: &'a [&'a str],
}

/// A suite: which implementation fills which role.
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) roles: Vec<Entry>,
}

/// A pipeline file and all that it includes, before anything is overridden.
pub(crate) struct Merged {
    root: Node,
    path: PathBuf,
    vars: Vec<Entry>,
    stages: Vec<Entry>,
    /// What `--set` says.
    pub(crate) typed: Vec<Typed>,
    /// The sweeps that the file defines.
    pub(crate) sweeps: Vec<SweepSpec>,
}

pub(crate) struct Compiler<'a> {
    pub(crate) loader: Loader<'a>,
    project: &'a Project,
    options: &'a CompileOptions<'a>,
    /// Files that were merged: two ways to the same file are no two files.
    included: HashSet<PathBuf>,
    /// Suites that were read, each once for all trials of a sweep.
    suites: HashMap<String, Option<Node>>,
    /// The merged and interpolated tree, for the record.
    resolved: Value,
    problems: Vec<Diagnostic>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(project: &'a Project, options: &'a CompileOptions<'a>) -> Self {
        Self {
            loader: Loader::new(project, options.texts.clone()),
            project,
            options,
            included: HashSet::new(),
            suites: HashMap::new(),
            resolved: Value::Null,
            problems: Vec::new(),
        }
    }

    fn compile(&mut self, path: &Path, registry: &Registry) -> Option<Pipeline> {
        let merged = self.read(path)?;
        for typed in merged.typed.iter().filter(|typed| typed.values.len() > 1) {
            self.problem(overrides::several(typed));
        }
        self.resolve(&merged, &[], registry)
    }

    /// The pipeline with a trial's values in it.
    pub(crate) fn resolve(
        &mut self,
        merged: &Merged,
        trial: &[Setting],
        registry: &Registry,
    ) -> Option<Pipeline> {
        let draft = self.draft(merged, trial);
        match resolve::resolve(draft, self.project, &self.loader, registry) {
            Ok(pipeline) => Some(pipeline),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// The problems that were found since this was asked last, in the order of their places.
    pub(crate) fn take_problems(&mut self) -> Vec<Diagnostic> {
        let mut problems = std::mem::take(&mut self.problems);
        drop_consequences(&mut problems);
        problems.sort_by_key(|problem| problem.span);
        problems.dedup();
        problems
    }

    /// Reads the file and what it includes.
    pub(crate) fn read(&mut self, path: &Path) -> Option<Merged> {
        let mut root = self.load(path)?;
        let entries = self.map_of(&root, "a pipeline")?;
        self.check_keys(entries, PIPELINE_KEYS, "a pipeline");
        self.check_version(&root);

        let mut parts = Parts::default();
        self.merge(&root, path, &mut vec![path.to_owned()], &mut parts);
        let sweeps = SweepSpec::read_all(&self.section(&root, "sweeps"), &mut self.problems);
        let mut typed = Vec::new();
        for set in &self.options.set {
            match overrides::read(set, &self.loader, self.project) {
                Ok(said) => typed.push(said),
                Err(mut problems) => self.problems.append(&mut problems),
            }
        }
        if let NodeKind::Map(entries) = &mut root.kind {
            let own: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
            let inherited = parts.inherited.into_iter();
            entries.extend(inherited.filter(|entry| !own.contains(&entry.key)));
        }
        Some(Merged {
            root,
            path: path.to_owned(),
            vars: parts.vars,
            stages: parts.stages,
            typed,
            sweeps,
        })
    }

    fn draft(&mut self, merged: &Merged, trial: &[Setting]) -> Draft<'a> {
        let Merged { root, path, .. } = merged;
        let mut vars = merged.vars.clone();
        let of_trial = trial.iter().rev().find(|setting| setting.is_suite());
        let of_trial = of_trial.map(|setting| &setting.value);
        let suite = self.suite(of_trial, root, &mut vars);
        let suite_is_named =
            of_trial.is_some() || self.options.suite.is_some() || root.get("suite").is_some();
        let suite_is_broken = suite_is_named && suite.is_none();
        let named = |key: &&str| {
            let mut entries = root.entries().unwrap_or_default().iter();
            entries.find(|entry| &*entry.key == *key).cloned()
        };
        let mut tree = Node {
            span: root.span,
            kind: NodeKind::Map(
                ["name", "seed"]
                    .iter()
                    .filter_map(named)
                    .chain([
                        map_entry("vars", vars, root.span),
                        map_entry("stages", merged.stages.clone(), root.span),
                    ])
                    .collect(),
            ),
        };
        let once = merged.typed.iter().filter(|typed| typed.values.len() == 1);
        let once: Vec<_> = once.flat_map(Typed::settings).collect();
        for setting in once
            .iter()
            .chain(trial.iter().filter(|set| !set.is_suite()))
        {
            if let Err(problem) = overrides::apply(&mut tree, setting) {
                self.problem(problem);
            }
        }
        if trial.is_empty() {
            let sweeps = merged.sweeps.iter();
            let problems = sweeps.flat_map(|sweep| sweep.check(&tree));
            self.problems.extend(problems);
        }
        let mut interpolation =
            Interpolation::new(tree.get("vars").and_then(Node::entries).unwrap_or_default());
        let tree = {
            let keep = |entry: &Entry| &*entry.key != "vars";
            let rest = tree
                .entries()
                .unwrap_or_default()
                .iter()
                .filter(|entry| keep(entry));
            let rest = Node {
                span: tree.span,
                kind: NodeKind::Map(rest.cloned().collect()),
            };
            interpolation.expand(&rest)
        };
        let suite = suite.map(|suite| Suite {
            roles: suite
                .roles
                .into_iter()
                .map(|role| Entry {
                    value: interpolation.expand(&role.value),
                    ..role
                })
                .collect(),
            ..suite
        });
        self.problems.extend(interpolation.into_problems());
        let stages = tree
            .get("stages")
            .and_then(Node::entries)
            .unwrap_or_default()
            .to_vec();
        if stages.is_empty() {
            self.problem(
                Diagnostic::new("pipeline::empty", "there are no stages")
                    .at(root.span)
                    .with_help(
                        "add some under `stages:`; `ccsr-flow stages` lists the kinds there are",
                    ),
            );
        }
        self.resolved = resolved(&tree, suite.as_ref());
        Draft {
            name: self.name(&tree, path),
            file: self.project.display(path),
            seed: self.seed(&tree),
            suite,
            suite_is_broken,
            stages,
            devices: self.options.devices,
        }
    }

    fn problem(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    fn load(&mut self, path: &Path) -> Option<Node> {
        self.loader.file(path, &mut self.problems)
    }

    fn map_of<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        let entries = node.entries();
        if entries.is_none() {
            let found = node.described();
            let message = format!("expected {what}, a map of names, found {found}");
            self.problem(Diagnostic::new("pipeline::type", message).at(node.span));
        }
        entries
    }

    fn check_keys(&mut self, entries: &[Entry], known: &[&'static str], what: &str) {
        for entry in entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_ref()))
        {
            self.problem(unknown_key(entry, known, what));
        }
    }

    fn check_version(&mut self, root: &Node) {
        match root.get("version") {
            None => self.problem(
                Diagnostic::new("pipeline::version", "`version` is missing")
                    .at(Span {
                        end: root.span.start,
                        ..root.span
                    })
                    .with_help(format!("write `version: {VERSION}` in the first line")),
            ),
            Some(node) if node.kind != NodeKind::Int(VERSION) => self.problem(
                Diagnostic::new(
                    "pipeline::version",
                    format!("expected version {VERSION}, found {}", node.described()),
                )
                .at(node.span)
                .with_help("another version of ccsr-flow may read it"),
            ),
            Some(_) => {}
        }
    }

    fn name(&mut self, tree: &Node, path: &Path) -> String {
        match tree.get("name") {
            None => path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            Some(node) => match node.as_text() {
                Some(name) if !name.trim().is_empty() => name.to_owned(),
                _ => {
                    let message = format!("expected a name, found {}", node.described());
                    self.problem(Diagnostic::new("pipeline::name", message).at(node.span));
                    String::new()
                }
            },
        }
    }

    fn seed(&mut self, tree: &Node) -> u64 {
        match tree.get("seed") {
            None => 0,
            Some(Node {
                kind: NodeKind::Int(seed),
                ..
            }) if *seed >= 0 => *seed as u64,
            Some(node) => {
                let message = format!("expected a whole number from 0, found {}", node.described());
                self.problem(Diagnostic::new("pipeline::seed", message).at(node.span));
                0
            }
        }
    }
}

/// What the stages are told, in full.
fn resolved(tree: &Node, suite: Option<&Suite>) -> Value {
    let entries = tree.entries().unwrap_or_default();
    let suite = suite.map(|suite| {
        let roles = ("roles", plain_map(&suite.roles));
        let suite = Value::map([("name", Value::from(suite.name.as_str())), roles]);
        (Arc::from("suite"), suite)
    });
    Value::map(
        entries
            .iter()
            .map(|entry| (entry.key.clone(), plain(&entry.value)))
            .chain(suite),
    )
}

fn map_entry(key: &str, entries: Vec<Entry>, span: Span) -> Entry {
    Entry {
        key: Arc::from(key),
        key_span: span,
        value: Node {
            span,
            kind: NodeKind::Map(entries),
        },
    }
}

/// A key that does not belong where it stands.
pub(crate) fn unknown_key(entry: &Entry, known: &[&'static str], what: &str) -> Diagnostic {
    let names = known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let message = format!(
        "`{}` does not belong in {what}; there are {names}",
        entry.key
    );
    let error = Diagnostic::new("pipeline::unknown-key", message).at(entry.key_span);
    match nearest(&entry.key, known.iter().copied()) {
        Some(near) => error.with_help(format!("did you mean `{near}`?")),
        None => error,
    }
}
