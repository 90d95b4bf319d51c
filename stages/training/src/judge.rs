//! LLaVA: answers to questions about images.

use burn::prelude::*;
use burn::tensor::Gradients;
use ccsr_llava::{Llava, Parts, Prepared};
use ccsr_mistral::{Extent, Texts};
use ccsr_nn::Row;

use crate::language::Foretold;
use crate::{Gradient, Lesson};

/// A vision tower, a projector and a language model, and how well they answer.
pub struct JudgeTrainer {
    network: Llava,
    row: Row,
    /// What stays as it is.
    frozen: Parts,
    /// With a graph.
    device: Device,
}

/// An image, and what is asked about it. Its tokens are read once, and each question goes on from there.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The image, as the vision tower reads it.
    pub image: Prepared,
    /// The tokens up to and with the one that stands for the image.
    pub beginning: Vec<u32>,
    /// The tokens after it, of which those of the answer count.
    pub questions: Vec<Lesson>,
}

impl JudgeTrainer {
    /// A trainer on a device that keeps graphs, of all parts but those that are frozen. What the network's numbers are does
    /// not matter.
    pub fn new(network: Llava, frozen: Parts, device: &Device) -> Self {
        Self {
            row: Row::of(&network),
            network,
            frozen,
            device: device.clone(),
        }
    }

    /// The network's numbers, those of its frozen parts among them.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of answers at these numbers, and its gradient: the mean cross-entropy of all tokens that count, 0 if
    /// none does. The gradient of what is frozen is 0.
    ///
    /// # Panics
    /// If a beginning does not end with its image.
    pub fn gradient(&self, numbers: &[f32], batch: &[Asked]) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let network = network.frozen(self.frozen);
        let below = self.device.clone().without_autodiff();
        let images: Vec<Prepared> = batch
            .iter()
            .map(|asked| {
                let pixels = asked.image.pixels().clone().to_device(&below);
                Prepared::new(asked.image.size(), Tensor::from_inner(pixels))
            })
            .collect();
        let seen = network.look(&images);
        let (mut rows, mut extents) = (Vec::new(), Vec::new());
        for (asked, seen) in batch.iter().zip(&seen) {
            let beginning = network.embed(&asked.beginning, std::slice::from_ref(seen));
            let beginning = beginning.expect("a beginning has one image");
            let after = Some(extents.len());
            extents.push(Extent {
                rows: beginning.dims()[0],
                after: None,
            });
            rows.push(beginning);
            extents.extend(asked.questions.iter().map(|question| Extent {
                rows: question.tokens.len(),
                after,
            }));
            let words = asked.questions.iter().flat_map(|lesson| &lesson.tokens);
            let words: Vec<u32> = words.copied().collect();
            if !words.is_empty() {
                rows.push(network.language().embed(&words));
            }
        }
        let texts = Texts::new(&extents, &self.device);
        let (mut foretold, mut text) = (Foretold::default(), 0);
        for asked in batch {
            for (lesson, text) in asked.questions.iter().zip(text + 1..) {
                foretold.add(&texts, text, lesson);
            }
            text += 1 + asked.questions.len();
        }
        let (language, rows) = (network.language(), Tensor::cat(rows, 0));
        let taken = |gradients: &Gradients| Row::gradient(&network, gradients);
        foretold.gradient(language, rows, &texts, numbers.len(), taken)
    }
}
