//! LoRA adapters (Hu et al., 2021) as diffusers writes them: for some linear layers a product of two small matrices,
//! to be added to their weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor};
use serde::Deserialize;

use crate::WeightError;
use crate::checkpoint::place::Place;
use crate::checkpoint::stored::{self, Contents, Stored};

/// Endings of names, of the matrix that goes down to the rank, and of the one that goes up.
const DOWN: [&str; 3] = [
    ".lora_A.weight",
    ".lora.down.weight",
    ".lora_linear_layer.down.weight",
];
const UP: [&str; 3] = [
    ".lora_B.weight",
    ".lora.up.weight",
    ".lora_linear_layer.up.weight",
];
/// Where diffusers keeps what is no tensor.
const METADATA: &str = "lora_adapter_metadata";

/// An adapter's file.
pub struct Adapter {
    path: PathBuf,
    layers: BTreeMap<String, Layer>,
    metadata: BTreeMap<String, serde_json::Value>,
}

/// The matrices of a layer: `[rank, in]` and `[out, rank]`.
#[derive(Default)]
struct Layer {
    down: Option<Stored>,
    up: Option<Stored>,
}

/// What the metadata say of a network.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    lora_alpha: Option<f64>,
    alpha_pattern: BTreeMap<String, f64>,
    use_rslora: bool,
    use_dora: bool,
}

impl Settings {
    /// The factor of a layer's product. Without an alpha it is the rank.
    fn factor(&self, layer: &str, rank: usize) -> f64 {
        let fits = |pattern: &str| {
            let before = layer.strip_suffix(pattern);
            before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        let of_layer = self.alpha_pattern.iter().find(|(name, _)| fits(name));
        let alpha = of_layer.map(|(_, alpha)| *alpha).or(self.lora_alpha);
        let rank = rank as f64;
        let divisor = if self.use_rslora { rank.sqrt() } else { rank };
        alpha.unwrap_or(divisor) / divisor
    }
}

impl Adapter {
    /// Opens a file such as `pytorch_lora_weights.safetensors`.
    pub fn open(path: &Path) -> Result<Self, WeightError> {
        let Contents { tensors, mut texts } = stored::open_with_texts(path)?;
        let corrupt = |why: String| WeightError::Corrupt {
            path: path.to_owned(),
            why,
        };
        let metadata = match texts.remove(METADATA) {
            None => BTreeMap::new(),
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| corrupt(format!("its `{METADATA}` cannot be read: {error}")))?,
        };
        let mut layers: BTreeMap<String, Layer> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (name, tensor) in tensors {
            let of = |endings: [&str; 3]| {
                let mut layers = endings.iter().map(|ending| name.strip_suffix(ending));
                layers.find_map(|layer| layer).map(str::to_owned)
            };
            if let Some(layer) = of(DOWN) {
                layers.entry(layer).or_default().down = Some(tensor);
            } else if let Some(layer) = of(UP) {
                layers.entry(layer).or_default().up = Some(tensor);
            } else {
                unknown.push(name);
            }
        }
        if !unknown.is_empty() {
            return Err(WeightError::Unused {
                path: path.to_owned(),
                tensors: unknown,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            layers,
            metadata,
        })
    }

    /// Adds it, `scale` times, to a module's linear layers. `component` is what the file calls the module
    /// (`unet`), `rename` says what is called otherwise in it.
    ///
    /// # Errors
    /// If a layer is not in the module or has another shape, or the file says what this does not do.
    pub fn apply<M: Module>(
        self,
        module: M,
        component: &str,
        scale: f64,
        rename: impl Fn(&str) -> String,
    ) -> Result<M, WeightError> {
        let prefix = format!("{component}.");
        let below = |(name, value): (&String, &serde_json::Value)| {
            Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()))
        };
        let settings: serde_json::Map<_, _> = self.metadata.iter().filter_map(below).collect();
        let settings: Settings =
            serde_json::from_value(settings.into()).map_err(|error| WeightError::Corrupt {
                path: self.path.clone(),
                why: format!("its `{METADATA}` cannot be read: {error}"),
            })?;
        let misfit = |tensor: &str, why: &str| WeightError::Misfit {
            path: self.path.clone(),
            tensor: tensor.to_owned(),
            why: why.to_owned(),
        };
        if settings.use_dora {
            return Err(misfit(component, "DoRA is not supported"));
        }
        let mut wanted = BTreeMap::new();
        for (name, layer) in self.layers {
            let Some(layer_name) = name.strip_prefix(&prefix) else {
                return Err(misfit(
                    &name,
                    &format!("expected layers of `{component}` only"),
                ));
            };
            let (Some(down), Some(up)) = (layer.down, layer.up) else {
                return Err(misfit(&name, "one of its two matrices is missing"));
            };
            let factor = scale * settings.factor(layer_name, down.shape()[0]);
            let weight = rename(&format!("{layer_name}.weight"));
            wanted.insert(weight, Product { down, up, factor });
        }
        let mut adding = Adding {
            place: Place::default(),
            wanted,
            failed: None,
        };
        let module = module.map(&mut adding);
        if let Some((tensor, why)) = adding.failed {
            return Err(misfit(&tensor, &why));
        }
        if !adding.wanted.is_empty() {
            return Err(WeightError::Unused {
                path: self.path,
                tensors: adding.wanted.into_keys().collect(),
            });
        }
        Ok(module)
    }
}

/// What is added to a weight.
struct Product {
    down: Stored,
    up: Stored,
    factor: f64,
}

struct Adding {
    place: Place,
    /// By the name of the weight.
    wanted: BTreeMap<String, Product>,
    failed: Option<(String, String)>,
}

impl ModuleMapper for Adding {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.place.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.place.leave();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.place.name();
        let Some(product) = self.wanted.remove(&name) else {
            return parameter;
        };
        if D != 2 || !self.place.is_linear() {
            self.failed
                .get_or_insert((name, "only linear layers can be adapted".to_owned()));
            return parameter;
        }
        match product.of(&parameter.val()) {
            Ok(added) => parameter.map(|weight| weight.cast(DType::F32) + added),
            Err(why) => {
                self.failed.get_or_insert((name, why));
                parameter
            }
        }
    }
}

impl Product {
    /// What is added to this weight, `[in, out]`.
    fn of<const D: usize>(self, weight: &Tensor<D>) -> Result<Tensor<D>, String> {
        let (inputs, outputs) = (weight.dims()[0], weight.dims()[1]);
        let (down, up) = (self.down.shape(), self.up.shape());
        if down.len() != 2
            || up.len() != 2
            || up[1] != down[0]
            || [down[1], up[0]] != [inputs, outputs]
        {
            return Err(format!(
                "expected [rank, {inputs}] and [{outputs}, rank], found {down:?} and {up:?}"
            ));
        }
        let matrix = |stored: Stored| -> Result<Tensor<2>, String> {
            Ok(Tensor::from_data(stored.data(false)?, &weight.device()))
        };
        let product = matrix(self.up)?.matmul(matrix(self.down)?);
        let added = product.transpose().mul_scalar(self.factor);
        Ok(added.reshape(weight.dims()))
    }
}
