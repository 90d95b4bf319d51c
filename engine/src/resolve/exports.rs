//! Exports: where `outputs:` puts tables, and that no two of them get in each other's way.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use ccsr_stage::params::{Node, NodeKind};
use ccsr_stage::{ColumnType, OutputPort, Stage, Table};

use super::{Resolver, near_or_list};
use crate::active::guarded;
use crate::pipeline::{Export, ExportFormat, StageNode, TableFormat};

impl Resolver<'_> {
    pub(super) fn exports(
        &mut self,
        stage: &dyn Stage,
        outputs: &[OutputPort],
        node: Option<&Node>,
    ) -> Vec<Export> {
        let Some(node) = node.filter(|node| !matches!(node.kind, NodeKind::Null)) else {
            return Vec::new();
        };
        let first = outputs.first();
        let targets: Vec<(Option<&OutputPort>, &Node)> = match &node.kind {
            NodeKind::Text(_) => vec![(first, node)],
            NodeKind::Map(entries) => entries
                .iter()
                .map(|entry| {
                    let port = outputs.iter().find(|port| *port.name == *entry.key);
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
            .filter_map(|(port, node)| self.export(stage, port?, node))
            .collect()
    }

    fn export(&mut self, stage: &dyn Stage, port: &OutputPort, node: &Node) -> Option<Export> {
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
        if self.loader.meets_cache(&path.path) {
            let message = format!(
                "`{}` and the cache would get in each other's way",
                path.display
            );
            let help = "the cache keeps what it needs itself; name a folder of yours".to_owned();
            self.problem("outputs::cache", node.span, message, Some(help));
            return None;
        }
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
        if format == ExportFormat::Folder && !becomes_files(stage, port) {
            let message = format!(
                "`{}` would be a folder, and the table `{}` holds no images to put there",
                path.display, port.name
            );
            let help = "name a file that ends in .csv, .jsonl or .md".to_owned();
            self.problem("outputs::folder", node.span, message, Some(help));
            return None;
        }
        let port = port.name;
        Some(Export { port, path, format })
    }

    /// Nothing may be written where another export writes, or where the pipeline reads.
    pub(super) fn check_exports(&mut self, stages: &[&StageNode]) {
        let of_stage = |stage: &&'_ StageNode| {
            let own = stage
                .exports
                .iter()
                .map(|export| (stage.name.clone(), export.clone()));
            (stage.span, own.collect::<Vec<_>>())
        };
        let exports: Vec<_> = stages
            .iter()
            .map(of_stage)
            .flat_map(|(span, own)| {
                own.into_iter()
                    .map(move |(name, export)| (name, span, export))
            })
            .collect();
        let sources: Vec<_> = stages
            .iter()
            .flat_map(|stage| {
                stage
                    .stage
                    .sources()
                    .into_iter()
                    .map(|source| (&stage.name, source))
            })
            .collect();
        let written = Places::of(
            exports
                .iter()
                .map(|(_, _, export)| export.path.path.as_path()),
        );
        let read = Places::of(sources.iter().map(|(_, source)| source.path.as_path()));
        for (at, (name, span, export)) in exports.iter().enumerate() {
            let path = &export.path.path;
            let here = format!("`{name}` writes to `{}`", export.path.display);
            let mut clashes = Vec::new();
            if let Some(earlier) = written.meeting(path).into_iter().find(|other| *other < at) {
                let (other, _, place) = &exports[earlier];
                clashes.push(format!(
                    "{here}, where `{other}` writes to `{}`",
                    place.path.display
                ));
            }
            if let Some(source) = read.meeting(path).first() {
                let (reader, source) = &sources[*source];
                clashes.push(format!(
                    "{here}, where `{reader}` reads `{}`",
                    source.display
                ));
            }
            if self.loader.has_read(path) {
                clashes.push(format!("{here}, which the pipeline itself is read from"));
            }
            for message in clashes {
                let help = "give each a path of its own".to_owned();
                self.problem("outputs::clash", *span, message, Some(help));
            }
        }
    }
}

/// Paths by number, and which of them are, hold or lie in another: quickly, for thousands.
struct Places<'a>(BTreeMap<&'a Path, Vec<usize>>);

impl<'a> Places<'a> {
    fn of(paths: impl Iterator<Item = &'a Path>) -> Self {
        let mut places = BTreeMap::<_, Vec<_>>::new();
        for (number, path) in paths.enumerate() {
            places.entry(path).or_default().push(number);
        }
        Self(places)
    }

    /// The numbers of the paths that are `path`, hold it or lie in it.
    fn meeting(&self, path: &Path) -> Vec<usize> {
        let holding = path
            .ancestors()
            .skip(1)
            .filter_map(|above| self.0.get(above));
        // Paths are ordered part by part, so what lies in one comes right behind it.
        let within = self
            .0
            .range::<Path, _>((Bound::Included(path), Bound::Unbounded));
        let within = within
            .take_while(|(other, _)| other.starts_with(path))
            .map(|(_, at)| at);
        let mut found: Vec<_> = holding.chain(within).flatten().copied().collect();
        found.sort_unstable();
        found
    }
}

/// Whether a table can become a folder: its stage makes files of it, or its rows hold blobs.
fn becomes_files(stage: &dyn Stage, port: &OutputPort) -> bool {
    let empty = Table::builder(port.schema.clone()).finish();
    let is_blob = |kind| matches!(kind, ColumnType::Image | ColumnType::Blob);
    port.schema.columns().any(|(_, kind)| is_blob(kind))
        || !matches!(guarded(|| stage.export(port.name, &empty)), Ok(None))
}
