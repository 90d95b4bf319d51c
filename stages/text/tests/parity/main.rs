//! Our tokens and conversations beside those of the libraries of reference: `make_golden.py` wrote theirs.
//!
//! Mistral's tokenizers and the SmolLM2 file are too large to be kept here. Where they are is told by
//! `CCSR_MISTRAL_TOKENIZERS` (a folder with mistral_common's data) and `CCSR_SMOLLM2_GGUF` (a file).

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says where it stopped, one that is left out says so"
)]

mod conversations;
mod refusals;

use std::fs;
use std::path::{Path, PathBuf};

use ccsr_gguf::Gguf;
use ccsr_text::{ChatTemplate, Message, Tokenizer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/golden")
        .join(name)
}

fn golden<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&fs::read(path(name)).unwrap()).unwrap()
}

fn texts() -> Vec<String> {
    golden("texts.json")
}

/// What transformers makes of the texts, and of random tokens.
#[derive(Deserialize)]
struct Expected {
    size: usize,
    ids: Vec<Vec<u32>>,
    /// Only where it is not the text again.
    decoded: Vec<Option<String>>,
    skipped: Vec<Option<String>>,
    random: Vec<Vec<u32>>,
    random_decoded: Vec<String>,
    random_skipped: Vec<String>,
}

/// What is made of texts with a SentencePiece model.
#[derive(Deserialize)]
struct Pieces {
    /// None where a text has special tokens in it, which SentencePiece takes for text.
    sentencepiece: Vec<Option<Vec<u32>>>,
    /// A space before each text between special tokens.
    each: Expected,
    /// A space at the start only (`legacy: false`).
    start: Option<Expected>,
}

#[track_caller]
fn is_theirs(tokenizer: &Tokenizer, expected: &Expected) {
    assert_eq!(tokenizer.vocabulary_size(), expected.size);
    for (place, text) in texts().iter().enumerate() {
        let ids = tokenizer.encode(text, false).unwrap();
        assert_eq!(ids, expected.ids[place], "{text:?}");
        decodes_to(
            tokenizer,
            &ids,
            false,
            expected.decoded[place].as_ref().unwrap_or(text),
        );
        decodes_to(
            tokenizer,
            &ids,
            true,
            expected.skipped[place].as_ref().unwrap_or(text),
        );
    }
    for (place, ids) in expected.random.iter().enumerate() {
        decodes_to(tokenizer, ids, false, &expected.random_decoded[place]);
        decodes_to(tokenizer, ids, true, &expected.random_skipped[place]);
    }
}

/// At once and token by token.
#[track_caller]
fn decodes_to(tokenizer: &Tokenizer, ids: &[u32], skip_special: bool, expected: &str) {
    assert_eq!(
        tokenizer.decode(ids, skip_special).unwrap(),
        expected,
        "{ids:?}"
    );
    let mut decoder = tokenizer.streaming_decoder(skip_special);
    let parts: String = ids.iter().map(|id| decoder.push(*id).unwrap()).collect();
    assert_eq!(parts + &decoder.finish().unwrap(), expected, "{ids:?}");
}

