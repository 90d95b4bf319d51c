//! Images as blobs: a PNG of the pixels and nothing else, and reading what people bring.
//!
//! [`encode`] always takes the same settings, so equal pixels are equal bytes and one blob.

use std::io::Cursor;

use ::png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};
use ccsr_stage::{Blobs, Digest, StageError};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

/// The longest side that is read, in pixels.
const MAX_SIDE: u32 = 16_384;
/// The most memory that decoding may take, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// Bytes that are no image that we read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not a format that is read.
    #[error("expected a PNG, JPEG or WebP image, found {0}")]
    NoImage(String),
    /// Larger than the limits.
    #[error("the image is too large: at most {MAX_SIDE} pixels a side and 1 GiB are read")]
    TooLarge,
    /// The format is right, the content is not.
    #[error("the image is damaged: {0}")]
    Damaged(String),
}

/// The pixels as a PNG: RGB, 8 bits, no metadata.
pub fn encode(image: &RgbImage) -> Vec<u8> {
    encode_with(image, None)
}

/// The same with a text under a keyword (at most 79 letters of Latin-1), as the format keeps such: in Latin-1
/// where that has all its letters, else in UTF-8.
pub fn encode_with(image: &RgbImage, text: Option<(&str, &str)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(DeflateCompression::Level(6));
    encoder.set_filter(Filter::Adaptive);
    if let Some((keyword, text)) = text {
        let (keyword, is_latin) = (keyword.to_owned(), text.chars().all(|c| u32::from(c) < 256));
        let added = if is_latin {
            encoder.add_text_chunk(keyword, text.to_owned())
        } else {
            encoder.add_itxt_chunk(keyword, text.to_owned())
        };
        added.expect("texts may be added before the header is written");
    }
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(image.as_raw()))
        .expect("an image of at least one pixel is written to memory");
    bytes
}

/// The pixels of a PNG, JPEG or WebP image, upright (EXIF orientation is applied), as 8-bit RGB.
/// Transparency is dropped, of an animation the first frame is taken.
pub fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| DecodeError::Damaged(error.to_string()))?;
    if reader
        .format()
        .is_none_or(|format| !format.reading_enabled())
    {
        return Err(DecodeError::NoImage(described(bytes)));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let upright = || -> Result<DynamicImage, ImageError> {
        let mut decoder = reader.into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut image = DynamicImage::from_decoder(decoder)?;
        image.apply_orientation(orientation);
        Ok(image)
    };
    match upright() {
        Ok(image) => Ok(image.into_rgb8()),
        Err(ImageError::Limits(_)) => Err(DecodeError::TooLarge),
        Err(error) => Err(DecodeError::Damaged(error.to_string())),
    }
}

/// The pixels of an image blob.
pub fn read(blobs: &dyn Blobs, image: &Digest) -> Result<RgbImage, StageError> {
    decode(&blobs.read(image)?)
        .map_err(|error| StageError::failed(format!("image {}: {error}", image.short())))
}

/// What bytes look like that are no image.
fn described(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(24)];
    match std::str::from_utf8(start) {
        Ok("") => "an empty file".to_owned(),
        Ok(text) if text.starts_with("version https://git-lf") => {
            "a Git LFS pointer: fetch the file itself with `git lfs pull`".to_owned()
        }
        Ok(text) if !text.contains(char::is_control) => format!("text that begins `{text}`"),
        _ => format!("bytes that begin {:02x?}", &start[..start.len().min(8)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8 * 50, y as u8 * 100, 7]))
    }

    #[test]
    fn pixels_round_trip_and_the_same_pixels_are_the_same_bytes() {
        let bytes = encode(&picture());
        assert_eq!(bytes, encode(&picture()));
        assert_eq!(decode(&bytes).unwrap(), picture());
        let chunks = ["IHDR", "IDAT", "IEND"].map(|name| {
            bytes
                .windows(4)
                .filter(|window| window == &name.as_bytes())
                .count()
        });
        assert_eq!(chunks, [1, 1, 1]);
        assert!(!bytes.windows(4).any(|window| window == b"tEXt"));
    }

    #[test]
    fn texts_stand_beside_the_pixels() {
        let of = |text: &str| {
            let bytes = encode_with(&picture(), Some(("parameters", text)));
            assert_eq!(decode(&bytes).unwrap(), picture());
            let reader = ::png::Decoder::new(Cursor::new(&bytes))
                .read_info()
                .unwrap();
            let info = reader.info();
            let latin = info.uncompressed_latin1_text.first();
            let other = info.utf8_text.first();
            let latin = latin.map(|chunk| chunk.text.clone());
            latin.or_else(|| other.map(|chunk| chunk.get_text().unwrap()))
        };
        for text in ["a lion\nSteps: 5", "un éléphant", "象, an elephant", ""] {
            assert_eq!(of(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_image_is_described() {
        let message = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert_eq!(
            message(b""),
            "expected a PNG, JPEG or WebP image, found an empty file"
        );
        assert_eq!(
            message(b"%PDF-1.4 something and more text"),
            "expected a PNG, JPEG or WebP image, found text that begins `%PDF-1.4 something and m`"
        );
        assert!(message(b"version https://git-lfs.github.com/spec/v1").contains("git lfs pull"));
        assert_eq!(
            message(&[0, 1, 255]),
            "expected a PNG, JPEG or WebP image, found bytes that begin [00, 01, ff]"
        );
        let whole = encode(&picture());
        assert!(message(&whole[..whole.len() - 20]).starts_with("the image is damaged: "));
    }
}
