//! What a checkpoint says of how its weights are packed: AWQ (Lin et al., 2023, arXiv 2306.00978), four bits.

use std::collections::BTreeMap;

use ccsr_kernels::packed::{Form, FormError, Offset, Width};
use serde::Deserialize;

use crate::config::MistralConfig;

/// Weights of four bits in AWQ's `gemm` layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantisation {
    /// Inputs that share a scale and a zero point; all of them, if `None`.
    pub group: Option<usize>,
    /// Parts of names of layers that are not packed.
    pub plain: Vec<String>,
}

/// A layer that cannot be packed as its checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the layer `{layer}` cannot be packed so: {source}")]
pub struct PackingError {
    /// Its name.
    pub layer: String,
    /// What does not fit.
    pub source: FormError,
}

/// Which linear layers are packed, and how, by their names. None, by default.
#[derive(Clone, Debug, Default)]
pub struct Packing(pub(crate) BTreeMap<String, Form>);

impl Packing {
    /// What a checkpoint's configuration says. The layer that compares with tokens is never packed.
    ///
    /// # Errors
    /// If groups do not divide the inputs of a layer.
    pub fn of(config: &MistralConfig) -> Result<Self, PackingError> {
        let Some(quantisation) = &config.quantisation else {
            return Ok(Self::default());
        };
        let is_plain = |layer: &str| {
            let mut plain = quantisation.plain.iter();
            plain.any(|part| layer.contains(part.as_str()))
        };
        let layers = config.linears().into_iter();
        let packed = layers.filter(|(layer, _)| !is_plain(layer));
        let forms = packed.map(|(layer, [inputs, outputs])| {
            let group = quantisation.group.unwrap_or(inputs);
            match Form::new(inputs, outputs, group, Width::Four, Offset::Zeros) {
                Ok(form) => Ok((layer, form)),
                Err(source) => Err(PackingError { layer, source }),
            }
        });
        Ok(Self(forms.collect::<Result<_, _>>()?))
    }

    /// The layers, with their forms.
    pub fn layers(&self) -> impl Iterator<Item = (&str, Form)> {
        self.0.iter().map(|(layer, form)| (layer.as_str(), *form))
    }
}

/// `quantization_config` of `config.json`, or the older `quant_config.json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct QuantisationConfig {
    quant_method: Option<String>,
    #[serde(alias = "w_bit")]
    bits: Option<u32>,
    #[serde(alias = "q_group_size")]
    group_size: Option<i64>,
    zero_point: Option<bool>,
    #[serde(alias = "format")]
    version: Option<String>,
    modules_to_not_convert: Option<Vec<String>>,
}

impl QuantisationConfig {
    /// What it says, if it is AWQ as it is read here.
    ///
    /// # Errors
    /// A sentence about what is another way of packing.
    pub(crate) fn read(self) -> Result<Quantisation, String> {
        let hint = "expected AWQ with 4 bits, zero points and the layout `gemm`";
        let method = self.quant_method.as_deref().unwrap_or("awq");
        if method != "awq" {
            return Err(format!("the weights are packed by `{method}`; {hint}"));
        }
        let version = self.version.as_deref().unwrap_or("gemm");
        if !version.eq_ignore_ascii_case("gemm") {
            return Err(format!(
                "the weights are packed in AWQ's layout `{version}`, which lie in another order; {hint}"
            ));
        }
        if let Some(bits) = self.bits.filter(|bits| *bits != 4) {
            return Err(format!("the weights are packed in {bits} bits; {hint}"));
        }
        if self.zero_point == Some(false) {
            return Err(format!(
                "the weights are packed without zero points; {hint}"
            ));
        }
        let group = match self.group_size.unwrap_or(128) {
            -1 => None,
            size @ 1.. if size % 32 == 0 => Some(size as usize),
            other => {
                return Err(format!(
                    "`group_size` is {other}; expected a multiple of 32, or -1 for whole columns"
                ));
            }
        };
        Ok(Quantisation {
            group,
            plain: self.modules_to_not_convert.unwrap_or_default(),
        })
    }
}
