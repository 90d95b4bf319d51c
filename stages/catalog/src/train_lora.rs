//! `train.lora`: a LoRA adapter for the suite's drawer, trained on pairs of image and prompt.
//!
//! First come units that encode each image and each prompt, once; then training itself, a chain of units of
//! `checkpoint_every` epochs, each of which starts from the checkpoint before. So more epochs train on, a run that was
//! killed resumes at its last checkpoint, and the encoders can leave memory before the UNet comes.
//!
//! The reference is diffusers' `train_text_to_image_lora.py` (Hu et al., 2021, arXiv 2106.09685; the paper's section 4).

mod draws;
mod encoding;
mod event_file;
mod export;
mod framing;
mod params;
mod sample;
mod segment;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use ccsr_clip::text_config;
use ccsr_nn::read_config;
use ccsr_stable_diffusion::UNetConfig;
use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, ExportFile, InputPort, Inputs, Misfit, Misfits, Outcome,
    OutputPort, Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schema,
    Schemas, Source, Stage, StageError, StageKind, Table, Unit, Value,
};
use ccsr_training::{LayerError, Layers};

use self::encoding::{ImageEncoder, TextEncoder, unread};
pub(crate) use self::export::metrics;
pub use self::params::{Crop, Params, Predicted, Schedule};
pub(crate) use self::segment::check;
use self::segment::{Training, schedule_of};
use self::work::Encodings;
use crate::roles::{Drawer, Role, Trainee};
use crate::row_id::shortened;
use crate::stable_diffusion::is_tiny;

/// Resources, as people call them.
const AUTOENCODER: &str = "autoencoder";
const TEXT_ENCODER: &str = "text encoder";
const UNET: &str = "unet";
const UNET_AND_AUTOENCODER: &str = "unet and autoencoder";

/// Columns of a checkpoint's row.
const CHECKPOINT: [(&str, ColumnType); 5] = [
    ("adapter", ColumnType::Blob),
    ("epoch", ColumnType::Int),
    ("step", ColumnType::Int),
    ("rank", ColumnType::Int),
    ("alpha", ColumnType::Float),
];
/// Columns of a step's row.
const STEP: [(&str, ColumnType); 5] = [
    ("epoch", ColumnType::Int),
    ("step", ColumnType::Int),
    ("loss", ColumnType::Float),
    ("learning_rate", ColumnType::Float),
    ("gradient_norm", ColumnType::Float),
];

/// The stage.
pub struct TrainLora {
    params: Params,
    trainee: Trainee,
}

impl TrainLora {
    /// The row of a checkpoint.
    fn checkpoint(&self, index: usize, segment: &Resolved) -> Result<Vec<Value>, StageError> {
        let end = (index as u64 + 1) * u64::from(self.params.checkpoint_every);
        let value = |name: &str| {
            segment
                .outcome
                .get(name)
                .cloned()
                .ok_or_else(|| unread(name))
        };
        let rank = f64::from(self.params.rank);
        Ok(vec![
            value("adapter")?,
            Value::Int(end.min(u64::from(self.params.epochs)) as i64),
            value("steps")?,
            Value::Int(i64::from(self.params.rank)),
            // As the file has it, whose factor is alpha / rank.
            Value::Float(self.params.factor() * rank),
        ])
    }
}

