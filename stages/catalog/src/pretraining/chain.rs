//! The units of a training: one after the other.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use burn::prelude::Device;
use ccsr_stage::{Batch, Digest, Inputs, Outcome, Resolved, Resource, StageError, Unit, Value};
use ccsr_training::{Gradient, RowPart, State};
use half::f16;

use super::{File, INITIAL, LaidOut, Learner, Recipe, Step, model_value};
use crate::cores::StepParts;
use crate::failed;

/// The resource of every unit.
const WORKSHOP: &str = "workshop";

/// A unit, or an outcome, that lacks something: another version's.
pub(crate) fn unread(name: &str) -> StageError {
    StageError::failed(format!("`{name}` of a training cannot be read"))
}

/// The unit after those that are done: none, after the last.
pub(super) fn next<R: Recipe>(
    recipe: &R,
    inputs: &Inputs<'_>,
    so_far: &[Resolved],
) -> Result<Option<Unit>, StageError> {
    let unit = |input| Some(Unit::new(Value::map::<&str>(input)).with_resource(WORKSHOP));
    let Some((prepared, segments)) = so_far.split_first() else {
        let material = recipe.material(inputs)?;
        // As text: it names no blob yet.
        let digest = Value::from(material.digest().to_string());
        let preparation = recipe.preparation();
        let mut input = vec![("preparation", preparation), ("material", digest)];
        if !R::KEPT.is_empty() && inputs.tables.contains_key(INITIAL) {
            input.push((INITIAL, model_value(inputs, INITIAL)?));
        }
        return Ok(unit(input).map(|unit| unit.with_hint(material)));
    };
    let training = recipe.training();
    let mut input = vec![
        ("recipe", own(recipe)),
        ("prepared", prepared.outcome.clone()),
    ];
    let (done, steps) = (segments.len() as u64, u64::from(training.steps));
    let state = |segment: &Resolved| {
        let state = segment.outcome.get("state").cloned();
        state.ok_or_else(|| unread("state"))
    };
    if done > training.segments() {
        return Ok(None);
    }
    if done == training.segments() {
        let last = segments.last().ok_or_else(|| unread("state"))?;
        input.push(("state", state(last)?));
        input.push(("is_averaged", Value::Bool(training.ema.is_some())));
        return Ok(unit(input));
    }
    let every = u64::from(training.checkpoint_every);
    let (first, end) = (done * every, ((done + 1) * every).min(steps));
    input.push(("training", training.identity()));
    input.push(("first_step", Value::Int(first as i64)));
    input.push(("end_step", Value::Int(end as i64)));
    if let Some(before) = segments.last() {
        input.push(("before", state(before)?));
    } else if inputs.tables.contains_key(INITIAL) {
        input.push((INITIAL, model_value(inputs, INITIAL)?));
    }
    Ok(unit(input))
}

/// What the recipe says beside how long it is trained.
fn own<R: Recipe>(recipe: &R) -> Value {
    let Value::Map(map) = crate::identity_of(recipe) else {
        return Value::Null;
    };
    let own = map.iter().filter(|(name, _)| &***name != "training");
    Value::map(own.map(|(name, value)| (name.clone(), value.clone())))
}

/// Where a network is trained. It is made when the first unit needs it, of what that names.
pub(super) struct Workshop<L> {
    device: Device,
    made: Mutex<Option<(Digest, Arc<L>)>>,
}

impl<L: Learner> Resource for Workshop<L> {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<L: Learner> Workshop<L> {
    pub(super) const fn new(device: Device) -> Self {
        Self {
            device,
            made: Mutex::new(None),
        }
    }

    pub(super) fn execute<R: Recipe<Learner = L>>(
        &self,
        recipe: &R,
        unit: &Unit,
        batch: &Batch<'_>,
    ) -> Result<Outcome, StageError> {
        let Some(prepared) = unit.input.get("prepared") else {
            return self.prepare(recipe, unit, batch);
        };
        let learner = self.learner(recipe, prepared, batch)?;
        match unit.input.get("state").and_then(Value::as_blob) {
            Some(state) => {
                let written = write(&*learner, unit, &state, batch);
                // Nothing follows that needs the examples.
                *self.made() = None;
                written
            }
            None => train(recipe, &*learner, unit, batch, &self.device),
        }
    }

    fn made(&self) -> MutexGuard<'_, Option<(Digest, Arc<L>)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare<R: Recipe<Learner = L>>(
        &self,
        recipe: &R,
        unit: &Unit,
        batch: &Batch<'_>,
    ) -> Result<Outcome, StageError> {
        let (mut outcome, material) = (Outcome::default(), &unit.hint);
        let prepared = match unit.input.get(INITIAL) {
            Some(model) => kept::<R>(model)?,
            None => recipe.prepare(material, batch.blobs, &self.device, &mut outcome)?,
        };
        let material = Value::Blob(outcome.add_blob(material.canonical()));
        let value = [("material", material), ("prepared", prepared)];
        Ok(outcome.with_value(Value::map(value)))
    }

    fn learner<R: Recipe<Learner = L>>(
        &self,
        recipe: &R,
        prepared: &Value,
        batch: &Batch<'_>,
    ) -> Result<Arc<L>, StageError> {
        let mut made = self.made();
        let digest = prepared.digest();
        if let Some((_, learner)) = made.as_ref().filter(|(known, _)| *known == digest) {
            return Ok(learner.clone());
        }
        let part = |name: &str| prepared.get(name).ok_or_else(|| unread(name));
        let material = part("material")?
            .as_blob()
            .ok_or_else(|| unread("material"))?;
        let material = Value::from_canonical(&batch.blobs.read(&material)?).map_err(failed)?;
        batch.tell("reading the examples");
        let learner = recipe.learner(&material, part("prepared")?, batch.blobs, &self.device)?;
        let learner = Arc::new(learner);
        *made = Some((digest, learner.clone()));
        Ok(learner)
    }
}

