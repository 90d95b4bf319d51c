//! What files call an adapter's layers.
//!
//! | written by | a factor is called |
//! |---|---|
//! | diffusers | `unet.….to_q.lora_A.weight`, `unet.….to_q.lora.down.weight`, `text_encoder.….q_proj.lora_linear_layer.down.weight` |
//! | diffusers before 0.17 | `unet.….attn1.processor.to_q_lora.down.weight` |
//! | PEFT | `base_model.model.….to_q.lora_A.weight` |
//! | kohya's scripts | `lora_unet_…_to_q.lora_down.weight`, `lora_te_text_model_…_q_proj.lora_down.weight` |

/// What the names of a text encoder's layers begin with in `transformers` before version 5.
const TOWER: &str = "text_model.";

/// What PEFT begins the names of all tensors with.
pub(super) const PEFT_PREFIX: &str = "base_model.model.";

/// The network that a layer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// What predicts noise.
    UNet,
    /// What reads the prompt.
    TextEncoder,
}

impl Component {
    /// Both.
    pub const ALL: [Self; 2] = [Self::UNet, Self::TextEncoder];

    /// What the hub calls its folder, and adapters their layers' prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UNet => "unet",
            Self::TextEncoder => "text_encoder",
        }
    }

    /// What files that are to be read with older programs, too, begin its layers' names with.
    pub(super) const fn tower(self) -> &'static str {
        match self {
            Self::UNet => "",
            Self::TextEncoder => TOWER,
        }
    }

    /// A layer's name without that of the tower.
    pub(super) fn bare(self, layer: &str) -> &str {
        match self {
            Self::UNet => layer,
            Self::TextEncoder => layer.strip_prefix(TOWER).unwrap_or(layer),
        }
    }

    /// The names of a layer: text encoders have two, with the tower's name and without it.
    pub(super) fn names(self, layer: &str) -> Vec<String> {
        let mut names = vec![layer.to_owned()];
        if self == Self::TextEncoder {
            names.push(format!("{TOWER}{layer}"));
        }
        names
    }
}

/// The name of a layer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// As the hub has it, parts joined by `.`.
    Path(String),
    /// As kohya's scripts write it, parts joined by `_`: it says which layer is meant only to who knows them all.
    Flat(String),
}

impl Name {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Path(name) | Self::Flat(name) => name,
        }
    }

    /// With the network's name, as errors write it.
    pub(super) fn shown(&self, component: Component) -> String {
        match self {
            Self::Path(name) => format!("{}.{name}", component.name()),
            Self::Flat(name) => format!("{}{name}", flat_prefix(component)),
        }
    }
}

/// A layer's name as kohya's scripts write it.
pub(super) fn flattened(path: &str) -> String {
    path.replace('.', "_")
}

/// What kohya's scripts begin the names of a network's layers with. They write `text_model`, as `transformers` before
/// version 5 does.
pub(super) const fn flat_prefix(component: Component) -> &'static str {
    match component {
        Component::UNet => "lora_unet_",
        Component::TextEncoder => "lora_te_text_model_",
    }
}

/// What of a layer a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Down,
    Up,
    Alpha,
}

/// The name of a tensor, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) component: Component,
    pub(super) name: Name,
    pub(super) part: Part,
}

/// Endings of tensors of layers whose names are paths.
const ENDINGS: [(&str, Part); 9] = [
    (".lora_A.weight", Part::Down),
    (".lora.down.weight", Part::Down),
    (".lora_linear_layer.down.weight", Part::Down),
    ("_lora.down.weight", Part::Down),
    (".lora_B.weight", Part::Up),
    (".lora.up.weight", Part::Up),
    (".lora_linear_layer.up.weight", Part::Up),
    ("_lora.up.weight", Part::Up),
    (".alpha", Part::Alpha),
];
/// The same of layers whose names are flat.
const FLAT_ENDINGS: [(&str, Part); 3] = [
    (".lora_down.weight", Part::Down),
    (".lora_up.weight", Part::Up),
    (".alpha", Part::Alpha),
];
/// Beginnings of flat names.
const FLAT_PREFIXES: [(&str, Component); 3] = [
    ("lora_unet_", Component::UNet),
    ("lora_te_", Component::TextEncoder),
    ("lora_te1_", Component::TextEncoder),
];
/// Layers of attention as diffusers called them before 0.17: in a UNet, and in a text encoder.
const OLD_LAYERS: [(&str, [&str; 2]); 4] = [
    (".to_q", [".to_q", ".q_proj"]),
    (".to_k", [".to_k", ".k_proj"]),
    (".to_v", [".to_v", ".v_proj"]),
    (".to_out", [".to_out.0", ".out_proj"]),
];
/// What else files hold that adapt networks, by a part of its name.
const OTHERS: [(&str, &str); 12] = [
    ("lora_magnitude_vector", "DoRA"),
    ("dora_scale", "DoRA"),
    (".hada_", "LoHa"),
    (".lokr_", "LoKr"),
    (".oft_", "OFT"),
    (".lora_mid.", "a Tucker decomposition (LoCon)"),
    (".lora_embedding_", "an adapter of embeddings"),
    ("lora_A.bias", "a bias of LoRA"),
    ("lora_B.bias", "a bias of LoRA"),
    (".diff", "a difference of weights"),
    (
        "lora_te2_",
        "an adapter of a second text encoder (Stable Diffusion XL)",
    ),
    (
        "text_encoder_2.",
        "an adapter of a second text encoder (Stable Diffusion XL)",
    ),
];

