//! Adapters as files that diffusers, PEFT and the programs around kohya's scripts load.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::{Component, Name, flat_prefix, flattened};
use super::open::METADATA;
use super::{ADAPTER_FILE, Adapter, Factor, LoraLayer, PEFT_CONFIG, PEFT_FILE};
use crate::WeightError;
use crate::written::header;

/// Who an adapter's files are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterFormat {
    /// diffusers: `pytorch_lora_weights.safetensors`.
    Diffusers,
    /// PEFT: `adapter_config.json` and `adapter_model.safetensors`; in folders `unet` and `text_encoder`, if both are
    /// adapted.
    Peft,
    /// kohya's scripts, and the web interfaces that read what they write: `lora.safetensors`.
    Kohya,
}

impl Adapter {
    /// Its files, by their paths in the adapter's folder. Equal adapters become equal bytes.
    ///
    /// # Errors
    /// If it was read from a file of kohya's scripts, whose names say which layers they are of only beside a model:
    /// these can be written as such alone.
    pub fn files(&self, format: AdapterFormat) -> Result<Vec<(String, Vec<u8>)>, WeightError> {
        if format == AdapterFormat::Kohya {
            return Ok(vec![("lora.safetensors".to_owned(), self.of_kohya())]);
        }
        let mut flat = self
            .layers
            .keys()
            .filter_map(|(component, name)| match name {
                Name::Flat(_) => Some((*component, name)),
                Name::Path(_) => None,
            });
        if let Some((component, name)) = flat.next() {
            let why = "the names of kohya's scripts say which layers they are of only beside a model; merge it into one";
            return Err(self.misfit(component, name, why.to_owned()));
        }
        let used = Component::ALL
            .into_iter()
            .filter(|component| self.has(*component));
        if format == AdapterFormat::Diffusers {
            return Ok(vec![(ADAPTER_FILE.to_owned(), self.of_diffusers(used))]);
        }
        let used: Vec<Component> = used.collect();
        let mut files = Vec::new();
        for component in &used {
            let folder = match used.len() {
                1 => String::new(),
                _ => format!("{}/", component.name()),
            };
            let config = serde_json::to_string_pretty(&self.config(*component));
            let config = config.expect("a map of texts and numbers is JSON");
            files.push((format!("{folder}{PEFT_CONFIG}"), config.into_bytes()));
            files.push((format!("{folder}{PEFT_FILE}"), self.of_peft(*component)));
        }
        Ok(files)
    }

    fn of(&self, component: Component) -> impl Iterator<Item = (&str, &LoraLayer)> {
        let layers = self.layers();
        layers.filter_map(move |(of, name, layer)| (of == component).then_some((name, layer)))
    }

    fn of_diffusers(&self, components: impl Iterator<Item = Component>) -> Vec<u8> {
        let (mut tensors, mut metadata) = (BTreeMap::new(), Map::new());
        for component in components {
            let prefix = component.name();
            // Versions of transformers that know no tower take its name away, those that do need it.
            let tower = component.tower();
            for (name, layer) in self.of(component) {
                tensors.insert(
                    format!("{prefix}.{tower}{name}.lora_A.weight"),
                    layer.down(),
                );
                tensors.insert(format!("{prefix}.{tower}{name}.lora_B.weight"), layer.up());
            }
            let config = self.config(component).into_iter();
            metadata.extend(config.map(|(name, value)| (format!("{prefix}.{name}"), value)));
        }
        let metadata = serde_json::to_string_pretty(&metadata);
        let metadata = metadata.expect("a map of texts and numbers is JSON");
        safetensors(&tensors, &[("format", "pt"), (METADATA, &metadata)])
    }

    fn of_peft(&self, component: Component) -> Vec<u8> {
        let mut tensors = BTreeMap::new();
        for (name, layer) in self.of(component) {
            tensors.insert(
                format!("base_model.model.{name}.lora_A.weight"),
                layer.down(),
            );
            tensors.insert(format!("base_model.model.{name}.lora_B.weight"), layer.up());
        }
        safetensors(&tensors, &[("format", "pt")])
    }

