//! The units of training: what is encoded, and what each segment depends on.

use std::collections::{BTreeMap, BTreeSet};

use ccsr_stage::{Digest, Inputs, Resolved, StageError, Table, Unit, Value};

use super::encoding::unread;
use super::framing::Framing;
use super::sample::Sample;
use super::{AUTOENCODER, Params, TEXT_ENCODER, TrainLora, UNET, UNET_AND_AUTOENCODER, draws};
use crate::stable_diffusion::Precision;

/// What is encoded before training: images, as they are and in a mirror, and prompts. Each comes once.
pub(super) struct Encodings {
    images: Vec<(Digest, bool)>,
    texts: Vec<String>,
}

impl Encodings {
    pub(super) fn of(params: &Params, pairs: &Table) -> Result<Self, StageError> {
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

    pub(super) fn len(&self) -> usize {
        self.images.len() + self.texts.len()
    }
}

impl TrainLora {
    pub(super) fn pairs<'a>(inputs: &'a Inputs<'_>) -> Result<&'a Table, StageError> {
        let pairs = inputs.table("pairs")?;
        if pairs.is_empty() {
            return Err(StageError::input(
                "there are no pairs to train on; a lower `min_confidence` where they are selected lets more through",
            ));
        }
        Ok(pairs)
    }

    pub(super) fn encoding_units(
        &self,
        inputs: &Inputs<'_>,
        encodings: &Encodings,
    ) -> Result<Vec<Unit>, StageError> {
        let folder = &self.trainee.folder;
        let autoencoder = folder.digest_of(inputs, &["vae"])?;
        let framing = crate::identity_of(&Framing::of(&self.params));
        let image = |(image, mirrored): &(Digest, bool)| {
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
    pub(super) fn segment_unit(
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
}
