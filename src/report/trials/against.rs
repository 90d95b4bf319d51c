//! Trials held against others, which differ from them in one thing: what each has more.

use std::collections::BTreeMap;

use ccsr_engine::sweep::{Comparison, as_written};

use super::averages::same_in_all;
use super::order::parameter;
use super::{parameter_differs, short_names};
use crate::cli::Baseline;
use crate::exit::Failure;

/// Values that a message names.
const VALUES: usize = 12;

/// Each trial's numbers less those of the trial that has these values and is the same otherwise.
///
/// # Errors
/// If there is no such parameter, it is named twice or is the same in all trials, no trial has the value, or none that has it is
/// the same otherwise as another: nobody would see that nothing was compared.
pub(crate) fn against(baselines: &[Baseline], found: &Comparison) -> Result<Comparison, Failure> {
    let mut values: Vec<(usize, String)> = Vec::new();
    for Baseline {
        parameter: name,
        value,
    } in baselines
    {
        let at = parameter(name, &found.parameters, "parameter", &[])?;
        if values.iter().any(|(known, _)| *known == at) {
            return Err(Failure::Usage(format!(
                "`--against` names `{name}` twice; trials are held against one value of it"
            )));
        }
        if !parameter_differs(found, at) {
            return Err(same_in_all(name, found));
        }
        values.push((at, known_value(name, value, at, found)?));
    }
    let mut trials = found.trials.iter();
    if !trials.any(|trial| found.beside(trial, &values).is_some()) {
        let named: Vec<_> = baselines.iter().map(Baseline::to_string).collect();
        return Err(Failure::Usage(format!(
            "no trial is the same as another but for `{}`; there is nothing to compare",
            named.join("` and `")
        )));
    }
    Ok(found.differences(&values))
}

/// The value as trials have it.
fn known_value(name: &str, value: &str, at: usize, found: &Comparison) -> Result<String, Failure> {
    let mut known: Vec<&str> = Vec::new();
    let all = found.trials.iter();
    for other in all.filter_map(|trial| trial.values[at].as_deref()) {
        if !known.contains(&other) {
            known.push(other);
        }
    }
    let value = as_written(value);
    if known.contains(&value.as_str()) {
        return Ok(value);
    }
    known.truncate(VALUES);
    let what = format!("trial in which `{name}` is");
    Err(crate::session::unknown(&what, &value, &known))
}

/// Parameters and values that trials were held against, for programs.
pub(super) fn named(found: &Comparison) -> BTreeMap<&str, &str> {
    let values = found.against.iter();
    let named = values.map(|(at, value)| (found.parameters[*at].as_str(), value.as_str()));
    named.collect()
}

/// What the numbers are, for people; nothing if they are the trials' own.
pub(crate) fn told(found: &Comparison) -> Option<String> {
    let named = named(found);
    let paths: Vec<_> = named.keys().copied().collect();
    let names = short_names(&paths).into_iter().zip(named.values());
    let values: Vec<_> = names
        .map(|(name, value)| format!("`{name}={value}`"))
        .collect();
    (!values.is_empty()).then(|| {
        format!(
            "numbers: how much more than with {}, all else the same",
            values.join(" and ")
        )
    })
}
