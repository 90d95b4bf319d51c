//! SentencePiece models (`tokenizer.model`): the few fields of the protocol buffer that BPE needs.
//!
//! Fields are numbered in `sentencepiece_model.proto`
//! (<https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto>). A reader of the wire
//! format is shorter than the code that a schema's compiler would write for all the others.

use crate::pieces::{Kind, Piece};

/// What a model says.
pub(crate) struct Model {
    pub(crate) pieces: Vec<Piece>,
    /// Whether texts begin with a space that they do not have.
    pub(crate) add_dummy_prefix: bool,
    /// The numbers of the tokens that begin texts, end them, and fill them up; negative for none.
    pub(crate) special: [i64; 3],
}

/// Why a model is not read.
pub(crate) enum Refusal {
    /// It is damaged.
    Damaged(String),
    /// It is of a kind that is not supported.
    Unsupported(String),
}

impl Refusal {
    fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

/// A field's content.
enum Field<'a> {
    Integer(u64),
    Word(u32),
    Bytes(&'a [u8]),
    /// Eight bytes, which no field of interest has.
    Other,
}

/// Field after field of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Refusal> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.integer()?;
        let field = match key & 7 {
            0 => Field::Integer(self.integer()?),
            1 => {
                self.take(8)?;
                Field::Other
            }
            2 => {
                let length = self.integer()?;
                Field::Bytes(self.take(length)?)
            }
            5 => {
                let bytes = self.take(4)?;
                Field::Word(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            }
            kind => {
                return Err(Refusal::damaged(format!(
                    "fields of kind {kind} do not exist"
                )));
            }
        };
        Ok(Some((key >> 3, field)))
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn integer(&mut self) -> Result<u64, Refusal> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 127) << (7 * place);
            if byte < 128 {
                return Ok(number);
            }
        }
        Err(Refusal::damaged("a number of more than ten bytes"))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Refusal> {
        let length = usize::try_from(length).ok();
        let taken = length.and_then(|length| self.0.split_at_checked(length));
        let (taken, rest) = taken.ok_or_else(|| Refusal::damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Reads a model. Only BPE without rules of normalisation is supported.
pub(crate) fn read(bytes: &[u8]) -> Result<Model, Refusal> {
    // What the schema says when a field is missing.
    let mut model = Model {
        pieces: Vec::new(),
        add_dummy_prefix: true,
        special: [1, 2, -1],
    };
    // Unigram; a model that says nothing of its trainer is one, too.
    let mut kind = 1;
    let mut remove_extra_whitespaces = true;
    let mut fields = Fields(bytes);
    while let Some((number, field)) = fields.next()? {
        let Field::Bytes(message) = field else {
            continue;
        };
        let mut inner = Fields(message);
        match number {
            1 => model.pieces.push(piece(&mut inner)?),
            2 => {
                while let Some((number, field)) = inner.next()? {
                    match (number, field) {
                        (3, Field::Integer(number)) => kind = number,
                        (24, Field::Integer(1..)) => {
                            return Err(Refusal::Unsupported(
                                "a space behind each word and not before it".to_owned(),
                            ));
                        }
                        (41, Field::Integer(number)) => model.special[0] = number as i64,
                        (42, Field::Integer(number)) => model.special[1] = number as i64,
                        (43, Field::Integer(number)) => model.special[2] = number as i64,
                        _ => {}
                    }
                }
            }
            3 => {
                while let Some((number, field)) = inner.next()? {
                    match (number, field) {
                        (2, Field::Bytes([_, ..])) => {
                            return Err(Refusal::Unsupported(
                                "a table of rules for normalising texts".to_owned(),
                            ));
                        }
                        (3, Field::Integer(truth)) => model.add_dummy_prefix = truth != 0,
                        (4, Field::Integer(truth)) => remove_extra_whitespaces = truth != 0,
                        (5, Field::Integer(0)) => {
                            return Err(Refusal::Unsupported("spaces as themselves".to_owned()));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if model.pieces.is_empty() {
        return Err(Refusal::damaged("it has no pieces"));
    }
    match kind {
        2 => {}
        1 => return Err(Refusal::Unsupported("the model type unigram".to_owned())),
        3 => return Err(Refusal::Unsupported("the model type word".to_owned())),
        4 => return Err(Refusal::Unsupported("the model type char".to_owned())),
        other => return Err(Refusal::Unsupported(format!("the model type {other}"))),
    }
    if remove_extra_whitespaces {
        return Err(Refusal::Unsupported(
            "the removal of extra spaces".to_owned(),
        ));
    }
    Ok(model)
}

fn piece(fields: &mut Fields<'_>) -> Result<Piece, Refusal> {
    let mut piece = Piece {
        text: String::new(),
        score: 0.0,
        kind: Kind::Normal,
    };
    while let Some((number, field)) = fields.next()? {
        match (number, field) {
            (1, Field::Bytes(bytes)) => {
                let text = String::from_utf8(bytes.to_vec());
                piece.text = text.map_err(|_| Refusal::damaged("a piece that is not UTF-8"))?;
            }
            (2, Field::Word(bits)) => piece.score = f32::from_bits(bits),
            (3, Field::Integer(number)) => {
                let kind = Kind::numbered(number as i64);
                piece.kind = kind.ok_or_else(|| {
                    Refusal::damaged(format!("pieces of type {number}; 1 to 6 are known"))
                })?;
            }
            _ => {}
        }
    }
    Ok(piece)
}
