//! Trials held against one of them: what each has more.

use std::collections::BTreeMap;

use ccsr_engine::sweep::Comparison;

use super::order::parameter;
use super::short_names;
use crate::cli::Baseline;
use crate::exit::Failure;

/// What trials were held against: parameters and their values.
pub(crate) type Against = BTreeMap<String, String>;

/// Each trial's numbers less those of the trial that has these values and is the same otherwise.
///
/// # Errors
/// If there is no such parameter, it is named twice, no trial has the value, or none that has it is the same otherwise as
/// another: nobody would see that nothing was compared.
pub(crate) fn against(
    baselines: &[Baseline],
    found: &Comparison,
) -> Result<(Comparison, Against), Failure> {
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
        let mut known: Vec<&str> = Vec::new();
        for other in found
            .trials
            .iter()
            .filter_map(|it| it.values[at].as_deref())
        {
            if !known.contains(&other) {
                known.push(other);
            }
        }
        if !known.contains(&value.as_str()) {
            return Err(crate::session::unknown(
                &format!("trial in which `{name}` is"),
                value,
                &known,
            ));
        }
        values.push((at, value.clone()));
    }
    if !found
        .trials
        .iter()
        .any(|trial| found.beside(trial, &values).is_some())
    {
        let named: Vec<_> = baselines.iter().map(Baseline::to_string).collect();
        return Err(Failure::Usage(format!(
            "no trial is the same as another but for `{}`; there is nothing to compare",
            named.join("` and `")
        )));
    }
    let less = found.less(&values);
    let named = values
        .into_iter()
        .map(|(at, value)| (found.parameters[at].clone(), value));
    Ok((less, named.collect()))
}

/// What the numbers are, for people.
pub(crate) fn told(against: &Against) -> String {
    let paths: Vec<_> = against.keys().map(String::as_str).collect();
    let names = short_names(&paths).into_iter().zip(against.values());
    let values: Vec<_> = names
        .map(|(name, value)| format!("`{name}={value}`"))
        .collect();
    format!(
        "numbers: how much more than with {}, all else the same",
        values.join(" and ")
    )
}
