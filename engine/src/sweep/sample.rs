//! Random values for trials.
//!
//! The value of a trial depends on the seed, the sweep's name, the path and the trial's number, and
//! on nothing else: more trials go on where fewer ended, and another path changes no other's values.
//! Numbers have six digits. That is enough to tell them apart, reads well, and hides the last bits in
//! which the logarithms of two machines may differ.

use ccsr_cache::{Digest, Value};
use ccsr_stage::params::{Node, NodeKind, Span};

/// What a value is drawn from.
#[derive(Clone, Debug)]
pub(crate) enum Distribution {
    /// Every number from the first to the second is as likely.
    Uniform(f64, f64),
    /// Every magnitude is as likely.
    LogUniform(f64, f64),
    /// Every whole number from the first to the second, both included.
    Int(i64, i64),
    /// One of these.
    Choice(Vec<Node>),
}

/// What a trial's value depends on besides the trial; and where its distribution was written.
pub(super) struct Origin<'a> {
    pub(super) seed: u64,
    pub(super) sweep: &'a str,
    pub(super) path: &'a str,
    pub(super) place: Span,
}

impl Distribution {
    /// The value that belongs to one trial.
    pub(super) fn draw(&self, origin: &Origin<'_>, trial: u64) -> Node {
        let what = Value::list([
            Value::from("sweep"),
            Value::Int(origin.seed.cast_signed()),
            Value::from(origin.sweep),
            Value::from(origin.path),
            Value::Int(trial.cast_signed()),
        ]);
        let digest = Digest::of(&what.canonical());
        let bytes = digest.as_bytes().first_chunk().expect("it has 32 bytes");
        let bits = u64::from_le_bytes(*bytes);
        let unit = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        let kind = match self {
            Self::Uniform(low, high) => {
                NodeKind::Float(within(low + (high - low) * unit, *low, *high))
            }
            Self::LogUniform(low, high) => {
                let (from, to) = (low.ln(), high.ln());
                NodeKind::Float(within((from + (to - from) * unit).exp(), *low, *high))
            }
            Self::Int(low, high) => {
                let count = (i128::from(*high) - i128::from(*low) + 1).cast_unsigned();
                // The bias is below 2^-40 for any range that a person would write.
                let step = (u128::from(bits) * count) >> 64;
                NodeKind::Int((i128::from(*low) + step.cast_signed()) as i64)
            }
            Self::Choice(values) => {
                let index = (u128::from(bits) * values.len() as u128) >> 64;
                return values[index as usize].clone();
            }
        };
        Node {
            span: origin.place,
            kind,
        }
    }
}

/// The number with six digits, but not beyond its bounds.
fn within(number: f64, low: f64, high: f64) -> f64 {
    let rounded: f64 = format!("{number:.5e}")
        .parse()
        .expect("a number that was written can be read");
    rounded.clamp(low, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(seed: u64) -> Origin<'static> {
        Origin {
            seed,
            sweep: "s",
            path: "vars.x",
            place: Span::default(),
        }
    }

    fn drawn(distribution: &Distribution, trials: u64) -> Vec<f64> {
        let draw = |trial| match distribution.draw(&origin(1), trial).kind {
            NodeKind::Float(number) => number,
            NodeKind::Int(number) => number as f64,
            other => panic!("{other:?}"),
        };
        (0..trials).map(draw).collect()
    }

    /// A change here is a change of everybody's trials.
    #[test]
    fn the_sample_is_what_it_was() {
        assert_eq!(
            drawn(&Distribution::Uniform(0.0, 1.0), 3),
            [0.466_342, 0.362_427, 0.629_48]
        );
        assert_eq!(
            drawn(&Distribution::LogUniform(1e-5, 1e-2), 3),
            [2.506_27e-4, 1.222_59e-4, 7.734_62e-4]
        );
        assert_eq!(
            drawn(&Distribution::Int(1, 6), 6),
            [3.0, 3.0, 4.0, 1.0, 3.0, 3.0]
        );
    }

    #[test]
    fn all_of_the_range_is_drawn_and_evenly() {
        let uniform = drawn(&Distribution::Uniform(2.0, 4.0), 2_000);
        let mean = uniform.iter().sum::<f64>() / 2_000.0;
        assert!((mean - 3.0).abs() < 0.05, "{mean}");
        let logs = drawn(&Distribution::LogUniform(1e-4, 1.0), 2_000);
        let small = logs.iter().filter(|number| **number < 1e-2).count();
        assert!((900..1_100).contains(&small), "{small}");
        let dice = drawn(&Distribution::Int(1, 6), 6_000);
        for face in 1..=6 {
            let count = dice
                .iter()
                .filter(|number| (**number - f64::from(face)).abs() < f64::EPSILON)
                .count();
            assert!((900..1_100).contains(&count), "{face}: {count}");
        }
    }

    proptest! {
        #[test]
        fn nothing_outside_the_bounds_is_drawn(
            low in -1e9f64..1e9, width in 0.0f64..1e9, from in i64::MIN..i64::MAX, trial: u64, seed: u64,
        ) {
            let high = low + width;
            let draw = |distribution: Distribution| distribution.draw(&origin(seed), trial).kind;
            let NodeKind::Float(number) = draw(Distribution::Uniform(low, high)) else { panic!() };
            prop_assert!((low..=high).contains(&number));
            let (small, large) = (width + 1e-12, width * 2.0 + 1.0);
            let NodeKind::Float(number) = draw(Distribution::LogUniform(small, large)) else { panic!() };
            prop_assert!((small..=large).contains(&number));
            let NodeKind::Int(number) = draw(Distribution::Int(from, i64::MAX)) else { panic!() };
            prop_assert!(number >= from);
        }
    }
}
