//! A set of questions about an image, as `questions/*.yaml` holds it.
//!
//! What a question says, when it is worth an answer and what an answer counts stand side by side
//! in the file, but each stage reads only its part: judging reads texts, scoring reads weights.

use std::collections::BTreeMap;

use ccsr_stage::params::nearest;
use ccsr_stage::{Misfit, Misfits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Questions, and what their answers count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionSet {
    /// The questions, in the order in which they are asked and shown.
    pub questions: Vec<Question>,
    /// Ways to count the answers, by name, beside the built-in `eq1`.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// A question about an image, answered by yes, no or nan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its name: `q1`.
    pub id: String,
    /// What it is about, for judges that do not read its words: `realism`, `anatomy`, ….
    #[serde(default)]
    pub about: Option<String>,
    /// Whether a yes speaks for the image or against it.
    #[serde(default)]
    pub polarity: Polarity,
    /// Answers to other questions without which this one is void: `{q3: "yes"}`.
    #[serde(default)]
    pub requires: BTreeMap<String, Answer>,
    /// Its words; `{class}` and `{prompt}` stand for the image's.
    pub text: String,
}

/// Whether a yes speaks for the image or against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Polarity {
    /// Yes counts 1.
    #[default]
    Positive,
    /// No counts 1, yes counts -1.
    Negative,
}

/// An answer that a question can be given.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// The question does not apply.
    Nan,
    /// The judge said something that is none of these.
    Unparsed,
    /// The question was not asked: its gate was closed.
    Skipped,
}

impl Answer {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Yes,
        Self::No,
        Self::Nan,
        Self::Unparsed,
        Self::Skipped,
    ];

    /// The word for it in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Nan => "nan",
            Self::Unparsed => "unparsed",
            Self::Skipped => "skipped",
        }
    }

    /// The answer of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.name() == name)
    }
}

/// A way to count answers: a table of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Whether a question counts nothing when an answer that it requires was not given.
    #[serde(default = "on")]
    pub gates: bool,
    /// What the answers to each question count.
    pub weights: BTreeMap<String, Weights>,
}

const fn on() -> bool {
    true
}

/// What each answer to a question counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// For yes.
    pub yes: f64,
    /// For no.
    pub no: f64,
    /// For nan, and for a question that was skipped.
    pub nan: f64,
    /// For an answer that could not be read.
    pub unparsed: f64,
}

impl Polarity {
    /// The weights of the paper's equation 1.
    pub const fn weights(self) -> Weights {
        let (yes, no) = match self {
            Self::Positive => (1.0, 0.0),
            Self::Negative => (-1.0, 1.0),
        };
        Weights {
            yes,
            no,
            nan: 0.0,
            unparsed: 0.0,
        }
    }
}

impl Weights {
    /// Each with the name of its field.
    pub const fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("yes", self.yes),
            ("no", self.no),
            ("nan", self.nan),
            ("unparsed", self.unparsed),
        ]
    }

    /// What `answer` counts.
    pub const fn of(self, answer: Answer) -> f64 {
        match answer {
            Answer::Yes => self.yes,
            Answer::No => self.no,
            Answer::Nan | Answer::Skipped => self.nan,
            Answer::Unparsed => self.unparsed,
        }
    }
}

