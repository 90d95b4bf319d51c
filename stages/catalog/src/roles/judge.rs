//! Judges: those that know what questions are about, and those that read words.

use ccsr_stage::{Batch, ColumnType, Digest, Row, StageError, Value};
use serde::{Deserialize, Serialize};

use super::{Network, Reads};
use crate::questions::{Answer, Question};

/// What a judge said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// How sure it was, `0.0..=1.0`, if it knows.
    pub margin: Option<f64>,
}

/// The logarithms of the probabilities of yes and no as the first token of an answer: what the outcome
/// of a judge that reads words holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct YesNo {
    /// Of yes, at most 0.
    pub yes: f64,
    /// Of no, at most 0.
    pub no: f64,
}

impl YesNo {
    /// As an outcome.
    ///
    /// # Errors
    /// If they are no logarithms of probabilities.
    pub fn outcome(self) -> Result<Value, StageError> {
        let (yes, no) = (self.yes, self.no);
        // What rounding adds to a probability of 1 is no harm.
        if [yes, no]
            .into_iter()
            .all(|log| log <= 1e-3 && log.is_finite())
        {
            Ok(crate::identity_of(&self))
        } else {
            Err(StageError::failed(format!(
                "the model's log-probabilities of yes and no are {yes} and {no}: its weights, or what \
                 it computes, are no numbers"
            )))
        }
    }

    /// The likelier of the two, of equals no; the margin is the distance of their shares.
    pub fn verdict(self) -> Verdict {
        // The share of yes is 1 / (1 + e^-d), and the distance of the shares is tanh(d / 2).
        let margin = ((self.yes - self.no) / 2.0).tanh();
        Verdict {
            answer: if margin > 0.0 {
                Answer::Yes
            } else {
                Answer::No
            },
            margin: Some(margin.abs()),
        }
    }

    /// The probability of yes, `0.0..=1.0`.
    pub fn probability(self) -> f64 {
        self.yes.exp().min(1.0)
    }
}

/// What a unit reads that has a judge [`tell`](Judge::tell) something: `text` is all that is said to it,
/// `max_tokens` the most that it may say.
pub(crate) fn told(image: Digest, text: String, max_tokens: u32, model: &Value) -> Reads {
    vec![
        ("image", Value::Blob(image)),
        ("text", Value::from(text)),
        ("max_tokens", Value::Int(i64::from(max_tokens))),
        ("model", model.clone()),
    ]
}

/// Answers questions about images.
pub trait Judge: Network {
    /// That it can answer `question`.
    ///
    /// # Errors
    /// A sentence.
    fn check(&self, question: &Question) -> Result<(), String>;

    /// That it reads words, so that anything may be asked: then its answers are [`YesNo`], and it can
    /// [`tell`](Self::tell).
    ///
    /// # Errors
    /// A sentence that says which judge does.
    fn reads_words(&self) -> Result<(), String> {
        Err("the suite's judge reads no words and writes none; `llava` does".to_owned())
    }

    /// Columns of the images' table that it reads beside `image`.
    fn columns(&self) -> Vec<(&'static str, ColumnType)> {
        Vec::new()
    }

    /// What its answer to a question about a row's image depends on, beside the image, the
    /// question's words and the model.
    fn input(&self, row: Row<'_>, question: &Question) -> Result<Reads, StageError> {
        let _ = (row, question);
        Ok(Reads::new())
    }

    /// How many units make a good batch.
    fn batch(&self) -> usize {
        2048
    }

    /// Answers the units of the batch, whose inputs hold what [`input`](Self::input) said and
    /// `image` and `question`. The values are stored and read by [`verdict`](Self::verdict); those
    /// of a judge that reads words are made by [`YesNo::outcome`].
    fn answer(&self, batch: &Batch<'_>) -> Vec<Result<Value, StageError>>;

    /// Reads an answer. What it cannot read is [`Answer::Unparsed`].
    fn verdict(&self, outcome: &Value) -> Verdict {
        let unparsed = Verdict {
            answer: Answer::Unparsed,
            margin: None,
        };
        outcome.read().map_or(unparsed, YesNo::verdict)
    }

    /// Says something about the images of the batch's units, whose inputs hold `image`, `text` (all
    /// that is said to the judge) and `max_tokens` (of what it may say): the raw completions, decoded
    /// greedily. Only judges that [read words](Self::reads_words) are asked.
    fn tell(&self, batch: &Batch<'_>) -> Vec<Result<String, StageError>> {
        let refused = || Err(StageError::failed("the suite's judge writes no words"));
        batch.units.iter().map(|_| refused()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(yes: f64, no: f64) -> YesNo {
        YesNo {
            yes: yes.ln(),
            no: no.ln(),
        }
    }

    #[test]
    fn the_likelier_is_the_answer_and_shares_are_the_margin() {
        for (yes, no, answer, margin) in [
            (0.9, 0.1, Answer::Yes, 0.8),
            // What is left for other tokens does not count.
            (0.3, 0.1, Answer::Yes, 0.5),
            (0.02, 0.06, Answer::No, 0.5),
            (0.4, 0.4, Answer::No, 0.0),
        ] {
            let verdict = of(yes, no).verdict();
            assert_eq!(verdict.answer, answer);
            assert!(
                (verdict.margin.unwrap() - margin).abs() < 1e-12,
                "{verdict:?}"
            );
            assert!((of(yes, no).probability() - yes).abs() < 1e-12);
        }
        let sure = YesNo { yes: 0.0, no: -1e4 };
        assert_eq!(sure.verdict().margin, Some(1.0));
    }

    #[test]
    fn what_is_no_probability_is_no_outcome() {
        let outcome = of(0.9, 0.1).outcome().unwrap();
        assert_eq!(outcome.read::<YesNo>().unwrap(), of(0.9, 0.1));
        for (yes, no) in [(f64::NAN, -1.0), (-1.0, f64::NEG_INFINITY), (0.5, -1.0)] {
            assert!(YesNo { yes, no }.outcome().is_err());
        }
    }
}
