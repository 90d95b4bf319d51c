//! Tokenizers that are missing, damaged, of unknown kinds, or at odds with what stands beside them.

use std::fs;

use ccsr_gguf::Gguf;
use ccsr_text::{Tokenizer, TokenizerError};
use tempfile::TempDir;

use super::{folder_of, path, small_model};

#[track_caller]
fn refused(folder: &TempDir, said: &str) {
    let error = Tokenizer::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains(said), "{error}");
}

fn folder(name: &str, bytes: impl AsRef<[u8]>) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

#[test]
fn no_tokenizer_says_what_was_looked_for() {
    let empty = TempDir::new().unwrap();
    refused(
        &empty,
        "has no tokenizer: neither `tokenizer.json` nor `tokenizer.model` is there",
    );
}

#[test]
fn damaged_files_are_named() {
    refused(
        &folder("tokenizer.json", "{\"model\": "),
        "tokenizer.json`: EOF while parsing",
    );
    refused(&folder("tokenizer.json", "[]"), "tokenizer.json`: ");
    refused(
        &folder("tokenizer.model", ""),
        "tokenizer.model`: it is no SentencePiece model: it has no pieces",
    );
    refused(
        &folder("tokenizer.model", "version https://git-lfs"),
        "it is no SentencePiece model",
    );
    let broken = folder_of(&small_model(), "{");
    refused(&broken, "tokenizer_config.json`: EOF while parsing");
}

#[test]
fn a_sentencepiece_model_cut_anywhere_or_with_any_wrong_byte_does_not_panic() {
    let whole = fs::read(small_model()).unwrap();
    for length in (0..whole.len()).step_by(37) {
        // Some cuts lie between fields; the trainer's specification is lost then.
        assert!(Tokenizer::open(folder("tokenizer.model", &whole[..length]).path()).is_err());
    }
    for at in (0..whole.len()).step_by(41) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x91;
        let _ = Tokenizer::open(folder("tokenizer.model", bytes).path());
    }
}

#[test]
fn a_fast_tokenizer_with_any_wrong_byte_does_not_panic() {
    let whole = fs::read(path("converted/tokenizer.json")).unwrap();
    let mut read = 0;
    for at in (0..whole.len()).step_by(23) {
        let mut bytes = whole.clone();
        bytes[at] = b'9' - (at % 7) as u8;
        if let Ok(tokenizer) = Tokenizer::open(folder("tokenizer.json", bytes).path()) {
            // Whether it is an error or other tokens matters to nobody.
            let ids = tokenizer
                .encode("Hello world </s> 🙂", true)
                .unwrap_or_default();
            let _ = tokenizer.decode(&ids, true);
            read += 1;
        }
    }
    assert!(read > 20, "{read}");
}

#[test]
fn other_kinds_are_named_beside_those_that_are_supported() {
    let word_level = r#"{"version": "1.0", "added_tokens": [], "model":
        {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}"#;
    let said =
        "a model of type WordLevel is not supported; of `tokenizer.json`, models of type BPE are";
    refused(&folder("tokenizer.json", word_level), said);
    // A piece `a`, and a trainer of unigrams; then one whose texts are normalised by a table.
    let piece = [10, 3, 10, 1, b'a'];
    let unigram = [&piece[..], &[18, 2, 24, 1]].concat();
    refused(
        &folder("tokenizer.model", unigram),
        "the model type unigram is not supported; of SentencePiece, BPE",
    );
    let table = [&piece[..], &[18, 2, 24, 2], &[26, 3, 18, 1, 0]].concat();
    refused(
        &folder("tokenizer.model", table),
        "a table of rules for normalising texts is not supported",
    );
    let trimmed = [&piece[..], &[18, 2, 24, 2]].concat();
    refused(
        &folder("tokenizer.model", trimmed),
        "the removal of extra spaces is not supported",
    );
}

