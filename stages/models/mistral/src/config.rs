//! Configurations, by the names of `config.json`. What a file leaves out is what `transformers` takes it for.

use std::path::Path;

use ccsr_nn::{Activation, read_config};
use serde::{Deserialize, Deserializer};

use crate::LoadError;
use crate::quantisation::{Quantisation, QuantisationConfig};

/// A language model of Mistral's or Llama's make.
#[derive(Clone, Debug, PartialEq)]
pub struct MistralConfig {
    /// Numbers a token.
    pub hidden: usize,
    /// Numbers a token in the middle of a feed-forward network.
    pub intermediate: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of queries a layer.
    pub heads: usize,
    /// Heads of keys and values a layer, a divisor of `heads`.
    pub kv_heads: usize,
    /// Numbers a head.
    pub head_dim: usize,
    /// Tokens there are.
    pub vocabulary: usize,
    /// What feed-forward networks use.
    pub activation: Activation,
    /// ε of norms.
    pub epsilon: f64,
    /// How positions become angles.
    pub rope: Rope,
    /// The most tokens of a text: what positions there are, or a window that attention is limited to.
    pub context: usize,
    /// Whether what comes out is compared with the embeddings of tokens, instead of weights of its own.
    pub tied: bool,
    /// Whether the layers of attention have biases.
    pub attention_bias: bool,
    /// Whether the layers of feed-forward networks have biases.
    pub mlp_bias: bool,
    /// How weights are packed, if they are.
    pub quantisation: Option<Quantisation>,
}

/// Rotary position embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The base θ: the angle of pair `i` at position `p` is `p · θ^(-2i / head_dim)`.
    pub theta: f64,
    /// What is done to the angles for longer texts.
    pub scaling: Scaling,
}

/// What is done to the angles of rotary embedding for texts longer than those of the first training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// Nothing.
    None,
    /// Positions are divided by a factor.
    Linear(f64),
    /// Low frequencies are divided by a factor, high ones are not, those between in part (Llama 3.1).
    Llama3 {
        /// By how much.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low: f64,
        /// Wavelengths below `original / high` are left.
        high: f64,
        /// Positions of the first training.
        original: f64,
    },
}

/// `config.json`, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
struct Written {
    model_type: String,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: Option<usize>,
    hidden_act: Option<Activation>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<WrittenRope>,
    rope_parameters: Option<WrittenRope>,
    max_position_embeddings: Option<usize>,
    #[serde(default)]
    sliding_window: Window,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    quantization_config: Option<QuantisationConfig>,
}

/// `sliding_window`: left out and `null` are different things.
#[derive(Clone, Copy, Debug, Default)]
enum Window {
    /// It is left out.
    #[default]
    Unsaid,
    /// There is one, or none.
    Said(Option<usize>),
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(Self::Said)
    }
}

#[derive(Clone, Debug, Deserialize)]
struct WrittenRope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

/// What `transformers` takes for granted of a kind of model.
struct Habits {
    kv_heads: Option<usize>,
    intermediate: usize,
    positions: usize,
    window: Option<usize>,
}

impl MistralConfig {
    /// The configuration of a checkpoint's folder: `config.json`, and `quant_config.json` as older packed checkpoints
    /// have it.
    pub fn open(folder: &Path) -> Result<Self, LoadError> {
        let path = folder.join("config.json");
        let mut written: serde_json::Value = read_config(&path)?;
        let older = folder.join("quant_config.json");
        if written.get("quantization_config").is_none() && older.is_file() {
            written["quantization_config"] = read_config(&older)?;
        }
        Self::of_json(&written).map_err(|why| LoadError::Config { path, why })
    }

    /// The same from what stands in the file, or in `text_config` of a model that has a language model in it.
    ///
    /// # Errors
    /// A sentence about what does not fit.
    pub fn of_json(written: &serde_json::Value) -> Result<Self, String> {
        let written = Written::deserialize(written).map_err(|error| error.to_string())?;
        let habits = match written.model_type.as_str() {
            "mistral" => Habits {
                kv_heads: Some(8),
                intermediate: 14_336,
                positions: 131_072,
                window: Some(4096),
            },
            "llama" => Habits {
                kv_heads: None,
                intermediate: 11_008,
                positions: 2048,
                window: None,
            },
            other => {
                return Err(format!(
                    "`model_type` is `{other}`; the language models known here are `mistral` and `llama`"
                ));
            }
        };
        let (hidden, heads) = (
            written.hidden_size.unwrap_or(4096),
            written.num_attention_heads.unwrap_or(32),
        );
        let positions = written.max_position_embeddings.unwrap_or(habits.positions);
        let window = match written.sliding_window {
            Window::Unsaid => habits.window,
            Window::Said(window) => window,
        };
        let config = Self {
            hidden,
            intermediate: written.intermediate_size.unwrap_or(habits.intermediate),
            layers: written.num_hidden_layers.unwrap_or(32),
            heads,
            kv_heads: written
                .num_key_value_heads
                .or(habits.kv_heads)
                .unwrap_or(heads),
            head_dim: written
                .head_dim
                .unwrap_or_else(|| hidden.checked_div(heads).unwrap_or(0)),
            vocabulary: written.vocab_size.unwrap_or(32_000),
            activation: written.hidden_act.unwrap_or(Activation::Silu),
            epsilon: written.rms_norm_eps.unwrap_or(1e-6),
            rope: written.rope()?,
            context: window.map_or(positions, |window| positions.min(window)),
            tied: written.tie_word_embeddings.unwrap_or(false),
            attention_bias: written.attention_bias.unwrap_or(false),
            mlp_bias: written.mlp_bias.unwrap_or(false),
            quantisation: written
                .quantization_config
                .map(QuantisationConfig::read)
                .transpose()?,
        };
        config.check()?;
        Ok(config)
    }

