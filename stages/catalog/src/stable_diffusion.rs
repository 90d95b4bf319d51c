//! `stable-diffusion`: a drawer that is a latent diffusion model, from a folder as the hub lays it out.

mod model;

use std::sync::Arc;

use burn::tensor::DType;
use ccsr_nn::read_config;
use ccsr_sampling::noise::Noise;
use ccsr_sampling::{SamplerKind, SchedulerConfig};
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Environment, Inputs, Misfit, Misfits, Resource, RoleKind, Source, StageError, Unit,
    Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::model::is_tiny;
use self::model::{Model, Wish, factor_of};
use crate::adapter_input;
use crate::failed;
use crate::model_folder::ModelFolder;
use crate::roles::{DrawRequest, Drawer, Drawing, Network, Reads, SamplerName, Sampling, Trainee};

/// Candidates that are drawn together: as many as the paper draws of a prompt, twice with guidance.
const TOGETHER: usize = 10;
/// The resource's name.
const MODEL: &str = "stable-diffusion";
/// The parts of a model, each a folder.
const PARTS: &[&str] = &["scheduler", "text_encoder", "tokenizer", "unet", "vae"];

/// Parameters of `stable-diffusion`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The model's folder, as the hub lays it out: `scheduler`, `text_encoder`, `tokenizer`, `unet` and
    /// `vae`, with weights as safetensors.
    pub weights: FolderPath,
    /// An autoencoder in place of the folder's own: the folder with its `config.json`.
    #[serde(default)]
    pub vae: Option<FolderPath>,
    /// A text encoder in place of the folder's own: the folder with its `config.json`, which may be that of a whole CLIP.
    #[serde(default)]
    pub text_encoder: Option<FolderPath>,
    /// In which precision the UNet computes: `f32`, `f16` or `bf16`.
    #[serde(default)]
    pub precision: Precision,
}

/// A precision to compute in. Norms, and attention where the checkpoint says so, stay in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single.
    #[default]
    F32,
    /// Half: for cards, on which it is several times as fast.
    F16,
    /// The upper half of single, for cards that have it.
    Bf16,
}

impl Precision {
    pub(crate) const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// Draws with Stable Diffusion.
#[derive(Clone)]
pub struct StableDiffusion {
    folder: ModelFolder,
    precision: Precision,
    scheduler: SchedulerConfig,
    /// Pixels a latent cell's side.
    factor: usize,
    adapter: Option<Adapted>,
}

/// A LoRA adapter, and how much of it.
#[derive(Clone)]
struct Adapted {
    folder: ModelFolder,
    scale: f64,
}

/// The sampler of a request.
fn kind(
    sampler: Option<SamplerName>,
    config: &SchedulerConfig,
) -> Result<SamplerKind, ccsr_sampling::SamplingError> {
    Ok(match sampler {
        None => SamplerKind::of(config)?,
        Some(SamplerName::Pndm) => SamplerKind::Pndm,
        Some(SamplerName::Ddim) => SamplerKind::Ddim { eta: 0.0 },
        Some(SamplerName::DpmSolver) => SamplerKind::DpmSolver { karras: None },
        Some(SamplerName::DpmSolverKarras) => SamplerKind::DpmSolver { karras: Some(true) },
        Some(SamplerName::Euler) => SamplerKind::Euler,
        Some(SamplerName::EulerAncestral) => SamplerKind::EulerAncestral,
        Some(SamplerName::UniPc) => SamplerKind::UniPc,
        Some(SamplerName::Lcm) => SamplerKind::Lcm,
    })
}

/// What web UIs call a sampler.
const fn name_of(kind: &SamplerKind) -> &'static str {
    match kind {
        SamplerKind::Pndm => "PLMS",
        SamplerKind::Ddim { .. } => "DDIM",
        SamplerKind::DpmSolver { karras: Some(true) } => "DPM++ 2M Karras",
        SamplerKind::DpmSolver { .. } => "DPM++ 2M",
        SamplerKind::Euler => "Euler",
        SamplerKind::EulerAncestral => "Euler a",
        SamplerKind::UniPc => "UniPC",
        SamplerKind::Lcm => "LCM",
    }
}

impl RoleKind for StableDiffusion {
    const ROLE: &'static str = "drawer";
    const NAME: &'static str = "stable-diffusion";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Drawer>;

