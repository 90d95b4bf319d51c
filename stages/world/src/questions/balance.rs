//! As many questions answered by yes as by no.

use super::{Question, Topic};
use crate::kinds::DefectKind;
use crate::truth::{About, Answer};

/// Which of the questions that could be put are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Balance {
    /// Any: most pictures are sound, so most answers about defects are the same.
    AsItFalls,
    /// About each topic as many with the one answer as with the other, over many scenes of the [`Web`](crate::Web).
    Even {
        /// The share of the scenes that have a defect, `0.0..=1.0`.
        defects: f64,
    },
}

impl Balance {
    /// The probability that a question is kept: what finds no fault is dropped until faults are as frequent.
    pub(super) fn keeps(self, question: &Question) -> f64 {
        let Self::Even { defects } = self else {
            return 1.0;
        };
        if question.finds_fault || question.answer == Answer::Nan {
            return 1.0;
        }
        let Some((sound, defective)) = fault_rates(question.topic) else {
            return 1.0;
        };
        let fault = sound + (defective - sound) * defects.clamp(0.0, 1.0);
        (fault / (1.0 - fault).max(1e-6)).min(1.0)
    }
}

/// How often a question finds a fault, in sound scenes of the web and in defective ones, measured over thousands.
const fn fault_rates(topic: Topic) -> Option<(f64, f64)> {
    Some(match topic {
        Topic::Paper(About::Realism) => (0.0, 0.48),
        Topic::Paper(About::OddPatterns) => (0.0, 0.49),
        Topic::Paper(About::LooksNormal) => (0.0, 0.62),
        Topic::Paper(About::NaturalBehaviour) => (0.022, 0.165),
        Topic::Paper(About::ConfusableObjects) => (0.078, 0.22),
        Topic::Paper(About::Anatomy) => (0.0, 0.58),
        Topic::Paper(About::ColoursMatch) => (0.22, 0.34),
        Topic::Paper(About::Abnormalities) => (0.0, 1.0),
        Topic::Legs => (0.0, 0.275),
        Topic::Defect(DefectKind::TornPatch | DefectKind::Ghost) => (0.0, 0.19),
        Topic::Defect(_) => (0.0, 0.15),
        Topic::Paper(About::ClassVisible | About::PromptRespected) | Topic::Fact(_) => return None,
    })
}
