//! Angles of rotary position embedding (Su et al., 2021, arXiv 2104.09864).

use std::f64::consts::TAU;

use burn::prelude::*;

use crate::config::{Rope, Scaling};

/// The cosines and sines of the rows of a pass, `[rows, head_dim / 2]` each.
#[derive(Clone)]
pub(crate) struct Angles {
    pub(crate) cos: Tensor<2>,
    pub(crate) sin: Tensor<2>,
}

impl Rope {
    /// How fast each pair of a head's numbers turns, in radians a position. In single precision, as the reference has
    /// it.
    fn speeds(&self, head_dim: usize) -> Vec<f32> {
        let pairs = (0..head_dim / 2).map(|pair| {
            let exponent = (2 * pair) as f32 / head_dim as f32;
            1.0 / (self.theta as f32).powf(exponent)
        });
        pairs.map(|speed| self.scaled(speed)).collect()
    }

    fn scaled(&self, speed: f32) -> f32 {
        match self.scaling {
            Scaling::None => speed,
            Scaling::Linear(factor) => speed / factor as f32,
            Scaling::Llama3 {
                factor,
                low,
                high,
                original,
            } => {
                let speed = f64::from(speed);
                let wavelength = TAU / speed;
                let slow = speed / factor;
                let scaled = if wavelength < original / high {
                    speed
                } else if wavelength > original / low {
                    slow
                } else {
                    let share = (original / wavelength - low) / (high - low);
                    (1.0 - share) * slow + share * speed
                };
                scaled as f32
            }
        }
    }

    /// The angles of rows at these positions.
    pub(crate) fn angles(&self, positions: &[usize], head_dim: usize, device: &Device) -> Angles {
        let speeds = self.speeds(head_dim);
        let shape = [positions.len(), speeds.len()];
        let tensor = |turn: fn(f64) -> f64| {
            let angles = positions
                .iter()
                .flat_map(|position| speeds.iter().map(|speed| *position as f32 * speed));
            let numbers: Vec<f32> = angles.map(|angle| turn(f64::from(angle)) as f32).collect();
            Tensor::from_data(TensorData::new(numbers, shape), device)
        };
        Angles {
            cos: tensor(f64::cos),
            sin: tensor(f64::sin),
        }
    }
}
