//! The interfaces behind the roles that stage kinds ask a suite for.
//!
//! A stage kind asks a role what it reads ([`Drawer::input`], [`Judge::input`]), makes that its
//! units' input, and hands those inputs back to be computed. So a unit is keyed by what the
//! implementation reads and by nothing else.

mod judge;
mod witness;
mod writer;

use std::marker::PhantomData;
use std::sync::Arc;

use ccsr_sampling::SchedulerConfig;
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, ColumnType, Digest, Environment, Inputs, Misfit, Misfits, Resource, RoleKind, Roles,
    Row, Source, StageError, Unit, Value,
};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model_folder::ModelFolder;

pub(crate) use self::judge::told;
pub use self::judge::{Judge, Verdict, YesNo};
pub use self::witness::{Testimony, Witness};
pub use self::writer::{Completion, Grammar, Style, TokenSampling, Wording, WriteRequest, Writer};

/// A role as a stage kind holds it: the implementation, and what of it enters keys.
pub(crate) struct Role<T: ?Sized> {
    /// The implementation.
    pub(crate) object: Arc<T>,
    identity: Value,
}

impl<T: ?Sized + 'static> Role<T> {
    /// The implementation that the suite bound to `role`.
    pub(crate) fn get(roles: &Roles, role: &str) -> Result<Self, String> {
        Ok(Self {
            object: roles.get(role)?,
            identity: roles.identity().get(role).cloned().unwrap_or_default(),
        })
    }

    /// The input of a unit that the role computes: what it reads, and itself under `name`.
    pub(crate) fn keyed(&self, name: &str, reads: Vec<(&str, Value)>) -> Value {
        let itself = (name, self.identity.clone());
        Value::map(reads.into_iter().chain([itself]))
    }
}

impl<T: Network + ?Sized + 'static> Role<T> {
    /// A unit that the role computes, with the resource that it needs for it.
    pub(crate) fn unit(&self, name: &str, reads: Vec<(&str, Value)>) -> Unit {
        let unit = Unit::new(self.keyed(name, reads));
        match self.object.resource() {
            Some(resource) => unit.with_resource(resource),
            None => unit,
        }
    }
}

/// A candidate to draw.
pub struct DrawRequest<'a> {
    /// What to draw.
    pub prompt: &'a str,
    /// What the noise that the image starts from is drawn with.
    pub noise: Digest,
    /// Width and height in pixels.
    pub size: u32,
    /// How to get from noise to an image.
    pub sampling: &'a Sampling,
    /// What [`Network::model`] answered.
    pub model: &'a Value,
    /// A LoRA adapter's file, and how much of it is added: not 0.
    pub adapter: Option<(Digest, f64)>,
}

/// How a diffusion model gets from noise to an image. Drawers that are none pass it over.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// The sampler; the one that the checkpoint was published with if not said.
    pub sampler: Option<SamplerName>,
    /// Steps.
    pub steps: u32,
    /// How much more the prompt counts than its absence; up to 1, it alone is looked at.
    pub guidance: f64,
    /// What not to draw.
    pub negative_prompt: String,
}

/// The names of samplers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerName {
    /// Pseudo numerical methods (PLMS), what Stable Diffusion was published with.
    Pndm,
    /// Denoising diffusion implicit models, without noise on the way.
    Ddim,
    /// DPM-Solver++ of order 2, multistep.
    DpmSolver,
    /// The same with the noise levels of Karras et al.
    DpmSolverKarras,
    /// Euler's method.
    Euler,
    /// Euler's method with noise on the way.
    EulerAncestral,
    /// UniPC.
    UniPc,
    /// Latent consistency models.
    Lcm,
}

/// A drawn candidate.
pub struct Drawing {
    /// Its pixels.
    pub image: RgbImage,
    /// What is on it, if the drawer knows ([`Drawer::knows_scene`]).
    pub scene: Option<String>,
    /// What people should know about it.
    pub note: Option<String>,
}

/// What a role reads of a piece of work: the entries of the unit's input.
pub type Reads = Vec<(&'static str, Value)>;

/// The network behind a role; one that has none leaves everything as it is.
pub trait Network: Send + Sync {
    /// The files that it reads: its model.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// What its files are, for keys: asked once for all units.
    fn model(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        let _ = inputs;
        Ok(Value::Null)
    }

    /// What people call the resource that units need.
    fn resource(&self) -> Option<&'static str> {
        None
    }

    /// What tells the resource from others.
    fn resource_identity(&self) -> Value {
        Value::Null
    }

    /// Brings the resource into memory.
    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let _ = environment;
        Err(StageError::failed("nothing is there to be loaded"))
    }
}