/// What a model to go on from has of what would be prepared.
fn kept<R: Recipe>(model: &Value) -> Result<Value, StageError> {
    let file = |name: &'static str| {
        let missing = || StageError::input(format!("the model to begin with has no `{name}`"));
        Ok((name, model.get(name).ok_or_else(missing)?.clone()))
    };
    let files = R::KEPT.iter().copied().map(file);
    Ok(Value::map(files.collect::<Result<Vec<_>, StageError>>()?))
}

/// Trains from one checkpoint to the next.
fn train<R: Recipe>(
    recipe: &R,
    learner: &R::Learner,
    unit: &Unit,
    batch: &Batch<'_>,
    device: &Device,
) -> Result<Outcome, StageError> {
    let number = |name: &str| unit.input.get(name).and_then(Value::as_int);
    let end = number("end_step").ok_or_else(|| unread("end_step"))? as u64;
    let (training, row) = (recipe.training(), learner.row());
    let average = training.average();
    let mut state = match unit.input.get("before").and_then(Value::as_blob) {
        None => {
            let mut numbers = learner.initial(training.seed)?;
            if let Some(model) = unit.input.get(INITIAL) {
                let folder = LaidOut::new(model, batch.blobs)?;
                learner.put(&mut numbers, folder.path(), device)?;
            }
            State::new(numbers, average.is_some())
        }
        Some(before) => {
            let bytes = batch.blobs.read(&before)?;
            State::from_bytes(&bytes, row, average.is_some()).map_err(failed)?
        }
    };
    let (rate, optimizer) = (training.rate(), training.optimizer());
    let parts = row.parameters().iter().map(|one| RowPart {
        count: one.len(),
        rate: learner.share_of_rate(one),
        matrix: training.matrix(one, R::Learner::OUTER),
    });
    let parts: Vec<RowPart> = parts.collect();
    let bytes = (row.len() * size_of::<f32>()) as u64;
    let (mut metrics, began, first) = (Vec::new(), Instant::now(), state.steps);
    while state.steps < end {
        crate::train_lora::check(batch)?;
        let step = Step {
            seed: training.seed,
            number: state.steps,
            batch: training.batch as usize,
        };
        let examples = StepParts::of(bytes, device, step.batch);
        let drawn = learner.draw(&step)?;
        let Gradient { loss, numbers, .. } =
            learner.gradient(&state.parameters, &drawn, &examples)?;
        let rate = rate.at(state.steps);
        let parts = parts.iter().map(|part| RowPart {
            rate: part.rate * rate,
            ..*part
        });
        let norm = state.step_by_parts(numbers, &optimizer, parts, average);
        state.each(|numbers| learner.bound(numbers));
        if !(loss.is_finite() && norm.is_finite()) {
            let what = format!("loss {loss}, gradient norm {norm}, learning rate {rate:e}");
            return Err(diverged(state.steps, &what, first));
        }
        metrics.push(Value::list([
            Value::Int(state.steps as i64),
            Value::Float(loss),
            Value::Float(rate),
            Value::Float(norm),
        ]));
        let seconds = began.elapsed().as_secs_f64() / (state.steps - first) as f64;
        batch.tell(&format!(
            "step {} of {}, loss {loss:.4}, learning rate {rate:.2e}, gradient norm {norm:.3}, {seconds:.3} seconds a step",
            state.steps, training.steps
        ));
    }
    let mut outcome = Outcome::default();
    let state = Value::Blob(outcome.add_blob(state.to_bytes(row)));
    let value = [("state", state), ("metrics", Value::list(metrics))];
    Ok(outcome.with_value(Value::map(value)))
}

/// Writes the files of what was trained.
fn write(
    learner: &impl Learner,
    unit: &Unit,
    state: &Digest,
    batch: &Batch<'_>,
) -> Result<Outcome, StageError> {
    let averaged = unit.input.get("is_averaged").and_then(Value::as_bool);
    let bytes = batch.blobs.read(state)?;
    let state = State::from_bytes(&bytes, learner.row(), averaged.unwrap_or_default());
    let state = state.map_err(failed)?;
    let is_number = |number: &f32| number.abs() <= f16::MAX.to_f32();
    let mut parameters = learner.row().parameters().iter();
    if let Some(broken) = parameters.find(|one| {
        let numbers = learner.row().range(&one.name);
        numbers.is_some_and(|range| !state.result()[range].iter().all(is_number))
    }) {
        let what = format!("`{}` has numbers that half precision has not", broken.name);
        return Err(diverged(state.steps, &what, state.steps));
    }
    let mut outcome = Outcome::default();
    let mut files = learner.files(state.result())?;
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut file = |(name, file): (String, File)| {
        let content = match file {
            File::Bytes(bytes) => outcome.add_blob(bytes),
            File::Blob(digest) => digest,
        };
        Value::list([Value::from(name), Value::Blob(content)])
    };
    let files = Value::list(files.into_iter().map(&mut file).collect::<Vec<_>>());
    Ok(outcome.with_value(Value::map([("files", files)])))
}

/// Training that has come to nothing.
fn diverged(step: u64, what: &str, kept: u64) -> StageError {
    let kept = match kept {
        0 => "nothing is kept".to_owned(),
        kept => format!("what was trained in {kept} steps is kept"),
    };
    StageError::failed(format!(
        "training diverged in step {step}: {what}; {kept}; try a smaller `learning_rate`, more `warmup`, or \
         `max_grad_norm: 1`"
    ))
}
