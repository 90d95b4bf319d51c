//! Which files of a repository our loaders read.
//!
//! Repositories keep the same weights several times: for other frameworks, as half precision, as one
//! checkpoint beside the folders. Everything would be four downloads where one does.

use std::collections::{BTreeMap, BTreeSet};

use crate::glob::Pattern;

/// Which files to pull.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Take exactly what one of these matches. If there are none, what our loaders read.
    pub include: Vec<Pattern>,
    /// Leave out what one of these matches.
    pub exclude: Vec<Pattern>,
    /// Take this variant of weights, such as `fp16`, where there is one.
    pub variant: Option<String>,
}

impl Selection {
    /// The chosen ones of these paths.
    pub fn choose<'a>(&self, paths: &[&'a str]) -> Vec<&'a str> {
        let mut chosen: Vec<_> = if self.include.is_empty() {
            self.read_by_loaders(paths)
        } else {
            let included = |path: &&&str| self.include.iter().any(|pattern| pattern.matches(path));
            paths.iter().filter(included).copied().collect()
        };
        chosen.retain(|path| !self.exclude.iter().any(|pattern| pattern.matches(path)));
        chosen
    }

    fn read_by_loaders<'a>(&self, paths: &[&'a str]) -> Vec<&'a str> {
        let readable: Vec<_> = paths.iter().copied().filter(|path| is_read(path)).collect();
        let mut groups: BTreeMap<(&str, &str), BTreeSet<Option<&str>>> = BTreeMap::new();
        for weights in readable.iter().filter_map(|path| Weights::of(path)) {
            let group = groups.entry((weights.folder, weights.base)).or_default();
            group.insert(weights.variant);
        }
        let wanted = |path: &&str| {
            let Some(weights) = Weights::of(path) else {
                return true;
            };
            if is_said_twice(&weights, paths) {
                return false;
            }
            let there = &groups[&(weights.folder, weights.base)];
            let asked = self
                .variant
                .as_deref()
                .filter(|name| there.contains(&Some(name)));
            match asked {
                Some(_) => weights.variant == asked,
                None => weights.variant.is_none() || !there.contains(&None),
            }
        };
        readable.into_iter().filter(wanted).collect()
    }
}

/// The variants of weights that there are.
pub(crate) fn variants<'a>(paths: &[&'a str]) -> BTreeSet<&'a str> {
    let weights = paths.iter().filter_map(|path| Weights::of(path));
    weights.filter_map(|weights| weights.variant).collect()
}

/// Configurations, weights, vocabularies, chat templates.
fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let kinds = ["json", "safetensors", "txt", "model", "jinja"];
    let others = [
        "bin",
        "ckpt",
        "pt",
        "pth",
        "msgpack",
        "onnx",
        "onnx_data",
        "h5",
        "md",
        "png",
        "jpg",
    ];
    let is = |kinds: &[&str]| extension.is_some_and(|extension| kinds.contains(&extension));
    is(&kinds) || (name.starts_with("tokenizer") && !is(&others))
}

/// One checkpoint at the root, whose content the folders or the shards hold as well.
fn is_said_twice(weights: &Weights<'_>, paths: &[&str]) -> bool {
    if !weights.folder.is_empty() || weights.is_index {
        return false;
    }
    let nested = |path: &&str| path.contains('/') && path.ends_with(".safetensors");
    let in_folders = paths.contains(&"model_index.json") && paths.iter().any(nested);
    // Mistral AI publishes its own format beside that of transformers.
    let whole =
        paths.contains(&"model.safetensors") || paths.contains(&"model.safetensors.index.json");
    in_folders || (weights.base == "consolidated" && whole)
}

/// The parts of the name of a file of weights, or of the index of sharded ones.
struct Weights<'a> {
    folder: &'a str,
    base: &'a str,
    variant: Option<&'a str>,
    is_index: bool,
}

impl<'a> Weights<'a> {
    /// `vae/model.fp16.safetensors`, `model.fp16-00001-of-00002.safetensors`,
    /// `model-00001-of-00002.fp16.safetensors`, `model.safetensors.index.fp16.json`.
    fn of(path: &'a str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(stem) = name.strip_suffix(".json") {
            let (base, rest) = stem.split_once(".safetensors.index")?;
            let (base, before) = apart(base);
            let behind = rest.strip_prefix('.');
            return Some(Self {
                folder,
                base,
                variant: before.or(behind),
                is_index: true,
            });
        }
        let stem = unsharded(name.strip_suffix(".safetensors")?);
        let (base, variant) = apart(stem);
        Some(Self {
            folder,
            base: unsharded(base),
            variant,
            is_index: false,
        })
    }
}

