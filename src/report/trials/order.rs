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
        let ending = format!(".{name}");
        let mut endings = metrics.iter().filter(|known| known.ends_with(&ending));
        let only = endings.next().filter(|_| endings.next().is_none());
        let metric = metrics
            .iter()
            .position(|known| known == name || Some(known) == only);
        let key = match metric {
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

/// The parameter that is called so: by its path, or by the end of it, if it is the only one that ends so.
pub(super) fn parameter(
    name: &str,
    parameters: &[String],
    what: &str,
    others: &[String],
) -> Result<usize, Failure> {
    let ending = format!(".{name}");
    let ends = |path: &String| {
        let telling = telling(path).collect::<Vec<_>>().join(".");
        telling == name || telling.ends_with(&ending)
    };
    let mut ending = (0..parameters.len()).filter(|at| ends(&parameters[*at]));
    let only = ending.next().filter(|_| ending.next().is_none());
    let found = parameters.iter().position(|path| path == name).or(only);
    found.ok_or_else(|| {
        let paths: Vec<_> = parameters.iter().map(String::as_str).collect();
        let short = short_names(&paths);
        let known: Vec<_> = short.iter().chain(others).map(String::as_str).collect();
        crate::session::unknown(what, name, &known)
    })
}