    fn of_kohya(&self) -> Vec<u8> {
        let layers = || self.layers.values();
        let alphas: BTreeMap<_, _> = self
            .layers
            .iter()
            .map(|(key, layer)| (key, number(layer.alpha() as f32)))
            .collect();
        let mut tensors = BTreeMap::new();
        for (key, layer) in &self.layers {
            let (component, name) = key;
            let layer_name = format!("{}{}", flat_prefix(*component), flattened(name.as_str()));
            tensors.insert(format!("{layer_name}.lora_down.weight"), layer.down());
            tensors.insert(format!("{layer_name}.lora_up.weight"), layer.up());
            tensors.insert(format!("{layer_name}.alpha"), &alphas[key]);
        }
        let rank = most_common(layers().map(|layer| layer.rank() as f64));
        let alpha = most_common(layers().map(LoraLayer::alpha));
        safetensors(
            &tensors,
            &[
                ("format", "pt"),
                ("ss_network_module", "networks.lora"),
                ("ss_network_dim", &rank.to_string()),
                ("ss_network_alpha", &alpha.to_string()),
            ],
        )
    }

    /// PEFT's configuration of a network's adapter.
    fn config(&self, component: Component) -> Map<String, Value> {
        let layers = || self.of(component);
        let rank = most_common(layers().map(|(_, layer)| layer.rank() as f64));
        let alpha = most_common(layers().map(|(_, layer)| layer.alpha()));
        let others = |common: f64, number: fn(&LoraLayer) -> f64| -> Map<String, Value> {
            let numbers = layers().map(|(name, layer)| (name.to_owned(), number(layer)));
            let others = numbers.filter(|(_, number)| number.to_bits() != common.to_bits());
            others.map(|(name, number)| (name, whole(number))).collect()
        };
        let names: BTreeSet<&str> = layers().map(|(name, _)| name).collect();
        let config = json!({
            "alpha_pattern": others(alpha, LoraLayer::alpha),
            "base_model_name_or_path": null,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "lora_alpha": whole(alpha),
            "lora_dropout": 0.0,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": whole(rank),
            "rank_pattern": others(rank, |layer| layer.rank() as f64),
            "target_modules": names,
            "task_type": null,
            "use_dora": false,
            "use_rslora": false,
        });
        match config {
            Value::Object(config) => config,
            _ => Map::new(),
        }
    }
}

/// The number that occurs most; of several, the smallest.
fn most_common(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut counts: Vec<(f64, usize)> = Vec::new();
    for number in numbers {
        match counts
            .iter_mut()
            .find(|(known, _)| known.to_bits() == number.to_bits())
        {
            Some((_, count)) => *count += 1,
            None => counts.push((number, 1)),
        }
    }
    let most = counts
        .into_iter()
        .max_by(|(one, often), (other, times)| often.cmp(times).then(other.total_cmp(one)));
    most.map_or(0.0, |(number, _)| number)
}

/// As a whole number where it is one: PEFT's ranks have to be.
fn whole(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < f64::from(i32::MAX) {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

/// A tensor without dimensions.
fn number(number: f32) -> Factor {
    Factor {
        shape: Vec::new(),
        numbers: vec![number],
    }
}

/// A file of tensors in single precision, and of texts.
fn safetensors(tensors: &BTreeMap<String, &Factor>, texts: &[(&str, &str)]) -> Vec<u8> {
    let texts = texts.iter();
    let texts = texts.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let infos = tensors.iter();
    let infos = infos.map(|(name, factor)| (name, Dtype::F32, factor.shape.clone()));
    let (mut bytes, more) = header(&texts.collect(), infos);
    bytes.reserve_exact(more);
    let numbers = tensors.values().flat_map(|factor| &factor.numbers);
    bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
    bytes
}
