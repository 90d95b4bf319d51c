//! Choosing among the candidates of one prompt.

use std::cmp::Ordering;

use ccsr_stage::Row;

use super::{OnNone, Params, Selector, Shortlist, Ties};

/// A candidate of a prompt.
pub(super) struct Candidate<'a> {
    /// Its row of the scores.
    pub(super) row: Row<'a>,
    /// Its score; a number.
    pub(super) score: f64,
    /// Confidence and box of the surest detection of its class, if there is any.
    pub(super) detection: Option<[f64; 5]>,
    /// What decides among the shortlisted: confidence, lot or truth; the larger wins.
    pub(super) worth: f64,
    /// Whether it may win.
    pub(super) may_win: bool,
}

impl Candidate<'_> {
    fn confidence(&self) -> f64 {
        self.detection.map_or(0.0, |detection| detection[0])
    }
}

/// What became of a prompt's candidates.
pub(super) struct Choice {
    /// Position of the one that won.
    pub(super) winner: Option<usize>,
    /// Candidates that it was chosen from.
    pub(super) tied: usize,
    /// Which candidates were looked at for a winner.
    pub(super) shortlisted: Vec<bool>,
}

/// Chooses among candidates, which stand in the table's order.
pub(super) fn choose(params: &Params, candidates: &[Candidate<'_>]) -> Choice {
    let mut shortlisted = if params.by.reads_scores() {
        shortlist(params.shortlist, candidates)
    } else {
        vec![true; candidates.len()]
    };
    let mut tier = positions(&shortlisted);
    loop {
        let winner = winner(params, candidates, &tier);
        let rest = shortlisted
            .iter()
            .zip(candidates)
            .filter(|(listed, _)| !**listed);
        let next = rest.map(|(_, candidate)| candidate.score).reduce(f64::max);
        match next {
            Some(next) if winner.is_none() && params.on_none == OnNone::NextScoreTier => {
                let in_tier = |index: usize| !shortlisted[index] && candidates[index].score >= next;
                tier = (0..candidates.len())
                    .filter(|index| in_tier(*index))
                    .collect();
                for index in &tier {
                    shortlisted[*index] = true;
                }
            }
            _ => {
                return Choice {
                    winner,
                    tied: tier.len(),
                    shortlisted,
                };
            }
        }
    }
}

fn shortlist(rule: Shortlist, candidates: &[Candidate<'_>]) -> Vec<bool> {
    let scores = candidates.iter().map(|candidate| candidate.score);
    match rule {
        Shortlist::AllMax => {
            let best = scores.clone().fold(f64::NEG_INFINITY, f64::max);
            scores.map(|score| score >= best).collect()
        }
        Shortlist::Threshold(least) => scores.map(|score| score >= least).collect(),
        Shortlist::TopK(count) => {
            let mut order: Vec<usize> = (0..candidates.len()).collect();
            order.sort_by(|a, b| candidates[*b].score.total_cmp(&candidates[*a].score));
            order.truncate(count as usize);
            (0..candidates.len())
                .map(|index| order.contains(&index))
                .collect()
        }
    }
}

fn positions(marks: &[bool]) -> Vec<usize> {
    (0..marks.len()).filter(|index| marks[*index]).collect()
}

/// The worthiest of a tier that may win; of equally worthy ones the first.
fn winner(params: &Params, candidates: &[Candidate<'_>], tier: &[usize]) -> Option<usize> {
    let may_win = |index: &usize| candidates[*index].may_win;
    let better = |a: &Candidate<'_>, b: &Candidate<'_>| match a.worth.total_cmp(&b.worth) {
        Ordering::Equal => params.ties == Ties::HighestScore && a.score > b.score,
        order => order == Ordering::Greater,
    };
    tier.iter().copied().filter(may_win).reduce(|best, index| {
        if better(&candidates[index], &candidates[best]) {
            index
        } else {
            best
        }
    })
}

/// Why a candidate that did not win lost: its `score`, its `confidence`, `lot` or `truth`, or that another one
/// that was as good came first.
pub(super) fn reason(
    by: Selector,
    candidates: &[Candidate<'_>],
    choice: &Choice,
    index: usize,
) -> &'static str {
    let mine = candidates[index].worth;
    match choice.winner {
        _ if !choice.shortlisted[index] => "score",
        Some(winner) if candidates[winner].worth <= mine => "not_first",
        // The winner was surer, or nobody was sure enough.
        _ => match by {
            Selector::Both | Selector::Judge | Selector::Detector => "confidence",
            Selector::Random => "lot",
            Selector::Truth => "truth",
        },
    }
}

/// The place of each candidate by score, then confidence, then order; the best is 1.
pub(super) fn ranks(candidates: &[Candidate<'_>]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        b.score
            .total_cmp(&a.score)
            .then(b.confidence().total_cmp(&a.confidence()))
    });
    let mut ranks = vec![0; candidates.len()];
    for (rank, index) in (1..).zip(order) {
        ranks[index] = rank;
    }
    ranks
}
