//! Picture files, as `transformers.image_utils.load_image` reads them: turned as their EXIF data says, and
//! opaque, whatever their alpha channel says.

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, RgbImage};

/// Why a picture cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file cannot be read.
    #[error("cannot read the picture `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no picture.
    #[error("`{}` is no picture that can be read: {source}; expected PNG, JPEG or WebP", path.display())]
    NoPicture {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ImageError,
    },
    /// The bytes are no picture.
    #[error("these bytes are no picture that can be read: {0}; expected PNG, JPEG or WebP")]
    NoPictureInBytes(#[source] ImageError),
    /// A picture without pixels.
    #[error("a picture of {width} by {height} pixels shows nothing; expected one at least")]
    Empty {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// A picture that would take too much memory as a square.
    #[error(
        "a picture of {width} by {height} pixels is too long to be made a square; expected no side above \
         {longest}"
    )]
    TooLong {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The longest side that is taken.
        longest: u32,
    },
}

/// Reads a file: PNG, JPEG or WebP.
pub fn read_picture(path: &Path) -> Result<RgbImage, PictureError> {
    let bytes = std::fs::read(path).map_err(|source| PictureError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    decode(&bytes).map_err(|source| PictureError::NoPicture {
        path: path.to_owned(),
        source,
    })
}

/// Reads the bytes of a file.
pub fn decode_picture(bytes: &[u8]) -> Result<RgbImage, PictureError> {
    decode(bytes).map_err(PictureError::NoPictureInBytes)
}

fn decode(bytes: &[u8]) -> Result<RgbImage, ImageError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}