/// What a tensor is that is no part of a LoRA layer, where that is known.
pub(super) fn other_kind(tensor: &str) -> Option<&'static str> {
    let known = OTHERS.iter().find(|(part, _)| tensor.contains(part));
    known.map(|(_, kind)| *kind)
}

/// Understands the name of a tensor.
pub(super) fn parse(tensor: &str) -> Option<Key> {
    for (prefix, component) in FLAT_PREFIXES {
        if let Some(rest) = tensor.strip_prefix(prefix) {
            let (name, part) = ended(rest, &FLAT_ENDINGS)?;
            let name = match component {
                Component::UNet => name,
                Component::TextEncoder => name.strip_prefix("text_model_").unwrap_or(name),
            };
            return Some(Key {
                component,
                name: Name::Flat(name.to_owned()),
                part,
            });
        }
    }
    let tensor = tensor.strip_prefix(PEFT_PREFIX).unwrap_or(tensor);
    let (component, rest) = component_of(tensor)?;
    let (layer, part) = ended(rest, &ENDINGS)?;
    let is_old = rest[layer.len()..].starts_with("_lora");
    let layer = component.bare(layer).replace(".processor.", ".");
    let layer = if is_old {
        of_old(component, &layer)?
    } else {
        layer
    };
    Some(Key {
        component,
        name: Name::Path(layer),
        part,
    })
}

fn ended<'a>(tensor: &'a str, endings: &[(&str, Part)]) -> Option<(&'a str, Part)> {
    endings.iter().find_map(|(ending, part)| {
        let layer = tensor.strip_suffix(ending)?;
        Some((layer, *part))
    })
}

/// The network that a path says it is of, and the rest of it. Without a prefix, networks are told by their parts.
fn component_of(path: &str) -> Option<(Component, &str)> {
    for component in Component::ALL {
        let below = path.strip_prefix(component.name());
        if let Some(rest) = below.and_then(|rest| rest.strip_prefix('.')) {
            return Some((component, rest));
        }
    }
    let component = match path.split('.').next()? {
        "down_blocks" | "mid_block" | "up_blocks" | "conv_in" | "conv_out" | "time_embedding" => {
            Component::UNet
        }
        "text_model" | "encoder" => Component::TextEncoder,
        _ => return None,
    };
    Some((component, path))
}

/// A layer of attention by its name today.
fn of_old(component: Component, layer: &str) -> Option<String> {
    OLD_LAYERS.iter().find_map(|(old, [of_unet, of_text])| {
        let attention = layer.strip_suffix(old)?;
        let today = match component {
            Component::UNet => of_unet,
            Component::TextEncoder => of_text,
        };
        Some(format!("{attention}{today}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_writer_are_understood() {
        let (unet, text) = (Component::UNet, Component::TextEncoder);
        let path = |name: &str| Name::Path(name.to_owned());
        let flat = |name: &str| Name::Flat(name.to_owned());
        for (tensor, component, name, part) in [
            (
                "unet.mid_block.attn1.to_q.lora_A.weight",
                unet,
                path("mid_block.attn1.to_q"),
                Part::Down,
            ),
            (
                "unet.mid_block.attn1.to_q.lora.up.weight",
                unet,
                path("mid_block.attn1.to_q"),
                Part::Up,
            ),
            (
                "unet.mid_block.attn1.processor.to_q_lora.up.weight",
                unet,
                path("mid_block.attn1.to_q"),
                Part::Up,
            ),
            (
                "mid_block.attn1.processor.to_out_lora.down.weight",
                unet,
                path("mid_block.attn1.to_out.0"),
                Part::Down,
            ),
            (
                "base_model.model.mid_block.attn1.to_q.lora_B.weight",
                unet,
                path("mid_block.attn1.to_q"),
                Part::Up,
            ),
            (
                "lora_unet_mid_block_attn1_to_q.lora_down.weight",
                unet,
                flat("mid_block_attn1_to_q"),
                Part::Down,
            ),
            (
                "lora_unet_mid_block_attn1_to_q.alpha",
                unet,
                flat("mid_block_attn1_to_q"),
                Part::Alpha,
            ),
            (
                "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
                text,
                path("encoder.layers.0.self_attn.q_proj"),
                Part::Down,
            ),
            (
                "text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight",
                text,
                path("encoder.layers.0.self_attn.q_proj"),
                Part::Down,
            ),
            (
                "text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora.up.weight",
                text,
                path("encoder.layers.0.self_attn.out_proj"),
                Part::Up,
            ),
            (
                "base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_A.weight",
                text,
                path("encoder.layers.0.mlp.fc1"),
                Part::Down,
            ),
            (
                "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight",
                text,
                flat("encoder_layers_0_mlp_fc1"),
                Part::Up,
            ),
            (
                "lora_te1_encoder_layers_0_mlp_fc1.lora_up.weight",
                text,
                flat("encoder_layers_0_mlp_fc1"),
                Part::Up,
            ),
        ] {
            let expected = Key {
                component,
                name,
                part,
            };
            assert_eq!(parse(tensor), Some(expected), "{tensor}");
        }
        for tensor in [
            "unet.mid_block.attn1.to_q.weight",
            "text_encoder_2.encoder.layers.0.mlp.fc1.lora_A.weight",
            "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight",
            "transformer.blocks.0.to_q.lora_A.weight",
            "lora_unet_mid_block_attn1_to_q.hada_w1_a",
            "unet.mid_block.attn1.processor.to_z_lora.up.weight",
            "",
            "unet.",
            ".alpha",
        ] {
            assert_eq!(parse(tensor), None, "{tensor}");
        }
    }
}
