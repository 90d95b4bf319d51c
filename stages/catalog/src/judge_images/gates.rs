//! Which questions about an image can be asked next, and which are skipped.

use ccsr_stage::Value;

use super::Ask;
use crate::questions::{Answer, QuestionSet};
use crate::roles::Verdict;

/// How far the questions about one image are.
pub(super) struct Progress {
    /// The verdict on each question that is settled.
    pub(super) answers: Vec<Option<Verdict>>,
    /// The questions to ask next.
    pub(super) next: Vec<usize>,
}

impl Progress {
    /// What is settled after these outcomes, which are in the order in which questions were asked.
    pub(super) fn of<'a>(
        questions: &QuestionSet,
        ask: Ask,
        outcomes: impl ExactSizeIterator<Item = &'a Value>,
        verdict: impl Fn(&Value) -> Verdict,
    ) -> Self {
        let mut answers: Vec<Option<Verdict>> = vec![None; questions.questions.len()];
        let mut outcomes = outcomes;
        loop {
            let next = settle(questions, ask, &mut answers);
            if next.is_empty() || outcomes.len() == 0 {
                return Self { answers, next };
            }
            for (index, outcome) in next.into_iter().zip(outcomes.by_ref()) {
                answers[index] = Some(verdict(outcome));
            }
        }
    }
}

/// Skips the questions whose gates are closed and returns those that can be asked.
fn settle(set: &QuestionSet, ask: Ask, answers: &mut [Option<Verdict>]) -> Vec<usize> {
    let skipped = Verdict {
        answer: Answer::Skipped,
        margin: None,
    };
    let mut next = Vec::new();
    for index in set.order().unwrap_or_default() {
        if answers[index].is_some() {
            continue;
        }
        let required = &set.questions[index].requires;
        let given: Option<Vec<bool>> = required
            .iter()
            .map(|(id, wanted)| {
                let at = set.position(id)?;
                answers[at].map(|verdict| verdict.answer == *wanted)
            })
            .collect();
        match given {
            _ if ask == Ask::All => next.push(index),
            Some(given) if given.iter().all(|given| *given) => next.push(index),
            Some(_) => answers[index] = Some(skipped),
            None => {}
        }
    }
    next.sort_unstable();
    next
}
