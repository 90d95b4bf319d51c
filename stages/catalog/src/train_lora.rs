//! `train.lora`: a LoRA adapter for the suite's drawer, trained on pairs of image and prompt.
//!
//! First come units that encode each image and each prompt, once; then training itself, a chain of units of
//! `checkpoint_every` epochs, each of which starts from the checkpoint before. So more epochs train on, a run that was
//! killed resumes at its last checkpoint, and the encoders leave memory before the UNet comes.
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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ccsr_clip::TextConfig;
use ccsr_nn::read_config;
use ccsr_stable_diffusion::UNetConfig;
use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, ExportFile, InputPort, Inputs, Misfit, Misfits, Outcome,
    OutputPort, Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schema,
    Schemas, Source, Stage, StageError, StageKind, Table, Unit, Value,
};
use ccsr_training::{LayerError, Layers};

use self::encoding::{ImageEncoder, TextEncoder, unread};
use self::framing::Framing;
pub use self::params::{Crop, Params, Predicted, Schedule};
use self::sample::Sample;
use self::segment::{Training, schedule_of};
use crate::roles::{Drawer, Role, Trainee};
use crate::row_id::shortened;
use crate::stable_diffusion::Precision;

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

/// What is encoded before training: images, as they are and in a mirror, and prompts. Each comes once.
struct Encodings {
    images: Vec<(ccsr_stage::Digest, bool)>,
    texts: Vec<String>,
}

impl Encodings {
    fn of(params: &Params, pairs: &Table) -> Result<Self, StageError> {
        let mut images = BTreeSet::new();
        let mut texts = BTreeSet::new();
        for row in pairs.rows() {
            images.insert(row.blob("image")?);
            texts.insert(row.text("prompt")?.to_owned());
        }
        if params.caption_dropout > 0.0 {
            texts.insert(String::new());
        }
        if params.adapts_text_encoder() {
            texts.clear();
        }
        let mirrored: &[bool] = if params.flip {
            &[false, true]
        } else {
            &[false]
        };
        let each = |image| mirrored.iter().map(move |mirrored| (image, *mirrored));
        Ok(Self {
            images: images.into_iter().flat_map(each).collect(),
            texts: texts.into_iter().collect(),
        })
    }

    fn len(&self) -> usize {
        self.images.len() + self.texts.len()
    }
}

impl TrainLora {
    fn pairs<'a>(inputs: &'a Inputs<'_>) -> Result<&'a Table, StageError> {
        let pairs = inputs.table("pairs")?;
        if pairs.is_empty() {
            return Err(StageError::input(
                "there are no pairs to train on; a lower `min_confidence` where they are selected lets more through",
            ));
        }
        Ok(pairs)
    }

    fn encoding_units(
        &self,
        inputs: &Inputs<'_>,
        encodings: &Encodings,
    ) -> Result<Vec<Unit>, StageError> {
        let folder = &self.trainee.folder;
        let autoencoder = folder.digest_of(inputs, &["vae"])?;
        let framing = crate::identity_of(&Framing::of(&self.params));
        let image = |(image, mirrored): &(ccsr_stage::Digest, bool)| {
            let mut input = vec![
                ("image", Value::Blob(*image)),
                ("framing", framing.clone()),
                ("autoencoder", autoencoder.clone()),
            ];
            if *mirrored {
                input.push(("flipped", Value::Bool(true)));
            }
            Unit::new(Value::map(input)).with_resource(AUTOENCODER)
        };
        let mut units: Vec<Unit> = encodings.images.iter().map(image).collect();
        let encoder = folder.digest_of(inputs, &["text_encoder", "tokenizer"])?;
        let text = |text: &String| {
            let input = [
                ("text", Value::from(text.as_str())),
                ("text_encoder", encoder.clone()),
            ];
            Unit::new(Value::map(input)).with_resource(TEXT_ENCODER)
        };
        units.extend(encodings.texts.iter().map(text));
        Ok(units)
    }

