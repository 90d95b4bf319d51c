//! Trials beside the one that they differ from in one thing: of such pairs, what a seed did to both is no difference.

use super::{Compared, Comparison, TrialState};

impl Comparison {
    /// The trial whose values are those of another but for these, of [parameters](Self::parameters) by their places; none if
    /// there is none, or the other has them itself.
    pub fn beside(&self, trial: &Compared, values: &[(usize, String)]) -> Option<&Compared> {
        let mut meant = trial.values.clone();
        for (at, value) in values {
            meant[*at] = Some(value.clone());
        }
        let mut others = self.trials.iter();
        others.find(|other| other.values == meant && meant != trial.values)
    }

    /// Each trial with its numbers less those of the trial [beside](Self::beside) it, without those that have all these values
    /// themselves. A number that either of the two lacks is none; of two trials that are not both done, neither is.
    #[must_use]
    pub fn differences(&self, values: &[(usize, String)]) -> Self {
        let has_all = |trial: &&Compared| {
            let mut values = values.iter();
            values.all(|(at, value)| trial.values[*at].as_ref() == Some(value))
        };
        let difference = |trial: &Compared| {
            let other = self.beside(trial, values);
            let number = |(at, own): (usize, &Option<f64>)| Some((*own)? - other?.metrics[at]?);
            Compared {
                state: match (trial.state, other) {
                    (TrialState::Done, Some(other)) => other.state,
                    (state, _) => state,
                },
                metrics: trial.metrics.iter().enumerate().map(number).collect(),
                ..trial.clone()
            }
        };
        let others = self.trials.iter().filter(|trial| !has_all(trial));
        Self {
            trials: others.map(difference).collect(),
            against: values.to_vec(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_are_held_against_the_one_that_is_the_same_otherwise() {
        let trial = |trial, seed: &str, by: Option<&str>, numbers: [Option<f64>; 2]| Compared {
            trial,
            values: vec![Some(seed.to_owned()), by.map(str::to_owned)],
            state: if trial == 4 {
                TrialState::Failed
            } else {
                TrialState::Done
            },
            units_executed: 2,
            seconds: 0.5,
            metrics: numbers.into(),
        };
        let found = Comparison {
            parameters: vec!["seed".to_owned(), "by".to_owned()],
            metrics: vec!["gain".to_owned(), "wins".to_owned()],
            trials: vec![
                trial(1, "1", Some("random"), [Some(1.0), None]),
                trial(2, "1", Some("judge"), [Some(1.5), Some(9.0)]),
                trial(3, "2", Some("judge"), [Some(5.0), Some(2.0)]),
                trial(4, "2", Some("random"), [Some(7.0), Some(0.5)]),
                trial(5, "3", Some("judge"), [Some(1.0), Some(1.0)]),
                trial(6, "2", None, [None, Some(1.0)]),
            ],
            against: Vec::new(),
        };
        let differences = |values: &[(usize, &str)]| {
            let values = values.iter().map(|(at, value)| (*at, (*value).to_owned()));
            found.differences(&values.collect::<Vec<_>>())
        };
        let numbers = |values: &[(usize, &str)]| -> Vec<_> {
            let trials = differences(values).trials.into_iter();
            trials.map(|it| (it.trial, it.metrics)).collect()
        };
        assert_eq!(
            numbers(&[(1, "random")]),
            [
                (2, vec![Some(0.5), None]),
                (3, vec![Some(-2.0), Some(1.5)]),
                (5, vec![None, None]),
                (6, vec![None, Some(0.5)]),
            ]
        );
        let pairs = differences(&[(1, "random")]);
        assert_eq!(pairs.against, [(1, "random".to_owned())]);
        // Where the one that it is held against failed, nothing is done.
        let states: Vec<_> = pairs.trials.iter().map(|it| it.state).collect();
        let [done, failed] = [TrialState::Done, TrialState::Failed];
        assert_eq!(states, [done, failed, done, failed]);
        // Two values: one trial, which all others are held against.
        let against_one = numbers(&[(0, "1"), (1, "judge")]);
        assert_eq!(against_one.len(), 5);
        assert_eq!(against_one[1], (3, vec![Some(3.5), Some(-7.0)]));
        assert_eq!(numbers(&[(1, "chance")])[0], (1, vec![None, None]));
    }
}
