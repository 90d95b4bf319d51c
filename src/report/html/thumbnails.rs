//! Small pictures of the images of a run: each is embedded once, however often it is shown.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ccsr_cache::{Digest, Store};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, RgbImage};
use rayon::prelude::*;

/// The longest side of a small picture, in pixels.
pub(crate) const SIDE: u32 = 96;
/// Of a hundred, how true a JPEG is.
const QUALITY: u8 = 82;

/// A small picture.
#[derive(Clone, Debug)]
pub(crate) struct Thumbnail {
    /// Where it stands among those that are embedded.
    pub(crate) position: usize,
    /// The size of the image that it shows, in pixels.
    pub(crate) size: (u32, u32),
}

/// The small pictures of a report.
#[derive(Default)]
pub(crate) struct Thumbnails {
    known: BTreeMap<Digest, Thumbnail>,
    urls: Vec<String>,
}

impl Thumbnails {
    /// Of these images. Those that the cache lost, or that are none, are left out.
    pub(crate) fn of(images: &BTreeSet<Digest>, stores: &[&Store]) -> Self {
        let small = |digest: &Digest| {
            let bytes = stores.iter().find_map(|store| store.read(digest).ok())?;
            let image = ccsr_stages::png::decode(&bytes).ok()?;
            Some((*digest, image.dimensions(), data_url(&image)?))
        };
        // In the order of digests, whichever is done first.
        let digests: Vec<_> = images.iter().collect();
        let made: Vec<_> = digests.into_par_iter().map(small).collect();
        let mut thumbnails = Self::default();
        for (digest, size, url) in made.into_iter().flatten() {
            let position = thumbnails.urls.len();
            thumbnails
                .known
                .insert(digest, Thumbnail { position, size });
            thumbnails.urls.push(url);
        }
        thumbnails
    }

    /// The small picture of an image, if there is one.
    pub(crate) fn get(&self, image: &Digest) -> Option<&Thumbnail> {
        self.known.get(image)
    }

    /// All of them, as `data:` URLs by position.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }
}

/// A picture as a `data:` URL: in WebP without a loss or as a JPEG, whichever is smaller.
fn data_url(image: &RgbImage) -> Option<String> {
    let (width, height) = image.dimensions();
    let scale = f64::from(SIDE) / f64::from(width.max(height));
    let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    let smaller =
        (scale < 1.0).then(|| resize(image, side(width), side(height), FilterType::Triangle));
    let small = smaller.as_ref().unwrap_or(image);
    let (width, height) = small.dimensions();
    let mut jpeg = Vec::new();
    let colour = ExtendedColorType::Rgb8;
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(small, width, height, colour)
        .ok()?;
    let mut webp = Vec::new();
    WebPEncoder::new_lossless(&mut webp)
        .encode(small, width, height, colour)
        .ok()?;
    let (kind, bytes) = if webp.len() <= jpeg.len() {
        ("webp", webp)
    } else {
        ("jpeg", jpeg)
    };
    Some(format!(
        "data:image/{kind};base64,{}",
        STANDARD.encode(bytes)
    ))
}
