//! A vocabulary of its own for texts of one kind: byte-level BPE, learnt as OpenAI's was (Sennrich et al., 2016).

use std::collections::BTreeMap;

use serde::Deserialize;
use tokenizers::AddedToken;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use crate::tokenizer::{END, END_OF_WORD, START, TokenizeError, pipeline};

/// Tokens that every vocabulary has: each byte within and at the end of a word, start and end.
const LEAST: usize = 2 * 256 + 2;

/// What `merges.txt` begins with.
const VERSION: &str = "#version: 0.2";

/// The model, as the library writes it.
#[derive(Deserialize)]
struct Learnt {
    merges: Vec<(String, String)>,
}

/// `vocab.json` and `merges.txt` of a vocabulary of at most `size` tokens, learnt from texts. The end of a text is the
/// last token. Equal texts, in any order, give equal files.
///
/// # Errors
/// If `size` is too small for a vocabulary of bytes, 514.
pub fn learn_vocabulary<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    size: usize,
) -> Result<[Vec<u8>; 2], TokenizeError> {
    if size < LEAST {
        return Err(failed(format!(
            "a vocabulary has {LEAST} tokens at least, not {size}"
        )));
    }
    let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    let letters = ["", END_OF_WORD].into_iter();
    let mut tokens: Vec<String> = letters
        .flat_map(|end| bytes.iter().map(move |byte| format!("{byte}{end}")))
        .collect();
    // Letters get their numbers in this order, so that of two pairs that are as frequent always the same comes first.
    let known = tokens.iter().map(|token| AddedToken::from(token, false));
    let trainer = BpeTrainer::builder()
        .vocab_size(size - 2)
        .show_progress(false)
        .special_tokens(known.collect())
        .end_of_word_suffix(END_OF_WORD.to_owned())
        .build();
    let mut tokenizer = pipeline(BPE::default())?;
    let mut texts: Vec<&str> = texts.into_iter().collect();
    texts.sort_unstable();
    tokenizer
        .train(&mut TrainerWrapper::from(trainer), texts.into_iter())
        .map_err(failed)?;
    let learnt = serde_json::to_value(tokenizer.get_model()).map_err(failed)?;
    let Learnt { merges } = serde_json::from_value(learnt).map_err(failed)?;
    let merged = merges
        .iter()
        .map(|(first, second)| format!("{first}{second}"));
    tokens.extend(merged.chain([START.to_owned(), END.to_owned()]));
    let numbers: BTreeMap<&str, usize> = tokens.iter().map(String::as_str).zip(0..).collect();
    let vocabulary = serde_json::to_vec(&numbers).map_err(failed)?;
    let lines = merges
        .iter()
        .map(|(first, second)| format!("{first} {second}"));
    let lines: Vec<String> = std::iter::once(VERSION.to_owned()).chain(lines).collect();
    Ok([vocabulary, (lines.join("\n") + "\n").into_bytes()])
}

fn failed(error: impl std::fmt::Display) -> TokenizeError {
    TokenizeError::Text(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Padding, Tokenizer};

    const TEXTS: [&str; 3] = [
        "Photo of two grey elephants, sunset",
        "an elephant walks at sunset; a grey one",
        "grey elephants in the mud, f/2.8",
    ];

    #[test]
    fn frequent_words_become_tokens_and_the_end_is_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let [vocabulary, merges] = learn_vocabulary(TEXTS, 540).unwrap();
        assert!(merges.starts_with(b"#version: 0.2\n"));
        std::fs::write(folder.path().join("vocab.json"), vocabulary).unwrap();
        std::fs::write(folder.path().join("merges.txt"), merges).unwrap();
        let tokenizer = Tokenizer::open(folder.path(), 16).unwrap();
        let vocabulary = tokenizer.vocabulary();
        assert_eq!(vocabulary.len(), 540);
        let end = i64::from(vocabulary[END]);
        assert_eq!((end, i64::from(vocabulary[START])), (539, 538));
        let tokens = tokenizer
            .tokenise("GREY  elephant", Padding::Checkpoint)
            .unwrap();
        let grey = i64::from(vocabulary["grey</w>"]);
        assert_eq!(tokens.ids[..2], [538, grey]);
        assert_eq!(tokens.ids[15], end);
        // What was never seen is spelt.
        let tokens = tokenizer.tokenise("ÿ€", Padding::Checkpoint).unwrap();
        assert!(tokens.cut.is_empty() && tokens.ids[1..6].iter().all(|id| *id < 512));
    }

    #[test]
    fn equal_texts_give_equal_files() {
        let mut turned = TEXTS;
        turned.reverse();
        for _ in 0..4 {
            assert_eq!(
                learn_vocabulary(TEXTS, 600).unwrap(),
                learn_vocabulary(turned, 600).unwrap()
            );
        }
        assert!(learn_vocabulary(TEXTS, 513).is_err());
    }
}
