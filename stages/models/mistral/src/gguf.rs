//! GGUF files of llama.cpp, into the network. Mistral and Llama are one architecture there, `llama`.
//!
//! Layers in `Q4_0`, `Q4_1` and `Q8_0` stay packed; other blocks are unpacked when they are read.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use burn::tensor::DType;
use ccsr_gguf::{Gguf, TensorType};
use ccsr_kernels::packed::{Packed, from_q4_0, from_q4_1, from_q8_0};
use ccsr_nn::{Activation, Checkpoint, packed_tensors};

use crate::config::{MistralConfig, Rope, Scaling};
use crate::model::Mistral;
use crate::quantisation::Packing;
use crate::weights::LoadError;

/// Names of a layer's tensors in GGUF, and in checkpoints of the hub.
const LAYER: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];
/// The same outside of layers.
const OUTER: [(&str, &str); 3] = [
    ("token_embd", "model.embed_tokens"),
    ("output_norm", "model.norm"),
    ("output", "lm_head"),
];

/// Loads a language model from a GGUF file.
pub fn load_gguf(path: &Path, device: &Device) -> Result<Mistral, LoadError> {
    let gguf = Gguf::open(path)?;
    let config = config_of(&gguf)?;
    let (mut tensors, mut packing) = (Vec::new(), BTreeMap::new());
    for (stored, tensor) in gguf.tensors() {
        let name = name_of(stored).ok_or_else(|| LoadError::Config {
            path: path.to_owned(),
            why: format!("the tensor `{stored}` is not known in a model of this kind"),
        })?;
        let bytes = in_order(stored, &tensor.shape, gguf.read_tensor(stored)?, &config);
        let layer = name
            .strip_suffix(".weight")
            .filter(|layer| layer.contains("_proj"));
        let packed = layer.zip(packed(tensor.kind, &tensor.shape, &bytes));
        match packed {
            Some((layer, packed)) => {
                let packed = packed.map_err(|source| crate::PackingError {
                    layer: layer.to_owned(),
                    source,
                })?;
                packing.insert(layer.to_owned(), packed.form);
                tensors.extend(packed_tensors(layer, packed));
            }
            None => tensors.push((name, plain(&gguf, stored, bytes)?)),
        }
    }
    let network = Mistral::new(&config, &Packing(packing), device);
    Ok(Checkpoint::of_tensors(path, tensors).load(network)?)
}

/// The configuration that stands in the file's metadata.
fn config_of(gguf: &Gguf) -> Result<MistralConfig, LoadError> {
    let architecture: &str = gguf.get("general.architecture")?;
    let unknown = |why: String| LoadError::Config {
        path: gguf.path().to_owned(),
        why,
    };
    if architecture != "llama" {
        return Err(unknown(format!(
            "it holds a model of the architecture `{architecture}`; `llama` is known here, which is Mistral's, too"
        )));
    }
    let size = |name: &str| gguf.get::<usize>(&format!("llama.{name}"));
    let (hidden, heads) = (size("embedding_length")?, size("attention.head_count")?);
    let head_dim = gguf.find::<usize>("llama.rope.dimension_count")?;
    let scaling = gguf.find::<&str>("llama.rope.scaling.type")?;
    if let Some(scaling) = scaling.filter(|scaling| *scaling != "none") {
        return Err(unknown(format!(
            "its positions are scaled (`{scaling}`), which is not read from GGUF here"
        )));
    }
    let config = MistralConfig {
        hidden,
        intermediate: size("feed_forward_length")?,
        layers: size("block_count")?,
        heads,
        kv_heads: gguf.find("llama.attention.head_count_kv")?.unwrap_or(heads),
        head_dim: head_dim.unwrap_or_else(|| hidden.checked_div(heads).unwrap_or(0)),
        vocabulary: gguf.tensor("token_embd.weight")?.shape[0],
        activation: Activation::Silu,
        epsilon: f64::from(gguf.get::<f32>("llama.attention.layer_norm_rms_epsilon")?),
        rope: Rope {
            theta: f64::from(
                gguf.find::<f32>("llama.rope.freq_base")?
                    .unwrap_or(10_000.0),
            ),
            scaling: Scaling::None,
        },
        context: size("context_length")?,
        tied: !gguf.tensors().contains_key("output.weight"),
        attention_bias: false,
        mlp_bias: false,
        quantisation: None,
    };
    config.check().map_err(unknown)?;
    Ok(config)
}

/// What checkpoints of the hub call a tensor.
fn name_of(stored: &str) -> Option<String> {
    let (place, part) = stored.rsplit_once('.')?;
    let known = |names: &[(&str, &str)], name: &str| {
        let mut names = names.iter();
        let found = names.find(|(theirs, _)| *theirs == name)?;
        Some(found.1.to_owned())
    };
    if let Some(name) = known(&OUTER, place) {
        return Some(format!("{name}.{part}"));
    }
    let (layer, name) = place.strip_prefix("blk.")?.split_once('.')?;
    Some(format!(
        "model.layers.{layer}.{}.{part}",
        known(&LAYER, name)?
    ))
}

/// A tensor's bytes with rows in the order of the hub. llama.cpp turns neighbours where the hub turns halves of a head,
/// so the rows of queries and keys lie in pairs there.
fn in_order(stored: &str, shape: &[usize], bytes: Vec<u8>, config: &MistralConfig) -> Vec<u8> {
    let turned = stored.contains(".attn_q.") || stored.contains(".attn_k.");
    let rows = shape[0];
    if !turned || rows == 0 || !rows.is_multiple_of(config.head_dim) {
        return bytes;
    }
    let (width, half) = (bytes.len() / rows, config.head_dim / 2);
    let mut ordered = Vec::with_capacity(bytes.len());
    for row in 0..rows {
        let (head, place) = (row / config.head_dim, row % config.head_dim);
        let from = head * config.head_dim + 2 * (place % half) + place / half;
        ordered.extend_from_slice(&bytes[from * width..][..width]);
    }
    ordered
}

/// A matrix that stays packed.
fn packed(
    kind: TensorType,
    shape: &[usize],
    bytes: &[u8],
) -> Option<Result<Packed, ccsr_kernels::packed::FormError>> {
    let [outputs, inputs] = *shape else {
        return None;
    };
    let pack = match kind {
        TensorType::Q4_0 => from_q4_0,
        TensorType::Q4_1 => from_q4_1,
        TensorType::Q8_0 => from_q8_0,
        _ => return None,
    };
    Some(pack((inputs, outputs), bytes))
}

/// A tensor's numbers, halves as halves.
fn plain(gguf: &Gguf, stored: &str, bytes: Vec<u8>) -> Result<TensorData, LoadError> {
    let tensor = gguf.tensor(stored)?;
    let shape = tensor.shape.clone();
    let data = match tensor.kind {
        TensorType::F16 => TensorData::from_bytes_vec(bytes, shape, DType::F16),
        TensorType::BF16 => TensorData::from_bytes_vec(bytes, shape, DType::BF16),
        kind => {
            let numbers = ccsr_gguf::dequantise(kind, &bytes);
            let numbers = numbers.ok_or_else(|| LoadError::Config {
                path: gguf.path().to_owned(),
                why: format!("the tensor `{stored}` is stored as {kind}, which is not read here"),
            })?;
            TensorData::new(numbers, shape)
        }
    };
    Ok(data)
}
