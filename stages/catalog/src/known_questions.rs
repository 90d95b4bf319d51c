//! Question sets whose true answers about a scene the world knows.

use ccsr_stage::{Misfit, Misfits};
use ccsr_world::{About, Class};

use crate::questions::{Question, QuestionSet};
use crate::template;

/// What of a set the world does not know the truth of.
pub(crate) fn misfits(set: &QuestionSet) -> Misfits {
    let mut misfits = Misfits::new();
    for (index, question) in set.questions.iter().enumerate() {
        let index = index.to_string();
        let known = question.about.as_deref().map(str::parse::<About>);
        let message = match known {
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error.to_string()),
            None => Some(format!(
                "the question `{}` does not say what it is `about`, so that its true answer is not known",
                question.id
            )),
        };
        if let Some(message) = message {
            misfits.add(Misfit::new(["questions", &index, "about"], message));
        }
        if let Err(message) = template::check(&question.text, &["class", "prompt"]) {
            misfits.add(Misfit::new(["questions", &index, "text"], message));
        }
    }
    misfits
}

/// What a question is about, if the world knows of it.
pub(crate) fn about(question: &Question) -> Option<About> {
    question.about.as_deref()?.parse().ok()
}

/// A question's words about an image of this class and prompt.
pub(crate) fn words(text: &str, class: Class, prompt: &str) -> String {
    let filled = |name: &str| {
        Ok(if name == "class" {
            class.name()
        } else {
            prompt
        })
    };
    template::render(text, filled).unwrap_or_else(|_| text.to_owned())
}
