//! UniPC (Zhao et al., 2023, arXiv 2302.04867): a predictor (UniP) and, with the network's next
//! answer, a corrector (UniC) of the same order, in terms of the predicted image.

use std::collections::VecDeque;

use burn::prelude::*;

use crate::config::SchedulerConfig;
use crate::dpm_solver::{Level, spaced};
use crate::prediction::image;
use crate::schedule::NoiseSchedule;
use crate::{Sampler, SamplingError, timesteps};

/// UniPC.
pub struct UniPc {
    schedule: NoiseSchedule,
    timesteps: Vec<f64>,
    /// The noise level of each evaluation, and the last.
    levels: Vec<Level>,
    order: usize,
    lower_last: bool,
    /// B(h) = h rather than eʰ − 1.
    linear: bool,
    /// Predicted images, the newest last: as many as the order.
    images: VecDeque<Tensor<4>>,
    /// The corrected sample of the evaluation before, and of which order its step was.
    before: Option<(Tensor<4>, usize)>,
}

impl UniPc {
    /// UniPC with so many steps.
    pub fn new(config: &SchedulerConfig, steps: usize) -> Result<Self, SamplingError> {
        let schedule = NoiseSchedule::new(config)?;
        timesteps::check(steps, &schedule)?;
        let kinds = ["bh2", "bh1", "midpoint", "heun", "logrho"];
        let kind = SchedulerConfig::one_of("solver_type", config.solver_type.as_deref(), &kinds)?;
        let order = config.solver_order.unwrap_or(2);
        if !(1..=3).contains(&order) {
            let value = order.to_string();
            return Err(SamplingError::Unsupported {
                key: "solver_order",
                value,
            });
        }
        if config.predict_x0 == Some(false) {
            let value = "false".to_owned();
            return Err(SamplingError::Unsupported {
                key: "predict_x0",
                value,
            });
        }
        let (timesteps, mut sigmas) = spaced(config, &schedule, steps, schedule.len(), None);
        sigmas.push(timesteps::final_sigma(config, &schedule));
        Ok(Self {
            timesteps,
            levels: sigmas.into_iter().map(Level::of).collect(),
            order,
            lower_last: config.lower_order_final.unwrap_or(true),
            linear: kind == "bh1",
            images: VecDeque::new(),
            before: None,
            schedule,
        })
    }

    /// The step between two neighbouring levels, of this order, as predictor or as corrector.
    fn update(&self, to: usize, order: usize) -> Update {
        let (from, then) = (self.levels[to - 1], self.levels[to]);
        let h = then.lambda - from.lambda;
        let earlier = |back: usize| (self.levels[to - 1 - back].lambda - from.lambda) / h;
        let ratios = (1..order).map(earlier).collect();
        Update::new(from, then, -h, ratios, self.linear)
    }

    /// The changes of the prediction from earlier evaluations to the newest, per unit of step.
    fn changes(&self, ratios: &[f64]) -> Vec<Tensor<4>> {
        let newest = &self.images[self.images.len() - 1];
        let earlier = self.images.iter().rev().skip(1);
        let change = |(image, ratio): (&Tensor<4>, &f64)| {
            (image.clone() - newest.clone()).div_scalar(*ratio)
        };
        earlier.zip(ratios).map(change).collect()
    }
}

/// The numbers of a step, by the paper's equations 3 and 9 in terms of images.
struct Update {
    /// Of the sample.
    carry: f64,
    /// Of the newest prediction.
    newest: f64,
    /// α·B(h), of the changes.
    scale: f64,
    /// Where the earlier evaluations lie, in steps.
    ratios: Vec<f64>,
    /// The right-hand side of the conditions on the changes' weights.
    conditions: Vec<f64>,
}

