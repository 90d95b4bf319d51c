//! Sweeps: the same pipeline with other values, trial by trial, over one cache.
//!
//! [`Sweep`] is the trials that a file's `sweeps:` block, or several values behind `--set`, come to;
//! each is compiled before anything runs. [`run`] runs them, [`compare`] looks at what is known of
//! them, [`Comparison::averages`] takes those together that differ in a seed, and
//! [`Comparison::differences`] holds each against one that differs in one thing. A trial is a run like any
//! other: nothing of the sweep enters a key, so what trials share is computed once, and a sweep that was
//! killed goes on where it was.

mod average;
mod compare;
mod difference;
mod read;
mod run;
mod sample;
mod spec;
mod written;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use ccsr_stage::Registry;
use ccsr_stage::params::{Node, Span, nearest};

use crate::compile::{CompileError, CompileOptions, Compiler, Merged};
use crate::diagnostic::Diagnostic;
use crate::overrides::{Setting, Typed};
use crate::pipeline::Pipeline;
use crate::project::Project;
use crate::source::Sources;
use spec::Axis;

pub use average::{Averages, Group, Mean};
pub use compare::{Compared, Comparison, TrialState, compare};
pub use run::{SweepEvent, SweepOptions, TrialSummary, run};
pub use spec::MAX_TRIALS;
pub(crate) use spec::SweepSpec;
pub use written::as_written;

/// The most problems that are told of a sweep.
const MAX_PROBLEMS: usize = 20;

/// A sweep whose trials all compile.
pub struct Sweep<'a> {
    compiler: Compiler<'a>,
    merged: Merged,
    registry: &'a Registry,
    name: Option<String>,
    trials: Vec<Trial>,
    metrics: Vec<String>,
    /// What was typed and is the same in all trials.
    set: Vec<String>,
    /// Where several trials would put their tables.
    contested: BTreeMap<PathBuf, String>,
}

/// One of a sweep's trials.
#[derive(Clone, Debug)]
pub struct Trial {
    settings: Vec<Setting>,
    values: Vec<(String, String)>,
}

impl Trial {
    fn new(settings: Vec<Setting>) -> Self {
        let value =
            |setting: &Setting| (setting.path.to_string(), written::written(&setting.value));
        Self {
            values: settings.iter().map(value).collect(),
            settings,
        }
    }

    /// Paths and values, as they would be typed behind `--set`.
    pub fn values(&self) -> &[(String, String)] {
        &self.values
    }

    /// The suite that it chooses.
    pub fn suite(&self) -> Option<&str> {
        let suite = self.settings.iter().rev().find(|set| set.is_suite());
        suite.and_then(|setting| setting.value.as_text())
    }

    /// What `--set` would have to say for a run to be this trial.
    pub fn set(&self) -> impl Iterator<Item = String> {
        let typed = self.values.iter().filter(|(path, _)| path != "suite");
        typed.map(|(path, value)| format!("{path}={value}"))
    }
}

impl<'a> Sweep<'a> {
    /// The trials of the sweep of this name, of each several values behind `--set`, or of every
    /// combination of both.
    pub fn compile(
        path: &Path,
        project: &'a Project,
        registry: &'a Registry,
        options: &'a CompileOptions<'a>,
        name: Option<&str>,
    ) -> Result<Self, CompileError> {
        let mut compiler = Compiler::new(project, options);
        let merged = compiler.read(&project.root().join(path));
        let problems = compiler.take_problems();
        let Some(merged) = merged.filter(|_| problems.is_empty()) else {
            return Err(refused(compiler, problems));
        };
        let (trials, metrics) = match trials(&merged, options, name) {
            Ok(found) => found,
            Err(problems) => return Err(refused(compiler, problems)),
        };
        let set = merged.typed.iter().filter(|typed| typed.values.len() == 1);
        let mut sweep = Self {
            set: set.map(|typed| typed.text.clone()).collect(),
            compiler,
            registry,
            name: name.map(str::to_owned),
            trials: trials.into_iter().map(Trial::new).collect(),
            metrics,
            contested: BTreeMap::new(),
            merged,
        };
        match sweep.check() {
            problems if problems.is_empty() => Ok(sweep),
            problems => Err(refused(sweep.compiler, problems)),
        }
    }

    /// Its name in the file; `None` if it was typed.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its trials, in order.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The metrics that its author wants to compare: patterns; none if it does not say.
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// Paths of `outputs:` that several trials share, which therefore none of them writes to.
    pub fn contested(&self) -> impl Iterator<Item = &str> {
        self.contested.values().map(String::as_str)
    }

