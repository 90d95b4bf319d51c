//! The statistics of paired differences, an interval for their mean and the sign test, and those of shares.
//!
//! `tests/oracle/winrate.py` holds both against SciPy and statsmodels. Nothing here calls a
//! transcendental function, so that tables are the same on every machine.

use ccsr_stage::{ColumnType, Misfits, Value};

use crate::range::within;
use crate::world::rounded;

/// Half the width of an interval that holds 95 % of a normal distribution, in its deviations.
const DEVIATIONS: f64 = 1.959_963_984_540_054;

/// What of a bootstrap's parameters does not lie in its range.
pub(crate) fn misfits_of_bootstrap(confidence: f64, resamples: u64) -> Misfits {
    let mut misfits = within("confidence", confidence, &(0.5..=0.999), "");
    misfits.add(within("resamples", resamples, &(100..=1_000_000), ""));
    misfits
}

/// What the resamples of a bootstrap are drawn with.
#[derive(Clone, Copy)]
pub(crate) struct Bootstrap {
    pub(crate) resamples: u64,
    /// The share of resamples that the interval holds.
    pub(crate) confidence: f64,
    pub(crate) seed: u64,
}

impl Bootstrap {
    /// The percentile interval of the mean over clusters, each the sum and the number of its
    /// differences. Clusters are drawn whole, with replacement: what belongs to one prompt is not
    /// independent. At least one of them must hold something.
    pub(crate) fn interval(self, clusters: &[(f64, u64)]) -> [f64; 2] {
        let mut means: Vec<f64> = (0..self.resamples)
            .map(|resample| self.mean(resample, clusters))
            .collect();
        means.sort_by(f64::total_cmp);
        let tail = (1.0 - self.confidence) / 2.0;
        [tail, 1.0 - tail].map(|share| quantile(&means, share))
    }

    fn mean(self, resample: u64, clusters: &[(f64, u64)]) -> f64 {
        let length = clusters.len() as u64;
        let (mut sum, mut count) = (0.0, 0);
        for position in 0..length {
            let bits = draw(self.seed, resample * length + position);
            // The high half of the product: each cluster as often, but for one part in 2^64 of them.
            let chosen = ((u128::from(bits) * u128::from(length)) >> 64) as usize;
            sum += clusters[chosen].0;
            count += clusters[chosen].1;
        }
        sum / count as f64
    }
}

/// The number at a place of a sequence: SplitMix64 (Steele, Lea, Flood 2014), whose state is a
/// counter, so that no draw depends on the one before.
fn draw(seed: u64, place: u64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    mixed(mixed(seed).wrapping_add(place.wrapping_add(1).wrapping_mul(GAMMA)))
}

fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The quantile of sorted numbers, between two of them on the line through both (NumPy's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

/// The probability that a fair coin splits as unevenly as this, or more so: the exact binomial
/// test, two-sided.
pub(crate) fn sign_test(wins: u64, losses: u64) -> f64 {
    let (fewer, tosses) = (wins.min(losses), wins + losses);
    // The probability of `fewer`, a factor at a time; halving early keeps it from overflowing.
    let (mut term, mut halvings) = (1.0_f64, tosses);
    for index in 1..=fewer {
        term *= (tosses - fewer + index) as f64 / index as f64;
        while term > 1.0 && halvings > 0 {
            term *= 0.5;
            halvings -= 1;
        }
    }
    // Past 1,100 halvings nothing is left of a number that is at most 1.
    for _ in 0..halvings.min(1_100) {
        term *= 0.5;
    }
    let mut tail = 0.0;
    for index in (0..=fewer).rev() {
        tail += term;
        term *= index as f64 / (tosses - index + 1) as f64;
    }
    f64::min(1.0, 2.0 * tail)
}

/// Of how many something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    held: u64,
    of: u64,
}

