//! What a judge is made of, and the files that it becomes.

use std::path::Path;

use burn::prelude::Device;
use ccsr_clip::{VisionModel, load_vision};
use ccsr_mistral::Mistral;
use ccsr_nn::read_config;
use ccsr_stage::StageError;
use serde_json::{Value as Json, json};

use crate::failed;
use crate::pretraining::{File, LaidOut};
use crate::train_language::{CHAT_TEMPLATE, generation_config, tokenizer_config};
use crate::words::Words;

/// The token that stands for an image.
const IMAGE: &str = "<image>";

/// The two models, and the configuration of what is made of them.
pub(super) struct Folder {
    pub(super) clip: LaidOut,
    language: LaidOut,
    /// `config.json`
    pub(super) config: Json,
}

impl Folder {
    pub(super) fn new(clip: LaidOut, language: LaidOut) -> Result<Self, StageError> {
        let config = |folder: &Path| read_config::<Json>(&folder.join("config.json"));
        let vision = config(clip.path()).map_err(failed)?;
        let text = config(language.path()).map_err(failed)?;
        let words = words_of(&language)?;
        let image = words.tokenizer.token_to_id(IMAGE).ok_or_else(|| {
            StageError::input(format!(
                "the language model's tokenizer has no token `{IMAGE}`; take a model of `train.language`"
            ))
        })?;
        let vision = vision["vision_config"].clone();
        let side = |name: &str| vision[name].as_u64().unwrap_or_default();
        let patches = side("image_size").checked_div(side("patch_size"));
        let tokens = patches.unwrap_or_default().pow(2);
        let config = json!({
            "architectures": ["LlavaForConditionalGeneration"],
            "model_type": "llava",
            "dtype": "float16",
            "ignore_index": -100,
            "image_token_index": image,
            "image_seq_length": tokens,
            "pad_token_id": text["pad_token_id"],
            "projector_hidden_act": "gelu",
            "multimodal_projector_bias": true,
            "text_config": text,
            "tie_word_embeddings": false,
            "vision_config": vision,
            // All layers, so that nothing that was seen is lost.
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "default",
        });
        Ok(Self {
            clip,
            language,
            config,
        })
    }

    /// The language model's words, by the template of a judge.
    pub(super) fn words(&self) -> Result<Words, StageError> {
        words_of(&self.language)
    }

    /// The vision tower.
    pub(super) fn vision(&self, device: &Device) -> Result<VisionModel, StageError> {
        let (vision, _) = load_vision(self.clip.path(), device).map_err(failed)?;
        Ok(vision)
    }

    /// The language model.
    pub(super) fn language(&self, device: &Device) -> Result<Mistral, StageError> {
        ccsr_mistral::load(self.language.path(), device).map_err(failed)
    }

    /// That a judge to go on from was taught in the words of the language model.
    pub(super) fn has_words_of(&self, judge: &Path) -> Result<(), StageError> {
        let read = |folder: &Path| std::fs::read(folder.join("tokenizer.json")).map_err(failed);
        if read(judge)? == read(self.language.path())? {
            return Ok(());
        }
        Err(StageError::input(
            "the judge to begin with has other words than the language model: another `tokenizer.json`",
        ))
    }

    /// All files but the weights.
    pub(super) fn files(&self) -> Result<Vec<(String, File)>, StageError> {
        let taken = |from: &LaidOut, name: &str| {
            let found = from.files().find(|(file, _)| *file == name);
            let missing =
                || StageError::input(format!("a model that is begun with has no `{name}`"));
            let (_, content) = found.ok_or_else(missing)?;
            Ok::<_, StageError>((name.to_owned(), File::Blob(content)))
        };
        let processor = json!({
            "image_token": IMAGE,
            "num_additional_image_tokens": 1,
            "patch_size": self.config["vision_config"]["patch_size"],
            "processor_class": "LlavaProcessor",
            "vision_feature_select_strategy": "default",
        });
        let template = json!({"chat_template": CHAT_TEMPLATE});
        let own = [
            ("chat_template.json", &template),
            ("config.json", &self.config),
            ("generation_config.json", &generation_config()),
            ("processor_config.json", &processor),
            ("tokenizer_config.json", &tokenizer_config(false)),
        ];
        let own = own.map(|(name, json)| (name.to_owned(), File::from(json)));
        let mut files = Vec::from(own);
        files.push(taken(&self.clip, "preprocessor_config.json")?);
        files.push(taken(&self.language, "tokenizer.json")?);
        Ok(files)
    }
}

fn words_of(language: &LaidOut) -> Result<Words, StageError> {
    Words::open(language.path(), Some(CHAT_TEMPLATE))
}
