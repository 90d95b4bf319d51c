//! The numbers that a network begins with when it is trained from nothing.

use ccsr_nn::{Parameter, Row};
use ccsr_sampling::noise::Noise;

/// How the numbers of a parameter are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// All are this one.
    Constant(f32),
    /// Uniform from the negative of this bound to the bound.
    Uniform(f32),
    /// Normal around 0, with this deviation.
    Normal(f32),
}

impl Initial {
    /// What PyTorch's modules do by themselves, biases apart, which are 0 here: norms let pass, embeddings are small (a
    /// deviation of 0.02, as most transformers have it), and all else is uniform within 1 / √inputs.
    pub fn of(parameter: &Parameter) -> Self {
        let name = parameter.name.as_str();
        if name.ends_with("bias") {
            Self::Constant(0.0)
        } else if parameter.shape.len() == 1 && name.ends_with("weight") {
            Self::Constant(1.0)
        } else if parameter.shape.len() == 1 || name.contains("embed") && !parameter.is_linear {
            Self::Normal(0.02)
        } else {
            Self::Uniform((parameter.inputs().max(1) as f32).sqrt().recip())
        }
    }

    /// So many numbers.
    fn draw(self, noise: &mut Noise, count: usize) -> Vec<f32> {
        let mut draw = || match self {
            Self::Constant(number) => number,
            Self::Uniform(bound) => (noise.uniform() as f32 * 2.0 - 1.0) * bound,
            Self::Normal(deviation) => noise.number() as f32 * deviation,
        };
        (0..count).map(|_| draw()).collect()
    }
}

/// The numbers of a row to begin with: each parameter's are drawn from a source of its own, by its number, as `rule` says.
pub fn initial(
    row: &Row,
    rule: impl Fn(&Parameter) -> Initial,
    source: impl Fn(usize) -> Noise,
) -> Vec<f32> {
    let parameters = row.parameters().iter().enumerate();
    let drawn = parameters
        .flat_map(|(index, parameter)| rule(parameter).draw(&mut source(index), parameter.len()));
    drawn.collect()
}