/// The base and the variant. What begins with a digit is a version: `sd_xl_base_1.0`.
fn apart(stem: &str) -> (&str, Option<&str>) {
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match stem.rsplit_once('.') {
        Some((base, variant)) if !base.is_empty() && word(variant) => (base, Some(variant)),
        _ => (stem, None),
    }
}

/// Without `-00001-of-00002` at the end.
fn unsharded(stem: &str) -> &str {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = stem.rsplit_once("-of-").and_then(|(rest, all)| {
        let (base, one) = rest.rsplit_once('-')?;
        (number(all) && number(one)).then_some(base)
    });
    parts.unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(selection: &Selection, paths: &[&str]) -> String {
        selection.choose(paths).join(" ")
    }

    fn variant(name: &str) -> Selection {
        Selection {
            variant: Some(name.to_owned()),
            ..Selection::default()
        }
    }

    const DIFFUSERS: &[&str] = &[
        ".gitattributes",
        "README.md",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "sample.png",
        "tokenizer/merges.txt",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "v2-1_512-ema-pruned.ckpt",
        "v2-1_512-ema-pruned.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ];

    #[test]
    fn a_diffusers_model_is_its_folders() {
        let small = "model_index.json scheduler/scheduler_config.json tokenizer/merges.txt \
                     tokenizer/vocab.json unet/config.json";
        assert_eq!(
            chosen(&Selection::default(), DIFFUSERS),
            format!(
                "{small} unet/diffusion_pytorch_model.safetensors vae/diffusion_pytorch_model.safetensors"
            )
        );
        // Where there is no such variant, the plain one does.
        assert_eq!(
            chosen(&variant("fp16"), DIFFUSERS),
            format!(
                "{small} unet/diffusion_pytorch_model.fp16.safetensors vae/diffusion_pytorch_model.safetensors"
            )
        );
        assert_eq!(variants(DIFFUSERS), BTreeSet::from(["fp16", "non_ema"]));
    }

    #[test]
    fn a_transformers_model_is_its_shards() {
        let paths = [
            "config.json",
            "consolidated.safetensors",
            "model-00001-of-00002.fp16.safetensors",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.fp16-00002-of-00002.safetensors",
            "model.safetensors.index.fp16.json",
            "model.safetensors.index.json",
            "pytorch_model.bin",
            "tokenizer.model",
            "tokenizer.model.v3",
            "tokenizer.onnx",
        ];
        assert_eq!(
            chosen(&Selection::default(), &paths),
            "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors \
             model.safetensors.index.json tokenizer.model tokenizer.model.v3"
        );
        assert_eq!(
            chosen(&variant("fp16"), &paths),
            "config.json model-00001-of-00002.fp16.safetensors model.fp16-00002-of-00002.safetensors \
             model.safetensors.index.fp16.json tokenizer.model tokenizer.model.v3"
        );
    }

    #[test]
    fn a_lone_variant_or_checkpoint_is_taken() {
        let default = Selection::default();
        let paths = ["model.fp16.safetensors", "sd_xl_base_1.0.safetensors"];
        assert_eq!(chosen(&default, &paths), paths.join(" "));
        let paths = ["consolidated.safetensors", "params.json"];
        assert_eq!(chosen(&default, &paths), paths.join(" "));
        let paths = ["model_index.json", "model.safetensors"];
        assert_eq!(chosen(&default, &paths), paths.join(" "));
    }

    #[test]
    fn patterns_overrule() {
        let selection = Selection {
            include: vec!["unet/*".parse().unwrap(), "*.ckpt".parse().unwrap()],
            exclude: vec!["*.safetensors".parse().unwrap()],
            variant: None,
        };
        assert_eq!(
            chosen(&selection, DIFFUSERS),
            "unet/config.json unet/diffusion_pytorch_model.bin v2-1_512-ema-pruned.ckpt"
        );
    }
}
