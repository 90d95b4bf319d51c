use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::samples::{self, check};
use ccsr_stage::Digest;
use ccsr_stage::testing::Lab;

fn picture(red: u8) -> RgbImage {
    RgbImage::from_pixel(6, 4, Rgb([red, 10, 20]))
}

fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn with(folder: &TempDir) -> serde_json::Value {
    json!({"path": folder.path().to_string_lossy()})
}

/// What is said about a folder when the pipeline is checked, without the folder's path.
fn refused(folder: &TempDir, with: &serde_json::Value) -> String {
    let path = format!("{}: ", folder.path().to_string_lossy());
    let message = samples::build("image.import", with).err().unwrap();
    message.replace(&path, "")
}

#[test]
fn without_metadata_all_images_are_found_in_order() {
    let mut jpeg = Vec::new();
    let to = &mut std::io::Cursor::new(&mut jpeg);
    picture(9).write_to(to, ImageFormat::Jpeg).unwrap();
    let folder = folder(&[
        ("b/2.png", png::encode(&picture(2))),
        ("a/1.PNG", png::encode(&picture(1))),
        ("a/3.jpg", jpeg),
        ("a/notes.txt", b"not an image".to_vec()),
    ]);
    let mut with = with(&folder);
    with["class_from_folder"] = json!(true);
    let ran = check::<ImportImages>(&with, &Lab::new(1), &[]);
    assert_eq!(
        samples::column(ran.table("images"), "file"),
        json!(["a/1.PNG", "a/3.jpg", "b/2.png"])
    );
    assert_eq!(
        samples::column(ran.table("images"), "class"),
        json!(["a", "a", "b"])
    );
    assert_eq!(ran.asked, 3);
}

#[test]
fn image_blobs_are_the_pixels_upright() {
    // 2 x 1 pixels, and an EXIF orientation that turns them by 90 degrees.
    let mut wide = RgbImage::from_pixel(2, 1, Rgb([255, 0, 0]));
    wide.put_pixel(1, 0, Rgb([0, 0, 255]));
    let plain = png::encode(&wide);
    let exif =
        [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".as_slice()].concat();
    let mut chunk = (exif.len() as u32).to_be_bytes().to_vec();
    chunk.extend(b"eXIf");
    chunk.extend(&exif);
    chunk.extend(crc(&chunk[4..]).to_be_bytes());
    // After the signature (8 bytes) and IHDR (25 bytes).
    let turned = [&plain[..33], &chunk, &plain[33..]].concat();
    let folder = folder(&[("turned.png", turned)]);
    let lab = Lab::new(1);
    let ran = lab
        .run(
            samples::build("image.import", &with(&folder))
                .unwrap()
                .as_ref(),
            &[],
        )
        .unwrap();
    let image = ran.table("images").row(0).blob("image").unwrap();
    let upright = png::read(&lab, &image).unwrap();
    assert_eq!(upright.dimensions(), (1, 2));
    assert_eq!(upright.get_pixel(0, 0), &Rgb([255, 0, 0]));
}

/// The checksum of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn metadata_is_joined_and_text_is_offered_as_prompt() {
    let metadata = "{\"file_name\": \"2.png\", \"text\": \"two\", \"seed\": 5}\n{\"file_name\": \"./1.png\", \"text\": \"one\"}\n";
    let folder = folder(&[
        ("1.png", png::encode(&picture(1))),
        ("2.png", png::encode(&picture(2))),
        ("unnamed.png", png::encode(&picture(3))),
        ("metadata.jsonl", metadata.as_bytes().to_vec()),
    ]);
    let ran = check::<ImportImages>(&with(&folder), &Lab::new(1), &[]);
    let table = ran.table("images");
    assert_eq!(samples::column(table, "file"), json!(["2.png", "1.png"]));
    assert_eq!(samples::column(table, "prompt"), json!(["two", "one"]));
    assert_eq!(samples::column(table, "seed"), json!([5, null]));
}

