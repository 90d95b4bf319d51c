//! What trainings of latent diffusion models have in common: the size of a UNet, texts as it is told them, and the folder
//! that holds a model.

use burn::prelude::*;
use ccsr_clip::{ClipConfig, Padding, TextModel, Tokenizer};
use ccsr_nn::{Parameter, Row};
use ccsr_sampling::SchedulerConfig;
use ccsr_stable_diffusion::{BlockKind, PerBlock, UNetConfig};
use ccsr_stage::{Misfit, Misfits, StageError, Value};
use ccsr_training::Initial;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::failed;
use crate::pretraining::{File, unread};
use crate::range::within;
use crate::train_autoencoder::misfits_of_levels;

/// Tokens of a text, as Stable Diffusion has them.
pub(crate) const TOKENS: usize = 77;
/// Channels that a norm treats alike.
const GROUPS: usize = 8;

/// The first layers of a UNet, of latents and of timesteps, and its last.
pub(crate) const UNET_OUTER: &[&str] = &["conv_in", "time_embedding", "conv_out"];

/// The size of a UNet. Every level but the first looks at the text.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UNetSize {
    /// Channels at each level, multiples of 8 and of `head`; each level has half the side of the one before.
    pub channels: Vec<u32>,
    /// Residual networks at each level on the way down; one more on the way up.
    pub layers: u32,
    /// Numbers of a head of attention.
    pub head: u32,
    /// Whether there is a block between the way down and the way up.
    pub middle: bool,
}

impl UNetSize {
    pub(crate) fn misfits(&self) -> Misfits {
        let mut misfits = misfits_of_levels(&self.channels);
        misfits.add(within("layers", self.layers, &(1..=8), ""));
        misfits.add(within("head", self.head, &(1..=1024), ""));
        for (index, channels) in self.channels.iter().enumerate() {
            if misfits.is_empty() && !channels.is_multiple_of(self.head) {
                let message = format!("`{channels}` is no multiple of `head: {}`", self.head);
                misfits.add(Misfit::new(["channels", &index.to_string()], message));
            }
        }
        misfits
    }

    /// The network for latents of so many channels and cells a side, and texts of so many numbers a token.
    pub(crate) fn config(&self, channels: usize, side: usize, text: usize) -> UNetConfig {
        let levels = self.channels.len();
        let attended = |kind| vec![kind; levels - 1];
        let mut down = attended(BlockKind::CrossAttentionDown);
        down.insert(0, BlockKind::Down);
        let mut up = attended(BlockKind::CrossAttentionUp);
        up.push(BlockKind::Up);
        let heads = self.channels.iter().map(|it| (it / self.head) as usize);
        UNetConfig {
            sample_size: side,
            in_channels: channels,
            out_channels: channels,
            down_block_types: down,
            mid_block_type: self.middle.then_some(BlockKind::Middle),
            up_block_types: up,
            attention_head_dim: PerBlock::Each(heads.collect()),
            block_out_channels: self.channels.iter().map(|it| *it as usize).collect(),
            layers_per_block: PerBlock::All(self.layers as usize),
            cross_attention_dim: text,
            use_linear_projection: true,
            norm_num_groups: GROUPS,
            ..UNetConfig::default()
        }
    }
}

/// How a UNet's numbers begin: as PyTorch's, but nothing is added to what is carried around layers, and the prediction
/// is 0.
pub(crate) fn begin(parameter: &Parameter) -> Initial {
    let name = parameter.name.as_str();
    let adds = ["conv2.weight", "proj_out.weight", "conv_out.weight"];
    if adds.iter().any(|end| name.ends_with(end)) {
        Initial::Constant(0.0)
    } else {
        Initial::of(parameter)
    }
}

/// Texts of examples, and the encoder that says what they mean.
pub(crate) struct Texts {
    encoder: TextModel,
    /// Of each text.
    tokens: Vec<Vec<i64>>,
    /// Of no text.
    nothing: Vec<i64>,
    device: Device,
}

