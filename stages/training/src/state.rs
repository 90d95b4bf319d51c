//! All that changes while training goes on, and the file that it is kept in.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::{AdamW, Layout, muon};

/// The text of a checkpoint that says whose numbers it has.
const ABOUT: &str = "ccsr_training";
/// Tensors of a checkpoint.
const PARAMETERS: &str = "parameters";
const MOMENTS: [&str; 2] = ["first_moments", "second_moments"];
const AVERAGE: &str = "average";

/// The numbers that are trained, and what the optimizer remembers of gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps that were made.
    pub steps: u64,
    /// The numbers, as a [`Layout`] has them in a row.
    pub parameters: Vec<f32>,
    /// Moving averages of the gradient and of its square. Of a matrix that Muon has, the first is its momentum, and nothing is in
    /// the second.
    moments: [Vec<f32>; 2],
    /// A moving average of the numbers, if one is kept.
    average: Option<Vec<f32>>,
}

/// The moving average of the numbers, which takes the place of the last ones as a rule (EMA).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Average {
    /// How slowly it forgets, in `0.0..1.0`; faster in the first steps.
    pub decay: f64,
}

impl Average {
    /// How much is kept of it at a step, counted from 1: as diffusers' `EMAModel` has it.
    fn kept(self, step: u64) -> f64 {
        match step.saturating_sub(1) {
            0 => 0.0,
            before => ((1 + before) as f64 / (10 + before) as f64).min(self.decay),
        }
    }
}

/// A part of the row of numbers, and how it follows its gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowPart {
    /// So many numbers after those before.
    pub count: usize,
    /// The learning rate. With 0 they stay as they are.
    pub rate: f64,
    /// The sides of a matrix that follows its momentum, made orthogonal, in place of AdamW.
    pub matrix: Option<[usize; 2]>,
}

impl RowPart {
    /// So many numbers that follow AdamW at a learning rate.
    pub const fn new(count: usize, rate: f64) -> Self {
        Self {
            count,
            rate,
            matrix: None,
        }
    }
}

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is no file of safetensors, or lacks something.
    #[error("the checkpoint cannot be read: {0}")]
    Unreadable(String),
    /// It has other layers.
    #[error(
        "the checkpoint is of another configuration: expected {expected}, found {found}; train from the beginning"
    )]
    Other {
        /// What is trained.
        expected: String,
        /// What the checkpoint has.
        found: String,
    },
}

#[derive(Serialize, Deserialize)]
struct About {
    steps: u64,
    layers: Vec<String>,
}

impl State {
    /// The state to begin with.
    pub fn new(parameters: Vec<f32>, average: bool) -> Self {
        let zeros = || vec![0.0; parameters.len()];
        Self {
            steps: 0,
            moments: [zeros(), zeros()],
            average: average.then(|| parameters.clone()),
            parameters,
        }
    }

    /// One step along a gradient, and the gradient's norm before it was clipped.
    pub fn step(
        &mut self,
        gradient: Vec<f32>,
        optimizer: &AdamW,
        rate: f64,
        average: Option<Average>,
    ) -> f64 {
        let all = [RowPart::new(self.parameters.len(), rate)];
        self.step_by_parts(gradient, optimizer, all, average)
    }

    /// The same part by part of the row.
    ///
    /// # Panics
    /// If the parts have more numbers than the row.
    pub fn step_by_parts(
        &mut self,
        mut gradient: Vec<f32>,
        optimizer: &AdamW,
        parts: impl IntoIterator<Item = RowPart>,
        average: Option<Average>,
    ) -> f64 {
        let norm = optimizer.clip(&mut gradient);
        self.steps += 1;
        let step = self.steps;
        let [first, second] = &mut self.moments;
        let (mut first, mut second) = (first.as_mut_slice(), second.as_mut_slice());
        let (mut numbers, mut gradient) = (self.parameters.as_mut_slice(), gradient.as_slice());
        let rows = parts.into_iter().map(|part| {
            let missing = "parts have no more numbers than the row";
            let moments = [&mut first, &mut second];
            let moments = moments.map(|row| row.split_off_mut(..part.count).expect(missing));
            let own = numbers.split_off_mut(..part.count).expect(missing);
            let of = gradient.split_off(..part.count).expect(missing);
            (part, own, moments, of)
        });
        let rows: Vec<_> = rows.collect();
        rows.into_par_iter()
            .for_each(|(part, numbers, moments, gradient)| match part.matrix {
                None => optimizer.step(numbers, moments, gradient, part.rate, step),
                Some(shape) => {
                    let [momentum, _] = moments;
                    muon::step(
                        numbers,
                        momentum,
                        gradient,
                        shape,
                        part.rate,
                        optimizer.weight_decay,
                    );
                }
            });
        if let (Some(kept), Some(average)) = (&mut self.average, average) {
            let new = (1.0 - average.kept(self.steps)) as f32;
            let numbers = kept.par_iter_mut().zip(&self.parameters);
            numbers.for_each(|(kept, number)| *kept -= new * (*kept - number));
        }
        norm
    }

