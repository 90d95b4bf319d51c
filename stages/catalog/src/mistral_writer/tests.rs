//! A conversation beside that of transformers: `golden/make_language.py` wrote it.

use std::fs;
use std::path::PathBuf;

use ccsr_stage::testing::bind;
use serde_json::{Value as Json, json};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/self_reward/writer")
}

fn model(folder: &Path, template: Option<&str>) -> Model {
    Model::load(folder, None, template, &Device::flex()).unwrap()
}

/// What is wanted of a language model that takes the likeliest token.
fn unit(wording: &Wording, repetition_penalty: f64, max_new_tokens: u32) -> Unit {
    let sampling = TokenSampling {
        temperature: 0.0,
        top_k: 40,
        top_p: 0.95,
        repetition_penalty,
        max_new_tokens,
    };
    Unit::new(Value::map([
        ("wording", crate::identity_of(wording)),
        ("sampling", crate::identity_of(&sampling)),
    ]))
}

fn chat(system: Option<&str>, instruction: &str) -> Wording {
    Wording::Chat {
        system: system.map(str::to_owned),
        instruction: instruction.to_owned(),
    }
}

fn golden() -> Json {
    serde_json::from_str(include_str!("../../golden/language.json")).unwrap()
}

#[test]
fn a_conversation_is_that_of_transformers() {
    let (golden, model) = (golden(), model(&folder(), None));
    let text = |name: &str| golden[name].as_str().unwrap();
    let penalty = golden["repetition_penalty"].as_f64().unwrap();
    let unit = unit(&chat(None, text("instruction")), penalty, 300);
    let request = model.request(&unit).unwrap();
    assert_eq!(json!(&request.prompt[..]), golden["prompt_tokens"]);
    let written = model.write(&[request]).unwrap().remove(0);
    assert_eq!(
        (written.text.as_str(), written.is_cut),
        (text("text"), false)
    );

    // The same, spelt out.
    let raw = Wording::Raw("[INST] ".to_owned() + text("instruction") + " [/INST]");
    let request = model.request(&self::unit(&raw, penalty, 300)).unwrap();
    assert_eq!(json!(&request.prompt[..]), golden["prompt_tokens"]);
}

#[test]
fn a_system_text_stands_where_the_template_has_a_place_for_it() {
    let (folder, turn) = (folder(), chat(Some("Be brief.\n"), "Write."));
    let tokens = |template: Option<&str>| {
        let model = model(&folder, template);
        let request = model.request(&unit(&turn, 1.0, 1)).unwrap();
        model
            .words
            .tokenizer
            .decode(&request.prompt, false)
            .unwrap()
    };
    // Mistral's has none.
    assert_eq!(tokens(None), "<s>[INST] Be brief.\n\nWrite. [/INST]");
    let all = "{% for message in messages %}{{ message.role }}: {{ message.content | trim }}; {% endfor %}";
    assert_eq!(tokens(Some(all)), "<s>system: Be brief.; user: Write.; ");
}

#[test]
fn a_text_without_room_is_cut_and_one_that_is_too_long_is_refused() {
    let (golden, model) = (golden(), model(&folder(), None));
    let instruction = golden["instruction"].as_str().unwrap();
    let request = model
        .request(&unit(&chat(None, instruction), 1.1, 5))
        .unwrap();
    let written = model.write(&[request]).unwrap().remove(0);
    assert!(written.is_cut);
    assert!(golden["text"].as_str().unwrap().starts_with(&written.text));
    let long = chat(None, &"elephant ".repeat(1024));
    let error = model.request(&unit(&long, 1.1, 5)).unwrap_err().to_string();
    assert!(error.contains("leaves no room in the 1024"), "{error}");
}

#[test]
fn what_a_folder_lacks_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |gguf: Option<&str>| {
        let with = json!({"weights": folder.path(), "gguf": gguf});
        let bound = bind(&crate::registry(), &[("writer", "mistral", with)]);
        bound.map(drop).unwrap_err()
    };
    let error = refused(None);
    assert!(error.contains("config.json"), "{error}");
    let error = refused(Some("model.Q4_1.gguf"));
    assert!(error.contains("has no file `model.Q4_1.gguf`"), "{error}");
    fs::write(
        folder.path().join("config.json"),
        r#"{"model_type": "gpt2"}"#,
    )
    .unwrap();
    let error = refused(None);
    assert!(error.contains("gpt2"), "{error}");
}
