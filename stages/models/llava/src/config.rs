//! `config.json` of LLaVA-1.5 (`llava`) and LLaVA-1.6 (`llava_next`). What a file leaves out is what
//! `transformers` takes it for; what is not supported is an error.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_clip::VisionConfig;
use ccsr_nn::{Activation, ConfigError, read_config};
use serde::{Deserialize, Serialize};

use crate::{ImageEncoder, ImageSize, Layout};

/// Numbers a token of a language model that does not say it: those of Llama 7B and Mistral 7B.
const TEXT_WIDTH: u64 = 4096;

/// A whole LLaVA, as far as images are concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LlavaConfig {
    /// Which LLaVA it is.
    pub model_type: Family,
    /// The token that stands for an image, or for a part of one.
    #[serde(default = "image_token", alias = "image_token_id")]
    pub image_token_index: u32,
    /// The sizes in pixels that images are fitted into, for tiles to be cut out of them. LLaVA-1.5 has no
    /// tiles.
    #[serde(default)]
    pub image_grid_pinpoints: Option<Vec<ImageSize>>,
    /// The vision tower.
    #[serde(default = "large_336")]
    pub vision_config: VisionConfig,
    /// The layer of the tower whose input is an image's features, from the end if negative: −1 stands
    /// for what comes out of the last.
    #[serde(default = "second_last")]
    pub vision_feature_layer: isize,
    /// Which of them are used.
    #[serde(default)]
    pub vision_feature_select_strategy: Selection,
    /// What the projector uses.
    #[serde(default = "gelu")]
    pub projector_hidden_act: Activation,
    /// Whether the projector adds a bias.
    #[serde(default = "yes")]
    pub multimodal_projector_bias: bool,
    /// Whether rows of tiles end with a learned token: always, in LLaVA-1.6.
    #[serde(default = "yes")]
    pub use_image_newline_parameter: bool,
    /// The language model, which reads this itself.
    #[serde(default)]
    pub text_config: serde_json::Value,
}

/// Which LLaVA it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// LLaVA-1.6: an image as a whole, and in tiles.
    #[serde(rename = "llava_next")]
    Next,
    /// LLaVA-1.5: an image as a whole.
    #[serde(rename = "llava")]
    Plain,
}

/// Which of a tower's features are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// Those of the patches, without the class token's.
    #[default]
    Default,
    /// All of them.
    Full,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LlavaConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ConfigError),
    /// It asks for something that is not there.
    #[error("`{}`: `{field}` is {found}; {expected}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What it says.
        found: String,
        /// What it could say.
        expected: String,
    },
}

const fn image_token() -> u32 {
    32_000
}

/// The tower of a file that says nothing of it: CLIP's ViT-L/14-336.
fn large_336() -> VisionConfig {
    VisionConfig {
        image_size: 336,
        ..VisionConfig::large()
    }
}

const fn second_last() -> isize {
    -2
}

const fn gelu() -> Activation {
    Activation::Gelu
}

const fn yes() -> bool {
    true
}

/// What `transformers` calls the kind of a tower.
#[derive(Deserialize)]
struct Kinds {
    vision_config: Option<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

impl LlavaConfig {
    /// The configuration of a folder, by its `config.json`.
    pub fn open(folder: &Path) -> Result<Self, LlavaConfigError> {
        let path = folder.join("config.json");
        let config: Self = read_config(&path)?;
        let kinds: Kinds = read_config(&path)?;
        let tower = kinds.vision_config.and_then(|kind| kind.model_type);
        let unsupported = |(field, found, expected)| LlavaConfigError::Unsupported {
            path,
            field,
            found,
            expected,
        };
        let checked = config.check(tower.as_deref());
        checked.map_err(unsupported)?;
        Ok(config)
    }

    /// A field that is not supported, what it says and what it could say.
    fn check(&self, tower: Option<&str>) -> Result<(), (&'static str, String, String)> {
        let demand = |holds: bool, field, found: String, expected: &str| {
            if holds {
                Ok(())
            } else {
                Err((field, found, expected.to_owned()))
            }
        };
        let vision = &self.vision_config;
        demand(
            matches!(tower, None | Some("clip_vision_model")),
            "vision_config.model_type",
            format!("`{}`", tower.unwrap_or_default()),
            "only towers of CLIP are supported, `clip_vision_model`",
        )?;
        demand(
            (1..=vision.image_size).contains(&vision.patch_size),
            "vision_config.patch_size",
            vision.patch_size.to_string(),
            "expected at least 1 and no more than `image_size`",
        )?;
        demand(
            vision.num_attention_heads > 0
                && vision
                    .hidden_size
                    .is_multiple_of(vision.num_attention_heads),
            "vision_config.num_attention_heads",
            vision.num_attention_heads.to_string(),
            "expected a divisor of `hidden_size`",
        )?;
        demand(
            vision.num_channels == 3,
            "vision_config.num_channels",
            vision.num_channels.to_string(),
            "pictures have 3",
        )?;
        let states = vision.num_hidden_layers as isize + 1;
        demand(
            (-states..states).contains(&self.vision_feature_layer),
            "vision_feature_layer",
            self.vision_feature_layer.to_string(),
            &format!("the tower has the layers −{states} to {}", states - 1),
        )?;
        demand(
            self.text_config
                .get("hidden_size")
                .is_none_or(|width| width.as_u64().is_some_and(|width| width > 0)),
            "text_config.hidden_size",
            self.text_config["hidden_size"].to_string(),
            "expected a number of at least 1",
        )?;
        if self.model_type == Family::Plain {
            return Ok(());
        }
        demand(
            self.vision_feature_select_strategy == Selection::Default,
            "vision_feature_select_strategy",
            "`full`".to_owned(),
            "a class token has no place among tiles; expected `default`",
        )?;
        demand(
            self.use_image_newline_parameter,
            "use_image_newline_parameter",
            "false".to_owned(),
            "only models with a token that ends rows are supported",
        )?;
        let pinpoints = self.pinpoints();
        demand(
            !pinpoints.is_empty(),
            "image_grid_pinpoints",
            "empty".to_owned(),
            "expected sizes as [height, width], or nothing for those of LLaVA-1.6",
        )?;
        let side = vision.image_size as u32;
        let tiled = |length: u32| length > 0 && length.is_multiple_of(side);
        let fits = |point: &&ImageSize| tiled(point.height) && tiled(point.width);
        let misfit = pinpoints.iter().find(|point| !fits(point));
        demand(
            misfit.is_none(),
            "image_grid_pinpoints",
            format!("{pinpoints:?}"),
            &format!("expected multiples of the tower's {side} pixels"),
        )
    }

    /// The sizes that images are fitted into; none for LLaVA-1.5.
    pub fn pinpoints(&self) -> Vec<ImageSize> {
        match (self.model_type, &self.image_grid_pinpoints) {
            (Family::Plain, _) => Vec::new(),
            (Family::Next, Some(pinpoints)) => pinpoints.clone(),
            (Family::Next, None) => ImageSize::PINPOINTS.to_vec(),
        }
    }

    /// How many tokens images become, and in which order.
    pub fn layout(&self) -> Layout {
        Layout::new(self)
    }

    /// Numbers a token of the language model.
    pub fn text_width(&self) -> usize {
        let width = self.text_config.get("hidden_size");
        width
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(TEXT_WIDTH) as usize
    }

    /// An encoder of this size, without weights.
    pub fn init(&self, device: &Device) -> ImageEncoder {
        ImageEncoder::new(self, device)
    }
}
