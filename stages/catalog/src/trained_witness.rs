//! `witness`: a witness that is a small convolutional network, from a folder as `train.witness` writes it.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::Device;
use ccsr_nn::read_config;
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Environment, Inputs, Misfit, Misfits, Resource, RoleKind, Source, StageError, Unit,
    Value,
};
use ccsr_witness::{WitnessConfig, load_witness, pixels};
use image::RgbImage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::Fact;
use crate::failed;
use crate::model_folder::ModelFolder;
use crate::png;
use crate::roles::{Network, Testimony, Witness};
use crate::together::together;

/// The resource's name.
const MODEL: &str = "witness";

/// Parameters of `witness`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The model's folder: `config.json` and `model.safetensors`, as `train.witness` writes them.
    pub weights: FolderPath,
}

/// Looks with a trained network.
pub struct TrainedWitness {
    folder: ModelFolder,
}

/// The facts of the world as a network's configuration has them.
pub(crate) fn facts() -> Vec<ccsr_witness::Fact> {
    let fact = |fact: Fact| ccsr_witness::Fact {
        name: fact.name().to_owned(),
        values: fact.values(),
    };
    Fact::ALL.map(fact).into()
}

impl RoleKind for TrainedWitness {
    const ROLE: &'static str = "witness";
    const NAME: &'static str = "witness";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Witness>;

    /// Its files count, not where they lie.
    fn settings(_: &Params) -> Result<Value, Misfits> {
        Ok(Value::map::<&str>([]))
    }

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        let folder = ModelFolder::whole(params.weights, &["model"]);
        let misfit = |message: String| Misfits::from(Misfit::new(["weights"], message));
        let config: WitnessConfig = read_config(&folder.path.join("config.json"))
            .map_err(|error| misfit(error.to_string()))?;
        if config.facts != facts() {
            return Err(misfit(format!(
                "`{}` speaks of other facts than those of the world: {}; expected a witness that `train.witness` has \
                 trained",
                folder.display,
                listed(&config.facts)
            )));
        }
        if !folder.path.join("model.safetensors").is_file() {
            return Err(misfit(format!(
                "`{}` has no `model.safetensors`; expected a witness that `train.witness` has trained",
                folder.display
            )));
        }
        Ok(Arc::new(Self { folder }))
    }
}

/// `class with 13 values, …`
fn listed(facts: &[ccsr_witness::Fact]) -> String {
    let listed = facts.iter();
    let listed = listed.map(|fact| format!("`{}` with {} values", fact.name, fact.values.len()));
    listed.collect::<Vec<_>>().join(", ")
}

impl Network for TrainedWitness {
    fn sources(&self) -> Vec<Source> {
        self.folder.sources()
    }

    fn model(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        self.folder.digest(inputs)
    }

    fn resource(&self) -> Option<&'static str> {
        Some(MODEL)
    }

    fn resource_identity(&self) -> Value {
        self.folder.identity(MODEL)
    }

    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        Ok(Arc::new(Model::load(&self.folder.path, device)?))
    }
}

impl Witness for TrainedWitness {
    fn look(&self, batch: &Batch<'_>) -> Vec<Result<Testimony, StageError>> {
        let images = batch.units.iter().map(|unit| image(batch, unit));
        together(images, |images| batch.resource::<Model>()?.look(&images))
    }
}

/// The image of a unit.
fn image(batch: &Batch<'_>, unit: &Unit) -> Result<RgbImage, StageError> {
    let image = unit.input.get("image").and_then(Value::as_blob);
    let image = image.ok_or_else(|| StageError::failed("a unit came without its image"))?;
    png::read(batch.blobs, &image)
}

/// The model in memory.
struct Model {
    device: Device,
    network: ccsr_witness::Witness,
    side: usize,
}

impl Resource for Model {
    fn bytes(&self) -> u64 {
        crate::device::bytes_of(&self.network)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Model {
    fn load(folder: &Path, device: Device) -> Result<Self, StageError> {
        let (network, config) = load_witness(folder, &device).map_err(failed)?;
        Ok(Self {
            device,
            network,
            side: config.image_size,
        })
    }

    fn look(&self, images: &[RgbImage]) -> Result<Vec<Testimony>, StageError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let said = self
            .network
            .testify(pixels(images, self.side, &self.device));
        let testimony = |image: Vec<Vec<f32>>| {
            let wide = |shares: Vec<f32>| shares.into_iter().map(f64::from).collect();
            let facts: Vec<Vec<f64>> = image.into_iter().map(wide).collect();
            Testimony::new(facts.try_into().expect("its facts were compared"))
        };
        said.into_iter().map(testimony).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
