//! Witnesses: those that say what is to be seen, and are asked by nobody but the one who measures.

use ccsr_stage::{Batch, Outcome, Row, StageError, Unit, Value};

use super::{Network, Role};
use crate::facts::Fact;
use crate::row_id::described;
use crate::world::rounded;

/// What a witness says of an image: for each fact, how likely each of its values is, `0.0..=1.0`.
#[derive(Clone, Debug, PartialEq)]
pub struct Testimony([Vec<f64>; 4]);

impl Testimony {
    /// What is said of each fact, in the order of [`Fact::ALL`].
    ///
    /// # Errors
    /// If they are no shares of the facts' values.
    pub fn new(shares: [Vec<f64>; 4]) -> Result<Self, StageError> {
        for (fact, shares) in Fact::ALL.iter().zip(&shares) {
            let (name, values) = (fact.name(), fact.values().len());
            if shares.len() != values {
                let found = shares.len();
                return Err(StageError::failed(format!(
                    "the witness speaks of {found} values of `{name}`, expected {values}"
                )));
            }
            let is_share = |share: &f64| (0.0..=1.001).contains(share);
            if let Some(share) = shares.iter().find(|share| !is_share(share)) {
                return Err(StageError::failed(format!(
                    "the witness says that a value of `{name}` has the probability {share}: its weights, or what it \
                     computes, are no numbers"
                )));
            }
        }
        let share = |share: f64| rounded(share.min(1.0));
        Ok(Self(
            shares.map(|shares| shares.into_iter().map(share).collect()),
        ))
    }

    /// How likely a value is; one that the fact cannot have is impossible.
    pub fn share(&self, fact: Fact, value: usize) -> f64 {
        self.0[fact as usize]
            .get(value)
            .copied()
            .unwrap_or_default()
    }

    /// The number of the likeliest value; of equals the first.
    pub fn likeliest(&self, fact: Fact) -> usize {
        let shares = self.0[fact as usize].iter().enumerate();
        let best = shares.fold((0, f64::MIN), |best, (value, share)| {
            if *share > best.1 {
                (value, *share)
            } else {
                best
            }
        });
        best.0
    }

    fn outcome(self) -> Outcome {
        let list = |shares: Vec<f64>| Value::list(shares.into_iter().map(Value::Float));
        Outcome::of(Value::list(self.0.map(list)))
    }

    /// What an outcome of [`Role::testify`] holds.
    pub(crate) fn read(outcome: &Value) -> Result<Self, StageError> {
        Ok(Self(outcome.read()?))
    }
}

/// Says what is to be seen in images.
pub trait Witness: Network {
    /// How many images make a good batch.
    fn batch(&self) -> usize {
        64
    }

    /// Looks at the units of the batch, whose inputs hold `image`.
    fn look(&self, batch: &Batch<'_>) -> Vec<Result<Testimony, StageError>>;
}

impl Role<dyn Witness> {
    /// The unit that looks at a row's image: whoever asks, and whatever for, it is the same. `model` is what
    /// [`Network::model`] answered.
    pub(crate) fn look_at(&self, row: Row<'_>, model: &Value) -> Result<Unit, StageError> {
        let reads = vec![
            ("image", row.value("image")?.clone()),
            ("model", model.clone()),
        ];
        let unit = self.unit("witness", reads);
        Ok(unit.with_hint(Value::from(described(row))))
    }

    /// The outcomes of such units.
    pub(crate) fn testify(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let said = self.object.look(batch).into_iter();
        said.map(|said| said.map(Testimony::outcome)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(fact: Fact, sure: usize) -> Vec<f64> {
        let values = fact.values().len();
        let share = |value| {
            if value == sure {
                0.7
            } else {
                0.3 / (values - 1) as f64
            }
        };
        (0..values).map(share).collect()
    }

    #[test]
    fn the_likeliest_value_is_what_is_said() {
        let said = Testimony::new(Fact::ALL.map(|fact| shares(fact, 1))).unwrap();
        let (kept, _) = said.clone().outcome().into_parts();
        assert_eq!(Testimony::read(&kept).unwrap(), said);
        for fact in Fact::ALL {
            assert_eq!(said.likeliest(fact), 1);
            assert!((said.share(fact, 1) - 0.7).abs() < 1e-9);
            assert!(said.share(fact, 99).abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_no_testimony_is_refused() {
        let of = |class: Vec<f64>| {
            let mut all = Fact::ALL.map(|fact| shares(fact, 0));
            all[0] = class;
            Testimony::new(all).unwrap_err().to_string()
        };
        assert!(of(vec![1.0]).contains("1 values of `class`, expected 13"));
        assert!(of(vec![f64::NAN; 13]).contains("has the probability NaN"));
    }
}
