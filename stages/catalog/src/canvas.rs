//! Pictures to be looked at: text and rectangles on an image.

use std::convert::Infallible;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, iso_8859_1};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Drawable, Pixel};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// What text is written in.
pub(crate) const FONT: &MonoFont<'_> = &iso_8859_1::FONT_9X15;

/// By how much an image is enlarged to be `least` pixels wide.
pub(crate) fn factor(image: &RgbImage, least: u32) -> u32 {
    least.div_ceil(image.width())
}

/// The image at `least` pixels' width or more, by a whole factor, its pixels square.
pub(crate) fn enlarged(image: RgbImage, least: u32) -> RgbImage {
    let factor = factor(&image, least);
    if factor == 1 {
        return image;
    }
    imageops::resize(
        &image,
        image.width() * factor,
        image.height() * factor,
        FilterType::Nearest,
    )
}

/// The text in Latin-1: typographic marks by their plain ones, all else by `?`.
pub(crate) fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2018}' | '\u{2019}' => plain.push('\''),
            '\u{201c}' | '\u{201d}' => plain.push('"'),
            '\u{2010}'..='\u{2015}' => plain.push('-'),
            '\u{2026}' => plain.push_str("..."),
            c if c.is_whitespace() => plain.push(' '),
            ' '..='~' | '\u{a1}'..='\u{ff}' => plain.push(character),
            _ => plain.push('?'),
        }
    }
    plain
}

/// An image that text and frames are drawn on.
pub(crate) struct Canvas(pub(crate) RgbImage);

impl Canvas {
    /// Writes a line whose top left corner is there.
    pub(crate) fn write(&mut self, text: &str, at: Point, ink: Rgb888) {
        let style = MonoTextStyle::new(FONT, ink);
        let text = printable(text);
        let Ok(_) = Text::with_baseline(&text, at, style, Baseline::Top).draw(self);
    }

    /// Fills a rectangle, as far as it lies on the image.
    pub(crate) fn fill(&mut self, corner: Point, size: Size, colour: Rgb888) {
        let style = PrimitiveStyle::with_fill(colour);
        let Ok(()) = Rectangle::new(corner, size).into_styled(style).draw(self);
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_font_lacks_is_replaced() {
        assert_eq!(printable("“wide” – café… 象\n"), "\"wide\" - café... ? ");
    }

    #[test]
    fn small_images_are_enlarged_by_whole_factors() {
        let image = RgbImage::from_fn(64, 32, |x, _| Rgb([x as u8, 0, 0]));
        let large = enlarged(image.clone(), 160);
        assert_eq!(large.dimensions(), (192, 96));
        assert_eq!(large.get_pixel(5, 5), image.get_pixel(1, 1));
        assert_eq!(enlarged(image.clone(), 64), image);
    }
}