    /// Its files count, not where they lie.
    fn settings(params: &Params) -> Result<Value, Misfits> {
        Ok(Value::map(match params.precision {
            Precision::F32 => None,
            other @ (Precision::F16 | Precision::Bf16) => {
                Some(("precision", crate::identity_of(&other)))
            }
        }))
    }

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        let folder = ModelFolder::of_parts(params.weights, PARTS)
            .with_part("vae", params.vae)
            .with_part("text_encoder", params.text_encoder);
        let precision = params.precision;
        let part = |part: &str| folder.part(part);
        let misfit = |message: String| Misfits::from(Misfit::new(["weights"], message));
        if let Some(missing) = PARTS.iter().find(|name| !part(name).is_dir()) {
            let display = &folder.display;
            return Err(misfit(format!(
                "`{display}` has no folder `{missing}`; expected a model as the hub lays it out: {}",
                PARTS.join(", ")
            )));
        }
        let scheduler: SchedulerConfig = read_config(&part("scheduler/scheduler_config.json"))
            .map_err(|error| misfit(error.to_string()))?;
        let factor = factor_of(&part("vae")).map_err(|error| misfit(error.to_string()))?;
        Ok(Arc::new(Self {
            folder,
            precision,
            scheduler,
            factor,
            adapter: None,
        }))
    }
}

impl Network for StableDiffusion {
    fn sources(&self) -> Vec<Source> {
        let mut sources = self.folder.sources();
        sources.extend(
            self.adapter
                .iter()
                .flat_map(|adapter| adapter.folder.sources()),
        );
        sources
    }

    fn model(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        let model = self.folder.digest(inputs)?;
        let Some(adapter) = &self.adapter else {
            return Ok(model);
        };
        Ok(Value::map([
            ("base", model),
            ("adapter", adapter.folder.digest(inputs)?),
            ("adapter_scale", Value::Float(adapter.scale)),
        ]))
    }

    fn resource(&self) -> Option<&'static str> {
        Some(MODEL)
    }

    fn resource_identity(&self) -> Value {
        let precision = crate::identity_of(&self.precision);
        let adapter = self.adapter.iter().flat_map(|adapter| {
            [
                adapter.folder.identity("adapter"),
                Value::Float(adapter.scale),
            ]
        });
        let model = [self.folder.identity(MODEL), precision].into_iter();
        Value::list(model.chain(adapter))
    }

    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        let (folder, precision) = (&self.folder, self.precision.dtype());
        let adapter = self.adapter.as_ref();
        let adapter = adapter.map(|adapter| (adapter.folder.path.as_path(), adapter.scale));
        let model = Model::load(folder, adapter, &self.scheduler, precision, device)?;
        Ok(Arc::new(model))
    }
}

impl Drawer for StableDiffusion {
    fn check(&self, size: u32, sampling: &Sampling) -> Result<(), Misfits> {
        let mut misfits = Misfits::new();
        if !(size as usize).is_multiple_of(self.factor) {
            let factor = self.factor;
            let message =
                format!("`size: {size}` is no multiple of {factor}, the pixels of a latent cell");
            misfits.add(Misfit::new(["size"], message));
        }
        let built = kind(sampling.sampler, &self.scheduler)
            .and_then(|kind| kind.build(&self.scheduler, sampling.steps as usize));
        if let Err(error) = built {
            misfits.add(Misfit::new(["sampler"], error.to_string()));
        }
        misfits.check()
    }

    fn with_adapter(&self, adapter: &FolderPath, scale: f64) -> Result<Arc<dyn Drawer>, Misfits> {
        let folder = adapter_input::folder_of(adapter.clone())?;
        // None of it is the model as it was, and what was drawn with that is kept.
        let adapter = (scale != 0.0).then_some(Adapted { folder, scale });
        Ok(Arc::new(Self {
            adapter,
            ..self.clone()
        }))
    }

    fn takes_adapters(&self) -> bool {
        true
    }

    fn trainee(&self) -> Option<Trainee> {
        Some(Trainee {
            folder: self.folder.clone(),
            scheduler: self.scheduler.clone(),
            factor: self.factor,
        })
    }