impl Share {
    /// The columns of a table that says how many of how many are right, and with which interval.
    pub(crate) const COLUMNS: [(&str, ColumnType); 5] = [
        ("count", ColumnType::Int),
        ("right", ColumnType::Int),
        ("accuracy", ColumnType::Float),
        ("low", ColumnType::Float),
        ("high", ColumnType::Float),
    ];

    /// One more, of which it holds or not.
    pub(crate) fn count(&mut self, holds: bool) {
        self.held += u64::from(holds);
        self.of += 1;
    }

    /// Of how many.
    pub(crate) const fn of(self) -> u64 {
        self.of
    }

    /// The share and the ends of its interval (Wilson, 1927), which 95 % of such intervals share with the truth.
    pub(crate) fn values(self) -> [Value; 3] {
        if self.of == 0 {
            return [Value::Null, Value::Null, Value::Null];
        }
        let (of, z2) = (self.of as f64, DEVIATIONS * DEVIATIONS);
        let share = self.held as f64 / of;
        let middle = share + z2 / (2.0 * of);
        let half = DEVIATIONS * ((share * (1.0 - share) + z2 / (4.0 * of)) / of).sqrt();
        let ends = [middle - half, middle + half].map(|end| end / (1.0 + z2 / of));
        [share, ends[0].max(0.0), ends[1].min(1.0)].map(|number| Value::Float(rounded(number)))
    }

    /// What stands in [`COLUMNS`](Self::COLUMNS).
    pub(crate) fn cells(self) -> impl Iterator<Item = Value> {
        let numbers = [self.of, self.held].map(|number| Value::Int(number as i64));
        numbers.into_iter().chain(self.values())
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these come out exactly")]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(
            [0.0, 0.5, 1.0, 0.25].map(|s| quantile(&sorted, s)),
            [1.0, 3.0, 8.0, 1.75]
        );
        assert_eq!(quantile(&[3.0], 0.9), 3.0);
    }

    #[test]
    fn small_splits_are_counted_by_hand() {
        assert_eq!(sign_test(0, 0), 1.0);
        assert_eq!(sign_test(1, 0), 1.0);
        assert_eq!(sign_test(0, 5), 2.0 / 32.0);
        assert_eq!(sign_test(5, 0), 2.0 / 32.0);
        assert_eq!(sign_test(3, 3), 1.0);
        assert_eq!(sign_test(1, 5), 2.0 * 7.0 / 64.0);
    }

    /// What `scipy.stats.binomtest(wins, wins + losses).pvalue` says.
    #[test]
    fn large_splits_are_counted_as_scipy_counts() {
        for (wins, losses, expected) in [
            (17, 5, 0.016_900_539_398_193_36),
            (61, 39, 0.035_200_200_217_704_855),
            (450, 550, 0.001_730_536_084_976_302_7),
            (5, 195, 3.238_044_553_448_488_5e-51),
            (1_000, 1_300, 4.287_409_002_115_22e-10),
            (0, 1_100, 0.0),
            (60_000, 60_500, 0.150_576_452_993_914_38),
        ] {
            let found = sign_test(wins, losses);
            assert!(
                (found - expected).abs() <= 1e-9 * expected,
                "{wins} : {losses}: {found} is not {expected}"
            );
        }
    }

    #[test]
    fn equal_clusters_leave_no_doubt_and_an_interval_narrows_with_less_confidence() {
        let bootstrap = |confidence, seed| Bootstrap {
            resamples: 1_000,
            confidence,
            seed,
        };
        assert_eq!(
            bootstrap(0.95, 0).interval(&[(1.0, 2), (1.0, 2)]),
            [0.5, 0.5]
        );
        let clusters = [(0.1, 1), (0.4, 2), (-0.3, 1), (0.9, 3)];
        let [low, high] = bootstrap(0.95, 0).interval(&clusters);
        let narrow = bootstrap(0.6, 0).interval(&clusters);
        assert!(low < narrow[0] && narrow[0] < narrow[1] && narrow[1] < high);
        assert_ne!(bootstrap(0.95, 1).interval(&clusters), [low, high]);
    }
}