    /// The linear layers of the transformer, by their names in checkpoints, with their inputs and outputs.
    pub fn linears(&self) -> Vec<(String, [usize; 2])> {
        let [queries, keys] = [self.heads, self.kv_heads].map(|heads| heads * self.head_dim);
        let (hidden, inner) = (self.hidden, self.intermediate);
        let of_layer = [
            ("self_attn.q_proj", [hidden, queries]),
            ("self_attn.k_proj", [hidden, keys]),
            ("self_attn.v_proj", [hidden, keys]),
            ("self_attn.o_proj", [queries, hidden]),
            ("mlp.gate_proj", [hidden, inner]),
            ("mlp.up_proj", [hidden, inner]),
            ("mlp.down_proj", [inner, hidden]),
        ];
        let layers = (0..self.layers).flat_map(|layer| {
            of_layer.map(|(name, sizes)| (format!("model.layers.{layer}.{name}"), sizes))
        });
        layers.collect()
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let sizes = [
            ("hidden_size", self.hidden),
            ("intermediate_size", self.intermediate),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("vocab_size", self.vocabulary),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(format!("`{name}` is 0"));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!(
                "`num_attention_heads` ({}) is no multiple of `num_key_value_heads` ({})",
                self.heads, self.kv_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "`head_dim` is {}; its numbers are turned in pairs",
                self.head_dim
            ));
        }
        if self.activation != Activation::Silu {
            return Err("`hidden_act` is not `silu`, the only one known here".to_owned());
        }
        Ok(())
    }

    /// `mistralai/Mistral-7B-Instruct-v0.2`.
    pub fn mistral_7b() -> Self {
        Self {
            hidden: 4096,
            intermediate: 14_336,
            layers: 32,
            heads: 32,
            kv_heads: 8,
            head_dim: 128,
            vocabulary: 32_000,
            activation: Activation::Silu,
            epsilon: 1e-5,
            rope: Rope {
                theta: 1e6,
                scaling: Scaling::None,
            },
            context: 32_768,
            tied: false,
            attention_bias: false,
            mlp_bias: false,
            quantisation: None,
        }
    }
}

impl Written {
    /// What is said of rotary embedding: in old files beside the rest, in new ones in a place of its own.
    fn rope(&self) -> Result<Rope, String> {
        let parts = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let theta = parts.and_then(|parts| parts.rope_theta);
        let theta = theta.or(self.rope_theta).unwrap_or(10_000.0);
        let kind = parts.and_then(|parts| parts.rope_type.as_deref());
        let scaling = match (kind, parts) {
            (None | Some("default"), _) | (_, None) => Scaling::None,
            (Some(kind @ ("linear" | "llama3")), Some(parts)) => {
                let number = |name: &str, number: Option<f64>| {
                    let number = number.filter(|number| number.is_finite() && *number > 0.0);
                    number.ok_or_else(|| {
                        format!("`{name}` of rotary scaling `{kind}` is missing, or not above 0")
                    })
                };
                let factor = number("factor", parts.factor)?;
                if kind == "linear" {
                    Scaling::Linear(factor)
                } else {
                    let original = parts.original_max_position_embeddings;
                    Scaling::Llama3 {
                        factor,
                        low: number("low_freq_factor", parts.low_freq_factor)?,
                        high: number("high_freq_factor", parts.high_freq_factor)?,
                        original: number("original_max_position_embeddings", original)?,
                    }
                }
            }
            (Some(other), _) => {
                return Err(format!(
                    "the rotary scaling `{other}` is not known here; `default`, `linear` and `llama3` are"
                ));
            }
        };
        Ok(Rope { theta, scaling })
    }
}
