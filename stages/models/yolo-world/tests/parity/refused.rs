//! What cannot be loaded or searched, and what is said of it.

use std::path::Path;

use burn::prelude::*;
use ccsr_yolo_world::{Settings, YoloWorld};
use image::RgbImage;

use crate::formula::{picture, texts, write_checkpoint, write_tensors};
use crate::{ODD, TINY, detector, settings};

fn says(folder: &Path) -> String {
    let refused = YoloWorld::load(folder, &Device::flex());
    refused.err().unwrap().to_string()
}

#[test]
fn broken_checkpoints_are_errors_that_name_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(
        says(path).contains("there are no weights in"),
        "{}",
        says(path)
    );
    std::fs::write(path.join("model.pt"), "pickle").unwrap();
    assert!(
        says(path).contains("model.pt is a pickle"),
        "{}",
        says(path)
    );
    write_checkpoint(path, TINY, false);
    let put = |config: &str| std::fs::write(path.join("config.json"), config).unwrap();
    for (config, wanted) in [
        (
            r#"{"model_type": "yolo-world", "scale": "s"}"#,
            "expected `yolo-world-v2`",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "scale": "q"}"#,
            "unknown variant `q`",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "size": 3}"#,
            "unknown field `size`",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "depth": 1}"#,
            "expected `scale`, or",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "scale": "s", "width": -1}"#,
            "expected `width`",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "scale": "s", "width": 0.45}"#,
            "heads",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "scale": "s", "max_channels": 0}"#,
            "max_channels",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "scale": "s", "text_width": 0}"#,
            "text_width",
        ),
        (
            r#"{"model_type": "yolo-world-v2", "scale": "s", "image_size": 100}"#,
            "expected `image_size` to be a multiple of 32",
        ),
        // A larger network than the weights are of.
        (
            r#"{"model_type": "yolo-world-v2", "scale": "s"}"#,
            "does not fit",
        ),
        (
            &TINY.replace("0.33", "0.67"),
            "`stage_4.cv2.conv.weight` does not fit",
        ),
    ] {
        put(config);
        assert!(says(path).contains(wanted), "{config}: {}", says(path));
    }
    put(TINY);
    YoloWorld::load(path, &Device::flex()).unwrap();
    // Tiny is nano, which is found out without a configuration.
    std::fs::remove_file(path.join("config.json")).unwrap();
    YoloWorld::load(path, &Device::flex()).unwrap();
}

#[test]
fn weights_of_other_networks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, shape: &[usize]| {
        let tensors = [(name.to_owned(), shape.to_vec())].into();
        let file = folder.path().join("model.safetensors");
        write_tensors(&file, tensors, str::to_owned, false);
        says(folder.path())
    };
    let old = write("model.23.cv4.0.bias", &[1]);
    assert!(old.contains("is YOLO-World of version 1"), "{old}");
    let strange = write("model.0.conv.weight", &[24, 3, 3, 3]);
    assert!(
        strange.contains("`model.0.conv.weight` has 24 outputs"),
        "{strange}"
    );
    let foreign = write("encoder.weight", &[4, 3]);
    assert!(
        foreign.contains("there is no tensor `model.0.conv.weight`"),
        "{foreign}"
    );
}

#[test]
fn what_cannot_be_searched_is_an_error() {
    let (tiny, image) = (detector(TINY, false), picture(40, 30));
    let vocabulary = tiny.vocabulary(&texts(2)).unwrap();
    let detect = |images: &[&RgbImage], settings: &Settings| {
        let found = tiny.detect(images, &vocabulary, settings);
        found.unwrap_err().to_string()
    };
    let empty = detect(&[&image, &RgbImage::new(0, 7)], &settings(64));
    assert_eq!(
        empty,
        "image 1 is 0 x 7 pixels large: there is nothing in it"
    );
    for size in [0, 100, 1 << 20] {
        let wrong = detect(&[&image], &settings(size));
        assert!(wrong.contains("multiple of 32"), "{wrong}");
    }
    for value in [-0.1, 1.5, f32::NAN] {
        let floor = Settings {
            floor: value,
            ..settings(64)
        };
        assert!(detect(&[&image], &floor).contains("`floor` between 0 and 1"));
        let overlap = Settings {
            overlap: value,
            ..settings(64)
        };
        assert!(detect(&[&image], &overlap).contains("`overlap` between 0 and 1"));
    }
    let device = Device::flex();
    for shape in [[0, 512], [2, 768]] {
        let refused = tiny.vocabulary(&Tensor::zeros(shape, &device));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("expected text features"), "{refused}");
    }
    let foreign = detector(ODD, false).vocabulary(&texts(2)).unwrap();
    let refused = tiny.detect(&[&image], &foreign, &settings(64));
    assert!(refused.unwrap_err().to_string().contains("another network"));
}
