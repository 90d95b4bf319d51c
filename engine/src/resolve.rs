//! Resolving names: stage kinds, roles, ports. Every stage is built and its ports are checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_cache::Value;
use ccsr_stage::params::{Entry, Node, NodeKind, Span, nearest};
use ccsr_stage::{InputPort, Kind, OutputPort, Registry, Roles, Schema, Schemas, Stage};

use crate::compile::{Draft, Suite, unknown_key};
use crate::diagnostic::Diagnostic;
use crate::graph::{StageGraph, StageId};
use crate::loader::Loader;
use crate::pipeline::{Binding, Export, ExportFormat, Pipeline, StageNode, TableFormat};
use crate::project::Project;

const STAGE_KEYS: &[&str] = &["uses", "from", "with", "outputs", "batch"];
const ROLE_KEYS: &[&str] = &["use", "with"];

/// Resolves a draft.
pub(crate) fn resolve(
    draft: Draft,
    project: &Project,
    loader: &Loader<'_>,
    registry: &Registry,
) -> Result<Pipeline, Vec<Diagnostic>> {
    let mut resolver = Resolver {
        loader,
        registry,
        suite: draft.suite.as_ref(),
        names: draft.stages.iter().map(|entry| entry.key.clone()).collect(),
        problems: Vec::new(),
    };
    resolver.check_suite();
    let parts: Vec<_> = draft
        .stages
        .iter()
        .map(|entry| resolver.stage(entry))
        .collect();
    let references: Vec<_> = parts
        .iter()
        .map(|part| resolver.references(part.as_ref()))
        .collect();
    let edges = references
        .iter()
        .enumerate()
        .flat_map(|(reader, references)| {
            references
                .iter()
                .map(move |reference| (reference.stage, StageId(reader)))
        });
    let graph = match StageGraph::new(parts.len(), edges) {
        Ok(graph) => graph,
        Err(cycle) => {
            resolver.cycle(&cycle, &draft.stages);
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
    resolver.check_exports(built.iter().flatten());
    let problems = resolver.problems;
    let suite = draft.suite.map(|suite| suite.name);
    match built.into_iter().collect::<Option<Vec<_>>>() {
        Some(stages) if problems.is_empty() => Ok(Pipeline {
            name: draft.name,
            file: draft.file,
            project: project.root().to_owned(),
            suite,
            seed: draft.seed,
            stages,
            graph,
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
    batch: Option<usize>,
}

/// `from:` as written: a port (or the first), and the stage and port it names.
struct Reference {
    /// The input port's name, if one was written.
    port: Option<(String, Span)>,
    stage: StageId,
    output: Option<String>,
    span: Span,
}

struct Resolver<'a> {
    loader: &'a Loader<'a>,
    registry: &'a Registry,
    suite: Option<&'a Suite>,
    names: Vec<Arc<str>>,
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

    /// Every role of the suite must exist, also those that this pipeline does not need.
    fn check_suite(&mut self) {
        let Some(suite) = self.suite else { return };
        let known = self.registry.role_names();
        for role in &suite.roles {
            if !known.contains(&role.key.as_ref()) {
                let help = near_or_list(&role.key, known.iter().copied());
                self.problem(
                    "suite::role",
                    role.key_span,
                    format!("there is no role `{}`", role.key),
                    Some(help),
                );
                continue;
            }
            for entry in role.value.entries().unwrap_or_default() {
                if !ROLE_KEYS.contains(&entry.key.as_ref()) {
                    self.problems.push(unknown_key(entry, ROLE_KEYS, "a role"));
                }
            }
            let Some(name) = role.value.get("use") else {
                self.problem(
                    "suite::role",
                    role.value.span,
                    "`use` is missing: which implementation?",
                    None,
                );
                continue;
            };
            let implementations = self.registry.implementations(&role.key);
            if !name
                .as_text()
                .is_some_and(|name| implementations.contains(&name))
            {
                let help = near_or_list(
                    name.as_text().unwrap_or_default(),
                    implementations.into_iter(),
                );
                let message = format!("{} does not fill the role `{}`", name.described(), role.key);
                self.problem("suite::role", name.span, message, Some(help));
            }
        }
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
        let Some(entries) = entry.value.entries() else {
            let message = format!(
                "expected a stage, a map with `uses`, found {}",
                entry.value.described()
            );
            self.problem("stage::type", entry.value.span, message, None);
            return None;
        };
        for unknown in entries
            .iter()
            .filter(|entry| !STAGE_KEYS.contains(&entry.key.as_ref()))
        {
            self.problems
                .push(unknown_key(unknown, STAGE_KEYS, "a stage"));
        }
        let batch = self.batch(entry.value.get("batch"));
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
                batch,
            }),
            Err(problems) => {
                for mut problem in problems {
                    problem.span.get_or_insert(entry.key_span);
                    self.problems
                        .push(Diagnostic::from_problem("stage::parameter", problem));
                }
                None
            }
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

    fn roles(&mut self, kind: &Kind, entry: &Entry) -> Option<Roles> {
        let mut roles = Roles::default();
        for role in kind.roles {
            let uses = entry
                .value
                .get("uses")
                .map_or(entry.key_span, |uses| uses.span);
            let Some(suite) = self.suite else {
                let help =
                    "name a suite: `suite: world` in the file, or `--suite world`".to_owned();
                let message = format!("`{}` needs a suite that fills the role `{role}`", kind.name);
                self.problem("suite::none", uses, message, Some(help));
                return None;
            };
            let Some(bound) = suite.roles.iter().find(|entry| &*entry.key == *role) else {
                let filled = suite
                    .roles
                    .iter()
                    .map(|role| role.key.as_ref())
                    .collect::<Vec<_>>()
                    .join(", ");
                let message = format!(
                    "`{}` needs a `{role}`, which the suite `{}` does not fill",
                    kind.name, suite.name
                );
                self.problem(
                    "suite::role",
                    uses,
                    message,
                    Some(format!("it fills {filled}")),
                );
                return None;
            };
            // What is wrong with the role itself was said once, by `check_suite`.
            let build = self
                .registry
                .role(role, bound.value.get("use").and_then(Node::as_text)?)?;
            let with = bound
                .value
                .get("with")
                .filter(|node| !matches!(node.kind, NodeKind::Null));
            match build(with, self.loader) {
                Ok(bound) => roles.bind(*role, bound),
                Err(problems) => {
                    for mut problem in problems {
                        problem.span.get_or_insert(bound.key_span);
                        self.problems
                            .push(Diagnostic::from_problem("suite::setting", problem));
                    }
                    return None;
                }
            }
        }
        Some(roles)
    }

    fn batch(&mut self, node: Option<&Node>) -> Option<usize> {
        match node {
            None => None,
            Some(Node {
                kind: NodeKind::Int(size),
                ..
            }) if *size >= 1 => Some(*size as usize),
            Some(node) => {
                let message = format!("expected a whole number from 1, found {}", node.described());
                self.problem("stage::batch", node.span, message, None);
                None
            }
        }
    }

    fn references(&mut self, part: Option<&Part<'_>>) -> Vec<Reference> {
        let Some(from) = part.and_then(|part| part.entry.value.get("from")) else {
            return Vec::new();
        };
        match &from.kind {
            NodeKind::Null => Vec::new(),
            NodeKind::Text(_) => self.reference(None, from).into_iter().collect(),
            NodeKind::Map(entries) => entries
                .iter()
                .filter_map(|entry| {
                    self.reference(Some((entry.key.to_string(), entry.key_span)), &entry.value)
                })
                .collect(),
            _ => {
                let message = format!(
                    "expected `stage`, `stage.port` or a map of ports, found {}",
                    from.described()
                );
                self.problem("from::type", from.span, message, None);
                Vec::new()
            }
        }
    }

    fn reference(&mut self, port: Option<(String, Span)>, node: &Node) -> Option<Reference> {
        let Some(text) = node.as_text() else {
            let message = format!(
                "expected `stage` or `stage.port`, found {}",
                node.described()
            );
            self.problem("from::type", node.span, message, None);
            return None;
        };
        let (name, output) = match text.split_once('.') {
            Some((name, output)) => (name, Some(output.to_owned())),
            None => (text, None),
        };
        let Some(stage) = self.names.iter().position(|known| &**known == name) else {
            let names = self.names.clone();
            let help = near_or_list(name, names.iter().map(AsRef::as_ref));
            self.problem(
                "from::stage",
                node.span,
                format!("there is no stage `{name}`"),
                Some(help),
            );
            return None;
        };
        Some(Reference {
            port,
            stage: StageId(stage),
            output,
            span: node.span,
        })
    }

    fn cycle(&mut self, cycle: &[StageId], stages: &[Entry]) {
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

    /// Binds a stage's input ports and asks for its outputs.
    fn bind(
        &mut self,
        part: Part<'_>,
        references: &[Reference],
        built: &[Option<StageNode>],
    ) -> Option<StageNode> {
        let name = part.entry.key.to_string();
        let inputs = part.stage.inputs();
        let mut bindings = BTreeMap::new();
        let mut schemas = Schemas::new();
        let before = self.problems.len();
        for reference in references {
            let port = self.input_port(&name, &inputs, reference);
            // A stage that could not be built said why; what reads it has nothing to add.
            let upstream = built[reference.stage.0].as_ref();
            let (Some(port), Some(upstream)) = (port, upstream) else {
                continue;
            };
            let Some(output) = self.output_port(upstream, reference) else {
                continue;
            };
            self.check_columns(&name, port, upstream, output, reference);
            schemas.insert(port.name, Arc::new(output.schema.clone()));
            bindings.insert(
                port.name,
                Binding {
                    stage: reference.stage,
                    port: output.name,
                },
            );
        }
        let unbuilt = references
            .iter()
            .any(|reference| built[reference.stage.0].is_none());
        for port in inputs
            .iter()
            .filter(|port| !port.optional && !bindings.contains_key(port.name))
        {
            if unbuilt || self.problems.len() > before {
                return None;
            }
            let message = format!("`{name}` reads nothing on its port `{}`", port.name);
            let help = format!("say where it comes from: `from: {{{}: STAGE}}`", port.name);
            self.problem("from::missing", part.entry.key_span, message, Some(help));
        }
        if unbuilt || self.problems.len() > before {
            return None;
        }
        let outputs = match part.stage.outputs(&schemas) {
            Ok(outputs) => outputs,
            Err(error) => {
                let span = part
                    .entry
                    .value
                    .get("with")
                    .map_or(part.entry.key_span, |with| with.span);
                self.problem("stage::input", span, error.to_string(), None);
                return None;
            }
        };
        let exports = self.exports(&outputs, part.entry.value.get("outputs"));
        Some(StageNode {
            name,
            kind: part.kind.name,
            revision: part.kind.revision,
            table_revision: part.kind.table_revision,
            uses_model: !part.kind.roles.is_empty(),
            stage: part.stage,
            roles: part.roles,
            bindings,
            outputs,
            exports,
            batch: part.batch,
            span: part.entry.key_span,
        })
    }

    fn input_port<'p>(
        &mut self,
        stage: &str,
        inputs: &'p [InputPort],
        reference: &Reference,
    ) -> Option<&'p InputPort> {
        let Some((wanted, span)) = &reference.port else {
            let first = inputs
                .iter()
                .find(|port| !port.optional)
                .or_else(|| inputs.first());
            if first.is_none() {
                let message = format!("`{stage}` reads no table");
                self.problem(
                    "from::port",
                    reference.span,
                    message,
                    Some("leave `from` out".to_owned()),
                );
            }
            return first;
        };
        let port = inputs.iter().find(|port| port.name == wanted);
        if port.is_none() {
            let help = near_or_list(wanted, inputs.iter().map(|port| port.name));
            self.problem(
                "from::port",
                *span,
                format!("`{stage}` has no port `{wanted}`"),
                Some(help),
            );
        }
        port
    }

    fn output_port<'p>(
        &mut self,
        upstream: &'p StageNode,
        reference: &Reference,
    ) -> Option<&'p OutputPort> {
        let Some(wanted) = &reference.output else {
            return upstream.outputs.first();
        };
        let port = upstream.outputs.iter().find(|port| port.name == wanted);
        if port.is_none() {
            let help = near_or_list(wanted, upstream.outputs.iter().map(|port| port.name));
            let message = format!("`{}` writes no table `{wanted}`", upstream.name);
            self.problem("from::port", reference.span, message, Some(help));
        }
        port
    }

    fn check_columns(
        &mut self,
        stage: &str,
        port: &InputPort,
        upstream: &StageNode,
        output: &OutputPort,
        reference: &Reference,
    ) {
        for (column, wanted) in &port.columns {
            let table = format!("{}.{}", upstream.name, output.name);
            match output.schema.get(column) {
                Some(found) if found.serves(*wanted) => {}
                Some(found) => self.problem(
                    "from::column",
                    reference.span,
                    format!(
                        "`{stage}` needs {} in the column `{column}`; `{table}` has {} there",
                        wanted.described(),
                        found.described()
                    ),
                    None,
                ),
                None => {
                    let help = columns_help(column, &output.schema);
                    let message =
                        format!("`{stage}` needs a column `{column}`; `{table}` has none");
                    self.problem("from::column", reference.span, message, Some(help));
                }
            }
        }
    }

    fn exports(&mut self, outputs: &[OutputPort], node: Option<&Node>) -> Vec<Export> {
        let Some(node) = node.filter(|node| !matches!(node.kind, NodeKind::Null)) else {
            return Vec::new();
        };
        let first = outputs.first().map(|port| port.name);
        let targets: Vec<(Option<&'static str>, &Node)> = match &node.kind {
            NodeKind::Text(_) => vec![(first, node)],
            NodeKind::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let port = outputs
                        .iter()
                        .map(|port| port.name)
                        .find(|name| **name == *entry.key);
                    if port.is_none() {
                        let help = near_or_list(&entry.key, outputs.iter().map(|port| port.name));
                        self.problem(
                            "outputs::port",
                            entry.key_span,
                            format!("there is no table `{}`", entry.key),
                            Some(help),
                        );
                    }
                    (port, &entry.value)
                })
                .collect(),
            _ => {
                let message = format!(
                    "expected a path, or a map of ports and paths, found {}",
                    node.described()
                );
                self.problem("outputs::type", node.span, message, None);
                Vec::new()
            }
        };
        targets
            .into_iter()
            .filter_map(|(port, node)| self.export(port?, node))
            .collect()
    }

    fn export(&mut self, port: &'static str, node: &Node) -> Option<Export> {
        let Some(text) = node.as_text() else {
            let message = format!("expected a path, found {}", node.described());
            self.problem("outputs::type", node.span, message, None);
            return None;
        };
        let path = match self.loader.path(text, node.span) {
            Ok(path) => path,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let ending = path
            .path
            .extension()
            .map(|ending| ending.to_string_lossy().to_lowercase());
        let format = match ending.as_deref() {
            Some("csv") => ExportFormat::Table(TableFormat::Csv),
            Some("jsonl") => ExportFormat::Table(TableFormat::Jsonl),
            Some("md") => ExportFormat::Table(TableFormat::Markdown),
            _ => ExportFormat::Folder,
        };
        Some(Export { port, path, format })
    }

    /// No two exports may write to the same place, or into each other.
    fn check_exports<'n>(&mut self, stages: impl Iterator<Item = &'n StageNode>) {
        let mut seen: Vec<(&str, &Export)> = Vec::new();
        let mut clashes = Vec::new();
        for stage in stages {
            for export in &stage.exports {
                let within = |(_, other): &&(&str, &Export)| {
                    other.path.path.starts_with(&export.path.path)
                        || export.path.path.starts_with(&other.path.path)
                };
                if let Some((other, place)) = seen.iter().find(within) {
                    clashes.push((
                        stage.span,
                        format!(
                            "`{}` writes to `{}`, where `{other}` writes to `{}`",
                            stage.name, export.path.display, place.path.display
                        ),
                    ));
                }
                seen.push((&stage.name, export));
            }
        }
        for (span, message) in clashes {
            self.problem(
                "outputs::clash",
                span,
                message,
                Some("give each a path of its own".to_owned()),
            );
        }
    }
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

fn columns_help(column: &str, schema: &Schema) -> String {
    near_or_list(
        column,
        schema
            .columns()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .into_iter(),
    )
}
