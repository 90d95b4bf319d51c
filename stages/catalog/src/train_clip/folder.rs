//! The files of a CLIP, as the hub lays them out.

use ccsr_clip::{ClipConfig, PreprocessorConfig};
use ccsr_stage::{StageError, Value};
use serde_json::json;

use super::{Params, TOKENS};
use crate::failed;
use crate::pretraining::{File, Recipe};

/// What a network is, what it makes of a picture, and its `weights`.
pub(super) fn model(
    config: &ClipConfig,
    preprocessor: &PreprocessorConfig,
    weights: Vec<u8>,
) -> Result<[(String, File); 3], StageError> {
    let (text, vision) = (&config.text_config, &config.vision_config);
    let mut written = serde_json::to_value(config).map_err(failed)?;
    written["architectures"] = json!(["CLIPModel"]);
    written["model_type"] = json!("clip");
    written["dtype"] = json!("float16");
    written["logit_scale_init_value"] = json!(2.6592);
    written["text_config"]["model_type"] = json!("clip_text_model");
    written["text_config"]["bos_token_id"] = json!(text.eos_token_id - 1);
    written["text_config"]["pad_token_id"] = json!(text.eos_token_id);
    written["vision_config"]["model_type"] = json!("clip_vision_model");
    let side = vision.image_size;
    let preprocessor = json!({
        "crop_size": {"height": side, "width": side},
        "do_center_crop": true,
        "do_convert_rgb": true,
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": preprocessor.image_mean,
        "image_std": preprocessor.image_std,
        "image_processor_type": "CLIPImageProcessor",
        "resample": 3,
        "rescale_factor": 1.0 / 255.0,
        "size": {"shortest_edge": side},
    });
    Ok([
        ("config.json".to_owned(), File::from(&written)),
        ("model.safetensors".to_owned(), File::from(weights)),
        (
            "preprocessor_config.json".to_owned(),
            File::from(&preprocessor),
        ),
    ])
}

/// The files of a tokenizer: a vocabulary's two, and which tokens are special.
pub(super) fn tokenizer(vocabulary: &Value) -> Result<Vec<(String, File)>, StageError> {
    let special = json!({
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    });
    let mut config = special.clone();
    config["tokenizer_class"] = json!("CLIPTokenizer");
    config["model_max_length"] = json!(TOKENS);
    let mut files = vec![
        ("special_tokens_map.json".to_owned(), File::from(&special)),
        ("tokenizer_config.json".to_owned(), File::from(&config)),
    ];
    for name in Params::KEPT.iter().copied() {
        let content = vocabulary.get(name).and_then(Value::as_blob);
        let content =
            content.ok_or_else(|| StageError::failed("a tokenizer's files are missing"))?;
        files.push((name.to_owned(), File::Blob(content)));
    }
    Ok(files)
}