    /// The samples of the pairs, in their order, and what the text encoder made of no prompt.
    fn samples(
        &self,
        pairs: &Table,
        encodings: &Encodings,
        encoded: &[Resolved],
    ) -> Result<(Vec<Value>, Option<Value>), StageError> {
        let (images, texts) = encoded.split_at(encodings.images.len());
        let images: BTreeMap<_, _> = encodings.images.iter().zip(images).collect();
        let texts: BTreeMap<_, _> = encodings
            .texts
            .iter()
            .map(String::as_str)
            .zip(texts)
            .collect();
        let mut samples = Vec::with_capacity(pairs.len());
        for row in pairs.rows() {
            let (image, prompt) = (row.blob("image")?, row.text("prompt")?);
            let outcome =
                |mirrored: bool| images.get(&(image, mirrored)).map(|found| &found.outcome);
            let plain = outcome(false).ok_or_else(|| unread("image"))?;
            let mut sample = Vec::new();
            let mut copy = |name: &'static str, from: Option<&Value>, of: &str| {
                let value = from.and_then(|from| from.get(of)).cloned();
                sample.extend(
                    value
                        .filter(|value| *value != Value::Null)
                        .map(|value| (name, value)),
                );
            };
            copy("moments", Some(plain), "moments");
            copy("mirrored", outcome(true), "moments");
            copy("shape", Some(plain), "shape");
            copy("pixels", Some(plain), "pixels");
            if plain.get("pixels").is_some() {
                sample.push(("image", Value::Blob(image)));
            }
            match texts.get(prompt) {
                Some(states) => sample.push(("states", states.outcome.clone())),
                None => sample.push(("text", Value::from(prompt))),
            }
            samples.push(Value::map(sample));
        }
        let unsaid = texts.get("").map(|states| states.outcome.clone());
        Ok((
            samples,
            unsaid.filter(|_| self.params.caption_dropout > 0.0),
        ))
    }

    /// What training depends on beside its samples and epochs. What is at its default is left out where it came later.
    fn settings(&self, inputs: &Inputs<'_>) -> Result<Vec<(&'static str, Value)>, StageError> {
        let params = &self.params;
        let mut parts = vec!["scheduler", "unet"];
        if params.adapts_text_encoder() {
            parts.extend(["text_encoder", "tokenizer"]);
        }
        let texts =
            |texts: &[String]| Value::list(texts.iter().map(|text| Value::from(text.as_str())));
        let mut settings = vec![
            ("model", self.trainee.folder.digest_of(inputs, &parts)?),
            ("rank", Value::Int(i64::from(params.rank))),
            ("factor", Value::Float(params.factor())),
            ("targets", texts(&params.targets)),
            ("batch", Value::Int(i64::from(params.batch))),
            ("accumulate", Value::Int(i64::from(params.accumulate))),
            ("learning_rate", Value::Float(params.learning_rate)),
            ("schedule", crate::identity_of(&params.schedule)),
            ("warmup", Value::Int(i64::from(params.warmup))),
            ("betas", Value::list(params.betas.map(Value::Float))),
            ("epsilon", Value::Float(params.epsilon)),
            ("weight_decay", Value::Float(params.weight_decay)),
            ("max_grad_norm", Value::Float(params.max_grad_norm)),
            ("flip", Value::Bool(params.flip)),
            ("noise_offset", Value::Float(params.noise_offset)),
            ("caption_dropout", Value::Float(params.caption_dropout)),
            ("seed", Value::Int(params.seed as i64)),
        ];
        let mut optional = |name: &'static str, value: Option<Value>| {
            settings.extend(value.map(|value| (name, value)));
        };
        let text_targets = params
            .adapts_text_encoder()
            .then(|| texts(&params.text_encoder_targets));
        optional("text_encoder_targets", text_targets);
        optional("snr_gamma", params.snr_gamma.map(Value::Float));
        optional(
            "prediction",
            params
                .prediction
                .map(|predicted| crate::identity_of(&predicted)),
        );
        optional("ema", params.ema.map(Value::Float));
        let precision =
            (params.precision != Precision::F32).then(|| crate::identity_of(&params.precision));
        optional("precision", precision);
        Ok(settings)
    }

    /// The unit of the epochs after those that are trained.
    fn segment_unit(
        &self,
        inputs: &Inputs<'_>,
        encodings: &Encodings,
        so_far: &[Resolved],
    ) -> Result<Option<Unit>, StageError> {
        let (encoded, segments) = so_far.split_at(encodings.len());
        let every = u64::from(self.params.checkpoint_every);
        let first = segments.len() as u64 * every;
        let end = (first + every).min(u64::from(self.params.epochs));
        if first >= end {
            return Ok(None);
        }
        let (samples, unsaid) = self.samples(Self::pairs(inputs)?, encodings, encoded)?;
        let mut input = self.settings(inputs)?;
        input.push(("samples", Value::list(samples)));
        input.extend(unsaid.map(|states| ("no_prompt", states)));
        input.push(("first_epoch", Value::Int(first as i64)));
        input.push(("end_epoch", Value::Int(end as i64)));
        if let Some(before) = segments.last() {
            let state = before.outcome.get("state").cloned();
            input.push(("before", state.ok_or_else(|| unread("state"))?));
        }
        let unit = Value::map(input.clone());
        let samples = Sample::all_of(&unit)?;
        let cuts = samples.iter().any(Sample::is_cut);
        if cuts {
            let autoencoder = self.trainee.folder.digest_of(inputs, &["vae"])?;
            input.push(("autoencoder", autoencoder));
            input.push(("framing", crate::identity_of(&Framing::of(&self.params))));
        }
        if self.params.rate(0).schedule.reads_end() {
            let shapes: Vec<_> = samples.iter().map(Sample::shape).collect();
            let steps =
                draws::steps_of_epoch(&shapes, self.params.step()) * u64::from(self.params.epochs);
            input.push(("steps", Value::Int(steps as i64)));
        }
        let unit = Unit::new(Value::map(input));
        Ok(Some(unit.with_resource(if cuts {
            UNET_AND_AUTOENCODER
        } else {
            UNET
        })))
    }

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
            Value::Float(self.params.alpha.unwrap_or(rank)),
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
            _ => {
                let params = Params {
                    epochs: 0,
                    checkpoint_every: 0,
                    ..self.params.clone()
                };
                Value::list([folder, crate::identity_of(&params)])
            }
        }
    }

    fn load(
        &self,
        resource: &str,
        environment: &Environment,
    ) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        let folder = &self.trainee.folder.path;
        Ok(match resource {
            AUTOENCODER => Arc::new(ImageEncoder::load(&folder.join("vae"), device)?),
            TEXT_ENCODER => Arc::new(TextEncoder::load(folder, device)?),
            _ => {
                let cuts = resource == UNET_AND_AUTOENCODER;
                let scheduler = &self.trainee.scheduler;
                Arc::new(Training::load(
                    folder,
                    &self.params,
                    scheduler,
                    cuts,
                    device,
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
    const REVISION: u32 = 1;
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
    let part = |part: &str| trainee.folder.path.join(part).join("config.json");
    let unreadable = |error: ccsr_nn::ConfigError| Misfits::from(error.to_string());
    let config: UNetConfig = read_config(&part("unet")).map_err(unreadable)?;
    if let Some(problem) = config.problem() {
        return Err(problem.into());
    }
    let mut unet = config.init(&device);
    let mut text = None;
    if params.adapts_text_encoder() {
        let config: TextConfig = read_config(&part("text_encoder")).map_err(unreadable)?;
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
mod tests;
