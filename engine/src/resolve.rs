//! Resolving names: stage kinds, roles, ports. Every stage is built and its ports are checked.

mod exports;
mod options;
mod ports;
mod roles;
mod when;

use std::collections::HashMap;
use std::sync::Arc;

use ccsr_cache::Value;
use ccsr_stage::params::{Entry, NodeKind, Problem, Span, nearest};
use ccsr_stage::{Kind, Registry, Stage};

use crate::compile::{Draft, Suite, unknown_key};
use crate::diagnostic::Diagnostic;
use crate::graph::{StageGraph, StageId};
use crate::loader::Loader;
use crate::origin::Origin;
use crate::pipeline::{Execution, Pipeline, StageNode};
use crate::project::Project;

const STAGE_KEYS: &[&str] = &[
    "uses", "when", "from", "with", "outputs", "batch", "retry", "timeout", "device", "slots",
];
const ROLE_KEYS: &[&str] = &["use", "with"];

/// Resolves a draft.
pub(crate) fn resolve(
    draft: Draft<'_>,
    project: &Project,
    loader: &Loader<'_>,
    registry: &Registry,
) -> Result<Pipeline, Vec<Diagnostic>> {
    let mut resolver = Resolver {
        loader,
        registry,
        suite: draft.suite.as_ref(),
        suite_is_broken: draft.suite_is_broken,
        devices: draft.devices,
        names: HashMap::new(),
        left_out: HashMap::new(),
        problems: Vec::new(),
    };
    resolver.check_suite();
    let stages = resolver.chosen(&draft.stages);
    resolver.names = (0..)
        .map(StageId)
        .zip(&stages)
        .map(|(id, entry)| (entry.key.clone(), id))
        .collect();
    let parts: Vec<_> = stages.iter().map(|entry| resolver.stage(entry)).collect();
    let references: Vec<_> = parts
        .iter()
        .map(|part| resolver.references(part.as_ref()))
        .collect();
    let edges = references
        .iter()
        .enumerate()
        .flat_map(|(reader, references)| {
            let read = references.iter().filter_map(|reference| reference.stage);
            read.map(move |stage| (stage, StageId(reader)))
        });
    let graph = match StageGraph::new(parts.len(), edges) {
        Ok(graph) => graph,
        Err(cycle) => {
            resolver.cycle(&cycle, &stages);
            return Err(resolver.problems);
        }
    };
    let mut built: Vec<Option<StageNode>> = parts.iter().map(|_| None).collect();
    let mut parts: Vec<_> = parts.into_iter().collect();
    for id in graph.order() {
        if let Some(part) = parts[id.0].take() {
            built[id.0] = resolver.bind(part, &references[id.0], &built);
        }
    }
    resolver.check_exports(&built.iter().flatten().collect::<Vec<_>>());
    let (problems, mut left_out) = (resolver.problems, Vec::new());
    left_out.extend(resolver.left_out.keys().map(ToString::to_string));
    left_out.sort_unstable();
    let suite = draft.suite.as_ref().map(|suite| suite.name.clone());
    match built.into_iter().collect::<Option<Vec<_>>>() {
        Some(stages) if problems.is_empty() => Ok(Pipeline {
            name: draft.name,
            file: draft.file,
            project: project.root().to_owned(),
            suite,
            seed: draft.seed,
            stages,
            left_out,
            graph,
            origin: Origin::default(),
        }),
        _ => Err(problems),
    }
}

/// A stage that is built but not bound to its inputs.
struct Part<'a> {
    entry: &'a Entry,
    kind: &'a Kind,
    stage: Box<dyn Stage>,
    roles: Value,
    execution: Execution,
}

/// `from:` as written: a port (or the first), and the stage and port it names.
struct Reference {
    /// The input port's name, if one was written.
    port: Option<(String, Span)>,
    name: String,
    /// The stage; `None` if it is left out.
    stage: Option<StageId>,
    /// Where that stage says that it is left out.
    left_out: Option<Span>,
    output: Option<String>,
    span: Span,
}

struct Resolver<'a> {
    loader: &'a Loader<'a>,
    registry: &'a Registry,
    suite: Option<&'a Suite>,
    /// A suite was named but could not be read.
    suite_is_broken: bool,
    /// Names of the devices there are.
    devices: &'a [&'a str],
    names: HashMap<Arc<str>, StageId>,
    /// The stages that are left out, and where they say so.
    left_out: HashMap<Arc<str>, Span>,
    problems: Vec<Diagnostic>,
}

