//! What a pickle says once and means over and over, and tensors without numbers.

use std::io::Cursor;
use std::path::Path;

use ccsr_pickle::TorchFile;

use super::{FOUR, read_bytes, refused, tensor, zipped};

/// A text as an instruction.
fn text(text: &str) -> Vec<u8> {
    let mut written = b"X".to_vec();
    written.extend((text.len() as u32).to_le_bytes());
    written.extend(text.as_bytes());
    written
}

/// An object without a state.
const OBJECT: &[u8] = b"ctorch.nn.modules.container\nSequential\n)\x81";

#[test]
fn tensors_without_numbers_may_begin_anywhere() {
    for rest in [
        // Beyond its storage.
        &b"K\x09K\x00\x85K\x01\x85"[..],
        b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x00\x85K\x01\x85",
        // Sides that have no product: 0, 2^33 and 2^33.
        b"K\x00K\x00\x8a\x05\0\0\0\0\x02\x8a\x05\0\0\0\0\x02\x87K\x01K\x00K\x01\x87",
    ] {
        read_bytes(&zipped(&tensor("0", 4, rest), &[("file/data/0", &FOUR)])).unwrap();
    }
}

/// A shape of a hundred thousand sides, for which each of as many tensors would need a copy.
#[test]
fn a_long_shape_is_refused_before_it_is_copied() {
    let mut rest = b"K\x00(".to_vec();
    rest.extend(b"K\x01".repeat(100_000));
    rest.extend(b"tq\x01h\x01");
    let error = refused(&tensor("0", 4, &rest), &[("file/data/0", &FOUR)]);
    assert!(error.contains("sizes that are none"), "{error}");
}

/// A name of a megabyte, which each of a hundred thousand classes would have.
#[test]
fn a_long_name_is_refused_before_it_is_copied() {
    let mut pickle = b"\x80\x04".to_vec();
    pickle.extend(text(&format!("torch.nn.modules.{}", "a".repeat(1 << 20))));
    pickle.extend(b"q\x00X\x01\x00\x00\x00Aq\x01");
    pickle.extend(b"h\x00h\x01\x93".repeat(100_000));
    pickle.push(b'.');
    let error = refused(&pickle, &[]);
    assert!(error.contains("`torch.nn.modules.aaa"), "{error}");
    assert!(error.len() < 2000, "{} bytes", error.len());
}

/// A tensor's name of a megabyte, under which a hundred thousand entries of a dictionary lie.
#[test]
fn a_long_name_of_a_tensor_is_refused_before_it_is_copied() {
    let one = tensor("0", 4, b"K\x00K\x04\x85K\x01\x85");
    let mut pickle = b"\x80\x02}".to_vec();
    pickle.extend(text(&"a".repeat(1 << 20)));
    pickle.extend(b"q\x00");
    pickle.extend(&one[9..one.len() - 2]);
    pickle.extend(b"q\x01s(");
    pickle.extend(b"h\x00h\x01".repeat(100_000));
    pickle.extend(b"u.");
    let error = refused(&pickle, &[("file/data/0", &FOUR)]);
    assert!(error.contains("a name has more than 1000 bytes"), "{error}");
}

/// A hundred thousand times the same module, which has a hundred thousand parameters.
#[test]
fn modules_that_are_named_over_and_over_have_an_end() {
    for part in ["_parameters", "_other"] {
        let mut inner = OBJECT.to_vec();
        inner.extend(b"}(");
        inner.extend(text(part));
        inner.extend(b"}(");
        inner.extend(b"K\x01N".repeat(100_000));
        inner.extend(b"u");
        // Attributes besides.
        inner.extend(b"K\x01N".repeat(100_000));
        inner.extend(b"ub");
        let mut pickle = b"\x80\x02".to_vec();
        pickle.extend(OBJECT);
        pickle.extend(b"}");
        pickle.extend(text("_modules"));
        pickle.extend(b"}");
        pickle.extend(text("m"));
        pickle.extend(inner);
        pickle.extend(b"q\x01s(");
        for name in 0..100_000 {
            pickle.extend(text(&name.to_string()));
            pickle.extend(b"h\x01");
        }
        pickle.extend(b"usb.");
        let error = refused(&pickle, &[]);
        assert!(error.contains("go on without an end"), "{error}");
    }
}

/// A text of a megabyte, a hundred times in an attribute's list.
#[test]
fn an_attribute_of_repeated_texts_is_none() {
    let one = tensor("0", 4, b"K\x00K\x04\x85K\x01\x85");
    let mut pickle = b"\x80\x02".to_vec();
    pickle.extend(OBJECT);
    pickle.extend(b"}(");
    pickle.extend(text("_modules"));
    pickle.extend(b"}");
    pickle.extend(text("_parameters"));
    pickle.extend(&one[2..one.len() - 1]);
    pickle.extend(text("short"));
    pickle.extend(b"](");
    pickle.extend(text("word").repeat(100));
    pickle.extend(b"e");
    pickle.extend(text("long"));
    pickle.extend(b"](");
    pickle.extend(text(&"a".repeat(1 << 20)));
    pickle.extend(b"q\x00");
    pickle.extend(b"h\x00".repeat(100));
    pickle.extend(b"eub.");
    let bytes = zipped(&pickle, &[("file/data/0", &FOUR)]);
    let file = TorchFile::of_reader(Cursor::new(bytes), Path::new("file.pt")).unwrap();
    assert!(file.tensors().contains_key("w"));
    assert_eq!(file.attribute("short").unwrap()[99], "word");
    assert!(file.attribute("long").is_none());
}

/// Two numbers far from each other, as many tensors: what lies between them would be read for each.
#[test]
fn gaps_between_numbers_count_as_they_are_read() {
    let storage = vec![0; 100_000];
    let one = tensor("0", 25_000, b"K\x00K\x02\x85M\xa7\x61\x85");
    read_bytes(&zipped(&one, &[("file/data/0", &storage)])).unwrap();
    let mut many = b"\x80\x02}".to_vec();
    for name in 0..50 {
        many.extend(text(&name.to_string()));
        many.extend(&one[9..one.len() - 2]);
        many.push(b's');
    }
    many.push(b'.');
    let error = refused(&many, &[("file/data/0", &storage)]);
    assert!(error.contains("its tensors share so much"), "{error}");
}

#[test]
fn a_tensor_is_not_called_as_what_safetensors_say_beside_tensors() {
    let mut pickle = b"\x80\x02}".to_vec();
    pickle.extend(text("__metadata__"));
    let one = tensor("0", 4, b"K\x00K\x04\x85K\x01\x85");
    pickle.extend(&one[9..]);
    let error = refused(&pickle, &[("file/data/0", &FOUR)]);
    assert!(
        error.contains("may not be called `__metadata__`"),
        "{error}"
    );
}

#[test]
fn what_a_file_says_moves_no_cursor() {
    let error = refused(b"\x80\x02cos\x1b[2J\rsystem\nx\n.", &[]);
    assert!(error.contains("`os\\u{1b}[2J\\rsystem.x`"), "{error}");
}

#[test]
fn a_pickle_has_a_size_at_most() {
    let mut pickle = b"\x80\x02".to_vec();
    pickle.extend(b"N0".repeat(5 << 20));
    pickle.push(b'.');
    let error = refused(&pickle, &[]);
    assert!(error.contains("`file/data.pkl` in it has"), "{error}");
}
