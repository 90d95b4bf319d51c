//! Files that are made to do harm, or are broken: each is an error, none is executed, none takes more memory than a few times its own size.

#![expect(clippy::unwrap_used, reason = "a test may stop")]

mod archives;
mod repetition;

use std::fs;
use std::io::{Cursor, Read, Seek, Write};
use std::path::Path;

use ccsr_pickle::{PickleError, TorchFile};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The bytes of a checkpoint with this pickle and these storages.
fn zipped(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("file/data.pkl", stored).unwrap();
    zip.write_all(pickle).unwrap();
    for (name, bytes) in storages {
        zip.start_file(*name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What reading all of a file says against it.
fn read(path: &Path) -> Result<(), String> {
    read_all(TorchFile::open(path))
}

/// What reading all of what is in memory says against it.
fn read_bytes(bytes: &[u8]) -> Result<(), String> {
    read_all(TorchFile::of_reader(
        Cursor::new(bytes),
        Path::new("file.pt"),
    ))
}

fn read_all<R: Read + Seek>(file: Result<TorchFile<R>, PickleError>) -> Result<(), String> {
    let mut file = file.map_err(|error| error.to_string())?;
    let names: Vec<String> = file.tensors().keys().cloned().collect();
    for name in names {
        file.read_tensor(&name).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[track_caller]
fn refused(pickle: &[u8], storages: &[(&str, &[u8])]) -> String {
    read_bytes(&zipped(pickle, storages)).unwrap_err()
}

/// A dictionary of a tensor of float32: its storage's key and count, then offset, shape and strides as instructions.
fn tensor(key: &str, count: i32, rest: &[u8]) -> Vec<u8> {
    let mut pickle =
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
            .to_vec();
    pickle.extend(b"ctorch\nFloatStorage\nX");
    pickle.extend((key.len() as u32).to_le_bytes());
    pickle.extend(key.as_bytes());
    pickle.extend(b"X\x03\x00\x00\x00cpuJ");
    pickle.extend(count.to_le_bytes());
    pickle.extend(b"tQ");
    pickle.extend(rest);
    pickle.extend(b"\x89}tRs.");
    pickle
}

const FOUR: [u8; 16] = [0; 16];

#[test]
fn a_sound_tensor_is_read() {
    let pickle = tensor("0", 4, b"K\x00K\x02K\x02\x86K\x02K\x01\x86");
    read_bytes(&zipped(&pickle, &[("file/data/0", &FOUR)])).unwrap();
}

#[test]
fn nothing_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness");
    let command = format!("touch {}", witness.display());
    let call = |name: &[u8]| {
        let mut pickle = b"\x80\x02".to_vec();
        pickle.extend(name);
        pickle.extend(b"X");
        pickle.extend((command.len() as u32).to_le_bytes());
        pickle.extend(command.as_bytes());
        pickle.extend(b"\x85R.");
        refused(&pickle, &[])
    };
    for (name, shown) in [
        (&b"cos\nsystem\n"[..], "`os.system` at byte 2"),
        (b"cposix\nsystem\n", "`posix.system`"),
        (b"cbuiltins\neval\n", "`builtins.eval`"),
        (b"c__builtin__\ngetattr\n", "`__builtin__.getattr`"),
        (b"\x8c\x02os\x8c\x06system\x93", "`os.system` at byte 14"),
        (
            b"ctorch.nn.modules.linear\nLinear.__init__.__globals__\n",
            "__globals__`",
        ),
        (
            b"ctorch.nn.modules.linear\nLinear\n",
            "a call of torch.nn.modules.linear.Linear",
        ),
        (
            b"cultralytics.utils.checks\ncheck_requirements\n",
            "a call of ultralytics",
        ),
    ] {
        let error = call(name);
        assert!(
            error.contains(shown) && error.contains("nothing was executed"),
            "{error}"
        );
    }
    assert!(!witness.exists());
}

#[test]
fn instructions_that_checkpoints_do_not_need_are_refused() {
    for (pickle, shown) in [
        (&b"\x80\x02ios\nsystem\n."[..], "instruction 0x69 (i)"),
        (b"\x80\x02(os\nsystem\n.", "instruction 0x6f (o)"),
        (b"\x80\x02Pname\n.", "instruction 0x50 (P)"),
        (b"\x80\x02\x82\x01.", "instruction 0x82"),
        (b"\x80\x02)\x92.", "instruction 0x92"),
    ] {
        let error = refused(pickle, &[]);
        assert!(error.contains(shown), "{error}");
    }
    assert!(refused(b"\x80\x09.", &[]).contains("protocol 9"));
}

#[test]
fn sizes_that_lie_are_found_out() {
    for (count, rest, shown) in [
        (
            4,
            &b"K\x00K\x03K\x02\x86K\x02K\x01\x86"[..],
            "does not lie in its storage of 4",
        ),
        (
            4,
            b"K\x01K\x02K\x02\x86K\x02K\x01\x86",
            "does not lie in its storage of 4",
        ),
        (4, b"K\x00K\x02K\x02\x86K\xffK\x01\x86", "does not lie"),
        (4, b"K\x00J\xff\xff\xff\x7f\x85K\x00\x85", "does not lie"),
        (
            4,
            b"K\x00J\xff\xff\xff\xff\x85K\x01\x85",
            "sizes that are none",
        ),
        (
            4,
            b"K\x00\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x08\x86K\x01K\x01\x86",
            "does not lie",
        ),
        (4, b"K\x00K\x02\x85K\x02K\x01\x86", "does not lie"),
        (
            i32::MAX,
            b"K\x00K\x04\x85K\x01\x85",
            "has 16 bytes for 2147483647 numbers",
        ),
        (
            -1,
            b"K\x00K\x04\x85K\x01\x85",
            "a storage that is described in another way",
        ),
    ] {
        let error = refused(&tensor("0", count, rest), &[("file/data/0", &FOUR)]);
        assert!(error.contains(shown), "{error}");
    }
}

#[test]
fn names_lead_nowhere_but_into_the_archive() {
    let rest = b"K\x00K\x04\x85K\x01\x85";
    for key in [
        "../../../../etc/passwd",
        "/etc/passwd",
        "1",
        "../data.pkl/../../x",
    ] {
        let error = refused(&tensor(key, 4, rest), &[("file/data/0", &FOUR)]);
        assert!(
            error.contains(key) && error.contains("not found"),
            "{error}"
        );
    }
}

#[test]
fn bombs_stay_small() {
    // A list of ten of a list of ten of ...: shared, not repeated.
    let mut laughs = b"\x80\x02]q\x00".to_vec();
    for level in 1..200_u8 {
        laughs.extend(b"](");
        laughs.extend([b'h', level - 1].repeat(10));
        laughs.extend([b'e', b'q', level]);
    }
    laughs.push(b'.');
    assert!(refused(&laughs, &[]).contains("found a list"));
    // Lists within lists, deeper than any stack.
    let deep = [
        b"\x80\x02".to_vec(),
        b"]".repeat(500_000),
        b"a".repeat(499_999),
        b".".to_vec(),
    ]
    .concat();
    assert!(refused(&deep, &[]).contains("found a list"));
    let tuples = [
        b"\x80\x02)".to_vec(),
        b"\x85".repeat(500_000),
        b".".to_vec(),
    ]
    .concat();
    assert!(refused(&tuples, &[]).contains("found a tuple"));
    // Something that contains itself.
    assert!(
        refused(b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.", &[]).contains("has no network")
    );
    for (pickle, shown) in [
        (
            &b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff."[..],
            "bytes are to follow, and do not",
        ),
        (
            b"\x80\x02X\xff\xff\xff\x7fa.",
            "2147483647 bytes are to follow",
        ),
        (b"\x80\x02h\x07.", "nothing was memorised as 7"),
        (b"\x80\x02e.", "there is no mark"),
        (b"\x80\x02.", "its stack is empty"),
        (b"\x80\x02(0.", "its stack is empty"),
        (b"\x80\x02}(K\x01u.", "a key has no value"),
        (b"\x80\x02N", "bytes are to follow"),
    ] {
        let error = refused(pickle, &[]);
        assert!(error.contains(shown), "{error}");
    }
}

/// One storage, named by many tensors: as a whole they would have more bytes than the file by far.
#[test]
fn tensors_that_share_a_storage_over_and_over_are_refused() {
    let one = tensor("0", 25_000, b"K\x00M\xa8\x61\x85K\x01\x85");
    let (start, end) = (&one[..3], &one[one.len() - 2..]);
    let value = &one[9..one.len() - 2];
    let mut many = start.to_vec();
    for name in 0..50_u8 {
        many.extend([b'X', 1, 0, 0, 0, b'0' + name]);
        many.extend(value);
        many.push(b's');
    }
    many.extend(&end[1..]);
    let storage = vec![0; 100_000];
    let error = refused(&many, &[("file/data/0", &storage)]);
    assert!(error.contains("its tensors share so much"), "{error}");
}

/// An object with a module that is itself: its names would never end.
#[test]
fn modules_that_contain_each_other_have_an_end() {
    let class = b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81q\x00";
    let text = |text: &str| {
        let mut written = b"X".to_vec();
        written.extend((text.len() as u32).to_le_bytes());
        written.extend(text.as_bytes());
        written
    };
    let twice = [
        class.to_vec(),
        b"}".to_vec(),
        text("_modules"),
        b"}(".to_vec(),
        text("a"),
        b"h\x00".to_vec(),
        text("b"),
        b"h\x00usb.".to_vec(),
    ]
    .concat();
    assert!(refused(&twice, &[]).contains("go on without an end"));
}

#[test]
fn every_cut_and_many_flips_of_a_sound_file_end_well() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/module.pt");
    let sound = fs::read(golden).unwrap();
    let mut refused = 0;
    for length in 0..sound.len() {
        refused += usize::from(read_bytes(&sound[..length]).is_err());
    }
    assert_eq!(refused, sound.len(), "what is cut is never whole");
    // Any bits, by a generator of our own (xorshift64).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..1500 {
        let mut broken = sound.clone();
        for _ in 0..=draw(4) {
            let place = draw(broken.len());
            broken[place] ^= 1 << draw(8);
        }
        // Either is right, as long as it ends.
        drop(read_bytes(&broken));
    }
}

#[test]
fn what_is_no_checkpoint_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.pt");
    assert!(read(&path).unwrap_err().contains("cannot read"));
    fs::write(&path, b"\x80\x02.").unwrap();
    assert!(read(&path).unwrap_err().contains("it is no zip archive"));
    let error = refused(b"\x80\x02}X\x05\x00\x00\x00epochK\x01s.", &[]);
    assert!(error.contains("found a dictionary of `epoch`"), "{error}");
}
