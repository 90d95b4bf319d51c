//! Pictures into pixels, as the PIL image processors of `transformers` do it (those on torchvision round
//! otherwise): LLaVA-1.6 sees a picture as a whole and in tiles, LLaVA-1.5 its middle, or all of it in a square.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use ccsr_clip::PreprocessorConfig;
use ccsr_nn::{ConfigError, read_config};
use image::{Rgb, RgbImage, imageops};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::{Family, LlavaConfig, LlavaConfigError};
use crate::tiles::tiles;
use crate::{ImageSize, Layout, PictureError};

/// The longest side of a picture that is made a square: 768 MiB.
const LONGEST: u32 = 16_384;
/// What files call a cubic filter.
const BICUBIC: u32 = 3;

/// What `preprocessor_config.json` says beside what CLIP reads of it.
#[derive(Deserialize)]
struct Processing {
    image_processor_type: Option<String>,
    do_resize: Option<bool>,
    do_center_crop: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
    do_pad: Option<bool>,
    resample: Option<u32>,
    rescale_factor: Option<f64>,
    image_grid_pinpoints: Option<Vec<ImageSize>>,
    #[serde(default)]
    size: serde_json::Value,
}

/// `processor_config.json`: newer files have the image processor's configuration in it.
#[derive(Deserialize)]
struct Nested<T> {
    image_processor: Option<T>,
}

/// Turns pictures into pixels.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    clip: ccsr_clip::Preprocessor,
    layout: Layout,
    /// The colour around pictures that are made squares, if they are.
    surround: Option<Rgb<u8>>,
}

/// A picture for an [`ImageEncoder`](crate::ImageEncoder).
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) size: ImageSize,
    pub(crate) pixels: Tensor<4>,
}

impl Prepared {
    /// A picture of this size, of which these are the pixels.
    ///
    /// # Shapes
    /// `[tiles, 3, side, side]`, as [`pixels`](Self::pixels) has them.
    pub const fn new(size: ImageSize, pixels: Tensor<4>) -> Self {
        Self { size, pixels }
    }

    /// The picture's own size.
    pub const fn size(&self) -> ImageSize {
        self.size
    }

    /// The picture as a whole, then its tiles row by row.
    ///
    /// # Shapes
    /// `[tiles, 3, side, side]`
    pub const fn pixels(&self) -> &Tensor<4> {
        &self.pixels
    }

    pub(crate) fn tiles(&self) -> usize {
        let [tiles, ..] = self.pixels.dims();
        tiles
    }
}

impl Preprocessor {
    /// The preprocessor of a folder with this `config.json`, by its `preprocessor_config.json` or
    /// `processor_config.json`.
    pub fn open(folder: &Path, config: &LlavaConfig) -> Result<Self, LlavaConfigError> {
        let (path, processing) = read::<Processing>(folder)?;
        let (_, fitting) = read::<PreprocessorConfig>(folder)?;
        let pads = processing.pads();
        processing
            .check(&fitting, config)
            .map_err(|(field, found, expected)| LlavaConfigError::Unsupported {
                path,
                field,
                found,
                expected,
            })?;
        let colour = fitting
            .image_mean
            .map(|mean| (f64::from(mean) * 255.0) as u8);
        Ok(Self {
            clip: ccsr_clip::Preprocessor::new(fitting),
            layout: config.layout(),
            surround: pads.then_some(Rgb(colour)),
        })
    }

    /// A picture's pixels.
    pub fn prepare(&self, picture: &RgbImage, device: &Device) -> Result<Prepared, PictureError> {
        let (width, height) = picture.dimensions();
        if picture.is_empty() {
            return Err(PictureError::Empty { width, height });
        }
        let size = ImageSize::of(picture);
        let squares = match (self.layout.canvas(size), self.surround) {
            (Some(canvas), _) => tiles(picture, canvas, self.layout.tile()),
            (None, Some(colour)) => vec![self.clip.fit(&square(picture, colour)?)],
            (None, None) => vec![self.clip.fit(picture)],
        };
        Ok(Prepared {
            size,
            pixels: self.clip.normalised(&squares, device),
        })
    }
}

