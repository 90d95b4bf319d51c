//! How the next token is chosen of the network's logits.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How tokens are chosen. The steps are those of `transformers`, in its order: repetition penalty, temperature, the `k`
/// likeliest, the nucleus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What logits are divided by, above 0; at 0, the likeliest token is taken and nothing is drawn.
    pub temperature: f64,
    /// Only so many of the likeliest tokens stay; 0: all.
    pub top_k: usize,
    /// Of the likeliest tokens only as many stay as have this share of all likelihood together, `0.0..=1.0` (Holtzman et
    /// al., 2020); 1: all.
    pub top_p: f64,
    /// What the logits of tokens that were there already are divided by, if above 0, or multiplied by, if below
    /// (Keskar et al., 2019); 1: nothing.
    pub repetition_penalty: f64,
}

impl Sampling {
    /// The likeliest token, always.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        repetition_penalty: 1.0,
    };
}

/// Chooses the tokens of one text.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    random: ChaCha8Rng,
    seen: BTreeSet<u32>,
}

impl Sampler {
    /// A sampler for a text that begins with these tokens. Equal seeds, equal choices, whatever other texts there are.
    pub fn new(sampling: Sampling, seed: [u8; 32], beginning: &[u32]) -> Self {
        Self {
            sampling,
            random: ChaCha8Rng::from_seed(seed),
            seen: beginning.iter().copied().collect(),
        }
    }

    /// The next token.
    ///
    /// # Panics
    /// If there are no logits.
    pub fn choose(&mut self, logits: &[f32]) -> u32 {
        let mut logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
        self.penalise(&mut logits);
        let token = if self.sampling.temperature > 0.0 {
            self.draw(&logits)
        } else {
            likeliest(&logits)
        };
        self.seen.insert(token);
        token
    }

    fn penalise(&self, logits: &mut [f64]) {
        let penalty = self.sampling.repetition_penalty;
        for token in &self.seen {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit = if *logit > 0.0 {
                    *logit / penalty
                } else {
                    *logit * penalty
                };
            }
        }
    }

    fn draw(&mut self, logits: &[f64]) -> u32 {
        let left = self.left(logits);
        let all: f64 = left.iter().map(|(_, share)| share).sum();
        // 53 bits, as many as a number in `0.0..1.0` has.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut below = uniform * all;
        for (token, share) in &left {
            if below < *share {
                return *token;
            }
            below -= share;
        }
        left.last().expect("the likeliest always stays").0
    }

    /// The tokens to draw from, the likeliest first, with what each weighs.
    fn left(&self, logits: &[f64]) -> Vec<(u32, f64)> {
        let Sampling {
            temperature,
            top_k,
            top_p,
            ..
        } = self.sampling;
        let mut left: Vec<(u32, f64)> = (0..).zip(logits.iter().copied()).collect();
        // Equal ones by number, so that nothing depends on the way of sorting.
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if top_k > 0 && top_k < left.len() {
            left.select_nth_unstable_by(top_k - 1, order);
            left.truncate(top_k);
        }
        left.sort_unstable_by(order);
        let most = left[0].1;
        for (_, logit) in &mut left {
            *logit = ((*logit - most) / temperature).exp();
        }
        if top_p < 1.0 {
            let all: f64 = left.iter().map(|(_, share)| share).sum();
            let mut before = 0.0;
            let kept = left.iter().take_while(|(_, share)| {
                let stays = before < top_p * all;
                before += share;
                stays
            });
            let kept = kept.count().max(1);
            left.truncate(kept);
        }
        left
    }
}

/// The number of the largest logit, the first of equal ones.
fn likeliest(logits: &[f64]) -> u32 {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn sampler(sampling: Sampling) -> Sampler {
        Sampler::new(sampling, [7; 32], &[])
    }

    const PLAIN: Sampling = Sampling {
        temperature: 1.0,
        ..Sampling::GREEDY
    };

    /// A case of the reference: what its processors leave of logits after tokens that were there already.
    #[derive(serde::Deserialize)]
    struct Case {
        temperature: f64,
        top_k: usize,
        top_p: f64,
        repetition_penalty: f64,
        logits: Vec<f64>,
        seen: Vec<u32>,
        left: BTreeMap<u32, f64>,
    }

    #[test]
    fn what_is_left_is_what_transformers_leaves() {
        let cases = include_str!("../tests/parity/golden/sampling.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let sampling = Sampling {
                temperature: case.temperature,
                top_k: case.top_k,
                top_p: case.top_p,
                repetition_penalty: case.repetition_penalty,
            };
            let sampler = Sampler::new(sampling, [7; 32], &case.seen);
            let mut logits = case.logits;
            sampler.penalise(&mut logits);
            let left = sampler.left(&logits);
            let all: f64 = left.iter().map(|(_, share)| share).sum();
            assert_eq!(left.len(), case.left.len());
            for (token, share) in left {
                assert!((share / all - case.left[&token]).abs() < 1e-5, "{token}");
            }
        }
    }

    #[test]
    fn draws_follow_the_shares() {
        let mut sampler = sampler(PLAIN);
        let logits = [0.0_f32, 1.0, 2.0];
        let mut counts = [0; 3];
        for _ in 0..20_000 {
            counts[sampler.choose(&logits) as usize] += 1;
        }
        for (count, share) in counts.iter().zip([0.090_03, 0.244_73, 0.665_24]) {
            assert!(
                (f64::from(*count) / 20_000.0 - share).abs() < 0.01,
                "{counts:?}"
            );
        }
    }

    #[test]
    fn tokens_that_were_there_are_made_rarer() {
        let sampling = Sampling {
            repetition_penalty: 2.0,
            ..Sampling::GREEDY
        };
        let mut sampler = Sampler::new(sampling, [0; 32], &[2]);
        // 2 was there: 5 becomes 2.5. Then 1 was, too: 3 becomes 1.5.
        assert_eq!(sampler.choose(&[2.6, 3.0, 5.0]), 1);
        assert_eq!(sampler.choose(&[2.4, 3.0, 5.0]), 2);
        assert_eq!(sampler.choose(&[2.6, 3.0, 5.0]), 0);
        let mut sampler = Sampler::new(sampling, [0; 32], &[0]);
        assert_eq!(sampler.choose(&[-1.0, -1.5]), 1);
    }
}