impl Stage for TrainLora {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
        vec![InputPort::new("pairs", columns)]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        Ok(vec![
            OutputPort::new("adapter", Schema::new(CHECKPOINT)),
            OutputPort::new("checkpoints", Schema::new(CHECKPOINT)),
            OutputPort::new("metrics", Schema::new(STEP)),
        ])
    }

    fn sources(&self) -> Vec<Source> {
        self.trainee.folder.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let pairs = rows.get("pairs").copied().unwrap_or(0);
        let segments = u64::from(self.params.epochs.div_ceil(self.params.checkpoint_every));
        let encodings = pairs.saturating_mul(if self.params.flip { 3 } else { 2 });
        let mut bound = Bound::new(encodings.saturating_add(segments + 1), "adapter", 1);
        let steps = pairs.saturating_mul(u64::from(self.params.epochs));
        bound
            .rows
            .extend([("checkpoints", segments), ("metrics", steps)]);
        bound
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        let encodings = Encodings::of(&self.params, Self::pairs(inputs)?)?;
        if so_far.is_empty() {
            return self.encoding_units(inputs, &encodings);
        }
        Ok(self
            .segment_unit(inputs, &encodings, so_far)?
            .into_iter()
            .collect())
    }

    /// Encoders take one after the other, and training is a chain.
    fn batch(&self) -> usize {
        8
    }

    fn resource_identity(&self, resource: &str) -> Value {
        let folder = self.trainee.folder.identity(resource);
        match resource {
            AUTOENCODER | TEXT_ENCODER => folder,
            // What loading reads, and no more: trainings that differ otherwise share their networks.
            _ => {
                let read = &self.params;
                let params = Params {
                    rank: read.rank,
                    alpha: read.alpha,
                    rslora: read.rslora,
                    targets: read.targets.clone(),
                    text_encoder_targets: read.text_encoder_targets.clone(),
                    prediction: read.prediction,
                    snr_gamma: read.snr_gamma,
                    precision: read.precision,
                    gradient_checkpointing: read.gradient_checkpointing,
                    ..Params::default()
                };
                let devices = Value::Int(i64::from(read.devices));
                Value::list([folder, crate::identity_of(&params), devices])
            }
        }
    }

    fn load(
        &self,
        resource: &str,
        environment: &Environment,
    ) -> Result<Arc<dyn Resource>, StageError> {
        let devices = crate::device::devices(&environment.device, self.params.devices)?;
        let device = devices[0].clone();
        let folder = &self.trainee.folder;
        Ok(match resource {
            AUTOENCODER => Arc::new(ImageEncoder::load(&folder.part("vae"), device)?),
            TEXT_ENCODER => Arc::new(TextEncoder::load(folder, device)?),
            _ => {
                let cuts = resource == UNET_AND_AUTOENCODER;
                let scheduler = &self.trainee.scheduler;
                Arc::new(Training::load(
                    folder,
                    &self.params,
                    scheduler,
                    cuts,
                    &devices,
                )?)
            }
        })
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let execute = |unit: &Arc<Unit>| match unit.resource.as_deref() {
            Some(AUTOENCODER) => batch.resource::<ImageEncoder>()?.execute(unit, batch),
            Some(TEXT_ENCODER) => batch.resource::<TextEncoder>()?.execute(unit),
            _ => batch
                .resource::<Training>()?
                .execute(&self.params, unit, batch),
        };
        batch.units.iter().map(execute).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let encodings = Encodings::of(&self.params, Self::pairs(inputs)?)?;
        let resolved = outcomes.iter().flat_map(|partition| &partition.resolved);
        let segments = resolved.skip(encodings.len()).enumerate();
        let mut checkpoints = Table::builder(Schema::new(CHECKPOINT));
        let mut adapter = Table::builder(Schema::new(CHECKPOINT));
        let mut metrics = Table::builder(Schema::new(STEP));
        let mut last = None;
        for (index, segment) in segments {
            let row = self.checkpoint(index, segment)?;
            checkpoints.push(row.clone())?;
            last = Some(row);
            let steps = segment.outcome.get("metrics").and_then(Value::as_list);
            for step in steps.ok_or_else(|| unread("metrics"))? {
                metrics.push(
                    step.as_list()
                        .ok_or_else(|| unread("metrics"))?
                        .iter()
                        .cloned(),
                )?;
            }
        }
        adapter.push(last.ok_or_else(|| StageError::failed("nothing was trained"))?)?;
        Ok(BTreeMap::from([
            ("adapter", adapter.finish()),
            ("checkpoints", checkpoints.finish()),
            ("metrics", metrics.finish()),
        ]))
    }

    fn export(&self, port: &str, table: &Table) -> Result<Option<Vec<ExportFile>>, StageError> {
        Ok(Some(match port {
            "metrics" => export::metrics(table)?,
            _ => export::adapters(table, port == "adapter")?,
        }))
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        let number = |name: &str| unit.input.get(name).and_then(Value::as_int);
        if let Some(text) = unit.input.get("text").and_then(Value::as_text) {
            return Some(format!("encoding \"{}\"", shortened(text)));
        }
        if unit.input.get("framing").is_some() && number("first_epoch").is_none() {
            return Some("encoding an image".to_owned());
        }
        let (first, end) = (number("first_epoch")?, number("end_epoch")?);
        Some(format!("training, epochs {} to {end}", first + 1))
    }
}

impl StageKind for TrainLora {
    const NAME: &'static str = "train.lora";
    const SUMMARY: &'static str = "Trains a LoRA adapter for the suite's drawer on pairs.";
    const REVISION: u32 = 3;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["drawer"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        let drawer: Role<dyn Drawer> = Role::get(roles, "drawer")?;
        let Some(trainee) = drawer.object.trainee() else {
            return Err(
                "the suite's drawer has no network to train; `stable-diffusion` does".into(),
            );
        };
        let mut misfits = params.misfits();
        let factor = trainee.factor as u32;
        if !params.resolution.is_multiple_of(factor) {
            let resolution = params.resolution;
            let message = format!(
                "`resolution: {resolution}` is no multiple of {factor}, the pixels of a latent cell"
            );
            misfits.add(Misfit::new(["resolution"], message));
        }
        misfits.check()?;
        schedule_of(&params, &trainee.scheduler).map_err(|error| error.to_string())?;
        check_layers(&params, &trainee)?;
        Ok(Self { params, trainee })
    }
}

/// That the model has the layers, and that they take the rank. No weight is read for it.
fn check_layers(params: &Params, trainee: &Trainee) -> Result<(), Misfits> {
    let device = burn::prelude::Device::flex();
    let part = |part: &str| trainee.folder.part(part).join("config.json");
    let unreadable = |error: ccsr_nn::ConfigError| Misfits::from(error.to_string());
    let config: UNetConfig = read_config(&part("unet")).map_err(unreadable)?;
    if let Some(problem) = config.problem() {
        return Err(problem.into());
    }
    if is_tiny(&trainee.folder.part("vae")).map_err(unreadable)? {
        let display = &trainee.folder.display;
        return Err(format!(
            "`{display}` has a tiny autoencoder, which says of images where they lie and not how far around; training \
             needs an `AutoencoderKL`"
        )
        .into());
    }
    let mut unet = config.init(&device);
    let mut text = None;
    if params.adapts_text_encoder() {
        let config = text_config(&trainee.folder.part("text_encoder")).map_err(unreadable)?;
        text = Some(config.init(&device));
    }
    match Layers::of(
        &mut unet,
        text.as_mut(),
        &params.targets(),
        params.rank as usize,
    ) {
        Ok(_) => Ok(()),
        Err(error) => {
            let name = match &error {
                LayerError::NoLayer {
                    component: ccsr_nn::Component::TextEncoder,
                    ..
                } => "text_encoder_targets",
                LayerError::NoLayer { .. } => "targets",
                _ => "rank",
            };
            Err(Misfit::new([name], error.to_string()).into())
        }
    }
}

#[cfg(test)]
pub(crate) use tests::roles as small_drawer;

#[cfg(test)]
mod tests;