#[test]
fn metadata_may_be_csv() {
    let folder = folder(&[
        ("1.png", png::encode(&picture(1))),
        (
            "metadata.csv",
            b"file_name,prompt,text\n1.png,p,t\n".to_vec(),
        ),
    ]);
    let ran = check::<ImportImages>(&with(&folder), &Lab::new(1), &[]);
    assert_eq!(samples::column(ran.table("images"), "prompt"), json!(["p"]));
}

#[test]
fn files_are_named_when_something_is_wrong_with_them() {
    let says = |files: &[(&str, Vec<u8>)]| {
        let folder = folder(files);
        refused(&folder, &with(&folder))
    };
    let unreadable = folder(&[("a.png", b"just text".to_vec())]);
    let run = samples::run(&Lab::new(1), "image.import", &with(&unreadable), &[]);
    assert!(run.unwrap_err().ends_with(
        ": `a.png`: expected a PNG, JPEG or WebP image, found text that begins `just text`"
    ));
    let metadata = |text: &str| says(&[("metadata.jsonl", text.as_bytes().to_vec())]);
    assert_eq!(
        metadata("\n{\"file_name\": \"gone.png\"}"),
        "metadata.jsonl, line 2: there is no file `gone.png`"
    );
    assert_eq!(
        metadata("{\"file_name\": \"a/../../b.png\"}"),
        "metadata.jsonl, line 1: `a/../../b.png` leads out of the folder"
    );
    assert_eq!(
        metadata("{\"file_name\": \"/etc/b.png\"}"),
        "metadata.jsonl, line 1: `/etc/b.png` leads out of the folder"
    );
    assert_eq!(
        metadata("{\"file_name\": null, \"x\": 1}\n{\"file_name\": \"a\"}"),
        "metadata.jsonl, line 1: `file_name` is missing"
    );
    assert_eq!(
        metadata("{\"name\": \"a\"}"),
        "metadata.jsonl: there is no column `file_name`"
    );
    assert_eq!(
        metadata("{\"file_name\": 3}"),
        "metadata.jsonl: `file_name` holds something other than text"
    );
    assert_eq!(
        metadata("{\"file_name\": \"a\", \"image\": 1}"),
        "metadata.jsonl: there is a column `image`, which is what this stage calls the images'"
    );
    let flat = folder(&[("1.png", png::encode(&picture(1)))]);
    let mut by_folder = with(&flat);
    by_folder["class_from_folder"] = json!(true);
    assert_eq!(
        refused(&flat, &by_folder),
        "`1.png` lies in no sub-folder; `class_from_folder` takes its class from there"
    );
}

/// Hugging Face's layout of splits.
#[test]
fn metadata_is_joined_where_it_lies() {
    let train = "{\"file_name\": \"a/1.png\", \"text\": \"one\", \"score\": 1}\n";
    let test = "{\"file_name\": \"./1.png\", \"score\": 0.5, \"note\": \"n\"}\n";
    let folder = folder(&[
        ("test/1.png", png::encode(&picture(1))),
        ("test/unnamed.png", png::encode(&picture(2))),
        ("test/metadata.jsonl", test.as_bytes().to_vec()),
        ("train/a/1.png", png::encode(&picture(3))),
        ("train/metadata.jsonl", train.as_bytes().to_vec()),
        ("more/5.png", png::encode(&picture(4))),
    ]);
    let ran = check::<ImportImages>(&with(&folder), &Lab::new(1), &[]);
    let table = ran.table("images");
    assert_eq!(
        samples::column(table, "file"),
        json!(["test/1.png", "train/a/1.png", "more/5.png"])
    );
    assert_eq!(samples::column(table, "score"), json!([0.5, 1, null]));
    assert_eq!(samples::column(table, "prompt"), json!([null, "one", null]));
    assert_eq!(samples::column(table, "note"), json!(["n", null, null]));
    assert_eq!(
        table.schema().get("score"),
        Some(ccsr_stage::ColumnType::Float)
    );
}