    /// Does something to the numbers, and the same to their average, if one is kept.
    pub fn each(&mut self, change: impl Fn(&mut [f32])) {
        change(&mut self.parameters);
        if let Some(average) = &mut self.average {
            change(average);
        }
    }

    /// The numbers to make an adapter or a network of: their average, if one is kept.
    pub fn result(&self) -> &[f32] {
        self.average.as_ref().unwrap_or(&self.parameters)
    }

    /// The state as a file of safetensors.
    pub fn to_bytes(&self, layout: &impl Layout) -> Vec<u8> {
        let about = About {
            steps: self.steps,
            layers: layout.parts(),
        };
        let about = serde_json::to_string(&about).expect("a number and texts");
        let [first, second] = &self.moments;
        let mut tensors = vec![
            (PARAMETERS, Row::of(&self.parameters)),
            (MOMENTS[0], Row::of(first)),
            (MOMENTS[1], Row::of(second)),
        ];
        tensors.extend(
            self.average
                .as_ref()
                .map(|average| (AVERAGE, Row::of(average))),
        );
        let texts = HashMap::from([(ABOUT.to_owned(), about)]);
        safetensors::serialize(tensors, Some(texts)).expect("names differ, and sizes are right")
    }

    /// The state that was kept in a file, for these layers.
    pub fn from_bytes(
        bytes: &[u8],
        layout: &impl Layout,
        average: bool,
    ) -> Result<Self, StateError> {
        let unreadable = |error: &dyn ToString| StateError::Unreadable(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| unreadable(&e))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| unreadable(&e))?;
        let about = metadata
            .metadata()
            .as_ref()
            .and_then(|texts| texts.get(ABOUT));
        let about = about.ok_or_else(|| unreadable(&"it does not say what it is of"))?;
        let about: About = serde_json::from_str(about).map_err(|e| unreadable(&e))?;
        let other = |expected: String, found: String| StateError::Other { expected, found };
        let expected = layout.parts();
        if about.layers != expected {
            let differs = |index: &usize| about.layers.get(*index) != expected.get(*index);
            let first = (0..=expected.len()).find(differs).unwrap_or_default();
            let named = |layers: &[String]| match layers.get(first) {
                Some(layer) => format!("the layer `{layer}`"),
                None => format!("{} layers", layers.len()),
            };
            return Err(other(named(&expected), named(&about.layers)));
        }
        let row = |name: &str| -> Result<Vec<f32>, StateError> {
            let tensor = tensors.tensor(name).map_err(|e| unreadable(&e))?;
            let (numbers, _) = tensor.data().as_chunks();
            if tensor.dtype() != Dtype::F32 || numbers.len() != layout.numbers() {
                let found = format!("{} numbers of {:?}", numbers.len(), tensor.dtype());
                return Err(other(format!("{} of F32", layout.numbers()), found));
            }
            Ok(numbers
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect())
        };
        Ok(Self {
            steps: about.steps,
            parameters: row(PARAMETERS)?,
            moments: [row(MOMENTS[0])?, row(MOMENTS[1])?],
            average: average.then(|| row(AVERAGE)).transpose()?,
        })
    }
}

/// Numbers in a row, as safetensors writes them.
struct Row<'a> {
    numbers: &'a [f32],
    shape: [usize; 1],
}

impl<'a> Row<'a> {
    fn of(numbers: &'a [f32]) -> Self {
        let shape = [numbers.len()];
        Self { numbers, shape }
    }
}

impl View for Row<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<_>>()
            .into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.numbers)
    }
}

