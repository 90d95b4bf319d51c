//! Trials that differ in a seed alone, taken together: a row for what they come to.

use std::collections::BTreeMap;

use ccsr_engine::sweep::{Averages, Comparison, Group, Sweep};
use serde_json::json;

use super::order::{Order, parameter, parameter_called};
use super::wide::{rounded, with_margin};
use super::{
    Detail, Wide, against, differ, metrics_to_show, named, parameter_differs, parameter_names,
    short_names, values, work,
};
use crate::exit::Failure;

/// A sweep's trials, averaged over parameters.
pub(crate) struct Averaged<'a> {
    found: Averages,
    over: Vec<String>,
    /// What trials were held against: paths and values.
    against: BTreeMap<&'a str, &'a str>,
    parameters: Vec<usize>,
    metrics: Vec<usize>,
}

impl<'a> Averaged<'a> {
    /// Over the parameters that are called so. Shows what differs between trials, or all.
    ///
    /// # Errors
    /// If there is no such parameter, or all trials have the same value of it: nobody would see that nothing was averaged.
    pub(crate) fn over(
        names: &[String],
        found: &'a Comparison,
        all: bool,
    ) -> Result<Self, Failure> {
        let mut over: Vec<String> = Vec::new();
        for name in names {
            let at = parameter(name, &found.parameters, "parameter", &[])?;
            if found.against.iter().any(|(held, _)| *held == at) {
                return Err(Failure::Usage(format!(
                    "cannot take the mean over `{name}`: trials are held against one value of it"
                )));
            }
            if found.trials.len() > 1 && !parameter_differs(found, at) {
                return Err(same_in_all(name, found));
            }
            let path = &found.parameters[at];
            if !over.contains(path) {
                over.push(path.clone());
            }
        }
        let paths: Vec<_> = over.iter().map(String::as_str).collect();
        let averages = found.averages(&paths);
        let values = |at: usize| {
            let groups = averages.groups.iter();
            groups.map(move |group| group.values[at].as_deref())
        };
        let against = against::named(found);
        let is_held = |at: usize| against.contains_key(averages.parameters[at].as_str());
        Ok(Self {
            parameters: (0..averages.parameters.len())
                .filter(|at| all || is_held(*at) || differ(values(*at)))
                .collect(),
            against,
            metrics: metrics_to_show(found, all),
            over,
            found: averages,
        })
    }

    /// Orders the rows by a mean or a parameter; those without a value come last.
    ///
    /// # Errors
    /// If there is none, or it is one that was averaged over.
    pub(crate) fn sort(&mut self, by: &str, ascending: bool) -> Result<(), Failure> {
        let found = &mut self.found;
        let is_meant = |parameters: &[String]| parameter_called(by, parameters).is_some();
        if is_meant(&self.over) && !is_meant(&found.parameters) {
            return Err(Failure::Usage(format!(
                "cannot order by `{by}`: rows are averages over it"
            )));
        }
        Order::by(by, ascending, &found.parameters, &found.metrics)?.apply(
            &mut found.groups,
            |group, at| group.values[at].as_deref(),
            |group, at| group.metrics[at].map(|mean| mean.mean),
        );
        Ok(())
    }

    /// Everything, for programs.
    pub(crate) fn json(&self, sweep: &Sweep<'_>) -> String {
        let group = |group: &Group| {
            let numbers: Vec<_> = group
                .metrics
                .iter()
                .map(|mean| {
                    mean.map(|m| json!({"mean": m.mean, "margin": m.margin, "of": m.trials}))
                })
                .collect();
            json!({
                "trials": group.trials,
                "done": group.done,
                "values": named(&self.found.parameters, &group.values),
                "units_executed": group.units_executed,
                "seconds": group.seconds,
                "metrics": named(&self.found.metrics, &numbers),
            })
        };
        let groups: Vec<_> = self.found.groups.iter().map(group).collect();
        let (name, over) = (sweep.name(), &self.over);
        json!({"sweep": name, "over": over, "against": self.against, "groups": groups}).to_string()
    }

    /// A row for trials with the same values: means, and half the width of their 95 % intervals.
    pub(crate) fn table(&self, detail: Detail) -> Wide {
        let metrics = &self.metrics[..detail.of(self.metrics.len())];
        let is_full = detail == Detail::Full;
        let name = |at: &usize| {
            let name = self.found.metrics[*at].clone();
            let more = is_full.then(|| [format!("{name}.margin"), format!("{name}.of")]);
            [name].into_iter().chain(more.into_iter().flatten())
        };
        let ends: &[_] = if is_full {
            &["trials", "done", "units_executed", "seconds"]
        } else {
            &["trials", "computed", "time"]
        };
        let names = parameter_names(&self.found.parameters, &self.parameters, detail);
        let header: Vec<_> = names
            .into_iter()
            .chain(metrics.iter().flat_map(name))
            .chain(ends.iter().map(|end| (*end).to_owned()))
            .collect();
        let row = |group: &Group| {
            let all = group.trials.len();
            let trials = match group.done {
                done if is_full => vec![all.to_string(), done.to_string()],
                done if done == all => vec![all.to_string()],
                done => vec![format!("{done} of {all}")],
            };
            let ran = group.done > 0 || group.seconds > 0.0;
            values(&group.values, &self.parameters, detail)
                .chain(metrics.iter().flat_map(|at| cells(group, *at, is_full)))
                .chain(trials)
                .chain(work(ran, group.units_executed, group.seconds, detail))
                .collect()
        };
        Wide {
            metrics: self.parameters.len()..header.len() - ends.len(),
            header,
            left_out: self.metrics.len() - metrics.len(),
            text: None,
            rows: self.found.groups.iter().map(row).collect(),
        }
    }
}

/// What to say where `--over` names what does not differ.
pub(super) fn same_in_all(name: &str, found: &Comparison) -> Failure {
    let differing = (0..found.parameters.len()).filter(|at| parameter_differs(found, *at));
    let paths: Vec<_> = differing.map(|at| found.parameters[at].as_str()).collect();
    let differing = short_names(&paths).join(", ");
    Failure::Usage(format!(
        "`{name}` is the same in all trials; what differs is {differing}"
    ))
}

/// A mean, its margin and of how many trials it is in full; otherwise the first two in one cell.
fn cells(group: &Group, metric: usize, is_full: bool) -> Vec<String> {
    let mean = group.metrics[metric];
    if is_full {
        let cell = |number: Option<f64>| number.map_or(String::new(), |n| n.to_string());
        return vec![
            cell(mean.map(|mean| mean.mean)),
            cell(mean.and_then(|mean| mean.margin)),
            mean.map_or(0, |mean| mean.trials).to_string(),
        ];
    }
    vec![match mean {
        None => String::new(),
        Some(mean) => mean.margin.map_or_else(
            || rounded(mean.mean),
            |margin| with_margin(mean.mean, margin),
        ),
    }]
}
