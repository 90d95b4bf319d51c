//! `sweeps:` of a pipeline file: which values the trials of a sweep have.
//!
//! | code | what is wrong |
//! |---|---|
//! | `sweep::type` | something else was expected here |
//! | `sweep::kind` | a sweep is one of `matrix`, `list` and `random` |
//! | `sweep::empty` | there is nothing to try |
//! | `sweep::duplicate` | the same is tried twice |
//! | `sweep::too-many` | more than [`MAX_TRIALS`] trials |
//! | `sweep::distribution` | no distribution, or one of nothing |
//! | `sweep::metric` | a metric of a stage that is not there |

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ccsr_stage::params::{Entry, Node, NodeKind, Span, nearest};

use super::read::Reader;
use super::sample::{Distribution, Origin};
use super::written::written;
use crate::diagnostic::Diagnostic;
use crate::overrides::{self, Setting};

/// The most trials of a sweep.
pub const MAX_TRIALS: u64 = 10_000;

/// A sweep as it is written.
#[derive(Clone, Debug)]
pub(crate) struct SweepSpec {
    pub(crate) name: Arc<str>,
    /// What is the same in all trials.
    pub(super) set: Vec<Setting>,
    pub(super) values: Values,
    /// Which metrics to compare: patterns.
    pub(crate) metrics: Vec<Node>,
}

/// What differs between trials.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// Every combination; the last axis changes fastest.
    Matrix(Vec<Axis>),
    /// Trial by trial.
    List(Vec<Vec<Setting>>),
    /// Drawn at random.
    Random {
        axes: Vec<(Arc<str>, Span, Span, Distribution)>,
        trials: u64,
        seed: u64,
    },
}

/// A path and the values it gets.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) path: Arc<str>,
    pub(super) path_span: Span,
    pub(super) values: Vec<Node>,
}

impl SweepSpec {
    /// Reads the block. Of a sweep with a problem, what could be read comes back, so that what else
    /// is wrong with it is told in the same go.
    pub(crate) fn read_all(sweeps: &[Entry], problems: &mut Vec<Diagnostic>) -> Vec<Self> {
        let read = |entry: &Entry| {
            let mut reader = Reader::new(&entry.key, entry.key_span);
            let spec = reader.spec(&entry.value);
            problems.extend(reader.into_problems());
            spec
        };
        sweeps.iter().filter_map(read).collect()
    }

    /// The settings of each trial, in order.
    pub(super) fn trials(&self) -> Vec<Vec<Setting>> {
        let vary = match &self.values {
            Values::Matrix(axes) => product(axes),
            Values::List(trials) => trials.clone(),
            Values::Random { axes, trials, seed } => {
                let draw = |trial| {
                    let of_axis = |(path, path_span, place, distribution): &_| {
                        let (path, distribution): (&Arc<str>, &Distribution) = (path, distribution);
                        let origin = Origin {
                            seed: *seed,
                            sweep: &self.name,
                            path,
                            place: *place,
                        };
                        Setting {
                            path: path.clone(),
                            path_span: *path_span,
                            value: distribution.draw(&origin, trial),
                        }
                    };
                    axes.iter().map(of_axis).collect()
                };
                (0..*trials).map(draw).collect()
            }
        };
        let with_fixed = |trial: Vec<Setting>| self.set.iter().cloned().chain(trial).collect();
        vary.into_iter().map(with_fixed).collect()
    }

    /// What is wrong with its paths and metrics, given the pipeline that they are about.
    pub(crate) fn check(&self, tree: &Node) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut seen = HashSet::new();
        for setting in self.one_of_each() {
            if setting.is_suite() || !seen.insert(setting.path.clone()) {
                continue;
            }
            let setting = &setting;
            if let Err(problem) = overrides::apply(&mut tree.clone(), setting) {
                problems.push(problem);
            }
        }
        let stages = tree.get("stages").and_then(Node::entries);
        for pattern in &self.metrics {
            let text = pattern.as_text().unwrap_or_default();
            let stage = text.split('.').next().unwrap_or_default();
            let names = || stages.unwrap_or_default().iter().map(|entry| &*entry.key);
            if !stage.contains('*') && !names().any(|name| name == stage) {
                let message = format!("there is no stage `{stage}` whose metrics could be shown");
                let problem = Diagnostic::new("sweep::metric", message).at(pattern.span);
                problems.push(match nearest(stage, names()) {
                    Some(near) => problem.with_help(format!("did you mean `{near}`?")),
                    None => problem.with_help("write `stage.row.column`; `*` stands for any text"),
                });
            }
        }
        problems
    }

    /// A setting for each path, wherever it is written.
    fn one_of_each(&self) -> Vec<Setting> {
        let vary = match &self.values {
            Values::Matrix(axes) => {
                let first = |axis: &Axis| Setting {
                    path: axis.path.clone(),
                    path_span: axis.path_span,
                    value: axis.values[0].clone(),
                };
                axes.iter().map(first).collect()
            }
            Values::List(trials) => trials.concat(),
            Values::Random { axes, .. } => {
                let any =
                    |(path, path_span, place, _): &(Arc<str>, Span, Span, Distribution)| Setting {
                        path: path.clone(),
                        path_span: *path_span,
                        value: Node {
                            span: *place,
                            kind: NodeKind::Null,
                        },
                    };
                axes.iter().map(any).collect::<Vec<_>>()
            }
        };
        self.set.iter().cloned().chain(vary).collect()
    }
}

/// Every combination of values; the last axis changes fastest.
pub(super) fn product(axes: &[Axis]) -> Vec<Vec<Setting>> {
    let mut trials = vec![Vec::with_capacity(axes.len())];
    for axis in axes {
        let longer = |trial: &Vec<Setting>| {
            let mut trial = trial.clone();
            let at = trial.len();
            axis.values.iter().map(move |value| {
                trial.truncate(at);
                trial.push(Setting {
                    path: axis.path.clone(),
                    path_span: axis.path_span,
                    value: value.clone(),
                });
                trial.clone()
            })
        };
        trials = trials.iter().flat_map(longer).collect();
    }
    trials
}

/// How many trials a product of axes has.
pub(super) fn size<'a>(axes: impl IntoIterator<Item = &'a Axis>) -> u64 {
    let sizes = axes.into_iter().map(|axis| axis.values.len() as u64);
    sizes.fold(1, u64::saturating_mul)
}

/// The first two values that are the same.
pub(super) fn duplicate(values: &[Node]) -> Option<(&Node, &Node)> {
    let mut seen: HashMap<String, &Node> = HashMap::new();
    values.iter().find_map(|value| {
        seen.insert(written(value), value)
            .map(|first| (first, value))
    })
}
