//! Which layers an adapter adapts, and where in one row of numbers theirs lie.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use burn::prelude::*;
use ccsr_clip::TextModel;
use ccsr_nn::{Adaptable, Adapter, Component, Factor, LowRank, Site, WeightError};
use ccsr_stable_diffusion::UNet;

/// What to adapt: ends of layers' names, as PEFT's `target_modules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Of the UNet.
    pub unet: Vec<String>,
    /// Of the text encoder.
    pub text_encoder: Vec<String>,
}

/// A layer that is adapted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Whose layer it is.
    pub component: Component,
    /// Its name in the hub's files.
    pub name: String,
    /// Shapes of the matrix that goes down to the rank, and of the one that goes up, as files have them.
    pub shapes: [Vec<usize>; 2],
}

/// The layers of an adapter. Their numbers lie in one row: of each layer in turn, down and up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    layers: Vec<Layer>,
    rank: usize,
}

/// Why a network cannot be adapted so.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// No layer ends so.
    #[error("no layer of the {component} is called `{target}`; there are {known}", component = component.name())]
    NoLayer {
        /// The network.
        component: Component,
        /// What was looked for.
        target: String,
        /// The ends of its layers' names.
        known: String,
    },
    /// The product would have more numbers than the layer.
    #[error("rank {rank} is above that of `{layer}` of the {component}, whose weight is {shape:?}; expected 1 to {most}", component = component.name())]
    Rank {
        /// The network.
        component: Component,
        /// The first such layer.
        layer: String,
        /// Its weight's shape.
        shape: Vec<usize>,
        /// What was asked for.
        rank: usize,
        /// The most that can be.
        most: usize,
    },
}

/// Whether a layer's name is the target or ends with it, as PEFT has it.
fn is_target(name: &str, target: &str) -> bool {
    let before = name.strip_suffix(target);
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The last part of a name that is no number: what people call such layers.
fn end(name: &str) -> &str {
    let mut from = name.len();
    for part in name.rsplit('.') {
        from -= part.len();
        if part.parse::<usize>().is_err() {
            return &name[from..];
        }
        from = from.saturating_sub(1);
    }
    name
}

impl Layers {
    /// The layers of these networks that the targets name, in the order of their names.
    pub fn of(
        unet: &mut UNet,
        text_encoder: Option<&mut TextModel>,
        targets: &Targets,
        rank: usize,
    ) -> Result<Self, LayerError> {
        let mut layers = Vec::new();
        targeted(Component::UNet, unet, &targets.unet, rank, &mut layers)?;
        if let Some(text_encoder) = text_encoder {
            let targets = &targets.text_encoder;
            targeted(
                Component::TextEncoder,
                text_encoder,
                targets,
                rank,
                &mut layers,
            )?;
        }
        Ok(Self { layers, rank })
    }

    /// The layers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Layer> {
        self.layers.iter()
    }

    /// How many numbers they have in all.
    pub fn numbers(&self) -> usize {
        let sizes = self.layers.iter().flat_map(|layer| &layer.shapes);
        sizes.map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// The numbers to begin with: down normal with a deviation of 1 / rank, up 0, so that nothing is added yet (PEFT's
    /// `gaussian`). `normal` answers standard normal numbers.
    pub fn initial(&self, mut normal: impl FnMut(&Layer, usize) -> Vec<f32>) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(self.numbers());
        let deviation = 1.0 / self.rank as f32;
        for layer in &self.layers {
            let [down, up] = layer.shapes.each_ref().map(|shape| shape.iter().product());
            let drawn = normal(layer, down).into_iter();
            numbers.extend(drawn.take(down).map(|number| number * deviation));
            numbers.extend(std::iter::repeat_n(0.0, up));
        }
        numbers
    }

    /// The adapter of these numbers, whose products are multiplied by `factor`.
    ///
    /// # Errors
    /// If a number is not finite.
    pub fn adapter(&self, numbers: &[f32], factor: f64) -> Result<Adapter, WeightError> {
        let mut adapter = Adapter::new(Path::new("the trained adapter"));
        for (layer, ranges) in self.ranges() {
            let factors = [0, 1].map(|index: usize| Factor {
                shape: layer.shapes[index].clone(),
                numbers: numbers[ranges[index].clone()].to_vec(),
            });
            let [down, up] = factors;
            let alpha = factor * self.rank as f64;
            adapter.insert(layer.component, &layer.name, down, up, alpha)?;
        }
        Ok(adapter)
    }

    /// Each layer with the ranges of its two matrices in the row.
    pub fn ranges(&self) -> impl Iterator<Item = (&Layer, [Range<usize>; 2])> {
        let mut end = 0;
        self.layers.iter().map(move |layer| {
            let ranges = layer.shapes.each_ref().map(|shape| {
                let start = end;
                end += shape.iter().product::<usize>();
                start..end
            });
            (layer, ranges)
        })
    }
}

