//! The network.

use std::sync::Arc;

use burn::module::Param;
use burn::nn::{Initializer, LinearConfig};
use burn::prelude::*;
use ccsr_nn::ops::{attend_after, rms_norm, rotate, swiglu};
use ccsr_nn::{PackedLinear, Projection, TokenEmbedding};

use crate::cache::{Cache, Prefix};
use crate::config::MistralConfig;
use crate::quantisation::Packing;
use crate::rope::Angles;
use crate::texts::Texts;

/// A language model: what comes after the tokens of a text.
#[derive(Module, Debug)]
pub struct Mistral {
    model: Trunk,
    /// What compares the last states with tokens; the embeddings, if there is none.
    lm_head: Option<Projection>,
    #[module(skip)]
    config: MistralConfig,
}

#[derive(Module, Debug)]
struct Trunk {
    embed_tokens: TokenEmbedding,
    layers: Vec<Layer>,
    norm: RmsNorm,
}

/// A text in a pass: where it is kept, and how many rows of the pass are its next tokens.
#[derive(Debug)]
pub struct Span<'a> {
    /// What was read of it.
    pub cache: &'a mut Cache,
    /// Its rows.
    pub rows: usize,
}

/// How many rows a text has in a pass. Both compute the same but for rounding, and a row's result depends on the kind of
/// pass alone, never on what else is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Many tokens that are known already.
    Prefill,
    /// One token each, which came out last.
    Decode,
}

impl Mistral {
    /// A network of this size, without weights; some of its layers packed.
    pub fn new(config: &MistralConfig, packing: &Packing, device: &Device) -> Self {
        let maker = Maker {
            config,
            packing,
            device,
        };
        let layer = |index| Layer::new(index, &maker);
        let head = LinearConfig::new(config.hidden, config.vocabulary).with_bias(false);
        Self {
            model: Trunk {
                embed_tokens: TokenEmbedding::new(config.vocabulary, config.hidden, device),
                layers: (0..config.layers).map(layer).collect(),
                norm: maker.norm(),
            },
            lm_head: (!config.tied).then(|| Projection::Plain(head.init(device))),
            config: config.clone(),
        }
    }

    /// Its configuration.
    pub const fn config(&self) -> &MistralConfig {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.model.norm.weight.lazy_device()
    }

    /// Room for a text of so many tokens more than its beginning has.
    pub fn cache(&self, prefix: Option<Arc<Prefix>>, capacity: usize) -> Cache {
        Cache::new(&self.config, prefix, capacity, &self.device())
    }

    /// The embeddings of tokens.
    ///
    /// # Shapes
    /// `[tokens, hidden]`.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn embed(&self, tokens: &[u32]) -> Tensor<2> {
        self.model.embed_tokens.forward(tokens)
    }

    /// The states of the next tokens of some texts, after the last norm.
    ///
    /// # Shapes
    /// `rows`: embeddings, `[sum of the spans' rows, hidden]`, text after text; the same comes out.
    ///
    /// # Panics
    /// If a text has no room for its rows.
    pub fn forward(&self, rows: Tensor<2>, spans: &mut [Span<'_>], pass: Pass) -> Tensor<2> {
        let positions = spans.iter().flat_map(|span| {
            assert!(
                span.rows <= span.cache.room(),
                "a text has room for its tokens"
            );
            span.cache.len()..span.cache.len() + span.rows
        });
        let positions: Vec<usize> = positions.collect();
        let states = self.states(rows, &positions, &mut Reading::After(&mut *spans, pass));
        for span in spans {
            span.cache.advance(span.rows);
        }
        states
    }

    /// The states of texts that are read whole, after the last norm: gradients go through them, and nothing is kept.
    ///
    /// # Shapes
    /// `rows`: embeddings, `[rows of all texts, hidden]`, text after text; the same comes out.
    pub fn forward_whole(&self, rows: Tensor<2>, texts: &Texts) -> Tensor<2> {
        self.states(rows, texts.positions(), &mut Reading::Whole(texts))
    }

    fn states(
        &self,
        rows: Tensor<2>,
        positions: &[usize],
        reading: &mut Reading<'_, '_>,
    ) -> Tensor<2> {
        let (head_dim, device) = (self.config.head_dim, self.device());
        let angles = self.config.rope.angles(positions, head_dim, &device);
        let layers = self.model.layers.iter().enumerate();
        let hidden = layers.fold(rows, |hidden, (index, layer)| {
            layer.forward(index, hidden, &angles, reading)
        });
        self.model.norm.forward(hidden)
    }

    /// How likely each token comes next, as logits.
    ///
    /// # Shapes
    /// `states`: `[rows, hidden]`, as [`forward`](Self::forward) gives them; the answer: `[rows, vocabulary]`.
    pub fn logits(&self, states: Tensor<2>, pass: Pass) -> Tensor<2> {
        match &self.lm_head {
            Some(head) => project(head, states, pass),
            None => self
                .model
                .embed_tokens
                .compare(states, pass == Pass::Decode),
        }
    }
}

/// How the texts of a pass are read.
enum Reading<'a, 'b> {
    /// Each with what was read of it before.
    After(&'a mut [Span<'b>], Pass),
    /// Whole, with nothing before.
    Whole(&'a Texts),
}

impl Reading<'_, '_> {
    const fn pass(&self) -> Pass {
        match self {
            Self::After(_, pass) => *pass,
            Self::Whole(_) => Pass::Prefill,
        }
    }