    /// The texts that errors of its trials point into.
    pub fn sources(&self) -> Sources {
        self.compiler.loader.sources()
    }

    /// What `--set` would have to say for a run to be this trial.
    pub fn set_of(&self, trial: &Trial) -> Vec<String> {
        self.set.iter().cloned().chain(trial.set()).collect()
    }

    /// The pipeline of a trial, which leaves alone what other trials would write to as well.
    pub fn pipeline(&mut self, trial: usize) -> Result<Pipeline, Vec<Diagnostic>> {
        let settings = &self.trials[trial].settings;
        let pipeline = self.compiler.resolve(&self.merged, settings, self.registry);
        let problems = self.compiler.take_problems();
        let mut pipeline = pipeline.filter(|_| problems.is_empty()).ok_or(problems)?;
        for stage in &mut pipeline.stages {
            stage
                .exports
                .retain(|export| !self.contested.contains_key(&export.path.path));
        }
        Ok(pipeline)
    }

    /// Compiles every trial. The answer is what is wrong, each with the trials in which it is.
    fn check(&mut self) -> Vec<Diagnostic> {
        let mut found: Vec<(Diagnostic, Vec<usize>)> = Vec::new();
        let mut places: HashMap<(Option<Span>, String), usize> = HashMap::new();
        let mut writers: BTreeMap<PathBuf, (String, usize)> = BTreeMap::new();
        for trial in 0..self.trials.len() {
            match self.pipeline(trial) {
                Ok(pipeline) => {
                    for export in pipeline.stages.iter().flat_map(|stage| &stage.exports) {
                        let path = export.path.path.clone();
                        let new = || (export.path.display.clone(), 0);
                        writers.entry(path).or_insert_with(new).1 += 1;
                    }
                }
                Err(problems) => {
                    for problem in problems {
                        let place = (problem.span, problem.message.clone());
                        let at = *places.entry(place).or_insert_with(|| {
                            found.push((problem, Vec::new()));
                            found.len() - 1
                        });
                        found[at].1.push(trial);
                    }
                }
            }
        }
        let contested = writers.into_iter().filter(|(_, (_, trials))| *trials > 1);
        self.contested = contested.map(|(path, (shown, _))| (path, shown)).collect();
        let more = found.len().saturating_sub(MAX_PROBLEMS);
        found.truncate(MAX_PROBLEMS);
        let mut problems: Vec<_> = found
            .into_iter()
            .map(|(problem, trials)| self.labelled(problem, &trials))
            .collect();
        if more > 0 {
            let message = format!("and {more} more problems in other trials");
            problems.push(Diagnostic::new("sweep::trials", message));
        }
        problems
    }

    /// The problem with the trials in which it is, and where their values stand.
    fn labelled(&self, mut problem: Diagnostic, trials: &[usize]) -> Diagnostic {
        if trials.len() == self.trials.len() && trials.len() > 1 {
            return problem;
        }
        let names: Vec<_> = trials
            .iter()
            .take(3)
            .map(|trial| (trial + 1).to_string())
            .collect();
        let more = trials.len() - names.len();
        let label = match (names.as_slice(), more) {
            ([one], _) => format!("in trial {one}"),
            (several, 0) => format!("in trials {}", several.join(", ")),
            (several, more) => format!("in trials {} and {more} more", several.join(", ")),
        };
        let settings = &self.trials[trials[0]].settings;
        let covers = |span: Span, inner: Span| {
            span.source == inner.source && span.start <= inner.start && inner.end <= span.end
        };
        let is_theirs = |inner: Span| {
            let mut places = settings
                .iter()
                .flat_map(|set| [set.path_span, set.value.span]);
            places.any(|span| covers(span, inner))
        };
        if !problem.span.is_some_and(is_theirs) {
            for setting in settings {
                let what = format!("{label}, this is {}", written::written(&setting.value));
                problem = problem.with_related(setting.value.span, what);
            }
        }
        let said = problem.label.take().map(|said| format!("{said}; "));
        problem.with_label(format!("{}{label}", said.unwrap_or_default()))
    }
}

fn refused(compiler: Compiler<'_>, diagnostics: Vec<Diagnostic>) -> CompileError {
    CompileError {
        sources: compiler.loader.into_sources(),
        diagnostics,
    }
}

/// The settings of each trial, and the metrics to compare.
type Found = (Vec<Vec<Setting>>, Vec<String>);

