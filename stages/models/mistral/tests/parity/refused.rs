//! Checkpoints that are not read say why.

use std::fs;
use std::path::Path;

use burn::prelude::Device;
use ccsr_mistral::{MistralConfig, load};
use serde_json::{Value as Json, json};

use crate::path;

/// A model's configuration with some entries put in.
fn says(entries: &Json) -> String {
    let mut config = json!({"model_type": "mistral", "sliding_window": null});
    for (name, entry) in entries.as_object().unwrap() {
        config[name] = entry.clone();
    }
    MistralConfig::of_json(&config).unwrap_err()
}

#[test]
fn other_ways_of_packing_are_refused_by_name() {
    let packed = |entries: Json| says(&json!({"quantization_config": entries}));
    let hint = "expected AWQ with 4 bits, zero points and the layout `gemm`";
    for version in ["gemv", "gemv_fast", "marlin", "exllama", "GEMV"] {
        assert_eq!(
            packed(json!({"quant_method": "awq", "bits": 4, "version": version})),
            format!(
                "the weights are packed in AWQ's layout `{version}`, which lie in another order; {hint}"
            )
        );
    }
    assert_eq!(
        packed(json!({"quant_method": "gptq", "bits": 4, "group_size": 128})),
        format!("the weights are packed by `gptq`; {hint}")
    );
    assert_eq!(
        packed(json!({"quant_method": "awq", "bits": 8})),
        format!("the weights are packed in 8 bits; {hint}")
    );
    assert_eq!(
        packed(json!({"w_bit": 4, "q_group_size": 128, "zero_point": false, "version": "GEMM"})),
        format!("the weights are packed without zero points; {hint}")
    );
    assert_eq!(
        packed(json!({"quant_method": "awq", "group_size": 48})),
        "`group_size` is 48; expected a multiple of 32, or -1 for whole columns"
    );
}

#[test]
fn configurations_that_are_not_known_are_refused() {
    assert_eq!(
        says(&json!({"model_type": "qwen2"})),
        "`model_type` is `qwen2`; the language models known here are `mistral` and `llama`"
    );
    assert_eq!(
        says(&json!({"rope_scaling": {"type": "yarn", "factor": 4}})),
        "the rotary scaling `yarn` is not known here; `default`, `linear` and `llama3` are"
    );
    assert_eq!(
        says(&json!({"rope_scaling": {"type": "linear", "factor": 0}})),
        "`factor` of rotary scaling `linear` is missing, or not above 0"
    );
    assert_eq!(
        says(&json!({"num_attention_heads": 6, "num_key_value_heads": 4})),
        "`num_attention_heads` (6) is no multiple of `num_key_value_heads` (4)"
    );
    assert_eq!(says(&json!({"hidden_size": 0})), "`hidden_size` is 0");
    assert!(says(&json!({"hidden_act": "gelu"})).starts_with("`hidden_act` is not `silu`"));
}

#[test]
fn what_a_file_leaves_out_is_what_transformers_takes_it_for() {
    let mistral = MistralConfig::of_json(&json!({"model_type": "mistral"})).unwrap();
    assert_eq!((mistral.kv_heads, mistral.context), (8, 4096));
    let open = MistralConfig::of_json(&json!({"model_type": "mistral", "sliding_window": null}));
    assert_eq!(open.unwrap().context, 131_072);
    let llama = MistralConfig::of_json(&json!({"model_type": "llama"})).unwrap();
    assert_eq!(
        (llama.kv_heads, llama.intermediate, llama.context),
        (32, 11_008, 2048)
    );
}

/// A copy of a small checkpoint with its configuration changed.
fn changed(name: &str, into: &Path, change: impl Fn(&mut Json)) -> String {
    for entry in fs::read_dir(path(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), into.join(entry.file_name())).unwrap();
    }
    let file = into.join("config.json");
    let mut config: Json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    fs::write(&file, config.to_string()).unwrap();
    load(into, &Device::flex()).unwrap_err().to_string()
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = changed("awq-64", folder.path(), |config| {
        config["quantization_config"]["group_size"] = 32.into();
    });
    assert!(
        error.ends_with(
            "the tensor `model.layers.0.mlp.down_proj.qzeros` does not fit: expected the shape [4, 8], found [2, 8]"
        ),
        "{error}"
    );
    let error = changed("awq-64", folder.path(), |config| {
        config["quantization_config"]["modules_to_not_convert"] = Json::Null;
    });
    assert!(
        error.contains("lacks `model.layers.0.mlp.up_proj.qweight`"),
        "{error}"
    );
    let error = changed("awq-64", folder.path(), |config| {
        config["quantization_config"]["group_size"] = 96.into();
    });
    assert!(error.contains("64 inputs in groups of 96"), "{error}");
    let error = changed("mistral", folder.path(), |config| {
        config["tie_word_embeddings"] = true.into();
        config["num_hidden_layers"] = 3.into();
    });
    assert!(error.contains("lacks `model.layers.2."), "{error}");
    let error = changed("mistral", folder.path(), |config| {
        config["vocab_size"] = 98.into();
    });
    assert!(
        error.contains(
            "`model.embed_tokens.weight` does not fit: expected the shape [98, 32], found [99, 32]"
        ),
        "{error}"
    );
}
