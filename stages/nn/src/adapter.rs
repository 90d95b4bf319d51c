//! LoRA adapters (Hu et al., 2021, arXiv 2106.09685): for some linear layers and convolutions a product of
//! two small factors, to be added to their weights.
//!
//! An [`Adapter`] is read from what diffusers, PEFT or kohya's scripts write ([`Adapter::open`]), or made of
//! what was trained ([`Adapter::insert`]). It is added to the weights of a module in memory ([`Adapter::apply`]), to a
//! checkpoint ([`merge`]), or stands beside a network's layers ([`Adapter::attach`]); it becomes files of any of the
//! three ([`Adapter::files`]).

mod apply;
mod attach;
mod layer;
mod merge;
mod names;
mod numbers;
mod open;
mod settings;
mod wanted;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use self::layer::{Factor, LoraLayer};
pub use self::merge::{converted, merge};
pub use self::names::Component;
use self::names::Name;
pub use self::open::{ADAPTER_FILE, PEFT_CONFIG, PEFT_FILE};
pub use self::write::AdapterFormat;
use crate::WeightError;

/// An adapter: its layers, by the network that they are of and by the names that the hub gives them.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// What errors call it.
    path: PathBuf,
    layers: BTreeMap<(Component, Name), LoraLayer>,
}

impl Adapter {
    /// One without layers; errors call it by this path.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            layers: BTreeMap::new(),
        }
    }

    /// Adds a layer by the name of its module in diffusers or transformers
    /// (`down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q`; `encoder.layers.0.self_attn.q_proj`).
    ///
    /// # Errors
    /// If the two factors are no product, the rank is 0, or a number is not finite; if the layer is there already.
    pub fn insert(
        &mut self,
        component: Component,
        layer: &str,
        down: Factor,
        up: Factor,
        alpha: f64,
    ) -> Result<(), WeightError> {
        let name = Name::Path(component.bare(layer).to_owned());
        let layer = LoraLayer::new(down, up, alpha);
        let layer = layer.map_err(|why| self.misfit(component, &name, why))?;
        self.add(component, name, layer)
    }

    fn add(
        &mut self,
        component: Component,
        name: Name,
        layer: LoraLayer,
    ) -> Result<(), WeightError> {
        let tensor = name.shown(component);
        match self.layers.insert((component, name), layer) {
            None => Ok(()),
            Some(_) => Err(WeightError::Twice {
                path: self.path.clone(),
                tensor,
            }),
        }
    }

    /// Its layers: of which network, under which name, and what they are.
    pub fn layers(&self) -> impl Iterator<Item = (Component, &str, &LoraLayer)> {
        let layers = self.layers.iter();
        layers.map(|((component, name), layer)| (*component, name.as_str(), layer))
    }

    /// Whether it has layers of this network.
    pub fn has(&self, component: Component) -> bool {
        self.layers.keys().any(|(of, _)| *of == component)
    }

    fn misfit(&self, component: Component, name: &Name, why: String) -> WeightError {
        WeightError::Misfit {
            path: self.path.clone(),
            tensor: name.shown(component),
            why,
        }
    }
}