#[cfg(test)]
mod tests {
    use ccsr_stable_diffusion::{BlockKind, UNetConfig};

    use super::*;
    use crate::{Layers, Targets};

    fn layers(targets: &[&str], rank: usize) -> Layers {
        let config = UNetConfig {
            block_out_channels: vec![32, 64],
            down_block_types: vec![BlockKind::CrossAttentionDown; 2],
            up_block_types: vec![BlockKind::CrossAttentionUp; 2],
            ..UNetConfig::default()
        };
        let targets = Targets {
            unet: targets.iter().map(ToString::to_string).collect(),
            text_encoder: Vec::new(),
        };
        let mut unet = config.init(&burn::prelude::Device::flex());
        Layers::of(&mut unet, None, &targets, rank).unwrap()
    }

    fn trained(layers: &Layers, average: bool) -> State {
        let numbers = (0..layers.numbers()).map(|number| number as f32 * 1e-3);
        let mut state = State::new(numbers.collect(), average);
        for step in 0..3 {
            let gradient = state
                .parameters
                .iter()
                .map(|number| (number + step as f32).sin());
            let decay = average.then_some(Average { decay: 0.5 });
            state.step(gradient.collect(), &AdamW::default(), 1e-3, decay);
        }
        state
    }

    #[test]
    fn a_checkpoint_holds_all_that_changes() {
        let layers = layers(&["to_q"], 2);
        for average in [false, true] {
            let state = trained(&layers, average);
            let bytes = state.to_bytes(&layers);
            assert_eq!(
                bytes,
                state.clone().to_bytes(&layers),
                "equal states, equal bytes"
            );
            assert_eq!(State::from_bytes(&bytes, &layers, average).unwrap(), state);
        }
    }

    #[test]
    fn parts_have_their_own_rates() {
        let optimizer = AdamW::default();
        let gradient = vec![0.3, -0.2, 0.5];
        let stepped = |rate: f64| {
            let mut state = State::new(vec![1.0, 2.0, 3.0], false);
            state.step(gradient.clone(), &optimizer, rate, None);
            state.parameters
        };
        let mut state = State::new(vec![1.0, 2.0, 3.0], false);
        let parts = [1e-2, 0.0, 1e-3].map(|rate| RowPart::new(1, rate));
        state.step_by_parts(gradient.clone(), &optimizer, parts, None);
        let expected = [stepped(1e-2)[0], 2.0, stepped(1e-3)[2]];
        assert_eq!(state.parameters, expected);
        let before = state.parameters.clone();
        let matrix = RowPart {
            matrix: Some([1, 3]),
            ..RowPart::new(3, 0.0)
        };
        state.step_by_parts(gradient.clone(), &optimizer, [matrix], None);
        assert_eq!(state.parameters, before, "Muon at a rate of 0");
    }

    #[test]
    fn a_checkpoint_of_other_layers_is_refused_by_the_first_that_differs() {
        let (trained_layers, others) = (layers(&["to_q"], 2), layers(&["to_q"], 3));
        let bytes = trained(&trained_layers, false).to_bytes(&trained_layers);
        let says = |layers: &Layers, average| {
            State::from_bytes(&bytes, layers, average)
                .unwrap_err()
                .to_string()
        };
        let said = says(&others, false);
        assert!(
            said.contains(
                "the checkpoint is of another configuration: expected the layer `unet.down_blocks.0"
            ),
            "{said}"
        );
        assert!(
            said.contains("[3, 32]")
                && said.contains("found the layer")
                && said.contains("[2, 32]"),
            "{said}"
        );
        let said = says(&layers(&["to_q", "to_k"], 2), false);
        assert!(said.contains("to_k"), "{said}");
        assert!(
            says(&trained_layers, true).contains("average"),
            "an average was not kept"
        );
    }

    #[test]
    fn damaged_checkpoints_are_refused() {
        let layers = layers(&["to_q"], 1);
        let bytes = trained(&layers, false).to_bytes(&layers);
        for end in (0..bytes.len()).step_by(37) {
            assert!(
                State::from_bytes(&bytes[..end], &layers, false).is_err(),
                "{end}"
            );
        }
        for at in 0..400.min(bytes.len()) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x15;
            // Some bytes are numbers, or blanks.
            let _ = State::from_bytes(&damaged, &layers, false);
        }
    }
}
