//! Language models: each token that counts is to be foretold by those before it.

use burn::prelude::*;
use burn::tensor::Gradients;
use burn::tensor::activation::log_softmax;
use ccsr_mistral::{Extent, Mistral, Pass, Texts};
use ccsr_nn::Row;
use ccsr_nn::ops::gather_rows;

use crate::Gradient;

/// A language model, and how well it foretells texts.
pub struct LanguageTrainer {
    network: Mistral,
    row: Row,
    /// With a graph.
    device: Device,
}

/// A text to learn from, or a part of one that goes on from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    /// Its tokens, at least one.
    pub tokens: Vec<u32>,
    /// Which of them are to be foretold, one a token. The first token of a whole text never is.
    pub counts: Vec<bool>,
}

impl Lesson {
    /// A text of which nothing counts up to where an answer begins.
    pub fn answer(question: &[u32], answer: &[u32]) -> Self {
        let counts = [vec![false; question.len()], vec![true; answer.len()]];
        Self {
            tokens: [question, answer].concat(),
            counts: counts.concat(),
        }
    }
}

impl LanguageTrainer {
    /// A trainer on a device that keeps graphs. What the network's numbers are does not matter.
    ///
    /// # Panics
    /// If weights of the network are packed.
    pub fn new(network: Mistral, device: &Device) -> Self {
        let is_packed = network.config().quantisation.is_some();
        assert!(!is_packed, "packed weights cannot be trained");
        Self {
            row: Row::of(&network),
            network,
            device: device.clone(),
        }
    }

    /// The network's numbers.
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// The loss of texts at these numbers, and its gradient: the mean cross-entropy of all tokens that count, 0 if none
    /// does.
    ///
    /// # Panics
    /// If a text has no token.
    pub fn gradient(&self, numbers: &[f32], batch: &[Lesson]) -> Gradient {
        let network = Row::put(self.network.clone(), numbers, &self.device);
        let extents: Vec<Extent> = batch.iter().map(Lesson::whole).collect();
        let texts = Texts::new(&extents, &self.device);
        let tokens = batch.iter().flat_map(|lesson| &lesson.tokens).copied();
        let rows = network.embed(&tokens.collect::<Vec<u32>>());
        let mut foretold = Foretold::default();
        for (text, lesson) in batch.iter().enumerate() {
            foretold.add(&texts, text, lesson);
        }
        let taken = |gradients: &Gradients| Row::gradient(&network, gradients);
        foretold.gradient(&network, rows, &texts, numbers.len(), taken)
    }
}

impl Lesson {
    /// Its place in a pass if it goes on from nothing.
    fn whole(&self) -> Extent {
        Extent {
            rows: self.tokens.len(),
            after: None,
        }
    }
}

/// The tokens of a pass that count, and the rows whose states foretell them.
#[derive(Debug, Default)]
pub(crate) struct Foretold {
    rows: Vec<i64>,
    tokens: Vec<i64>,
}

impl Foretold {
    /// Those of a text of the pass.
    pub(crate) fn add(&mut self, texts: &Texts, text: usize, lesson: &Lesson) {
        let tokens = lesson.tokens.iter().zip(&lesson.counts).enumerate();
        for (place, (token, _)) in tokens.filter(|(_, (_, counts))| **counts) {
            if let Some(row) = texts.before(text, place) {
                self.rows.push(row as i64);
                self.tokens.push(i64::from(*token));
            }
        }
    }

    /// The mean cross-entropy, and its gradient of so many numbers, `taken` out of all gradients; nothing if no token counts.
    pub(crate) fn gradient(
        self,
        network: &Mistral,
        rows: Tensor<2>,
        texts: &Texts,
        numbers: usize,
        taken: impl FnOnce(&Gradients) -> Vec<f32>,
    ) -> Gradient {
        let count = self.rows.len();
        if count == 0 {
            return Gradient::nothing(numbers);
        }
        let device = rows.device();
        let whole = |numbers: &[i64]| Tensor::<1, Int>::from_data(numbers, &device);
        let states = network.forward_whole(rows, texts);
        let states = gather_rows(states, whole(&self.rows));
        let logs = log_softmax(network.logits(states, Pass::Prefill), 1);
        let right = whole(&self.tokens).reshape([count, 1]);
        let loss = logs.gather(1, right).mean().neg();
        Gradient::of(&loss, count, taken)
    }
}