impl Texts {
    pub(crate) fn new<'a>(
        encoder: TextModel,
        tokenizer: &Tokenizer,
        texts: impl IntoIterator<Item = &'a str>,
        device: &Device,
    ) -> Result<Self, StageError> {
        let ids = |text: &str| {
            let tokens = tokenizer.tokenise(text, Padding::Checkpoint);
            Ok(tokens.map_err(failed)?.ids)
        };
        Ok(Self {
            encoder,
            tokens: texts
                .into_iter()
                .map(ids)
                .collect::<Result<_, StageError>>()?,
            nothing: ids("")?,
            device: device.clone(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) const fn encoder(&self) -> &TextModel {
        &self.encoder
    }

    /// What some texts mean; none is no text.
    ///
    /// # Shapes
    /// `[texts, tokens, numbers]`
    pub(crate) fn states(&self, texts: &[Option<usize>]) -> Tensor<3> {
        let ids = texts.iter().flat_map(|text| match text {
            Some(text) => &self.tokens[*text],
            None => &self.nothing,
        });
        let ids: Vec<i64> = ids.copied().collect();
        let ids = TensorData::new(ids, [texts.len(), TOKENS]);
        self.encoder.forward(Tensor::from_data(ids, &self.device))
    }
}

/// Files of a model's folder, under another folder's name.
pub(crate) fn files_below(
    model: &Value,
    from: &str,
    to: &str,
) -> Result<Vec<(String, File)>, StageError> {
    let Value::Map(map) = model else {
        return Err(unread("model"));
    };
    let below = map
        .iter()
        .filter_map(|(name, content)| Some((name.strip_prefix(from)?, content)));
    let file = |(name, content): (&str, &Value)| {
        let content = content.as_blob().ok_or_else(|| unread("model"))?;
        Ok((format!("{to}{name}"), File::Blob(content)))
    };
    below.map(file).collect()
}

/// The files of a text encoder that is the text tower of a CLIP.
pub(crate) fn text_encoder_files(
    encoder: &TextModel,
    clip: &ClipConfig,
) -> Result<Vec<(String, File)>, StageError> {
    let text = &clip.text_config;
    let mut config = serde_json::to_value(text).map_err(failed)?;
    config["architectures"] = json!(["CLIPTextModel"]);
    config["model_type"] = json!("clip_text_model");
    config["dtype"] = json!("float16");
    config["bos_token_id"] = json!(text.eos_token_id - 1);
    config["pad_token_id"] = json!(text.eos_token_id);
    let named = |name: &str| format!("text_model.{name}");
    let weights = Row::of(encoder).file(&Row::numbers(encoder), named);
    Ok(vec![
        ("text_encoder/config.json".to_owned(), File::from(&config)),
        (
            "text_encoder/model.safetensors".to_owned(),
            File::from(weights),
        ),
    ])
}

/// The files of a UNet.
pub(crate) fn unet_files(
    config: &UNetConfig,
    weights: Vec<u8>,
) -> Result<Vec<(String, File)>, StageError> {
    let mut config = serde_json::to_value(config).map_err(failed)?;
    config["_class_name"] = json!("UNet2DConditionModel");
    Ok(vec![
        ("unet/config.json".to_owned(), File::from(&config)),
        (
            "unet/diffusion_pytorch_model.safetensors".to_owned(),
            File::from(weights),
        ),
    ])
}

/// Which parts a model has, and how it is sampled. What a scheduler's configuration does not say is left out of it.
pub(crate) fn pipeline_files(
    scheduler: &SchedulerConfig,
) -> Result<Vec<(String, File)>, StageError> {
    let index = json!({
        "_class_name": "StableDiffusionPipeline",
        "feature_extractor": [null, null],
        "requires_safety_checker": false,
        "safety_checker": [null, null],
        "scheduler": ["diffusers", scheduler.class_name],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    let mut config = serde_json::to_value(scheduler).map_err(failed)?;
    if let Json::Object(keys) = &mut config {
        keys.retain(|_, value| !value.is_null());
    }
    Ok(vec![
        ("model_index.json".to_owned(), File::from(&index)),
        (
            "scheduler/scheduler_config.json".to_owned(),
            File::from(&config),
        ),
    ])
}
