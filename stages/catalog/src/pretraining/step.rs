//! What is drawn by chance in a step: of the seed and the step's number alone, so that training goes on after any
//! checkpoint as if it had never stopped.

use ccsr_sampling::noise::Noise;
use ccsr_stage::Value;

/// A source of chance for one purpose.
pub(crate) fn source(purpose: &str, seed: u64, number: u64) -> Noise {
    let numbers = [seed, number].map(|number| Value::Int(number as i64));
    let parts = [Value::from("pretraining"), Value::from(purpose)];
    let parts = parts.into_iter().chain(numbers);
    Noise::new(*Value::list(parts).digest().as_bytes())
}

/// A whole number below `end`.
pub(crate) fn below(noise: &mut Noise, end: usize) -> usize {
    ((noise.uniform() * end as f64) as usize).min(end.saturating_sub(1))
}

/// A step of a training.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) seed: u64,
    /// Counted from 0.
    pub(crate) number: u64,
    /// Examples in it.
    pub(crate) batch: usize,
}

impl Step {
    /// Its source of chance for a purpose.
    pub(crate) fn noise(&self, purpose: &str) -> Noise {
        source(purpose, self.seed, self.number)
    }

    /// Its examples, of so many: all are seen, in another order each time, before one is seen again. They are as many as
    /// the batch has, however few examples there are.
    pub(crate) fn examples(&self, of: usize) -> Vec<usize> {
        let of = of.max(1);
        let first = self.number as usize * self.batch;
        let (mut round, mut order) = (None, Vec::new());
        let mut pick = |place: usize| {
            if round != Some(place / of) {
                round = Some(place / of);
                order = shuffled(self.seed, (place / of) as u64, of);
            }
            order[place % of]
        };
        (first..first + self.batch).map(&mut pick).collect()
    }
}

/// The order of so many examples when they are looked at for the `round`th time.
fn shuffled(seed: u64, round: u64, of: usize) -> Vec<usize> {
    let mut noise = source("order", seed, round);
    let mut order: Vec<usize> = (0..of).collect();
    for last in (1..of).rev() {
        order.swap(last, below(&mut noise, last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_seen_before_one_is_seen_again() {
        for (of, batch) in [(10, 3), (7, 7), (3, 8), (1, 2)] {
            let steps = (0..of as u64).map(|number| Step {
                seed: 3,
                number,
                batch,
            });
            let seen: Vec<usize> = steps.flat_map(|step| step.examples(of)).collect();
            assert_eq!(seen.len(), of * batch);
            for round in seen.chunks(of) {
                let mut round = round.to_vec();
                round.sort_unstable();
                assert_eq!(round, (0..of).collect::<Vec<_>>());
            }
        }
        let step = |seed, number| {
            Step {
                seed,
                number,
                batch: 4,
            }
            .examples(100)
        };
        assert_ne!(step(1, 0), step(1, 25), "another order each time");
        assert_ne!(step(1, 0), step(2, 0), "and for each seed");
    }
}
