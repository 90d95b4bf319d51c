//! Exports: where `outputs:` puts tables, and that no two of them get in each other's way.

use ccsr_stage::OutputPort;
use ccsr_stage::params::{Node, NodeKind};

use super::{Resolver, near_or_list};
use crate::pipeline::{Export, ExportFormat, StageNode, TableFormat};

impl Resolver<'_> {
    pub(super) fn exports(&mut self, outputs: &[OutputPort], node: Option<&Node>) -> Vec<Export> {
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
        Some(Export { port, path, format })
    }

    /// No two exports may write to the same place, or into each other.
    pub(super) fn check_exports<'n>(&mut self, stages: impl Iterator<Item = &'n StageNode>) {
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
