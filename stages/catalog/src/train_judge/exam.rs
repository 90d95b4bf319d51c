//! Questions of question sets, in their exact words, with the true answers about a scene.

use ccsr_sampling::noise::Noise;
use ccsr_world::truth::Witness;
use ccsr_world::{About, Answer, Class, Style, captions};

use super::Shown;
use crate::known_questions::{about, words};
use crate::pretraining::{below, source};
use crate::questions::QuestionSet;

/// How often a class is asked after that is most likely not there.
const ABSENT: f64 = 0.08;
/// The same where the question is whether it is there.
const ABSENT_IF_ASKED: f64 = 0.5;
/// Pictures by which the shares of answers are estimated.
const SAMPLE: usize = 2000;
/// The share of answers that say that a question makes no sense, at most.
const NAN: f64 = 0.15;
/// Tries before an answer of any kind will do.
const TRIES: usize = 50;

/// The questions, and how often each answer to each is kept.
pub(super) struct Exam {
    questions: Vec<Item>,
    /// The most things that a prompt says beside its class; 0 if it says what captions do.
    things: usize,
}

struct Item {
    text: String,
    about: About,
    /// How likely a question is asked that is answered by yes, by no, or by nan: surely, or so that they get even.
    kept: [f64; 3],
}

impl Exam {
    /// The questions of sets, to be asked about pictures such as these, with prompts that say so many things at most beside the
    /// class (0: as captions do); if they are to be even, so that as many answers are yes as are no.
    pub(super) fn new<'a>(
        sets: impl Iterator<Item = &'a QuestionSet>,
        things: usize,
        even: bool,
        shown: &[Shown],
    ) -> Self {
        let items = sets.flat_map(|set| &set.questions).filter_map(|question| {
            Some(Item {
                text: question.text.clone(),
                about: about(question)?,
                kept: [1.0; 3],
            })
        });
        let mut questions: Vec<Item> = items.collect();
        if !even {
            return Self { questions, things };
        }
        let step = shown.len().div_ceil(SAMPLE).max(1);
        for (index, item) in questions.iter_mut().enumerate() {
            let mut chance = source("shares of answers", 0, index as u64);
            let mut counts = [0.0_f64; 3];
            for shown in shown.iter().step_by(step) {
                let (_, answer) = item.ask(shown, &Witness::of(&shown.scene), things, &mut chance);
                counts[place(answer)] += 1.0;
            }
            let [yes, no, nan] = counts;
            let least = yes.min(no);
            // Where one answer was never seen, the other is as it is.
            if least > 0.0 {
                let most = NAN / (1.0 - NAN) * 2.0 * least;
                item.kept = [least / yes, least / no, most / nan.max(most)];
            }
        }
        Self { questions, things }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// A question about a picture and its answer.
    pub(super) fn ask(&self, shown: &Shown, chance: &mut Noise) -> [String; 2] {
        let witness = Witness::of(&shown.scene);
        let mut tries = 0;
        loop {
            let item = &self.questions[below(chance, self.questions.len())];
            let (text, answer) = item.ask(shown, &witness, self.things, chance);
            tries += 1;
            if chance.uniform() < item.kept[place(answer)] || tries == TRIES {
                return [text, answer.name().to_owned()];
            }
        }
    }
}

const fn place(answer: Answer) -> usize {
    match answer {
        Answer::Yes => 0,
        Answer::No => 1,
        Answer::Nan => 2,
    }
}

impl Item {
    /// The question about a picture, with a prompt that is right in everything or wrong in one thing.
    fn ask(
        &self,
        shown: &Shown,
        witness: &Witness<'_>,
        things: usize,
        chance: &mut Noise,
    ) -> (String, Answer) {
        let seed = below(chance, 1 << 40) as u64;
        let is_right = chance.uniform() < 0.5;
        let caption = match (things, is_right) {
            (0, true) => captions::caption(&shown.scene, seed),
            (0, false) => captions::wrong(&shown.scene, seed),
            (most, true) => captions::brief(&shown.scene, 1 + below(chance, most), seed),
            (most, false) => captions::brief_wrong(&shown.scene, 1 + below(chance, most), seed),
        };
        // Half of them as writers write them.
        let style = [Style::Camera, Style::Camera, Style::Plain];
        let (wish, is_written) = (caption.says, chance.uniform() < 0.5);
        let prompt = if is_written {
            wish.to_prompt(style[below(chance, style.len())], seed)
        } else {
            caption.text
        };
        let absent = match self.about {
            About::ClassVisible => ABSENT_IF_ASKED,
            _ => ABSENT,
        };
        let class = if chance.uniform() < absent {
            Class::ALL[below(chance, Class::ALL.len())]
        } else {
            wish.class.unwrap_or(shown.class)
        };
        let answer = witness.truth(&wish, class, self.about);
        (words(&self.text, class, &prompt), answer)
    }
}
