//! How a stage executes: `batch`, `retry`, `timeout`, `device`, `slots`. None of it enters a key.

use std::time::Duration;

use ccsr_stage::params::{Entry, Node, NodeKind};

use super::{Resolver, near_or_list};
use crate::compile::unknown_key;
use crate::pipeline::{Execution, Retry};
use crate::slots::Need;

const RETRY_KEYS: &[&str] = &["times", "wait"];
const SLOT_KEYS: &[&str] = &["cpu", "device", "memory"];

/// Before the first try again, if the pipeline does not say how long.
const WAIT: Duration = Duration::from_secs(1);

impl Resolver<'_> {
    /// What the stage says about its execution.
    pub(super) fn execution(&mut self, stage: &Node) -> Execution {
        Execution {
            batch: self
                .count(stage.get("batch"), "stage::batch", 1)
                .map(|size| size as usize),
            retry: stage
                .get("retry")
                .map(|node| self.retry(node))
                .unwrap_or_default(),
            timeout: self.duration(stage.get("timeout"), "stage::timeout"),
            device: self.device(stage.get("device")),
            need: self.need(stage.get("slots")),
        }
    }

    fn retry(&mut self, node: &Node) -> Retry {
        let (times, wait) = match &node.kind {
            NodeKind::Map(entries) => {
                self.only(entries, RETRY_KEYS, "`retry`");
                let times = self.count(node.get("times"), "stage::retry", 0);
                (
                    times.unwrap_or(1),
                    self.duration(node.get("wait"), "stage::retry"),
                )
            }
            _ => (self.count(Some(node), "stage::retry", 0).unwrap_or(0), None),
        };
        Retry {
            times: u32::try_from(times).unwrap_or(u32::MAX),
            wait: wait.unwrap_or(WAIT),
        }
    }

    fn need(&mut self, node: Option<&Node>) -> Need {
        let mut need = Need::default();
        let Some(node) = node.filter(|node| !matches!(node.kind, NodeKind::Null)) else {
            return need;
        };
        let Some(entries) = node.entries() else {
            let message = format!("expected a map of slots, found {}", node.described());
            self.problem("stage::slots", node.span, message, None);
            return need;
        };
        self.only(entries, SLOT_KEYS, "`slots`");
        let narrow = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        need.cpu = self.count(node.get("cpu"), "stage::slots", 0).map(narrow);
        need.device = self
            .count(node.get("device"), "stage::slots", 0)
            .map(narrow);
        need.memory = node
            .get("memory")
            .and_then(|size| self.size(size))
            .unwrap_or(0);
        need
    }

    fn device(&mut self, node: Option<&Node>) -> Option<String> {
        let node = node.filter(|node| !matches!(node.kind, NodeKind::Null))?;
        let name = node.as_text().unwrap_or_default();
        if self.devices.contains(&name) {
            return Some(name.to_owned());
        }
        let message = match node.as_text() {
            Some(name) => format!("this program has no device `{name}`"),
            None => format!("expected the name of a device, found {}", node.described()),
        };
        let help = near_or_list(name, self.devices.iter().copied());
        self.problem("stage::device", node.span, message, Some(help));
        None
    }

    fn only(&mut self, entries: &[Entry], known: &[&'static str], what: &str) {
        for entry in entries
            .iter()
            .filter(|entry| !known.contains(&entry.key.as_ref()))
        {
            self.problems.push(unknown_key(entry, known, what));
        }
    }

    fn count(&mut self, node: Option<&Node>, code: &'static str, least: i64) -> Option<u64> {
        let node = node.filter(|node| !matches!(node.kind, NodeKind::Null))?;
        match node.kind {
            NodeKind::Int(count) if count >= least => Some(count as u64),
            _ => {
                let found = node.described();
                let message = format!("expected a whole number from {least}, found {found}");
                self.problem(code, node.span, message, None);
                None
            }
        }
    }

    fn duration(&mut self, node: Option<&Node>, code: &'static str) -> Option<Duration> {
        let node = node.filter(|node| !matches!(node.kind, NodeKind::Null))?;
        let read = match &node.kind {
            NodeKind::Int(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
            NodeKind::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
            NodeKind::Text(text) => humantime::parse_duration(text).ok(),
            _ => None,
        };
        if read.is_none() {
            let message = format!("expected a length of time, found {}", node.described());
            let help = "write `90s`, `5m`, `1h 30m`, or a number of seconds".to_owned();
            self.problem(code, node.span, message, Some(help));
        }
        read
    }

    fn size(&mut self, node: &Node) -> Option<u64> {
        let read = match &node.kind {
            NodeKind::Int(bytes) => u64::try_from(*bytes).ok(),
            NodeKind::Text(text) => text.parse::<bytesize::ByteSize>().ok().map(|size| size.0),
            _ => None,
        };
        if read.is_none() {
            let message = format!("expected an amount of memory, found {}", node.described());
            let help = "write `8GB`, `8GiB`, or a number of bytes".to_owned();
            self.problem("stage::slots", node.span, message, Some(help));
        }
        read
    }
}
