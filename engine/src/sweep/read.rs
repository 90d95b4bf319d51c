//! Reading one sweep of a pipeline file.

use std::sync::Arc;

use ccsr_stage::params::{Entry, Node, NodeKind, Span};

use super::sample::Distribution;
use super::spec::{Axis, MAX_TRIALS, SweepSpec, Values, duplicate, size};
use super::written::written;
use crate::compile::unknown_key;
use crate::diagnostic::Diagnostic;
use crate::overrides::Setting;

const SWEEP_KEYS: &[&str] = &[
    "matrix", "list", "random", "trials", "seed", "set", "metrics",
];
const DISTRIBUTIONS: &[&str] = &["uniform", "log_uniform", "int", "choice"];

/// What to write, for those who wrote something else.
const MATRIX: &str = "write `matrix: {stages.pairs.with.min_confidence: [0.4, 0.6]}`";
const RANDOM: &str =
    "write `{uniform: [0, 1]}`, `{log_uniform: [0.001, 1]}`, `{int: [1, 6]}` or `{choice: [a, b]}`";

pub(super) struct Reader<'a> {
    name: &'a Arc<str>,
    place: Span,
    problems: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(name: &'a Arc<str>, place: Span) -> Self {
        Self {
            name,
            place,
            problems: Vec::new(),
        }
    }

    pub(super) fn into_problems(self) -> Vec<Diagnostic> {
        self.problems
    }

    pub(super) fn spec(&mut self, node: &Node) -> Option<SweepSpec> {
        let entries = self.map(node, "a sweep")?;
        for entry in entries.iter().filter(|e| !SWEEP_KEYS.contains(&&*e.key)) {
            self.problems
                .push(unknown_key(entry, SWEEP_KEYS, "a sweep"));
        }
        let is_kind = |entry: &&Entry| matches!(&*entry.key, "matrix" | "list" | "random");
        let kinds: Vec<_> = entries.iter().filter(is_kind).collect();
        let kind = match kinds.as_slice() {
            [kind] => *kind,
            [] => {
                let message = format!("the sweep `{}` says nothing to try", self.name);
                self.report("sweep::kind", self.place, message, MATRIX);
                return None;
            }
            [_, second, ..] => {
                let message = "a sweep is one of `matrix`, `list` and `random`".to_owned();
                self.report(
                    "sweep::kind",
                    second.key_span,
                    message,
                    "make two sweeps of it",
                );
                return None;
            }
        };
        if &*kind.key != "random" {
            for entry in entries
                .iter()
                .filter(|e| matches!(&*e.key, "trials" | "seed"))
            {
                let message = format!("`{}` belongs to a random sweep", entry.key);
                let help = "to try several seeds of the pipeline, write `matrix: {seed: [1, 2]}`";
                self.report("sweep::kind", entry.key_span, message, help);
            }
        }
        let set = node.get("set").map(|set| self.settings(set));
        let values = match &*kind.key {
            "matrix" => self.matrix(kind),
            "list" => self.list(kind),
            _ => self.random(kind, node),
        }?;
        Some(SweepSpec {
            name: self.name.clone(),
            set: set.unwrap_or_default(),
            values,
            metrics: node
                .get("metrics")
                .map_or_else(Vec::new, |n| self.metrics(n)),
        })
    }

    fn matrix(&mut self, kind: &Entry) -> Option<Values> {
        let entries = self.filled(kind, "a map of paths, each with a list of values")?;
        let mut axes = Vec::new();
        for entry in &entries {
            let values = match &entry.value.kind {
                NodeKind::List(values) if !values.is_empty() => values.clone(),
                NodeKind::List(_) => {
                    let message = format!("there are no values for `{}`", entry.key);
                    self.report("sweep::empty", entry.value.span, message, MATRIX);
                    continue;
                }
                _ => {
                    let found = entry.value.described();
                    let message = format!("expected a list of values, found {found}");
                    let help = "what is the same in all trials stands under `set:`";
                    self.report("sweep::type", entry.value.span, message, help);
                    continue;
                }
            };
            self.no_duplicate(
                &values,
                &format!("`{}` gets the same value twice", entry.key),
            );
            axes.push(Axis {
                path: entry.key.clone(),
                path_span: entry.key_span,
                values,
            });
        }
        let trials = size(&axes);
        self.bounded(trials, kind.key_span)?;
        Some(Values::Matrix(axes))
    }

    fn list(&mut self, kind: &Entry) -> Option<Values> {
        let NodeKind::List(elements) = &kind.value.kind else {
            let found = kind.value.described();
            let message = format!("expected a list of trials, found {found}");
            let help = "write `list: [{seed: 1, vars.size: 64}, {seed: 2, vars.size: 32}]`";
            self.report("sweep::type", kind.value.span, message, help);
            return None;
        };
        if elements.is_empty() {
            self.nothing(kind);
            return None;
        }
        self.bounded(elements.len() as u64, kind.key_span)?;
        let trials: Vec<_> = elements.iter().map(|trial| self.settings(trial)).collect();
        self.no_duplicate(elements, "the same trial stands here twice");
        Some(Values::List(trials))
    }

    fn random(&mut self, kind: &Entry, sweep: &Node) -> Option<Values> {
        let trials = match sweep.get("trials").map(|node| (&node.kind, node)) {
            Some((NodeKind::Int(trials), node)) if *trials > 0 => {
                self.bounded(*trials as u64, node.span)?;
                *trials as u64
            }
            Some((_, node)) => {
                let message = format!("expected a number of trials, found {}", node.described());
                self.report("sweep::type", node.span, message, "write `trials: 20`");
                return None;
            }
            None => {
                let message = "`trials` is missing: how many to draw".to_owned();
                self.report("sweep::type", kind.key_span, message, "write `trials: 20`");
                return None;
            }
        };
        let seed = match sweep.get("seed").map(|node| (&node.kind, node)) {
            None => 0,
            Some((NodeKind::Int(seed), _)) if *seed >= 0 => *seed as u64,
            Some((_, node)) => {
                let message = format!("expected a whole number from 0, found {}", node.described());
                let help = "the pipeline's seed is another: it may stand under `random:` or `set:`";
                self.report("sweep::type", node.span, message, help);
                0
            }
        };
        let entries = self.filled(kind, "a map of paths, each with a distribution")?;
        let mut axes = Vec::new();
        for entry in &entries {
            if let Some(distribution) = self.distribution(&entry.value) {
                axes.push((
                    entry.key.clone(),
                    entry.key_span,
                    entry.value.span,
                    distribution,
                ));
            }
        }
        Some(Values::Random { axes, trials, seed })
    }

    fn distribution(&mut self, node: &Node) -> Option<Distribution> {
        let Some([entry]) = node.entries() else {
            let message = format!("expected a distribution, found {}", node.described());
            self.report("sweep::distribution", node.span, message, RANDOM);
            return None;
        };
        if !DISTRIBUTIONS.contains(&&*entry.key) {
            self.problems
                .push(unknown_key(entry, DISTRIBUTIONS, "a distribution"));
            return None;
        }
        let elements = match &entry.value.kind {
            NodeKind::List(elements) => elements.as_slice(),
            _ => &[],
        };
        if &*entry.key == "choice" {
            if elements.is_empty() {
                let message = "there is nothing to choose from".to_owned();
                self.report("sweep::distribution", entry.value.span, message, RANDOM);
                return None;
            }
            self.no_duplicate(elements, "the same choice stands here twice");
            return Some(Distribution::Choice(elements.to_vec()));
        }
        let numbers: Option<Vec<f64>> = elements.iter().map(number).collect();
        let distribution = match (&*entry.key, elements, numbers.as_deref()) {
            ("int", [low, high], _) => match (&low.kind, &high.kind) {
                (NodeKind::Int(low), NodeKind::Int(high)) if low <= high => {
                    Some(Distribution::Int(*low, *high))
                }
                _ => None,
            },
            ("uniform", _, Some([low, high])) if low < high && (high - low).is_finite() => {
                Some(Distribution::Uniform(*low, *high))
            }
            ("log_uniform", _, Some([low, high]))
                if 0.0 < *low && low < high && high.is_finite() =>
            {
                Some(Distribution::LogUniform(*low, *high))
            }
            _ => None,
        };
        if distribution.is_none() {
            let expected = match &*entry.key {
                "int" => "two whole numbers, the smaller first",
                "uniform" => "two numbers, the smaller first",
                _ => "two numbers above 0, the smaller first",
            };
            let message = format!("expected {expected}, found {}", written(&entry.value));
            self.report("sweep::distribution", entry.value.span, message, RANDOM);
        }
        distribution
    }

    /// A map of paths and values.
    fn settings(&mut self, node: &Node) -> Vec<Setting> {
        let setting = |entry: &Entry| Setting {
            path: entry.key.clone(),
            path_span: entry.key_span,
            value: entry.value.clone(),
        };
        let entries = self.map(node, "paths and their values");
        entries.iter().flatten().map(setting).collect()
    }

    fn metrics(&mut self, node: &Node) -> Vec<Node> {
        let help = "write `metrics: [truth.*.both]`; `*` stands for any text";
        let NodeKind::List(patterns) = &node.kind else {
            let message = format!("expected a list of metrics, found {}", node.described());
            self.report("sweep::type", node.span, message, help);
            return Vec::new();
        };
        for pattern in patterns
            .iter()
            .filter(|pattern| pattern.as_text().is_none())
        {
            let message = format!(
                "expected the name of a metric, found {}",
                pattern.described()
            );
            self.report("sweep::type", pattern.span, message, help);
        }
        patterns.clone()
    }

    fn map(&mut self, node: &Node, what: &str) -> Option<Vec<Entry>> {
        let entries = node.entries().map(<[Entry]>::to_vec);
        if entries.is_none() {
            let message = format!("expected {what}, a map, found {}", node.described());
            self.problems
                .push(Diagnostic::new("sweep::type", message).at(node.span));
        }
        entries
    }

    fn filled(&mut self, kind: &Entry, what: &str) -> Option<Vec<Entry>> {
        let Some(entries) = kind.value.entries() else {
            let message = format!("expected {what}, found {}", kind.value.described());
            let help = if &*kind.key == "matrix" {
                MATRIX
            } else {
                RANDOM
            };
            self.report("sweep::type", kind.value.span, message, help);
            return None;
        };
        if entries.is_empty() {
            self.nothing(kind);
            return None;
        }
        Some(entries.to_vec())
    }

    fn nothing(&mut self, kind: &Entry) {
        let message = format!("`{}` is empty: there is nothing to try", kind.key);
        self.report("sweep::empty", kind.key_span, message, MATRIX);
    }

    fn bounded(&mut self, trials: u64, place: Span) -> Option<()> {
        if trials <= MAX_TRIALS {
            return Some(());
        }
        let message = format!("these are {trials} trials, and a sweep has at most {MAX_TRIALS}");
        let help = "a random sweep samples what is too much to try";
        self.report("sweep::too-many", place, message, help);
        None
    }

    fn no_duplicate(&mut self, values: &[Node], message: &str) {
        if let Some((first, again)) = duplicate(values) {
            let problem = Diagnostic::new("sweep::duplicate", message).at(again.span);
            self.problems
                .push(problem.with_related(first.span, "it stands here first"));
        }
    }

    fn report(&mut self, code: &'static str, place: Span, message: String, help: &str) {
        let problem = Diagnostic::new(code, message).at(place);
        self.problems.push(problem.with_help(help));
    }
}

fn number(node: &Node) -> Option<f64> {
    match node.kind {
        NodeKind::Int(number) => Some(number as f64),
        NodeKind::Float(number) => Some(number),
        _ => None,
    }
}