fn trials(
    merged: &Merged,
    options: &CompileOptions<'_>,
    name: Option<&str>,
) -> Result<Found, Vec<Diagnostic>> {
    let spec = name.map(|name| named(merged, name)).transpose()?;
    let several = merged.typed.iter().filter(|typed| typed.values.len() > 1);
    let axes: Vec<_> = several.map(axis).collect();
    let problem = |code, message: String| vec![Diagnostic::new(code, message)];
    if spec.is_none() && axes.is_empty() {
        let names: Vec<_> = merged
            .sweeps
            .iter()
            .map(|spec| format!("`{}`", spec.name))
            .collect();
        let message = "there is nothing to try: name a sweep, or give a value several times";
        let mut error = problem("sweep::none", message.to_owned());
        let typed = "`--set stages.pairs.with.min_confidence=0.4,0.6` tries two values";
        error[0].help = Some(match names.as_slice() {
            [] => typed.to_owned(),
            names => format!("the file has {}; {typed}", names.join(", ")),
        });
        return Err(error);
    }
    for axis in &axes {
        if let Some((first, again)) = spec::duplicate(&axis.values) {
            let message = format!("`{}` gets the same value twice", axis.path);
            let error = Diagnostic::new("sweep::duplicate", message).at(again.span);
            return Err(vec![error.with_related(first.span, "it stands here first")]);
        }
    }
    let of_spec = spec.map_or_else(|| vec![Vec::new()], SweepSpec::trials);
    let count = spec::size(&axes).saturating_mul(of_spec.len() as u64);
    if count > MAX_TRIALS {
        let message = format!("these are {count} trials, and a sweep has at most {MAX_TRIALS}");
        return Err(problem("sweep::too-many", message));
    }
    let typed = spec::product(&axes);
    let both = |trial: &Vec<Setting>| {
        let trial = trial.clone();
        typed
            .iter()
            .map(move |more| [trial.as_slice(), more].concat())
    };
    let trials: Vec<_> = of_spec.iter().flat_map(both).collect();
    no_second_value(merged, options, &trials)?;
    let metrics = spec.iter().flat_map(|spec| &spec.metrics);
    let metrics = metrics
        .filter_map(Node::as_text)
        .map(str::to_owned)
        .collect();
    Ok((trials, metrics))
}

fn named<'m>(merged: &'m Merged, name: &str) -> Result<&'m SweepSpec, Vec<Diagnostic>> {
    let names = || merged.sweeps.iter().map(|spec| &*spec.name);
    merged
        .sweeps
        .iter()
        .find(|spec| &*spec.name == name)
        .ok_or_else(|| {
            let error = Diagnostic::new("sweep::unknown", format!("there is no sweep `{name}`"));
            let listed: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            vec![match nearest(name, names()) {
                Some(near) => error.with_help(format!("did you mean `{near}`?")),
                None if listed.is_empty() => error.with_help(
                    "the file has none; write one under `sweeps:`, or `--set path=value,value`",
                ),
                None => error.with_help(format!("there are {}", listed.join(", "))),
            }]
        })
}

fn axis(typed: &Typed) -> Axis {
    Axis {
        path: typed.path.clone(),
        path_span: typed.path_span,
        values: typed.values.clone(),
    }
}

/// Nothing that trials set is set by `--set` or `--suite`, too: one of them would be lost.
fn no_second_value(
    merged: &Merged,
    options: &CompileOptions<'_>,
    trials: &[Vec<Setting>],
) -> Result<(), Vec<Diagnostic>> {
    let mut seen: HashMap<&str, &Setting> = HashMap::new();
    for trial in trials {
        let mut own: HashMap<&str, &Setting> = HashMap::new();
        for setting in trial {
            if let Some(first) = own.insert(&setting.path, setting) {
                let message = format!("`{}` is set twice", setting.path);
                let error = Diagnostic::new("sweep::set-twice", message).at(setting.path_span);
                return Err(vec![
                    error.with_related(first.path_span, "it is set here first"),
                ]);
            }
        }
        seen.extend(own);
    }
    if let Some(setting) = seen.get("suite").filter(|_| options.suite.is_some()) {
        let message = "the sweep chooses the suite, and so does `--suite`";
        let error = Diagnostic::new("sweep::set-twice", message);
        return Err(vec![error.at(setting.path_span)]);
    }
    let mut problems = Vec::new();
    for typed in merged.typed.iter().filter(|typed| typed.values.len() == 1) {
        if let Some(setting) = seen.get(&*typed.path) {
            let message = format!("the sweep sets `{}`, and so does `--set`", typed.path);
            let error = Diagnostic::new("sweep::set-twice", message).at(typed.path_span);
            problems.push(error.with_related(setting.path_span, "the sweep sets it here"));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}
