//! The transformer that both towers are made of: norms before attention and feed-forward.

use burn::nn::LinearConfig;
use burn::prelude::*;
use ccsr_nn::ops::attend;
use ccsr_nn::{Activation, Adaptable, AdaptedLinear, LayerNorm, Sites};

/// The size of a transformer.
pub(crate) struct Size {
    pub(crate) width: usize,
    pub(crate) intermediate: usize,
    pub(crate) heads: usize,
    pub(crate) layers: usize,
    pub(crate) activation: Activation,
    pub(crate) epsilon: f64,
    /// Whether tokens see only what came before them.
    pub(crate) causal: bool,
}

/// The layers.
#[derive(Module, Debug)]
pub(crate) struct Encoder {
    layers: Vec<EncoderLayer>,
}

impl Encoder {
    pub(crate) fn new(size: &Size, device: &Device) -> Self {
        let layers = (0..size.layers).map(|_| EncoderLayer::new(size, device));
        Self {
            layers: layers.collect(),
        }
    }

    /// # Shapes
    /// `[batch, tokens, width]`, in and out.
    pub(crate) fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        self.layers
            .iter()
            .fold(hidden, |hidden, layer| layer.forward(hidden))
    }

    /// What comes out of the layers before the last `skipped`.
    ///
    /// # Shapes
    /// As [`forward`](Self::forward).
    pub(crate) fn forward_without(&self, hidden: Tensor<3>, skipped: usize) -> Tensor<3> {
        let used = self.layers.len().saturating_sub(skipped);
        let layers = self.layers[..used].iter();
        layers.fold(hidden, |hidden, layer| layer.forward(hidden))
    }

    pub(crate) fn len(&self) -> usize {
        self.layers.len()
    }
}

#[derive(Module, Debug)]
struct EncoderLayer {
    self_attn: Attention,
    layer_norm1: LayerNorm,
    mlp: FeedForward,
    layer_norm2: LayerNorm,
}

impl EncoderLayer {
    fn new(size: &Size, device: &Device) -> Self {
        let norm = || LayerNorm::new(size.width, size.epsilon, device);
        Self {
            self_attn: Attention::new(size, device),
            layer_norm1: norm(),
            mlp: FeedForward::new(size, device),
            layer_norm2: norm(),
        }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let normal = self.layer_norm1.forward(hidden.clone());
        let attended = self.self_attn.forward(&normal);
        let hidden = hidden + attended;
        let fed = self.mlp.forward(self.layer_norm2.forward(hidden.clone()));
        hidden + fed
    }
}

#[derive(Module, Debug)]
struct Attention {
    k_proj: AdaptedLinear,
    v_proj: AdaptedLinear,
    q_proj: AdaptedLinear,
    out_proj: AdaptedLinear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    causal: bool,
}

impl Attention {
    fn new(size: &Size, device: &Device) -> Self {
        let layer = || AdaptedLinear::from(LinearConfig::new(size.width, size.width).init(device));
        Self {
            k_proj: layer(),
            v_proj: layer(),
            q_proj: layer(),
            out_proj: layer(),
            heads: size.heads,
            causal: size.causal,
        }
    }

    fn forward(&self, hidden: &Tensor<3>) -> Tensor<3> {
        let [batch, tokens, width] = hidden.dims();
        let split = |layer: &AdaptedLinear| {
            let projected = layer.forward(hidden.clone());
            projected
                .reshape([batch, tokens, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
        let parted = [&self.q_proj, &self.k_proj, &self.v_proj].map(split);
        let [queries, keys, values] = parted;
        let attended = attend(queries, keys, values, self.causal);
        self.out_proj.forward(attended)
    }
}

#[derive(Module, Debug)]
struct FeedForward {
    fc1: AdaptedLinear,
    fc2: AdaptedLinear,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    fn new(size: &Size, device: &Device) -> Self {
        Self {
            fc1: LinearConfig::new(size.width, size.intermediate)
                .init(device)
                .into(),
            fc2: LinearConfig::new(size.intermediate, size.width)
                .init(device)
                .into(),
            activation: size.activation,
        }
    }

    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let inner = self.activation.forward(self.fc1.forward(hidden));
        self.fc2.forward(inner)
    }
}

impl Adaptable for Encoder {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.parts("layers", &mut self.layers);
    }
}

impl Adaptable for EncoderLayer {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        let attention = &mut self.self_attn;
        sites.linear("self_attn.q_proj", &mut attention.q_proj);
        sites.linear("self_attn.k_proj", &mut attention.k_proj);
        sites.linear("self_attn.v_proj", &mut attention.v_proj);
        sites.linear("self_attn.out_proj", &mut attention.out_proj);
        sites.linear("mlp.fc1", &mut self.mlp.fc1);
        sites.linear("mlp.fc2", &mut self.mlp.fc2);
    }
}