/// Equal files are one unit, and an image goes to its row whatever the order of the outcomes.
#[test]
fn rows_get_the_images_that_they_are_about() {
    let folder = folder(&[
        ("1.png", png::encode(&picture(1))),
        ("2.png", png::encode(&picture(2))),
        ("3.png", png::encode(&picture(1))),
    ]);
    let stage = samples::build("image.import", &with(&folder)).unwrap();
    let lab = Lab::new(1);
    let ran = lab.run(stage.as_ref(), &[]).unwrap();
    let images = samples::column(ran.table("images"), "image");
    assert_eq!(images[0], images[2]);
    assert_ne!(images[0], images[1]);
    assert_eq!(ran.executed.len(), 2);
    let file = |name: &str| SourceFile {
        name: name.to_owned(),
        path: folder.path().join(name),
        digest: Digest::of(&std::fs::read(folder.path().join(name)).unwrap()),
    };
    let inputs = Inputs {
        tables: &BTreeMap::new(),
        sources: &BTreeMap::from([("path", vec![file("1.png"), file("2.png"), file("3.png")])]),
        seed: 1,
    };
    let outcome = |name: &str, row: usize| Resolved {
        unit: std::sync::Arc::new(Unit::new(Value::map([(
            "file",
            Value::from(file(name).digest.to_string()),
        )]))),
        outcome: ran.table("images").row(row).value("image").unwrap().clone(),
    };
    let turned = PartitionOutcomes {
        partition: Partition::whole(),
        resolved: vec![outcome("2.png", 1), outcome("1.png", 0)],
    };
    let table = stage.collect(&inputs, &[turned]).unwrap().remove("images");
    assert_eq!(samples::column(&table.unwrap(), "image"), images);
    let error = stage.collect(&inputs, &[]).unwrap_err().to_string();
    assert_eq!(error, "`1.png` was not decoded");
}

#[test]
fn a_folder_without_images_is_refused() {
    let says = |files: &[(&str, Vec<u8>)]| {
        let folder = folder(files);
        refused(&folder, &with(&folder))
    };
    assert_eq!(
        says(&[("a.gif", vec![]), ("b/c.txt", vec![])]),
        "there is no image in it: files that end in .png, .jpg, .jpeg, .webp are read; 2 other \
         files were left out"
    );
    assert_eq!(
        says(&[("metadata.csv", b"file_name\n".to_vec()), ("a.png", vec![])]),
        "its metadata names no image; 1 other file was left out"
    );
    assert_eq!(
        says(&[
            ("a/metadata.csv", b"file_name\n".to_vec()),
            ("a/metadata.jsonl", b"{\"file_name\": \"x\"}\n".to_vec())
        ]),
        "there are both `a/metadata.csv` and `a/metadata.jsonl`; keep one of them"
    );
}

#[test]
fn metadata_that_changes_after_the_check_is_noticed() {
    let metadata = |text: &str| ("metadata.csv", text.as_bytes().to_vec());
    let folder = folder(&[
        ("1.png", png::encode(&picture(1))),
        metadata("file_name,text\n1.png,one\n"),
    ]);
    let stage = samples::build("image.import", &with(&folder)).unwrap();
    std::fs::write(folder.path().join("metadata.csv"), "file_name\n1.png\n").unwrap();
    let error = Lab::new(1).run(stage.as_ref(), &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(": its metadata changed while it was read; run again")
    );
}

#[test]
fn a_file_that_changes_between_looking_and_reading_is_noticed() {
    let folder = folder(&[("1.png", png::encode(&picture(1)))]);
    let stage = samples::build("image.import", &with(&folder)).unwrap();
    let path = folder.path().join("1.png");
    let hint = [
        ("name", Value::from("1.png")),
        ("path", Value::from(path.to_string_lossy().as_ref())),
    ];
    let input = Value::map([("file", Value::from(Digest::of(b"before").to_string()))]);
    let units = [std::sync::Arc::new(
        Unit::new(input).with_hint(Value::map(hint)),
    )];
    let environment = ccsr_stage::Environment {
        device: "cpu".to_owned(),
        threads: 1,
    };
    let batch = Batch {
        units: &units,
        resource: None,
        blobs: &Lab::new(1),
        environment: &environment,
        limits: &ccsr_stage::Limits::none(),
        listener: &|_| (),
    };
    let error = stage.execute(&batch).remove(0).unwrap_err().to_string();
    assert!(error.ends_with("`1.png` changed while it was read; run again"));
}