    fn input(&self, request: &DrawRequest<'_>) -> Result<Reads, StageError> {
        let sampling = request.sampling;
        let guided = sampling.guidance > 1.0;
        let sampler = kind(sampling.sampler, &self.scheduler).map_err(failed)?;
        let sampler = Value::of(&sampler).map_err(failed)?;
        let mut reads = vec![
            ("prompt", Value::from(request.prompt)),
            // As text: it names no blob.
            ("noise", Value::from(request.noise.to_string())),
            ("size", Value::Int(i64::from(request.size))),
            ("model", request.model.clone()),
            ("sampler", sampler),
            ("steps", Value::Int(i64::from(sampling.steps))),
        ];
        if let Some((adapter, scale)) = request.adapter {
            reads.push(("adapter", Value::Blob(adapter)));
            reads.push(("adapter_scale", Value::Float(scale)));
        }
        if guided {
            reads.push(("guidance", Value::Float(sampling.guidance)));
            reads.push((
                "negative_prompt",
                Value::from(sampling.negative_prompt.as_str()),
            ));
        }
        Ok(reads)
    }

    fn settings(&self, sampling: &Sampling) -> Vec<(&'static str, String)> {
        let sampler = kind(sampling.sampler, &self.scheduler).map(|kind| name_of(&kind).to_owned());
        let mut settings = vec![("Steps", sampling.steps.to_string())];
        settings.extend(sampler.map(|sampler| ("Sampler", sampler)));
        settings.push(("CFG scale", sampling.guidance.to_string()));
        let last = |folder: &ModelFolder| {
            let name = folder.display.rsplit('/').next();
            name.unwrap_or_default().to_owned()
        };
        settings.push(("Model", last(&self.folder)));
        let adapter = self.adapter.as_ref();
        settings.extend(adapter.map(|adapter| {
            let scale = adapter.scale;
            ("Adapter", format!("{} {scale}", last(&adapter.folder)))
        }));
        settings
    }

    fn batch(&self) -> usize {
        TOGETHER
    }

    fn draw(&self, batch: &Batch<'_>) -> Vec<Result<Drawing, StageError>> {
        let alike = |a: &Arc<Unit>, b: &Arc<Unit>| wish(a).ok() == wish(b).ok();
        let drawn = |together: &[Arc<Unit>]| -> Result<Vec<Drawing>, StageError> {
            let noises = together.iter().map(|unit| noise(unit));
            let noises = noises.collect::<Result<_, _>>()?;
            let (model, wish) = (batch.resource::<Model>()?, wish(&together[0])?);
            let note = model.note(wish.prompt)?;
            let images = model.draw(&wish, noises, batch.blobs)?.into_iter();
            let drawing = |image| Drawing {
                image,
                scene: None,
                note: note.clone(),
            };
            Ok(images.map(drawing).collect())
        };
        let mut drawings = Vec::with_capacity(batch.units.len());
        for together in batch.units.chunk_by(alike) {
            match drawn(together) {
                Ok(drawn) => drawings.extend(drawn.into_iter().map(Ok)),
                Err(error) => drawings.extend(together.iter().map(|_| Err(error.again()))),
            }
        }
        drawings
    }
}

/// What a unit asks for.
fn wish(unit: &Unit) -> Result<Wish<'_>, StageError> {
    let input = &unit.input;
    let unread = |name: &str| StageError::failed(format!("a unit came without its `{name}`"));
    let text = |name: &str| {
        input
            .get(name)
            .and_then(Value::as_text)
            .ok_or_else(|| unread(name))
    };
    let number = |name: &str| {
        input
            .get(name)
            .and_then(Value::as_int)
            .ok_or_else(|| unread(name))
    };
    let sampler = input.get("sampler").ok_or_else(|| unread("sampler"))?;
    let guidance = match input.get("guidance") {
        Some(Value::Float(guidance)) => Some((*guidance, text("negative_prompt")?)),
        _ => None,
    };
    let part = |name: &str| input.get(name);
    let adapter = part("adapter").and_then(Value::as_blob);
    let adapter = adapter.zip(part("adapter_scale").and_then(Value::as_float));
    Ok(Wish {
        prompt: text("prompt")?,
        side: number("size")? as usize,
        sampler: sampler.read().map_err(failed)?,
        steps: number("steps")? as usize,
        guidance,
        adapter,
    })
}

/// The noise of a unit.
fn noise(unit: &Unit) -> Result<Noise, StageError> {
    let noise = unit.input.get("noise").and_then(Value::as_text);
    let noise: Option<ccsr_stage::Digest> = noise.and_then(|text| text.parse().ok());
    let noise = noise.ok_or_else(|| StageError::failed("a unit's noise cannot be read"))?;
    Ok(Noise::new(*noise.as_bytes()))
}

#[cfg(test)]
mod tests;