/// `unet.….to_q [4, 320] [320, 4]`
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [down, up] = &self.shapes;
        let component = self.component.name();
        write!(f, "{component}.{} {down:?} {up:?}", self.name)
    }
}

fn targeted(
    component: Component,
    network: &mut impl Adaptable,
    targets: &[String],
    rank: usize,
    layers: &mut Vec<Layer>,
) -> Result<(), LayerError> {
    let sites = network.sites();
    let missing = targets
        .iter()
        .find(|target| !sites.keys().any(|name| is_target(name, target)));
    if let Some(target) = missing {
        let mut known: Vec<_> = sites
            .keys()
            .map(|name| format!("`{}`", end(name)))
            .collect();
        known.sort_unstable();
        known.dedup();
        return Err(LayerError::NoLayer {
            component,
            target: target.clone(),
            known: known.join(", "),
        });
    }
    for (name, site) in &sites {
        if !targets.iter().any(|target| is_target(name, target)) {
            continue;
        }
        let shape = site.shape();
        let most = shape[0].min(shape[1..].iter().product());
        if !(1..=most).contains(&rank) {
            return Err(LayerError::Rank {
                component,
                layer: name.clone(),
                shape,
                rank,
                most,
            });
        }
        layers.push(Layer {
            component,
            name: name.clone(),
            shapes: site.shapes_of_rank(rank),
        });
    }
    Ok(())
}

/// A layer's two matrices as leaves of a graph.
pub(crate) enum Leaf {
    Linear([Tensor<2>; 2]),
    Conv2d([Tensor<4>; 2]),
}

impl Layers {
    /// Puts the layers of a component beside those of a network; appends them in order. Where `device` keeps graphs, they are
    /// leaves.
    pub(crate) fn attach(
        &self,
        component: Component,
        network: &mut impl Adaptable,
        parameters: &[f32],
        factor: f64,
        device: &Device,
        leaves: &mut Vec<Leaf>,
    ) {
        let mut sites = network.sites();
        for (layer, ranges) in self.ranges() {
            if layer.component != component {
                continue;
            }
            let site = sites
                .get_mut(&layer.name)
                .expect("layers are of this network");
            let numbers = ranges.map(|range| &parameters[range]);
            match site {
                Site::Linear(linear) => {
                    let [down, up] = leaf::<2>(numbers, &layer.shapes, device);
                    leaves.push(Leaf::Linear([down.clone(), up.clone()]));
                    linear.add(LowRank { down, up, factor });
                }
                Site::Conv2d(conv) => {
                    let [down, up] = leaf::<4>(numbers, &layer.shapes, device);
                    leaves.push(Leaf::Conv2d([down.clone(), up.clone()]));
                    conv.add(LowRank { down, up, factor });
                }
            }
        }
    }
}

fn leaf<const D: usize>(
    numbers: [&[f32]; 2],
    shapes: &[Vec<usize>; 2],
    device: &Device,
) -> [Tensor<D>; 2] {
    let tensor = |index: usize| {
        let data = TensorData::new(numbers[index].to_vec(), shapes[index].clone());
        let tensor = Tensor::<D>::from_data(data, device);
        if device.is_autodiff() {
            tensor.require_grad()
        } else {
            tensor
        }
    };
    [tensor(0), tensor(1)]
}