impl<'a> Resolver<'a> {
    fn problem(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let problem = Diagnostic::new(code, message).at(span);
        self.problems.push(match help {
            Some(help) => problem.with_help(help),
            None => problem,
        });
    }

    fn stage(&mut self, entry: &'a Entry) -> Option<Part<'a>> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if entry.key.is_empty() || !entry.key.chars().all(plain) {
            self.problem(
                "stage::name",
                entry.key_span,
                format!("`{}` cannot name a stage", entry.key),
                Some("use letters, digits, `_` and `-`".to_owned()),
            );
        }
        if entry.value.entries().is_none() {
            let message = format!(
                "expected a stage, a map with `uses`, found {}",
                entry.value.described()
            );
            self.problem("stage::type", entry.value.span, message, None);
            return None;
        }
        self.keys(entry);
        let execution = self.execution(&entry.value);
        let kind = self.kind(entry)?;
        let roles = self.roles(kind, entry)?;
        let with = entry
            .value
            .get("with")
            .filter(|node| !matches!(node.kind, NodeKind::Null));
        match (kind.build)(with, self.loader, &roles) {
            Ok(stage) => Some(Part {
                entry,
                kind,
                stage,
                roles: roles.identity(),
                execution,
            }),
            Err(problems) => {
                for problem in problems {
                    let problem = placed(problem, entry.key_span);
                    self.problems
                        .push(Diagnostic::from_problem("stage::parameter", problem));
                }
                None
            }
        }
    }

    /// That a stage has no keys but those that a stage has.
    fn keys(&mut self, stage: &Entry) {
        let entries = stage.value.entries().unwrap_or_default();
        let unknown = entries
            .iter()
            .filter(|entry| !STAGE_KEYS.contains(&entry.key.as_ref()));
        for entry in unknown {
            self.problems
                .push(unknown_key(entry, STAGE_KEYS, "a stage"));
        }
    }

    fn kind(&mut self, entry: &Entry) -> Option<&'a Kind> {
        let Some(uses) = entry.value.get("uses") else {
            let help = "`ccsr-flow stages` lists the kinds there are".to_owned();
            let message = format!("the stage `{}` does not say what it `uses`", entry.key);
            self.problem("stage::uses", entry.key_span, message, Some(help));
            return None;
        };
        let kind = uses.as_text().and_then(|name| self.registry.kind(name));
        if kind.is_none() {
            let name = uses.as_text().unwrap_or_default();
            let help = match nearest(name, self.registry.kinds().map(|kind| kind.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`ccsr-flow stages` lists the kinds there are".to_owned(),
            };
            let message = match uses.as_text() {
                Some(name) => format!("there is no stage kind `{name}`"),
                None => format!(
                    "expected the name of a stage kind, found {}",
                    uses.described()
                ),
            };
            self.problem("stage::uses", uses.span, message, Some(help));
        }
        kind
    }

    fn cycle(&mut self, cycle: &[StageId], stages: &[&Entry]) {
        let name = |id: &StageId| stages[id.0].key.as_ref();
        let Some(first) = cycle.first() else { return };
        let round = cycle
            .iter()
            .map(name)
            .chain([name(first)])
            .collect::<Vec<_>>()
            .join(" → ");
        let span = |id: &StageId| {
            stages[id.0]
                .value
                .get("from")
                .map_or(stages[id.0].key_span, |from| from.span)
        };
        let mut problem = Diagnostic::new(
            "graph::cycle",
            format!("the stages read each other in a circle: {round}"),
        )
        .at(span(first));
        for id in &cycle[1..] {
            problem =
                problem.with_related(span(id), format!("`{}` reads the one before it", name(id)));
        }
        self.problems.push(problem);
    }
}

/// The problem at `place`, if it has no place of its own: the block that it is about was left out.
fn placed(mut problem: Problem, place: Span) -> Problem {
    problem.span = problem.span.filter(|span| *span != Span::default());
    problem.span.get_or_insert(place);
    problem
}

fn near_or_list<'n>(word: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    match nearest(word, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let listed = names
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ");
            if listed.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there are {listed}")
            }
        }
    }
}