    /// Attention in a layer, each text by itself.
    ///
    /// # Shapes
    /// `[rows, heads, numbers]` each; the answer: `[rows, heads * numbers]`.
    fn attend(&mut self, layer: usize, [queries, keys, values]: [Tensor<3>; 3]) -> Tensor<2> {
        let spans = match self {
            Self::After(spans, _) => spans,
            Self::Whole(texts) => return texts.attend(&queries, &keys, &values),
        };
        let mut from = 0;
        let attended = spans.iter_mut().map(|span| {
            let at = from..from + span.rows;
            from = at.end;
            let of = |all: &Tensor<3>| all.clone().slice([at.clone()]);
            let (first, own) = span.cache.extend(layer, of(&keys), of(&values));
            let queries = of(&queries).swap_dims(0, 1).unsqueeze_dim(0);
            attend_after(queries, first, own).squeeze_dim(0)
        });
        Tensor::cat(attended.collect(), 0)
    }
}

/// A projection in the way of the pass.
fn project(layer: &Projection, rows: Tensor<2>, pass: Pass) -> Tensor<2> {
    match pass {
        Pass::Prefill => layer.forward(rows),
        Pass::Decode => layer.forward_few(rows),
    }
}

#[derive(Module, Debug)]
struct RmsNorm {
    weight: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl RmsNorm {
    fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        rms_norm(rows, self.weight.val(), self.epsilon)
    }
}

#[derive(Module, Debug)]
struct Layer {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: FeedForward,
}

impl Layer {
    fn new(index: usize, maker: &Maker<'_>) -> Self {
        let name = format!("model.layers.{index}");
        Self {
            input_layernorm: maker.norm(),
            self_attn: Attention::new(&format!("{name}.self_attn"), maker),
            post_attention_layernorm: maker.norm(),
            mlp: FeedForward::new(&format!("{name}.mlp"), maker),
        }
    }

    fn forward(
        &self,
        index: usize,
        hidden: Tensor<2>,
        angles: &Angles,
        reading: &mut Reading<'_, '_>,
    ) -> Tensor<2> {
        let normal = self.input_layernorm.forward(hidden.clone());
        let hidden = hidden + self.self_attn.forward(index, &normal, angles, reading);
        let normal = self.post_attention_layernorm.forward(hidden.clone());
        hidden + self.mlp.forward(normal, reading.pass())
    }
}

/// What the layers of a network are made by: their sizes, which are packed, where they are.
struct Maker<'a> {
    config: &'a MistralConfig,
    packing: &'a Packing,
    device: &'a Device,
}

impl Maker<'_> {
    fn norm(&self) -> RmsNorm {
        RmsNorm {
            weight: Initializer::Ones.init([self.config.hidden], self.device),
            epsilon: self.config.epsilon,
        }
    }

    /// A linear layer, packed if the checkpoint's is.
    fn linear(&self, name: &str, [inputs, outputs]: [usize; 2], bias: bool) -> Projection {
        match self.packing.0.get(name) {
            Some(form) => Projection::Packed(PackedLinear::new(*form, bias, self.device)),
            None => {
                let layer = LinearConfig::new(inputs, outputs).with_bias(bias);
                Projection::Plain(layer.init(self.device))
            }
        }
    }
}

#[derive(Module, Debug)]
struct Attention {
    q_proj: Projection,
    k_proj: Projection,
    v_proj: Projection,
    o_proj: Projection,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    kv_heads: usize,
    #[module(skip)]
    head_dim: usize,
}

impl Attention {
    fn new(name: &str, maker: &Maker<'_>) -> Self {
        let config = maker.config;
        let [queries, keys] = [config.heads, config.kv_heads].map(|heads| heads * config.head_dim);
        let layer = |part: &str, sizes| {
            maker.linear(&format!("{name}.{part}"), sizes, config.attention_bias)
        };
        Self {
            q_proj: layer("q_proj", [config.hidden, queries]),
            k_proj: layer("k_proj", [config.hidden, keys]),
            v_proj: layer("v_proj", [config.hidden, keys]),
            o_proj: layer("o_proj", [queries, config.hidden]),
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
        }
    }

    /// Linear layers see all rows together, attention each text by itself.
    fn forward(
        &self,
        index: usize,
        rows: &Tensor<2>,
        angles: &Angles,
        reading: &mut Reading<'_, '_>,
    ) -> Tensor<2> {
        let ([count, _], pass) = (rows.dims(), reading.pass());
        let split = |layer: &Projection, heads: usize| {
            project(layer, rows.clone(), pass).reshape([count, heads, self.head_dim])
        };
        let turned = |of: Tensor<3>| rotate(of, angles.cos.clone(), angles.sin.clone());
        let queries = turned(split(&self.q_proj, self.heads));
        let keys = turned(split(&self.k_proj, self.kv_heads));
        let values = split(&self.v_proj, self.kv_heads);
        let attended = reading.attend(index, [queries, keys, values]);
        project(&self.o_proj, attended, pass)
    }
}

#[derive(Module, Debug)]
struct FeedForward {
    gate_proj: Projection,
    up_proj: Projection,
    down_proj: Projection,
}

impl FeedForward {
    fn new(name: &str, maker: &Maker<'_>) -> Self {
        let config = maker.config;
        let layer =
            |part: &str, sizes| maker.linear(&format!("{name}.{part}"), sizes, config.mlp_bias);
        Self {
            gate_proj: layer("gate_proj", [config.hidden, config.intermediate]),
            up_proj: layer("up_proj", [config.hidden, config.intermediate]),
            down_proj: layer("down_proj", [config.intermediate, config.hidden]),
        }
    }

    fn forward(&self, rows: Tensor<2>, pass: Pass) -> Tensor<2> {
        let gates = project(&self.gate_proj, rows.clone(), pass);
        let values = project(&self.up_proj, rows, pass);
        project(&self.down_proj, swiglu(gates, values), pass)
    }
}
