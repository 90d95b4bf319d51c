//! `mistral`: a writer that is a language model of Mistral's or Llama's make, from a folder as the hub lays it out or a GGUF
//! file.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use burn::prelude::Device;
use ccsr_mistral::{Generator, Mistral, MistralConfig, Request, Sampling, load};
use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Digest, Environment, Inputs, Misfit, Misfits, Resource, RoleKind, Source, StageError,
    Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failed;
use crate::model_folder::ModelFolder;
use crate::roles::{Completion, Network, TokenSampling, Wording, Writer};
use crate::together::together;
use crate::words::{self, Words};

/// Texts that are written side by side. Each keeps what it has read: at full size a quarter of a megabyte a token.
const TOGETHER: usize = 8;
/// The resource's name.
const MODEL: &str = "mistral";

/// Parameters of `mistral`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The model's folder, as the hub lays it out: `config.json`, weights as safetensors (plain, or packed by AWQ) and the
    /// tokenizer.
    pub weights: FolderPath,
    /// The GGUF file in that folder to read instead of all others.
    #[serde(default)]
    pub gguf: Option<String>,
    /// How a conversation is written down, as a template of Jinja; the folder's if left out.
    #[serde(default)]
    pub chat_template: Option<String>,
}

/// Writes with a language model.
pub struct MistralWriter {
    folder: ModelFolder,
    gguf: Option<String>,
    chat_template: Option<String>,
}

impl RoleKind for MistralWriter {
    const ROLE: &'static str = "writer";
    const NAME: &'static str = "mistral";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Writer>;

    /// Its files count, not where they lie.
    fn settings(params: &Params) -> Result<Value, Misfits> {
        Ok(words::settings(params.chat_template.as_deref()))
    }

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        let Params {
            weights,
            gguf,
            chat_template,
        } = params;
        let folder = match &gguf {
            Some(file) => ModelFolder::file(weights, &["model"], file),
            None => ModelFolder::whole(weights, &["model"]),
        };
        match &gguf {
            Some(file) if !folder.path.join(file).is_file() => {
                let display = &folder.display;
                let message = format!("`{display}` has no file `{file}`");
                return Err(Misfit::new(["gguf"], message).into());
            }
            Some(_) => {}
            None => {
                MistralConfig::open(&folder.path)
                    .map_err(|error| Misfit::new(["weights"], error.to_string()))?;
            }
        }
        Ok(Arc::new(Self {
            folder,
            gguf,
            chat_template,
        }))
    }
}

impl Network for MistralWriter {
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
        let text = |text: &Option<String>| Value::from(text.as_deref());
        let (gguf, template) = (text(&self.gguf), text(&self.chat_template));
        Value::list([self.folder.identity(MODEL), gguf, template])
    }

    fn load(&self, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        let device = crate::device::device(&environment.device)?;
        let file = self.gguf.as_ref().map(|file| self.folder.path.join(file));
        let template = self.chat_template.as_deref();
        let model = Model::load(&self.folder.path, file.as_deref(), template, &device)?;
        Ok(Arc::new(model))
    }
}

impl Writer for MistralWriter {
    fn batch(&self) -> usize {
        TOGETHER
    }

    fn write(&self, batch: &Batch<'_>) -> Vec<Result<Completion, StageError>> {
        let model = match batch.resource::<Model>() {
            Ok(model) => model,
            Err(error) => return batch.units.iter().map(|_| Err(error.again())).collect(),
        };
        let requests = batch.units.iter().map(|unit| model.request(unit));
        together(requests, |requests| model.write(&requests))
    }
}

/// The model in memory.
pub(crate) struct Model {
    network: Mistral,
    words: Words,
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
    fn load(
        folder: &Path,
        gguf: Option<&Path>,
        template: Option<&str>,
        device: &Device,
    ) -> Result<Self, StageError> {
        let words = match gguf {
            Some(file) => Words::of_gguf(file, template)?,
            None => Words::open(folder, template)?,
        };
        let network = load(gguf.unwrap_or(folder), device).map_err(failed)?;
        let rows = network.config().vocabulary;
        words.tokenizer.fits(rows).map_err(failed)?;
        Ok(Self { network, words })
    }

    /// What a unit asks for.
    fn request(&self, unit: &Unit) -> Result<Request, StageError> {
        let unread = |name: &str| StageError::failed(format!("a unit came without its `{name}`"));
        let entry = |name: &str| unit.input.get(name).ok_or_else(|| unread(name));
        let wording: Wording = entry("wording")?.read().map_err(failed)?;
        let sampling: TokenSampling = entry("sampling")?.read().map_err(failed)?;
        let seed = unit.input.get("seed").and_then(Value::as_int).unwrap_or(0);
        let prompt = self.words.of_wording(&wording)?;
        let request = Request {
            after: None,
            prompt: prompt.into(),
            sampling: Sampling {
                temperature: sampling.temperature,
                top_k: sampling.top_k as usize,
                top_p: sampling.top_p,
                repetition_penalty: sampling.repetition_penalty,
            },
            seed: *Digest::of(&seed.to_le_bytes()).as_bytes(),
            most: sampling.max_new_tokens as usize,
        };
        self.generator().check(&request).map_err(failed)?;
        Ok(request)
    }

    fn generator(&self) -> Generator<'_> {
        let ends = self.words.tokenizer.eos().to_vec();
        Generator::new(&self.network, ends, TOGETHER)
    }

    fn write(&self, requests: &[Request]) -> Result<Vec<Completion>, StageError> {
        let written = self.generator().generate(requests, |_, _| true);
        let written = written.map_err(failed)?.into_iter();
        let text = written.map(|written| {
            Ok(Completion {
                text: self
                    .words
                    .tokenizer
                    .decode(&written.tokens, true)
                    .map_err(failed)?,
                is_cut: !written.ended,
            })
        });
        text.collect()
    }
}

#[cfg(test)]
mod tests;
