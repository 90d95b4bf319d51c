//! What files say of an adapter beside its tensors: PEFT's configuration of LoRA, which diffusers writes, too.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::names::Component;

/// PEFT's rank, and its alpha, where a configuration says neither.
const DEFAULT: f64 = 8.0;
/// Settings that change what is computed, by what they are; this computes what is without them.
const MUST_BE_OFF: [(&str, &str); 11] = [
    ("use_dora", "DoRA"),
    ("lora_bias", "biases of LoRA"),
    ("bias", "trained biases"),
    ("modules_to_save", "whole layers beside LoRA"),
    ("use_qalora", "QALoRA"),
    ("use_bdlora", "block-diagonal LoRA"),
    ("kasa_config", "KaSA"),
    ("layer_replication", "repeated layers"),
    ("trainable_token_indices", "trained tokens"),
    ("target_parameters", "adapters of bare parameters"),
    ("alora_invocation_tokens", "activated LoRA"),
];
/// Ways to begin training that leave the base model's weights as they are.
const PLAIN_STARTS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// The configuration of a network's adapter.
#[derive(Default)]
pub(super) struct Settings {
    rank: Option<f64>,
    alpha: Option<f64>,
    ranks: Vec<(Regex, f64)>,
    alphas: Vec<(Regex, f64)>,
    is_rank_stabilised: bool,
}

/// The part of it that says numbers.
#[derive(Deserialize)]
#[serde(default)]
struct Numbers {
    peft_type: String,
    r: Option<f64>,
    lora_alpha: Option<f64>,
    rank_pattern: BTreeMap<String, f64>,
    alpha_pattern: BTreeMap<String, f64>,
    use_rslora: bool,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            peft_type: "LORA".to_owned(),
            r: None,
            lora_alpha: None,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            use_rslora: false,
        }
    }
}

impl Settings {
    /// Reads a configuration.
    ///
    /// # Errors
    /// A sentence: it cannot be read, or asks for what this does not do.
    pub(super) fn read(config: Map<String, Value>) -> Result<Self, String> {
        for (name, what) in MUST_BE_OFF {
            if config.get(name).is_some_and(|value| !is_off(value)) {
                return Err(format!("it has `{name}`: {what} cannot be applied"));
            }
        }
        if let Some(Value::String(start)) = config.get("init_lora_weights")
            && !PLAIN_STARTS.contains(&start.as_str())
        {
            return Err(format!(
                "it has `init_lora_weights: {start}`, for which the base model's weights were changed; convert it \
                 to an ordinary LoRA: PEFT's `save_pretrained(…, path_initial_model_for_weight_conversion=…)`"
            ));
        }
        let numbers: Numbers =
            serde_json::from_value(config.into()).map_err(|error| error.to_string())?;
        if numbers.peft_type != "LORA" {
            let kind = numbers.peft_type;
            return Err(format!("it is of the kind `{kind}`; expected `LORA`"));
        }
        Ok(Self {
            rank: numbers.r,
            alpha: numbers.lora_alpha,
            ranks: patterns(numbers.rank_pattern)?,
            alphas: patterns(numbers.alpha_pattern)?,
            is_rank_stabilised: numbers.use_rslora,
        })
    }

    /// The alpha of a layer of this rank, such that its product is multiplied by alpha / rank. (A
    /// rank-stabilised adapter divides by √rank instead: Kalajdzievski, 2023, arXiv 2312.03732.)
    ///
    /// # Errors
    /// A sentence: the layer is said to have another rank.
    pub(super) fn alpha(
        &self,
        component: Component,
        layer: &str,
        rank: usize,
    ) -> Result<f64, String> {
        let rank = rank as f64;
        let names = component.names(layer);
        if let Some(said) = matching(&self.ranks, &names).or(self.rank)
            && said.to_bits() != rank.to_bits()
        {
            return Err(format!(
                "its rank is {rank}, and its configuration says {said}"
            ));
        }
        let alpha = matching(&self.alphas, &names).or(self.alpha);
        let alpha = alpha.unwrap_or(DEFAULT);
        Ok(if self.is_rank_stabilised {
            alpha * rank.sqrt()
        } else {
            alpha
        })
    }
}