impl Update {
    fn new(from: Level, then: Level, h: f64, ratios: Vec<f64>, linear: bool) -> Self {
        let phi = h.exp_m1();
        let b = if linear { h } else { phi };
        let (mut phi_k, mut factorial) = (phi / h - 1.0, 1.0);
        let mut conditions = Vec::new();
        for k in 1..=ratios.len() + 1 {
            conditions.push(phi_k * factorial / b);
            factorial *= (k + 1) as f64;
            phi_k = phi_k / h - factorial.recip();
        }
        Self {
            carry: then.sigma / from.sigma,
            newest: -then.alpha * phi,
            scale: -then.alpha * b,
            ratios,
            conditions,
        }
    }

    /// Weights of the changes, of which the first `count` places count: the row k of the system is
    /// the places to the power of k.
    fn weights(&self, count: usize, places: &[f64]) -> Vec<f64> {
        let row = |power: usize| -> Vec<f64> {
            let powers = places[..count].iter().map(|place| place.powi(power as i32));
            powers.chain([self.conditions[power]]).collect()
        };
        solve((0..count).map(row).collect())
    }

    /// Without any change of the prediction.
    fn carried(&self, sample: Tensor<4>, newest: Tensor<4>) -> Tensor<4> {
        sample.mul_scalar(self.carry) + newest.mul_scalar(self.newest)
    }
}

/// Solves a small system of linear equations, each row with its right-hand side, by Gaussian
/// elimination with pivots.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let count = rows.len();
    for column in 0..count {
        let pivot = (column..count)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))
            .unwrap_or(column);
        rows.swap(column, pivot);
        let pivot = rows[column].clone();
        for (index, row) in rows.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / pivot[column];
                row.iter_mut()
                    .zip(&pivot)
                    .for_each(|(cell, above)| *cell -= factor * above);
            }
        }
    }
    (0..count)
        .map(|index| rows[index][count] / rows[index][index])
        .collect()
}

fn sum(parts: impl Iterator<Item = (Tensor<4>, f64)>) -> Option<Tensor<4>> {
    parts
        .map(|(part, weight)| part.mul_scalar(weight))
        .reduce(|sum, part| sum + part)
}

impl Sampler for UniPc {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn step(
        &mut self,
        evaluation: usize,
        output: Tensor<4>,
        sample: Tensor<4>,
        _: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let now = self.levels[evaluation];
        let prediction = self.schedule.prediction();
        let predicted = image(prediction, output, sample.clone(), (now.alpha, now.sigma));
        let corrected = match self.before.take() {
            None => sample,
            Some((before, order)) => self.correct(evaluation, before, order, predicted.clone()),
        };
        if self.images.len() == self.order {
            self.images.pop_front();
        }
        self.images.push_back(predicted.clone());

        let left = self.timesteps.len() - evaluation;
        let most = if self.lower_last {
            self.order.min(left)
        } else {
            self.order
        };
        let order = most.min(self.images.len());
        self.before = Some((corrected.clone(), order));
        let update = self.update(evaluation + 1, order);
        let carried = update.carried(corrected, predicted);
        let changes = self.changes(&update.ratios);
        // Of order 2, the authors take a half.
        let weights = match order {
            2 => vec![0.5],
            _ => update.weights(order - 1, &update.ratios),
        };
        match sum(changes.into_iter().zip(weights)) {
            Some(change) => carried + change.mul_scalar(update.scale),
            None => carried,
        }
    }
}

impl UniPc {
    /// The sample of this evaluation again, now that the network's answer to it is known.
    fn correct(
        &self,
        evaluation: usize,
        before: Tensor<4>,
        order: usize,
        predicted: Tensor<4>,
    ) -> Tensor<4> {
        let update = self.update(evaluation, order);
        let newest = self.images[self.images.len() - 1].clone();
        let carried = update.carried(before, newest.clone());
        let mut changes = self.changes(&update.ratios);
        changes.push(predicted - newest);
        // Of order 1, the authors take a half.
        let weights = if order == 1 {
            vec![0.5]
        } else {
            let places: Vec<f64> = update.ratios.iter().copied().chain([1.0]).collect();
            update.weights(order, &places)
        };
        let change = sum(changes.into_iter().zip(weights)).expect("there is one change at least");
        carried + change.mul_scalar(update.scale)
    }
}