#[test]
fn a_piece_of_a_megabyte_is_refused_at_once() {
    let length = 1 << 20;
    let mut piece = vec![10, 0x84, 0x80, 0x40, 10, 0x80, 0x80, 0x40];
    piece.resize(piece.len() + length, b'a');
    let rest = [18, 2, 24, 2, 26, 2, 32, 0];
    let model = folder("tokenizer.model", [&piece[..], &rest].concat());
    refused(&model, "piece 0 has 1048576 bytes; 512 are possible");
}

#[test]
fn other_kinds_of_gguf_are_named() {
    let bytes = fs::read(path("gguf/smollm.gguf")).unwrap();
    // Names of the same length, so that nothing else moves.
    for (name, other, said) in [
        (
            "smollm",
            "tekken",
            "`tokenizer.ggml.pre` \"tekken\" is not supported; of `tokenizer.ggml.pre`, `default`",
        ),
        (
            "gpt2",
            "bert",
            "`tokenizer.ggml.model` \"bert\" is not supported; of `tokenizer.ggml.model`, `gpt2`",
        ),
        (
            "tokenizer.ggml.tokens",
            "tokenizer.ggml.tokenz",
            "has no metadata key `tokenizer.ggml.tokens`",
        ),
    ] {
        let at = bytes
            .windows(name.len())
            .position(|window| window == name.as_bytes());
        let mut bytes = bytes.clone();
        bytes[at.unwrap()..][..name.len()].copy_from_slice(other.as_bytes());
        let folder = folder("t.gguf", bytes);
        let gguf = Gguf::open(&folder.path().join("t.gguf")).unwrap();
        let error = Tokenizer::of_gguf(&gguf).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn special_tokens_outside_of_the_vocabulary_are_refused() {
    let named = folder_of(&small_model(), r#"{"eos_token": "<|end|>"}"#);
    refused(
        &named,
        "says that the eos token is \"<|end|>\", which is not in the vocabulary",
    );
    let numbered = folder_of(&small_model(), "{}");
    fs::write(
        numbered.path().join("generation_config.json"),
        r#"{"eos_token_id": [2, 32007]}"#,
    )
    .unwrap();
    let error = Tokenizer::open(numbered.path()).unwrap_err();
    assert!(matches!(
        error,
        TokenizerError::NotInVocabulary { role: "eos", .. }
    ));
    let error = error.to_string();
    assert!(
        error.contains("generation_config.json` says that the eos token is number 32007"),
        "{error}"
    );
    let elsewhere = r#"{"added_tokens_decoder": {"9": {"content": "</s>"}}}"#;
    refused(
        &folder_of(&small_model(), elsewhere),
        "gives the token \"</s>\" the number 9, the vocabulary 2",
    );
}

#[test]
fn what_models_that_see_say_of_their_language_model_counts() {
    let folder = folder_of(&small_model(), "{}");
    let config = r#"{"pad_token_id": 0, "text_config": {"eos_token_id": 4, "bos_token_id": 3}}"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    assert_eq!(
        (tokenizer.bos(), tokenizer.eos(), tokenizer.pad()),
        (Some(3), &[4][..], Some(0))
    );
}

#[test]
fn tokens_that_do_not_exist_are_refused() {
    let tokenizer = Tokenizer::open(&path("sentencepiece")).unwrap();
    let error = tokenizer.decode(&[1, 420], false).unwrap_err().to_string();
    assert_eq!(error, "there is no token 420; the vocabulary has 420");
    let error = tokenizer
        .streaming_decoder(false)
        .push(u32::MAX)
        .unwrap_err();
    assert!(matches!(
        error,
        TokenizerError::UnknownId {
            id: u32::MAX,
            size: 420
        }
    ));
    let error = tokenizer.fits(400).unwrap_err().to_string();
    let said = "with number 419, but the weights have only 400 tokens";
    assert!(error.contains(said), "{error}");
    assert_eq!(tokenizer.token_to_id("no such token"), None);
}
