//! What the rows of a table are ordered by.

use std::cmp::Ordering;

use super::{short_names, telling};
use crate::exit::Failure;

/// An order of rows; those without a value come last.
pub(super) struct Order {
    key: Key,
    ascending: bool,
}

enum Key {
    Metric(usize),
    Parameter(usize),
}

impl Order {
    /// By a metric or a parameter; the end of a name will do where it is the only one with that end.
    pub(super) fn by(
        name: &str,
        ascending: bool,
        parameters: &[String],
        metrics: &[String],
    ) -> Result<Self, Failure> {
        let key = match called(name, metrics, metrics) {
            Some(at) => Key::Metric(at),
            None => Key::Parameter(parameter(name, parameters, "metric or parameter", metrics)?),
        };
        Ok(Self { key, ascending })
    }

    pub(super) fn apply<T>(
        &self,
        rows: &mut [T],
        value: impl Fn(&T, usize) -> Option<&str>,
        metric: impl Fn(&T, usize) -> Option<f64>,
    ) {
        rows.sort_by(|a, b| match self.key {
            Key::Metric(at) => {
                self.missing_last(metric(a, at), metric(b, at), |a, b| a.total_cmp(&b))
            }
            Key::Parameter(at) => self.missing_last(value(a, at), value(b, at), |a, b| {
                match (a.parse::<f64>(), b.parse::<f64>()) {
                    (Ok(a), Ok(b)) => a.total_cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                }
            }),
        });
    }

    fn missing_last<T>(
        &self,
        a: Option<T>,
        b: Option<T>,
        order: impl Fn(T, T) -> Ordering,
    ) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.ascending => order(a, b),
            (Some(a), Some(b)) => order(b, a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

/// Which of the exact names is meant, or else which of the told ones, if it is the only one that ends so.
fn called(name: &str, exact: &[String], told: &[String]) -> Option<usize> {
    let ending = format!(".{name}");
    let ends = |at: &usize| told[*at] == name || told[*at].ends_with(&ending);
    let mut endings = (0..told.len()).filter(ends);
    let only = endings.next().filter(|_| endings.next().is_none());
    exact.iter().position(|known| known == name).or(only)
}

/// Which of the parameters is meant: by its path, or by the end of what that tells.
pub(super) fn parameter_called(name: &str, parameters: &[String]) -> Option<usize> {
    let told = |path: &String| telling(path).collect::<Vec<_>>().join(".");
    let told: Vec<_> = parameters.iter().map(told).collect();
    called(name, parameters, &told)
}

/// The same.
///
/// # Errors
/// If there is none; `others` are what it could have been called, too.
pub(super) fn parameter(
    name: &str,
    parameters: &[String],
    what: &str,
    others: &[String],
) -> Result<usize, Failure> {
    parameter_called(name, parameters).ok_or_else(|| {
        let paths: Vec<_> = parameters.iter().map(String::as_str).collect();
        let short = short_names(&paths);
        let known: Vec<_> = short.iter().chain(others).map(String::as_str).collect();
        crate::session::unknown(what, name, &known)
    })
}