#[track_caller]
fn is_of_sentencepiece(tokenizer: &Tokenizer, expected: &[Option<Vec<u32>>]) {
    let mut compared = 0;
    for (text, expected) in texts().iter().zip(expected) {
        if let Some(expected) = expected {
            assert_eq!(
                &tokenizer.encode(text, false).unwrap(),
                expected,
                "{text:?}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 60, "{compared}");
}

/// A folder with a SentencePiece model and a configuration.
fn folder_of(model: &Path, config: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::copy(model, folder.path().join("tokenizer.model")).unwrap();
    fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
    folder
}

fn small_model() -> PathBuf {
    path("sentencepiece/tokenizer.model")
}

#[test]
fn a_sentencepiece_model_is_read_as_its_library_and_transformers_do() {
    let expected: Pieces = golden("sentencepiece.json");
    let tokenizer = Tokenizer::open(&path("sentencepiece")).unwrap();
    is_of_sentencepiece(&tokenizer, &expected.sentencepiece);
    is_theirs(&tokenizer, &expected.each);
    // What the model itself says of special tokens.
    assert_eq!(
        (tokenizer.bos(), tokenizer.eos(), tokenizer.pad()),
        (Some(1), &[2][..], None)
    );
    assert_eq!(tokenizer.token_to_id("</s>"), Some(2));
    assert_eq!(tokenizer.id_to_token(3).as_deref(), Some("[INST]"));
    assert_eq!(tokenizer.encode("", true).unwrap(), [1]);
}

#[test]
fn without_legacy_only_the_start_gets_a_space() {
    let expected: Pieces = golden("sentencepiece.json");
    let folder = folder_of(&small_model(), r#"{"legacy": false, "unk_token": "<unk>"}"#);
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    is_theirs(&tokenizer, &expected.start.unwrap());
}

#[test]
fn what_transformers_made_of_a_sentencepiece_model_is_the_same_tokenizer() {
    let expected: Pieces = golden("sentencepiece.json");
    let tokenizer = Tokenizer::open(&path("converted")).unwrap();
    is_of_sentencepiece(&tokenizer, &expected.sentencepiece);
    is_theirs(&tokenizer, &expected.each);
}

#[test]
fn byte_level_tokenizers_are_read_as_transformers_does() {
    let tokenizer = Tokenizer::open(&path("byte_level")).unwrap();
    is_theirs(&tokenizer, &golden("byte_level.json"));
    // `generation_config.json` knows two tokens that end a text.
    assert_eq!(
        (tokenizer.bos(), tokenizer.eos(), tokenizer.pad()),
        (Some(1), &[2, 0][..], Some(2))
    );
    assert!(tokenizer.is_special(2) && !tokenizer.is_special(40));
    // No bytes are lost, whatever the text.
    for text in texts() {
        let ids = tokenizer.encode(&text, true).unwrap();
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    }
}

#[test]
fn gguf_files_are_tokenised_as_llama_cpp_does() {
    let expected: std::collections::BTreeMap<String, Vec<Vec<u32>>> = golden("gguf.json");
    assert_eq!(expected.len(), 6);
    for (name, expected) in expected {
        let gguf = Gguf::open(&path(&format!("gguf/{name}.gguf"))).unwrap();
        let tokenizer = Tokenizer::of_gguf(&gguf).unwrap();
        for (text, expected) in texts().iter().zip(expected) {
            assert_eq!(
                tokenizer.encode(text, false).unwrap(),
                expected,
                "{name}: {text:?}"
            );
            let back = tokenizer.decode(&expected, false).unwrap();
            // SentencePiece puts spaces behind special tokens.
            assert!(&back == text || name == "llama", "{name}: {text:?}");
        }
        assert_eq!(
            (tokenizer.bos(), tokenizer.eos()),
            (Some(1), &[2][..]),
            "{name}"
        );
        let begins = matches!(name.as_str(), "llama" | "llama-bpe");
        assert_eq!(
            tokenizer.encode("Hi", true).unwrap()[0] == 1,
            begins,
            "{name}"
        );
    }
}

#[test]
fn a_gguf_file_brings_its_chat_template() {
    let gguf = Gguf::open(&path("gguf/smollm.gguf")).unwrap();
    let template = ChatTemplate::of_gguf(&gguf).unwrap();
    let text = template
        .render(&[Message::text("user", "Hi")], false)
        .unwrap();
    assert_eq!(text, "<|im_start|>Hi<|im_end|>");
    let none = Gguf::open(&path("gguf/llama.gguf")).unwrap();
    let error = ChatTemplate::of_gguf(&none).unwrap_err().to_string();
    assert!(
        error.ends_with("has no metadata key `tokenizer.chat_template`"),
        "{error}"
    );
}

#[test]
fn texts_begin_and_end_as_the_configuration_says() {
    let begun = |config: &str| {
        let folder = folder_of(&small_model(), config);
        let ids = Tokenizer::open(folder.path())
            .unwrap()
            .encode("Hello", true)
            .unwrap();
        (ids.first() == Some(&1), ids.last() == Some(&2))
    };
    assert_eq!(begun("{}"), (true, false));
    assert_eq!(begun(r#"{"add_bos_token": false}"#), (false, false));
    assert_eq!(begun(r#"{"add_eos_token": true}"#), (true, true));
    let folder = folder_of(&small_model(), r#"{"add_prefix_space": false}"#);
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    let ids = tokenizer.encode("Hello", false).unwrap();
    assert!(!tokenizer.id_to_token(ids[0]).unwrap().starts_with('▁'));
    assert_eq!(tokenizer.decode(&ids, false).unwrap(), "Hello");
}

#[test]
fn a_fast_tokenizer_says_itself_how_texts_begin() {
    let folder = TempDir::new().unwrap();
    let there = |name: &str| folder.path().join(name);
    let stored = fs::read(path("converted/tokenizer.json")).unwrap();
    let config = r#"{"bos_token": "<s>", "add_bos_token": true, "add_eos_token": true}"#;
    fs::write(there("tokenizer_config.json"), config).unwrap();
    fs::write(there("tokenizer.json"), &stored).unwrap();
    let encoded = || {
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        tokenizer.encode("Hello", true).unwrap()
    };
    // As transformers 5.23 does: it has no post-processor.
    assert_eq!(encoded(), [311]);
    let mut stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    stored["post_processor"] = serde_json::json!({"type": "TemplateProcessing", "pair": [], "single": [
        {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}});
    fs::write(there("tokenizer.json"), stored.to_string()).unwrap();
    assert_eq!(encoded(), [1, 311]);
}

#[test]
fn tokens_that_the_configuration_adds_are_found_in_texts() {
    let config = r#"{"added_tokens_decoder": {"421": {"content": "<pad>", "special": true},
        "420": {"content": "<image>", "special": true}}, "pad_token": {"content": "<pad>"}}"#;
    let folder = folder_of(&small_model(), config);
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    assert_eq!(
        (tokenizer.vocabulary_size(), tokenizer.pad()),
        (422, Some(421))
    );
    assert!(
        tokenizer
            .encode("USER: <image>\nHi", false)
            .unwrap()
            .contains(&420)
    );
    assert!(tokenizer.fits(422).is_ok() && tokenizer.fits(32_064).is_ok());
}

#[test]
fn a_character_over_several_tokens_comes_whole() {
    for folder in ["sentencepiece", "byte_level"] {
        let tokenizer = Tokenizer::open(&path(folder)).unwrap();
        let ids = tokenizer.encode("é🙂 and", false).unwrap();
        let mut decoder = tokenizer.streaming_decoder(true);
        let parts: Vec<_> = ids.iter().map(|id| decoder.push(*id).unwrap()).collect();
        assert!(parts.iter().any(String::is_empty), "{parts:?}");
        assert!(
            !parts.iter().any(|part| part.contains('\u{FFFD}')),
            "{parts:?}"
        );
        assert_eq!(parts.concat(), "é🙂 and");
        assert_eq!(decoder.finish().unwrap(), "");
    }
}

#[test]
fn mistrals_own_tokenizers_are_read_as_mistral_common_and_transformers_do() {
    let Some(folder) = std::env::var_os("CCSR_MISTRAL_TOKENIZERS") else {
        eprintln!("left out: CCSR_MISTRAL_TOKENIZERS names no folder of mistral_common's data");
        return;
    };
    for (version, name, instruction) in [
        ("v1", "tokenizer.model.v1", None),
        ("v2", "mistral_instruct_tokenizer_240216.model.v2", Some(3)),
        ("v3", "mistral_instruct_tokenizer_240323.model.v3", Some(3)),
    ] {
        let expected: Pieces = golden(&format!("mistral_{version}.json"));
        let folder = folder_of(&Path::new(&folder).join(name), "{}");
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        is_of_sentencepiece(&tokenizer, &expected.sentencepiece);
        is_theirs(&tokenizer, &expected.each);
        assert_eq!(tokenizer.token_to_id("[INST]"), instruction);
    }
}

#[test]
fn smollm2_is_tokenised_as_llama_cpp_does() {
    let Some(file) = std::env::var_os("CCSR_SMOLLM2_GGUF") else {
        eprintln!("left out: CCSR_SMOLLM2_GGUF names no GGUF file of SmolLM2");
        return;
    };
    let gguf = Gguf::open(Path::new(&file)).unwrap();
    let tokenizer = Tokenizer::of_gguf(&gguf).unwrap();
    assert_eq!(tokenizer.vocabulary_size(), 49_152);
    let expected: Vec<Vec<u32>> = golden("smollm2.json");
    for (text, expected) in texts().iter().zip(expected) {
        assert_eq!(tokenizer.encode(text, false).unwrap(), expected, "{text:?}");
        decodes_to(&tokenizer, &expected, false, text);
    }
    let embedding = gguf.tensor("token_embd.weight").unwrap();
    assert_eq!(embedding.shape, [49_152, 576]);
    tokenizer.fits(embedding.shape[0]).unwrap();
    let template = ChatTemplate::of_gguf(&gguf).unwrap();
    conversations::are_theirs("smollm2", &template);
}
