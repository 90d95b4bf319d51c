use image::{Rgb, RgbImage};

use super::Letterbox;

/// Width, height and size, width and height of the box, and a hash of its bytes, as `make_golden.py` had them of
/// ultralytics and OpenCV.
const EXPECTED: &str = include_str!("../../tests/parity/golden/letterboxes.txt");

#[test]
fn letter_boxes_are_those_of_ultralytics_byte_by_byte() {
    let mut checked = 0;
    for line in EXPECTED.lines() {
        let numbers: Vec<usize> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        let [width, height, size, outer @ .., hash] = numbers.as_slice() else {
            panic!("{line}");
        };
        let image = RgbImage::from_fn(*width as u32, *height as u32, |x, y| {
            Rgb([0, 29, 58].map(|shift| (x * 7 + y * 13 + shift + x * y) as u8))
        });
        let letterbox = Letterbox::new([*width, *height], *size);
        assert_eq!(letterbox.outer, outer, "{line}");
        let plane = outer[0] * outer[1];
        let mut pixels = vec![0.0; 3 * plane];
        letterbox.write(&image, &mut pixels);
        let bytes = (0..plane).flat_map(|at| [0, 1, 2].map(|colour| pixels[colour * plane + at]));
        let found = bytes.fold(2_166_136_261_u32, |hash, shade| {
            let byte = (shade * 255.0).round() as u32;
            (hash ^ byte).wrapping_mul(16_777_619)
        });
        assert_eq!(found as usize, *hash, "{line}");
        checked += 1;
    }
    assert!(checked > 40);
}

/// A box that fills the letter box fills the image; one that juts out is cut off.
#[test]
fn boxes_go_back_into_the_image() {
    for image in [[512, 512], [300, 512], [1200, 33], [7, 5]] {
        let letterbox = Letterbox::new(image, 640);
        let [width, height] = letterbox.outer.map(|side| side as f32);
        let [right, bottom] = image.map(|side| side as f32);
        for (bounds, wanted, tolerance) in [
            ([0.0, 0.0, width, height], [0.0, 0.0, right, bottom], 1e-3),
            ([-9e3, -9e3, 9e3, 9e3], [0.0, 0.0, right, bottom], 0.0),
            // Grey is put on both sides alike but for a pixel.
            (
                [width / 2.0, height / 2.0, width, height],
                [right / 2.0, bottom / 2.0, right, bottom],
                1.0,
            ),
        ] {
            let found = letterbox.back(bounds);
            let mut edges = found.iter().zip(wanted);
            assert!(
                edges.all(|(found, wanted)| (found - wanted).abs() <= tolerance),
                "{image:?}: {bounds:?} is {found:?}"
            );
        }
    }
}
