//! Trials that differ in a seed alone, taken together: what their numbers are on average, and how sure that is.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::{Compared, Comparison, TrialState};

/// A sweep's trials in groups: those of a group have the same values but for what was averaged over.
#[derive(Clone, Debug)]
pub struct Averages {
    /// The paths in which groups may differ.
    pub parameters: Vec<String>,
    /// The names of metrics, as in the [`Comparison`].
    pub metrics: Vec<String>,
    /// In the order of their first trials.
    pub groups: Vec<Group>,
}

/// Trials with the same values.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its trials, from 1.
    pub trials: Vec<usize>,
    /// How many of these are done.
    pub done: usize,
    /// Their value for each parameter.
    pub values: Vec<Option<String>>,
    /// Units that their runs computed.
    pub units_executed: u64,
    /// How long their runs took together.
    pub seconds: f64,
    /// For each metric, what its trials come to that have a finite number; `None` if none has.
    pub metrics: Vec<Option<Mean>>,
}

/// The mean of a number over trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Half the width of its 95 % interval by Student's t, in which trials are independent and their numbers normally
    /// distributed; `None` of a single trial.
    pub margin: Option<f64>,
    /// How many trials have the number.
    pub trials: usize,
}

impl Comparison {
    /// Takes together the trials whose values are the same but for those of `over`, which are [parameters](Self::parameters).
    pub fn averages(&self, over: &[&str]) -> Averages {
        let kept: Vec<_> = (0..self.parameters.len())
            .filter(|at| !over.contains(&self.parameters[*at].as_str()))
            .collect();
        let values = |trial: &Compared| -> Vec<_> {
            kept.iter().map(|at| trial.values[*at].clone()).collect()
        };
        let mut alike: Vec<(Vec<Option<String>>, Vec<&Compared>)> = Vec::new();
        for trial in &self.trials {
            let values = values(trial);
            match alike.iter_mut().find(|(known, _)| *known == values) {
                Some((_, trials)) => trials.push(trial),
                None => alike.push((values, vec![trial])),
            }
        }
        let group = |(values, trials): (Vec<Option<String>>, Vec<&Compared>)| {
            let mean = |at: usize| {
                let numbers: Vec<_> = trials
                    .iter()
                    .filter_map(|trial| trial.metrics[at])
                    .filter(|number| number.is_finite())
                    .collect();
                Mean::of(&numbers)
            };
            Group {
                trials: trials.iter().map(|trial| trial.trial).collect(),
                done: trials
                    .iter()
                    .filter(|trial| trial.state == TrialState::Done)
                    .count(),
                values,
                units_executed: trials.iter().map(|trial| trial.units_executed).sum(),
                seconds: trials.iter().map(|trial| trial.seconds).sum(),
                metrics: (0..self.metrics.len()).map(mean).collect(),
            }
        };
        Averages {
            parameters: kept.iter().map(|at| self.parameters[*at].clone()).collect(),
            metrics: self.metrics.clone(),
            groups: alike.into_iter().map(group).collect(),
        }
    }
}

impl Mean {
    /// Of numbers of independent trials; `None` of none.
    fn of(numbers: &[f64]) -> Option<Self> {
        let trials = numbers.len();
        let first = *numbers.first()?;
        let count = trials as f64;
        // So of numbers that are the same, it is the same.
        let mean = first + numbers.iter().map(|number| number - first).sum::<f64>() / count;
        let margin = (trials > 1).then(|| {
            let t = StudentsT::new(0.0, 1.0, count - 1.0).expect("one degree of freedom at least");
            let squares = numbers.iter().map(|number| (number - mean).powi(2));
            let variance = squares.sum::<f64>() / (count - 1.0);
            t.inverse_cdf(0.975) * (variance / count).sqrt()
        });
        Some(Self {
            mean,
            margin,
            trials,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `scipy.stats.t.interval(0.95, n - 1, mean, scipy.stats.sem(x))`.
    #[test]
    fn a_mean_has_students_interval() {
        for (numbers, mean, margin) in [
            (&[4.5, 5.5, 2.5][..], 25.0 / 6.0, 3.794_583_033_596_759_4),
            (&[1.0, 2.0], 1.5, 6.353_102_368_087_347),
            (
                &[0.1, 0.4, 0.2, -0.3, 0.05, 0.6],
                0.175,
                0.324_732_084_630_827_5,
            ),
            (&[0.1, 0.1, 0.1], 0.1, 0.0),
        ] {
            let found = Mean::of(numbers).unwrap();
            assert!((found.mean - mean).abs() < 1e-12, "{found:?}");
            assert!((found.margin.unwrap() - margin).abs() < 1e-9, "{found:?}");
            assert_eq!(found.trials, numbers.len());
        }
        let single = Mean {
            mean: 3.0,
            margin: None,
            trials: 1,
        };
        assert_eq!(Mean::of(&[3.0]), Some(single));
        assert_eq!(Mean::of(&[]), None);
    }

    #[test]
    fn trials_with_the_same_values_are_a_group() {
        let trial = |trial, seed: &str, by: Option<&str>, done, number| Compared {
            trial,
            values: vec![Some(seed.to_owned()), by.map(str::to_owned)],
            state: if done {
                TrialState::Done
            } else {
                TrialState::NotRun
            },
            units_executed: 2,
            seconds: 0.5,
            metrics: vec![number],
        };
        let found = Comparison {
            parameters: vec!["seed".to_owned(), "by".to_owned()],
            metrics: vec!["gain".to_owned()],
            trials: vec![
                trial(1, "1", Some("judge"), true, Some(1.0)),
                trial(2, "1", None, true, Some(5.0)),
                trial(3, "2", Some("judge"), true, Some(3.0)),
                trial(4, "3", Some("judge"), false, None),
                trial(5, "2", None, false, Some(f64::NAN)),
            ],
            against: Vec::new(),
        };
        let averages = found.averages(&["seed"]);
        assert_eq!(averages.parameters, ["by"]);
        let [judge, neither] = &averages.groups[..] else {
            panic!("{averages:?}");
        };
        assert_eq!(judge.trials, [1, 3, 4]);
        assert_eq!(
            (judge.done, judge.units_executed, judge.seconds),
            (2, 6, 1.5)
        );
        assert_eq!(judge.values, [Some("judge".to_owned())]);
        let mean = judge.metrics[0].unwrap();
        assert_eq!((mean.mean, mean.trials), (2.0, 2));
        assert_eq!((&neither.trials[..], neither.done), (&[2, 5][..], 1));
        assert_eq!(neither.metrics[0].unwrap().margin, None);
        assert_eq!(found.averages(&[]).groups.len(), 5);
    }
}