impl QuestionSet {
    /// Position of the question `id`.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.questions.iter().position(|question| question.id == id)
    }

    /// The questions' names.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.questions.iter().map(|question| question.id.as_str())
    }

    /// Everything in which the set is not of one piece: names are unique, everything named exists,
    /// weights are numbers, and requirements do not go round in a circle.
    pub fn misfits(&self) -> Misfits {
        if self.questions.is_empty() {
            return Misfit::new(["questions"], "the question set has no questions").into();
        }
        let mut found = Misfits::new();
        for (index, question) in self.questions.iter().enumerate() {
            let within = self.misfits_of(index, question);
            found.add(within.below(index.to_string()).below("questions"));
        }
        for (name, profile) in &self.profiles {
            for (id, weights) in &profile.weights {
                let mut within = Misfits::new();
                if let Err(text) = self.known(id) {
                    let message = format!("profile `{name}` has weights for {text}");
                    within.add(Misfit::of_name([id], message));
                }
                let infinite = weights.named().into_iter();
                for (answer, weight) in infinite.filter(|(_, weight)| !weight.is_finite()) {
                    let message = format!("`{answer}: {weight}` is not a finite number");
                    within.add(Misfit::new([id, answer], message));
                }
                found.add(within.below("weights").below(name).below("profiles"));
            }
        }
        if found.is_empty()
            && let Err((stuck, message)) = self.sorted()
        {
            let at = stuck.first().map(ToString::to_string).unwrap_or_default();
            found.add(Misfit::new(["questions", &at, "requires"], message));
        }
        found
    }

    fn misfits_of(&self, index: usize, question: &Question) -> Misfits {
        let mut found = Misfits::new();
        if self.position(&question.id) != Some(index) {
            let message = format!("two questions are called `{}`", question.id);
            found.add(Misfit::new(["id"], message));
        }
        if let Err(problem) = crate::template::check(&question.text, &["class", "prompt"]) {
            let message = format!("question `{}`: {problem}", question.id);
            found.add(Misfit::new(["text"], message));
        }
        for (required, answer) in &question.requires {
            if let Err(text) = self.known(required) {
                let message = format!("question `{}` requires {text}", question.id);
                found.add(Misfit::of_name(["requires", required], message));
            }
            if matches!(answer, Answer::Unparsed | Answer::Skipped) {
                let message = format!(
                    "question `{}` requires `{required}: {}`; expected yes, no or nan",
                    question.id,
                    answer.name()
                );
                found.add(Misfit::new(["requires", required], message));
            }
        }
        found
    }

    /// That there is a question `id`.
    ///
    /// # Errors
    /// `` `q11`, but there is no such question … `` to end a sentence with.
    pub fn known(&self, id: &str) -> Result<usize, String> {
        self.position(id).ok_or_else(|| {
            let near = nearest(id, self.ids());
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            let ids = self.ids().collect::<Vec<_>>().join(", ");
            format!("`{id}`, but there is no such question; there are {ids}{hint}")
        })
    }

    /// The questions' positions, each after those that it requires.
    ///
    /// # Errors
    /// A sentence, if there is a circle.
    pub fn order(&self) -> Result<Vec<usize>, String> {
        self.sorted().map_err(|(_, message)| message)
    }

    /// The same; an error names the questions that cannot be put in order.
    fn sorted(&self) -> Result<Vec<usize>, (Vec<usize>, String)> {
        let mut order: Vec<usize> = Vec::with_capacity(self.questions.len());
        while order.len() < self.questions.len() {
            let ready = |question: &Question| {
                let mut required = question.requires.keys();
                required.all(|id| self.position(id).is_some_and(|at| order.contains(&at)))
            };
            let next: Vec<usize> = (0..self.questions.len())
                .filter(|index| !order.contains(index) && ready(&self.questions[*index]))
                .collect();
            if next.is_empty() {
                let stuck: Vec<usize> = (0..self.questions.len())
                    .filter(|index| !order.contains(index))
                    .collect();
                let names: Vec<&str> = stuck
                    .iter()
                    .map(|index| self.questions[*index].id.as_str())
                    .collect();
                let message = format!(
                    "the questions {} require each other in a circle",
                    names.join(", ")
                );
                return Err((stuck, message));
            }
            order.extend(next);
        }
        Ok(order)
    }

    /// Which of the questions count, given what each was answered: those whose required answers
    /// were given, by questions that count themselves.
    pub fn open(&self, answers: &[Answer]) -> Vec<bool> {
        let mut open = vec![true; self.questions.len()];
        for index in self.order().unwrap_or_default() {
            let mut required = self.questions[index].requires.iter();
            open[index] = required.all(|(id, wanted)| {
                self.position(id)
                    .is_some_and(|at| open[at] && answers[at] == *wanted)
            });
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(questions: &serde_json::Value) -> QuestionSet {
        serde_json::from_value(json!({ "questions": questions })).unwrap()
    }

    #[test]
    fn a_set_that_is_not_of_one_piece_is_refused() {
        let says = |set: QuestionSet| set.misfits().to_string();
        assert_eq!(says(set(&json!([]))), "the question set has no questions");
        assert_eq!(
            says(set(
                &json!([{"id": "a", "text": "?"}, {"id": "a", "text": "!"}])
            )),
            "two questions are called `a`"
        );
        assert_eq!(
            says(set(&json!([{"id": "a", "text": "Is it a {clas}?"}]))),
            "question `a`: `{clas}` stands for nothing; there are `{class}`, `{prompt}`; \
             did you mean `{class}`?"
        );
        assert_eq!(
            says(set(
                &json!([{"id": "q1", "text": "?", "requires": {"q2": "yes"}}])
            )),
            "question `q1` requires `q2`, but there is no such question; there are q1; \
             did you mean `q1`?"
        );
        assert_eq!(
            says(set(
                &json!([{"id": "a", "text": "?"}, {"id": "b", "text": "?", "requires": {"a": "skipped"}}])
            )),
            "question `b` requires `a: skipped`; expected yes, no or nan"
        );
        assert_eq!(
            says(set(&json!([
                {"id": "a", "text": "?", "requires": {"b": "yes"}},
                {"id": "b", "text": "?", "requires": {"a": "no"}},
                {"id": "c", "text": "?"},
            ]))),
            "the questions a, b require each other in a circle"
        );
        let mut with_profile = set(&json!([{"id": "a", "text": "?"}]));
        let profile = json!({"weights": {"z": {"yes": 1}}});
        with_profile
            .profiles
            .insert("mine".to_owned(), serde_json::from_value(profile).unwrap());
        assert!(says(with_profile).starts_with("profile `mine` has weights for `z`, but there is"));
    }

    #[test]
    fn a_closed_gate_closes_those_behind_it() {
        let set = set(&json!([
            {"id": "c", "text": "?", "requires": {"b": "no"}},
            {"id": "b", "text": "?", "requires": {"a": "yes"}},
            {"id": "a", "text": "?"},
        ]));
        assert_eq!(set.order().unwrap(), [2, 1, 0]);
        let open = |c, b, a| set.open(&[c, b, a]);
        assert_eq!(
            open(Answer::Yes, Answer::No, Answer::Yes),
            [true, true, true]
        );
        assert_eq!(
            open(Answer::Yes, Answer::No, Answer::No),
            [false, false, true]
        );
        assert_eq!(
            open(Answer::Yes, Answer::Yes, Answer::Yes),
            [false, true, true]
        );
    }
}
