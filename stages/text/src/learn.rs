//! A tokenizer of its own for texts of one kind: byte-level BPE (Sennrich et al., 2016), learnt as GPT-2's was, with the
//! special tokens that a model of Mistral's make is talked to by.

use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use crate::TokenizerError;

/// What a learnt tokenizer has before its bytes, by number: nothing known, the beginning and the end of a text, the
/// beginning and the end of what is asked, an image, and what fills up short texts.
pub const SPECIAL: [&str; 7] = [
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<image>", "<pad>",
];

/// Tokens that every learnt tokenizer has: special ones, and each byte.
pub const LEAST: usize = SPECIAL.len() + 256;

/// What is learnt, as the library writes it.
#[derive(Deserialize)]
struct Learnt {
    merges: Vec<(String, String)>,
}

/// `tokenizer.json` of a vocabulary of at most `size` tokens, learnt from texts. Equal texts, in any order, give equal
/// files.
///
/// # Errors
/// If `size` is below [`LEAST`].
pub fn learn_tokenizer<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    size: usize,
) -> Result<Vec<u8>, TokenizerError> {
    if size < LEAST {
        let message = format!("a vocabulary has {LEAST} tokens at least, not {size}");
        return Err(TokenizerError::Text(message));
    }
    let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    let special = SPECIAL.into_iter().map(str::to_owned);
    let mut tokens: Vec<String> = special.collect();
    tokens.extend(bytes.iter().map(char::to_string));
    // All get their numbers in this order, so that of two pairs that are as frequent always the same comes first.
    let known = tokens.iter().map(|token| AddedToken::from(token, false));
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .show_progress(false)
        .special_tokens(known.collect())
        .build();
    let split = ByteLevel::new(false, true, true);
    let mut learning = Tokenizer::new(BPE::default());
    learning.with_pre_tokenizer(Some(split));
    let mut texts: Vec<&str> = texts.into_iter().collect();
    texts.sort_unstable();
    learning
        .train(&mut TrainerWrapper::from(trainer), texts.into_iter())
        .map_err(failed)?;
    let learnt = serde_json::to_value(learning.get_model()).map_err(failed)?;
    let Learnt { merges } = serde_json::from_value(learnt).map_err(failed)?;
    tokens.extend(
        merges
            .iter()
            .map(|(first, second)| format!("{first}{second}")),
    );
    let numbers: Vocab = tokens.into_iter().zip(0..).collect();
    let model = BPE::builder().vocab_and_merges(numbers, merges);
    let mut tokenizer = Tokenizer::new(model.build().map_err(failed)?);
    tokenizer.with_pre_tokenizer(Some(split));
    tokenizer.with_decoder(Some(split));
    let frame = TemplateProcessing::builder()
        .try_single("<s> $A")
        .and_then(|frame| frame.try_pair("<s> $A <s> $B:1"))
        .map_err(TokenizerError::Text)?
        .special_tokens(vec![("<s>", 1)])
        .build();
    tokenizer.with_post_processor(Some(frame.map_err(failed)?));
    tokenizer.add_special_tokens(&SPECIAL.map(|token| AddedToken::from(token, true)));
    let file = tokenizer.to_string(false);
    Ok(file.map_err(failed)?.into_bytes())
}

/// `tokenizer_config.json` beside a learnt `tokenizer.json`.
pub fn learnt_config() -> Value {
    json!({
        "add_bos_token": true,
        "add_eos_token": false,
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": false,
        "eos_token": "</s>",
        "image_token": "<image>",
        "pad_token": "<pad>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    })
}

fn failed(error: impl std::fmt::Display) -> TokenizerError {
    TokenizerError::Text(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{LEAST, SPECIAL, learn_tokenizer, learnt_config};
    use crate::Tokenizer;

    const TEXTS: [&str; 3] = [
        "1. Photo of two grey elephants, sunset\n2. Wide shot of a grey elephant",
        "Is there an elephant? Answer yes or no. yes",
        "Is there a grey giraffe? Answer yes or no. no",
    ];

    #[test]
    fn a_learnt_tokenizer_is_read_as_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = learn_tokenizer(TEXTS, LEAST + 60).unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), file).unwrap();
        let config = serde_json::to_vec(&learnt_config()).unwrap();
        std::fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        // These texts have no more to merge.
        let size = tokenizer.vocabulary_size();
        assert!((LEAST + 50..=LEAST + 60).contains(&size), "{size}");
        for (id, token) in (0..).zip(SPECIAL) {
            assert_eq!(tokenizer.token_to_id(token), Some(id));
            assert!(tokenizer.is_special(id), "{token}");
        }
        assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), &[2][..]));
        for word in ["Ġelephant", "Ġyes", "Ġno", "Ġgrey"] {
            assert!(tokenizer.token_to_id(word).is_some(), "{word}");
        }
        let text = "[INST] <image>\nIs there a grey elephant €? [/INST] yes";
        let ids = tokenizer.encode(text, true).unwrap();
        assert_eq!(ids[0], 1);
        assert_eq!(ids.iter().filter(|id| **id == 5).count(), 1);
        assert_eq!(Some(ids[ids.len() - 1]), tokenizer.token_to_id("Ġyes"));
        let decoded = tokenizer.decode(&ids, false).unwrap();
        assert_eq!(decoded, format!("<s>{text}"));
    }

    #[test]
    fn equal_texts_give_equal_files() {
        let mut turned = TEXTS;
        turned.reverse();
        let file = learn_tokenizer(TEXTS, LEAST + 60).unwrap();
        for _ in 0..4 {
            assert_eq!(learn_tokenizer(turned, LEAST + 60).unwrap(), file);
        }
        assert!(learn_tokenizer(TEXTS, LEAST - 1).is_err());
    }
}