/// The picture in the middle of a square.
fn square(picture: &RgbImage, colour: Rgb<u8>) -> Result<RgbImage, PictureError> {
    let (width, height) = picture.dimensions();
    let side = width.max(height);
    if side > LONGEST {
        return Err(PictureError::TooLong {
            width,
            height,
            longest: LONGEST,
        });
    }
    let mut square = RgbImage::from_pixel(side, side, colour);
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    imageops::replace(&mut square, picture, left.into(), top.into());
    Ok(square)
}

/// What the folder says of its image processor, and where.
fn read<T: DeserializeOwned>(folder: &Path) -> Result<(PathBuf, T), ConfigError> {
    let path = folder.join("processor_config.json");
    if path.is_file() {
        let nested: Nested<T> = read_config(&path)?;
        if let Some(found) = nested.image_processor {
            return Ok((path, found));
        }
    }
    let path = folder.join("preprocessor_config.json");
    let found = read_config(&path)?;
    Ok((path, found))
}

impl Processing {
    /// The processor's name without what it runs on.
    fn name(&self) -> Option<&str> {
        let name = self.image_processor_type.as_deref()?;
        let ends = ["Fast", "Pil"];
        let short = ends.iter().find_map(|end| name.strip_suffix(end));
        Some(short.unwrap_or(name))
    }

    /// Whether pictures are made squares. Other processors mean other things by it.
    fn pads(&self) -> bool {
        self.do_pad == Some(true) && self.name() == Some("LlavaImageProcessor")
    }

    /// A field that is not supported, what it says and what it could say.
    fn check(
        &self,
        fitting: &PreprocessorConfig,
        config: &LlavaConfig,
    ) -> Result<(), (&'static str, String, String)> {
        let demand = |holds: bool, field, found: String, expected: String| {
            if holds {
                Ok(())
            } else {
                Err((field, found, expected))
            }
        };
        let is_next = config.model_type == Family::Next;
        let known: &[&str] = if is_next {
            &["LlavaNextImageProcessor"]
        } else {
            &["CLIPImageProcessor", "LlavaImageProcessor"]
        };
        demand(
            self.name().is_none_or(|name| known.contains(&name)),
            "image_processor_type",
            format!("`{}`", self.name().unwrap_or_default()),
            format!("expected `{}` for this model", known.join("` or `")),
        )?;
        let is_square = is_next || self.pads();
        let steps = [
            ("do_resize", self.do_resize),
            ("do_rescale", self.do_rescale),
            ("do_normalize", self.do_normalize),
            ("do_center_crop", self.do_center_crop.filter(|_| !is_square)),
        ];
        for (field, step) in steps {
            let holds = step != Some(false);
            let expected = "the vision tower needs this step; expected true";
            demand(holds, field, "false".to_owned(), expected.to_owned())?;
        }
        let filter = self.resample.unwrap_or(BICUBIC);
        demand(
            filter == BICUBIC,
            "resample",
            filter.to_string(),
            format!("only the cubic filter is supported, {BICUBIC}"),
        )?;
        let factor = self.rescale_factor.unwrap_or(1.0 / 255.0);
        demand(
            (factor * 255.0 - 1.0).abs() < 1e-6,
            "rescale_factor",
            factor.to_string(),
            "only 1/255 is supported".to_owned(),
        )?;
        demand(
            is_square || self.size.get("height").is_none(),
            "size",
            self.size.to_string(),
            "expected `shortest_edge`: pictures keep their shape".to_owned(),
        )?;
        let side = config.layout().tile();
        for (field, found) in [("size", fitting.size), ("crop_size", fitting.crop_size)] {
            demand(
                found.0 == side,
                field,
                found.0.to_string(),
                format!("the vision tower of `config.json` sees squares of {side} pixels"),
            )?;
        }
        let (own, of_model) = (&self.image_grid_pinpoints, config.pinpoints());
        demand(
            !is_next || own.as_ref().is_none_or(|own| *own == of_model),
            "image_grid_pinpoints",
            format!("{:?}", own.as_deref().unwrap_or_default()),
            format!("`config.json` has {of_model:?}, and both must agree"),
        )
    }
}
