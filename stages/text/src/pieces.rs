//! SentencePiece's BPE as a BPE of the `tokenizers` crate.
//!
//! SentencePiece merges whichever neighbours make the piece with the best score; a BPE of merges does the same
//! once every way to put a piece together is a merge, and merges are ranked by the score of what they
//! make. What no piece covers is spelt in bytes, `<0x00>` to `<0xFF>`.

use std::cmp::Reverse;
use std::collections::HashMap;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::replace::Replace;
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Sequence as Normalizers};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{AddedToken, Tokenizer};

/// What stands for a space.
const SPACE: &str = "▁";

/// How long a piece that is merged may be, in bytes; SentencePiece makes them of 16 characters unless told otherwise.
/// Every way to take a piece apart is looked at, which a piece of a megabyte would make last for hours.
const LONGEST: usize = 512;

/// A piece of the vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// The higher, the earlier it is made.
    pub(crate) score: f32,
    pub(crate) kind: Kind,
}

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    /// The kind with this number, in SentencePiece's models and in GGUF files alike.
    pub(crate) const fn numbered(number: i64) -> Option<Self> {
        Some(match number {
            1 => Self::Normal,
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => return None,
        })
    }
}

/// Where a text gets a space that it does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Nowhere.
    Never,
    /// At its start, if it does not begin with one: `legacy: false` in transformers.
    Start,
    /// At its start and after each special token: as SentencePiece does with each text it gets, and
    /// with it llama.cpp and, unless files say otherwise, the converters of transformers.
    EachText,
}

/// The tokenizer of these pieces; each piece's number is its place.
pub(crate) fn tokenizer(pieces: &[Piece], prefix: Prefix) -> Result<Tokenizer, String> {
    let mut numbers = HashMap::with_capacity(pieces.len());
    for (number, piece) in (0_u32..).zip(pieces) {
        if numbers.insert(piece.text.as_str(), number).is_some() {
            return Err(format!("the piece {:?} stands there twice", piece.text));
        }
        let length = piece.text.len();
        if piece.kind == Kind::Normal && length > LONGEST {
            return Err(format!(
                "piece {number} has {length} bytes; {LONGEST} are possible"
            ));
        }
    }
    let vocabulary = numbers.iter().map(|(text, id)| ((*text).to_owned(), *id));
    let mut builder = BPE::builder()
        .vocab_and_merges(vocabulary.collect::<Vocab>(), merges(pieces))
        .fuse_unk(true)
        .byte_fallback(pieces.iter().any(|piece| piece.kind == Kind::Byte));
    if let Some(unknown) = pieces.iter().find(|piece| piece.kind == Kind::Unknown) {
        builder = builder.unk_token(unknown.text.clone());
    }
    let mut tokenizer = Tokenizer::new(builder.build().map_err(|error| error.to_string())?);
    write_spaces(&mut tokenizer, prefix).map_err(|error| error.to_string())?;
    add_wholes(&mut tokenizer, pieces);
    Ok(tokenizer)
}

/// Has what is never split found as a whole in texts: special pieces, and those that users defined.
pub(crate) fn add_wholes(tokenizer: &mut Tokenizer, pieces: &[Piece]) {
    let added = |kinds: &[Kind], special: bool| -> Vec<_> {
        let chosen = pieces.iter().filter(|piece| kinds.contains(&piece.kind));
        chosen
            .map(|piece| AddedToken::from(piece.text.clone(), special).normalized(false))
            .collect()
    };
    tokenizer.add_special_tokens(&added(&[Kind::Unknown, Kind::Control], true));
    tokenizer.add_tokens(&added(&[Kind::UserDefined], false));
}

/// Every way to put a piece together from two, the best first.
fn merges(pieces: &[Piece]) -> Vec<(String, String)> {
    let plain = |piece: &&Piece| piece.kind == Kind::Normal;
    let known: HashMap<&str, u32> = (0..)
        .zip(pieces)
        .filter(|(_, piece)| plain(piece))
        .map(|(number, piece)| (piece.text.as_str(), number))
        .collect();
    let mut merges = Vec::new();
    for piece in pieces.iter().filter(plain) {
        let start = merges.len();
        for (at, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(at);
            if let (Some(first), Some(second)) = (known.get(left), known.get(right)) {
                merges.push((piece.score, (*first, *second), (left, right)));
            }
        }
        merges[start..].sort_by_key(|(_, numbers, _)| *numbers);
    }
    // Among equals, the longest beginning wins, as where transformers converts these models.
    let length = |text: &str| Reverse(text.chars().count());
    merges.sort_by(|(one, _, a), (other, _, b)| {
        let scores = other.total_cmp(one);
        scores.then_with(|| (length(a.0), length(a.1)).cmp(&(length(b.0), length(b.1))))
    });
    let texts = merges.into_iter().map(|(_, _, texts)| texts);
    texts
        .map(|(left, right)| (left.to_owned(), right.to_owned()))
        .collect()
}

/// Spaces to `▁` and back.
fn write_spaces(tokenizer: &mut Tokenizer, prefix: Prefix) -> tokenizers::Result<()> {
    if prefix == Prefix::Start {
        let spaces = Metaspace::new('▁', PrependScheme::First, false);
        tokenizer.with_pre_tokenizer(Some(spaces));
    } else {
        let mut steps: Vec<NormalizerWrapper> = Vec::new();
        if prefix == Prefix::EachText {
            steps.push(Prepend::new(SPACE.to_owned()).into());
        }
        steps.push(Replace::new(" ", SPACE)?.into());
        tokenizer.with_normalizer(Some(Normalizers::new(steps)));
    }
    let mut steps: Vec<DecoderWrapper> = vec![
        Replace::new(SPACE, " ")?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    if prefix != Prefix::Never {
        steps.push(Strip::new(' ', 1, 0).into());
    }
    tokenizer.with_decoder(Some(Decoders::new(steps)));
    Ok(())
}
