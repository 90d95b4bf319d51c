"""Are the win rates of `eval.winrate` those of SciPy and statsmodels?

    pip install -r tests/oracle/requirements.txt
    ccsr-flow run pipelines/winrate.yaml
    python tests/oracle/winrate.py pipelines/data/scores.csv pipelines/out/winrate

Recounts every row from the CSV: the counts by NumPy, the sign test by `scipy.stats.binomtest` and
`statsmodels.stats.descriptivestats.sign_test`, the interval by `scipy.stats.bootstrap` over prompts
(to within what 10,000 draws leave open) and, draw for draw, by NumPy with the same generator (to the
last digits). Prints the numbers that the tests hold; exits with 1 at the first difference.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.descriptivestats import sign_test

BAND, CONFIDENCE, RESAMPLES, SEED = 0.01, 0.95, 10_000, 0


def split_mix(seed, places):
    """SplitMix64's numbers at these places."""

    def mixed(bits):
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))

    start = mixed(np.array([seed], np.uint64))
    return mixed(start + (places + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))


def same_draws(sums, counts):
    """The interval from the draws that `eval.winrate` makes."""
    length = len(sums)
    bits = split_mix(SEED, np.arange(RESAMPLES * length, dtype=np.uint64))
    chosen = np.array([(int(draw) * length) >> 64 for draw in bits]).reshape(RESAMPLES, length)
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(means, [tail, 1 - tail])


def other_draws(sums, counts):
    """The interval from SciPy's own draws, many of them, and the error of ours at 10,000."""
    found = stats.bootstrap(
        (sums, counts),
        lambda s, c, axis: s.sum(axis=axis) / c.sum(axis=axis),
        paired=True, vectorized=True, method="percentile", confidence_level=CONFIDENCE,
        n_resamples=200_000, batch=20_000, rng=np.random.default_rng(1),
    )
    means, tail = found.bootstrap_distribution, (1 - CONFIDENCE) / 2
    errors = []
    for share, end in zip((tail, 1 - tail), found.confidence_interval):
        # The error of a quantile is that of the share, through the density around it.
        near = np.sqrt(share * (1 - share) / RESAMPLES)
        errors.append((np.quantile(means, min(share + near, 1)) - np.quantile(means, max(share - near, 0))) / 2)
        assert np.isfinite(end)
    return np.array(found.confidence_interval), np.array(errors)


def main(scores: Path, out: Path) -> None:
    cells = {}
    for row in csv.DictReader(scores.open(encoding="utf-8", newline="")):
        cells.setdefault(row["variant"], {})[row["prompt"], row["seed"]] = float(row["score"])
    rows = list(csv.DictReader((out / "winrate.csv").open(encoding="utf-8", newline="")))
    assert len(rows) == 6, len(rows)
    for row in rows:
        variant, baseline = cells[row["variant"]], cells[row["baseline"]]
        pairs = [(prompt, variant[prompt, seed] - other) for (prompt, seed), other in baseline.items()]
        differences = np.array([difference for _, difference in pairs])
        # In ten-thousandths, as the file has them, so that rounding decides nothing.
        steps = np.rint(differences * 10_000).astype(int)
        wins, losses = int((steps > BAND * 10_000).sum()), int((steps < -BAND * 10_000).sum())
        assert [int(row[name]) for name in ("pairs", "win", "loss")] == [len(pairs), wins, losses], row
        np.testing.assert_allclose(float(row["mean_difference"]), differences.mean(), atol=1e-12)
        if wins + losses:
            exact = stats.binomtest(wins, wins + losses).pvalue
            decided = np.r_[np.ones(wins), -np.ones(losses)]
            np.testing.assert_allclose(sign_test(decided)[1], exact, rtol=1e-9)
            np.testing.assert_allclose(float(row["sign_p"]), exact, rtol=1e-12)
        prompts = list(dict.fromkeys(prompt for prompt, _ in pairs))
        sums = np.array([sum(d for p, d in pairs if p == prompt) for prompt in prompts])
        counts = np.array([sum(p == prompt for p, _ in pairs) for prompt in prompts])
        found = np.array([float(row["low"]), float(row["high"])])
        np.testing.assert_allclose(found, same_draws(sums, counts), rtol=0, atol=1e-12)
        ends, errors = other_draws(sums, counts)
        assert (np.abs(found - ends) < 4 * errors).all(), (found, ends, errors)
        print(row["variant"], row["baseline"], wins, losses, row["mean_difference"], *found, row["sign_p"])
    print(f"SciPy {scipy.__version__}, statsmodels {statsmodels.__version__}: {len(rows)} rows agree")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except AssertionError as difference:
        sys.exit(f"differs: {difference}")