/// Draws candidates.
pub trait Drawer: Network {
    /// That it can draw so.
    fn check(&self, size: u32, sampling: &Sampling) -> Result<(), Misfits> {
        let _ = (size, sampling);
        Ok(())
    }

    /// The same drawer with a LoRA adapter added, `scale` times.
    ///
    /// # Errors
    /// If it takes none, or not this one.
    fn with_adapter(&self, adapter: &FolderPath, scale: f64) -> Result<Arc<dyn Drawer>, Misfits> {
        let _ = (adapter, scale);
        let message = "the suite's drawer takes no adapter; `stable-diffusion` does";
        Err(Misfit::new(["adapter"], message).into())
    }

    /// Whether a request may bring an adapter.
    fn takes_adapters(&self) -> bool {
        false
    }

    /// Its model, to train an adapter for; none if it has none.
    fn trainee(&self) -> Option<Trainee> {
        None
    }

    /// What of the request the drawing depends on.
    fn input(&self, request: &DrawRequest<'_>) -> Result<Reads, StageError>;

    /// How it draws, as web UIs write it into the metadata of images: `Steps`, `Sampler`, ….
    fn settings(&self, sampling: &Sampling) -> Vec<(&'static str, String)> {
        let _ = sampling;
        Vec::new()
    }

    /// How many drawings make a good batch.
    fn batch(&self) -> usize {
        128
    }

    /// Whether its drawings come with their truth.
    fn knows_scene(&self) -> bool {
        false
    }

    /// Draws what was asked for by [`input`](Self::input): one drawing a unit of the batch.
    fn draw(&self, batch: &Batch<'_>) -> Vec<Result<Drawing, StageError>>;
}

/// A drawer in the role of the baseline, which others are compared with.
pub struct Baseline<R>(PhantomData<R>);

impl<R: RoleKind<Object = Arc<dyn Drawer>>> RoleKind for Baseline<R> {
    const ROLE: &'static str = "baseline";
    const NAME: &'static str = R::NAME;
    const REVISION: u32 = R::REVISION;
    type Params = R::Params;
    type Object = Arc<dyn Drawer>;

    fn settings(params: &R::Params) -> Result<Value, Misfits> {
        R::settings(params)
    }

    fn new(params: R::Params, identity: &Value) -> Result<Self::Object, Misfits> {
        R::new(params, identity)
    }
}

/// A latent diffusion model that an adapter can be trained for.
pub struct Trainee {
    /// With the parts `scheduler`, `text_encoder`, `tokenizer`, `unet` and `vae`.
    pub(crate) folder: ModelFolder,
    /// How noise is added, and what the network predicts.
    pub(crate) scheduler: SchedulerConfig,
    /// Pixels a latent cell's side.
    pub(crate) factor: usize,
}

/// Something found in an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What, in the vocabulary's words.
    pub label: String,
    /// How sure, `0.0..=1.0`.
    pub confidence: f64,
    /// Left edge, in pixels.
    pub x0: f64,
    /// Top edge, in pixels.
    pub y0: f64,
    /// Right edge, in pixels.
    pub x1: f64,
    /// Bottom edge, in pixels.
    pub y1: f64,
}

impl Found {
    /// The columns of a detection's numbers.
    pub(crate) const NUMBERS: [&str; 5] = ["confidence", "x0", "y0", "x1", "y1"];
}

/// Finds things in images.
pub trait Detector: Network {
    /// Columns of the images' table that it reads beside `image`.
    fn columns(&self) -> Vec<(&'static str, ColumnType)> {
        Vec::new()
    }

    /// What its findings in a row's image depend on, beside the image, the vocabulary and the
    /// floor; `model` is what [`Network::model`] answered.
    fn input(&self, row: Row<'_>, model: &Value) -> Result<Reads, StageError>;

    /// How many images make a good batch.
    fn batch(&self) -> usize {
        512
    }

    /// Looks at the images of the batch's units, whose inputs hold what [`input`](Self::input)
    /// said and `image`, `vocabulary` and `floor`.
    fn detect(&self, batch: &Batch<'_>) -> Vec<Result<Vec<Found>, StageError>>;
}

/// How well an image fits a text.
pub struct Scored {
    /// The cosine of the angle between them, `-1.0..=1.0`.
    pub cosine: f64,
    /// What people should know about it.
    pub note: Option<String>,
}

/// Says how well images fit texts.
pub trait Scorer: Network {
    /// How many images make a good batch.
    fn batch(&self) -> usize;

    /// Scores the units of the batch, whose inputs hold `image` and `text`.
    fn score(&self, batch: &Batch<'_>) -> Vec<Result<Scored, StageError>>;

    /// Compares all `images` of a unit with all its `texts`: for each image the cosine with each text.
    fn compare(&self, batch: &Batch<'_>) -> Vec<Result<Vec<Vec<f64>>, StageError>>;
}