/// Whether a setting is as if it were not there.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text == "none",
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// PEFT's patterns: regular expressions for the end of a name, from the beginning of one of its parts.
fn patterns(patterns: BTreeMap<String, f64>) -> Result<Vec<(Regex, f64)>, String> {
    let compiled = patterns.into_iter().map(|(pattern, number)| {
        let regex = Regex::new(&format!(r"^(?:.*\.)?(?:{pattern})$"));
        let regex = regex.map_err(|_| format!("`{pattern}` is no regular expression"))?;
        Ok((regex, number))
    });
    compiled.collect()
}

/// The number of the first pattern that fits one of a layer's names.
fn matching(patterns: &[(Regex, f64)], names: &[String]) -> Option<f64> {
    let fits = |pattern: &Regex| names.iter().any(|name| pattern.is_match(name));
    let first = patterns.iter().find(|(pattern, _)| fits(pattern));
    first.map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(config: Value) -> Result<Settings, String> {
        let Value::Object(config) = config else {
            panic!("{config} is no configuration");
        };
        Settings::read(config)
    }

    #[test]
    fn patterns_are_those_of_peft() {
        let settings = settings(
            json!({"r": 4, "lora_alpha": 2, "rank_pattern": {"^conv_in": 3, "to_(k|v)": 2},
            "alpha_pattern": {"attn1.to_k": 5.5}}),
        )
        .unwrap();
        let alpha = |layer, rank| settings.alpha(Component::UNet, layer, rank);
        assert_eq!(alpha("a.attn1.to_k", 2), Ok(5.5));
        assert_eq!(alpha("attn1.to_k", 2), Ok(5.5));
        // Parts of names are whole.
        assert_eq!(alpha("a.cross_attn1.to_k", 2), Ok(2.0));
        assert_eq!(alpha("conv_in", 3), Ok(2.0));
        assert_eq!(alpha("a.conv_in", 4), Ok(2.0));
        assert_eq!(alpha("a.to_v", 2), Ok(2.0));
        let wrong = alpha("a.to_q", 2).unwrap_err();
        assert_eq!(wrong, "its rank is 2, and its configuration says 4");
    }

    #[test]
    fn a_configuration_that_says_nothing_is_that_of_peft() {
        assert_eq!(
            settings(json!({})).unwrap().alpha(Component::UNet, "a", 3),
            Ok(8.0)
        );
        let stabilised = settings(json!({"lora_alpha": 3, "use_rslora": true})).unwrap();
        assert_eq!(stabilised.alpha(Component::UNet, "a", 4), Ok(6.0));
    }

    #[test]
    fn patterns_for_text_encoders_may_name_the_tower() {
        let says = |pattern: &str| {
            let settings = settings(json!({"lora_alpha": 3, "alpha_pattern": {pattern: 7}}));
            settings
                .unwrap()
                .alpha(Component::TextEncoder, "encoder.layers.0.mlp.fc1", 8)
        };
        assert_eq!(says("mlp.fc1"), Ok(7.0));
        assert_eq!(says("^encoder.layers.0.mlp.fc1"), Ok(7.0));
        assert_eq!(says("text_model.encoder.layers.0.mlp.fc1"), Ok(7.0));
        assert_eq!(says("encoder.layers.1.mlp.fc1"), Ok(3.0));
    }

    #[test]
    fn what_changes_the_computation_otherwise_is_refused() {
        for (config, said) in [
            (json!({"use_dora": true}), "DoRA cannot be applied"),
            (json!({"bias": "all"}), "trained biases cannot be applied"),
            (
                json!({"modules_to_save": ["conv_out"]}),
                "`modules_to_save`",
            ),
            (json!({"peft_type": "LOHA"}), "of the kind `LOHA`"),
            (
                json!({"init_lora_weights": "pissa"}),
                "weights were changed",
            ),
            (
                json!({"rank_pattern": {"to_(q": 2}}),
                "`to_(q` is no regular expression",
            ),
            (json!({"lora_alpha": "four"}), "invalid type: string"),
        ] {
            let why = settings(config).err().unwrap();
            assert!(why.contains(said), "{why}");
        }
        let off = json!({"use_dora": false, "bias": "none", "modules_to_save": null, "use_bdlora": null,
            "init_lora_weights": true, "r": 8, "lora_alpha": 4});
        assert_eq!(
            settings(off).unwrap().alpha(Component::UNet, "a", 8),
            Ok(4.0)
        );
    }
}
