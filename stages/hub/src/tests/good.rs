//! What a pull leaves behind.

use super::*;
use crate::testing::Fault;
use crate::{FaultKind, Selection};

#[test]
fn a_model_is_pulled_into_the_layout_that_all_share() {
    let place = Place::new();
    let pulled = place.pull(ID).unwrap();
    let bytes = weights().len() as u64 + 2 + 8;
    assert_eq!(
        (pulled.files, pulled.bytes, pulled.downloaded),
        (3, bytes, bytes)
    );
    let root = place.cache.path().join("models--owner--name");
    assert_eq!(pulled.path, root.join("snapshots").join(COMMIT));
    assert_eq!(fs::read_to_string(root.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(
        fs::read_link(pulled.path.join("model.safetensors")).unwrap(),
        PathBuf::from("../../blobs").join(sha256())
    );
    assert_eq!(
        fs::read_link(pulled.path.join("vae/config.json")).unwrap(),
        PathBuf::from("../../../blobs").join(crate::digest::names(b"{\"a\": 1}").1)
    );
    assert_eq!(
        fs::read(pulled.path.join("model.safetensors")).unwrap(),
        weights()
    );
    assert_eq!(fs::read(pulled.path.join("config.json")).unwrap(), b"{}");
    let names = crate::layout::files(&root.join("blobs")).unwrap();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn what_is_here_is_not_fetched_again_and_is_found_offline() {
    let mut place = Place::new();
    let first = place.pull(ID).unwrap();
    place.server.requests();
    let second = place.pull(ID).unwrap();
    assert_eq!((second.downloaded, second.path), (0, first.path.clone()));
    assert_eq!(place.server.requests().len(), 1);
    place.config.offline = true;
    place.config.endpoint = "http://127.0.0.1:9".to_owned();
    assert_eq!(place.hub().path(&named(ID)).unwrap(), first.path);
    let pinned = format!("{ID}@{COMMIT}");
    assert_eq!(place.hub().path(&named(&pinned)).unwrap(), first.path);
    let error = place.pull(ID).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    let error = place
        .hub()
        .path(&named("owner/other"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("models pull owner/other"), "{error}");
}

#[test]
fn a_commit_is_pulled_without_a_name_for_it() {
    let place = Place::new();
    place.pull(&format!("{ID}@{COMMIT}")).unwrap();
    assert!(!place.cache.path().join("models--owner--name/refs").exists());
    let error = place.hub().path(&named(ID)).unwrap_err();
    assert!(matches!(error, HubError::NotPulled { .. }), "{error}");
}

#[test]
fn a_branch_that_moves_shares_what_did_not_change() {
    let place = Place::new();
    place.pull(ID).unwrap();
    let later = COMMIT.replace('0', "f");
    let mut changed = files();
    changed[1].2 = b"{\"new\": true}";
    place.server.publish(ID, &later, &changed);
    let pulled = place.pull(ID).unwrap();
    assert_eq!((pulled.downloaded, &pulled.commit), (13, &later));
    let listed = place.hub().list().unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|snapshot| {
            (
                snapshot.commit.as_str(),
                snapshot.revisions.len(),
                snapshot.files,
            )
        })
        .collect();
    assert_eq!(told, [(COMMIT, 0, 3), (later.as_str(), 1, 3)]);
    assert_eq!((listed[1].id.as_str(), listed[1].bytes), (ID, pulled.bytes));
}

#[test]
fn an_empty_or_absent_cache_lists_nothing() {
    let mut place = Place::new();
    assert_eq!(place.hub().list().unwrap(), []);
    place.config.cache = place.cache.path().join("not/there");
    assert_eq!(place.hub().list().unwrap(), []);
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let mut place = Place::new();
    place.server.ask_for("hf_secret");
    place.config.token = Token::new(" hf_secret\n");
    assert_eq!(format!("{:?}", place.config.token), "Some(Token(…))");
    place.pull(ID).unwrap();
    let asked = place.server.requests();
    assert_eq!(asked.len(), 4);
    for request in asked {
        assert_eq!(
            request.headers["authorization"], "Bearer hf_secret",
            "{request:?}"
        );
    }
    let stored = place.storage.requests();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].headers.get("authorization"), None);
}

#[test]
fn patterns_choose_files() {
    let place = Place::new();
    let options = PullOptions {
        selection: Selection {
            include: vec!["*.json".parse().unwrap()],
            exclude: vec!["vae/".parse().unwrap()],
            variant: None,
        },
        verify: false,
    };
    let pulled = place.hub().pull(&named(ID), &options, &mut |_| {}).unwrap();
    assert_eq!(crate::layout::files(&pulled.path).unwrap(), ["config.json"]);
    // What is pulled later comes to it.
    place.pull(ID).unwrap();
    assert_eq!(crate::layout::files(&pulled.path).unwrap().len(), 3);
}

#[test]
fn a_mirror_that_lists_names_only_is_asked_for_the_rest() {
    let place = Place::new();
    place.server.fail(Fault::NamesOnly);
    let pulled = place.pull(ID).unwrap();
    assert_eq!(pulled.bytes, weights().len() as u64 + 10);
    assert!(place.blob(&sha256()).is_file());
    assert!(
        place
            .hub()
            .verify(&named(ID), &mut |_, _| {})
            .unwrap()
            .is_sound()
    );
}

#[test]
fn a_flipped_byte_is_found_named_and_mended() {
    let place = Place::new();
    place.pull(ID).unwrap();
    let verify = || place.hub().verify(&named(ID), &mut |_, _| {}).unwrap();
    assert_eq!((verify().sound, verify().is_sound()), (3, true));
    let mut content = weights().to_vec();
    content[1234] ^= 1;
    fs::write(place.blob(&sha256()), content).unwrap();
    fs::remove_file(place.blob(&crate::digest::names(b"{}").1)).unwrap();
    fs::write(place.blob("abc.incomplete"), "").unwrap();
    let faults = verify().faults;
    let told: Vec<_> = faults
        .iter()
        .map(|fault| (fault.file.as_str(), fault.kind))
        .collect();
    assert_eq!(
        told,
        [
            ("config.json", FaultKind::Missing),
            ("model.safetensors", FaultKind::Damaged),
            ("blobs/abc.incomplete", FaultKind::Incomplete),
        ]
    );
    let options = PullOptions {
        verify: true,
        ..PullOptions::default()
    };
    let mended = place.hub().pull(&named(ID), &options, &mut |_| {}).unwrap();
    assert_eq!(mended.downloaded, weights().len() as u64 + 2);
    assert_eq!(verify().faults.len(), 1);
}

#[test]
fn a_shard_that_an_index_names_is_missed() {
    let place = Place::new();
    let index = br#"{"weight_map": {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}}"#;
    place.server.publish(
        ID,
        COMMIT,
        &[
            ("unet/m.safetensors.index.json", Kept::Small, index),
            ("unet/m-00001-of-00002.safetensors", Kept::Small, b"1"),
        ],
    );
    place.pull(ID).unwrap();
    let verdict = place.hub().verify(&named(ID), &mut |_, _| {}).unwrap();
    assert_eq!(verdict.faults.len(), 1);
    assert_eq!(verdict.faults[0].file, "unet/m-00002-of-00002.safetensors");
}

#[test]
fn pulls_side_by_side_fetch_each_file_once() {
    let place = Place::new();
    std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..4).map(|_| scope.spawn(|| place.pull(ID))).collect();
        for pull in pulls {
            pull.join().unwrap().unwrap();
        }
    });
    assert_eq!(stored(place.storage.requests()).len(), 1);
}

#[test]
fn whoever_waits_for_another_writer_says_so() {
    let place = Place::new();
    let lock = place.cache.path().join(".locks/models--owner--name");
    fs::create_dir_all(&lock).unwrap();
    let file = fs::File::create(lock.join(format!("{}.lock", sha256()))).unwrap();
    file.lock().unwrap();
    let mut file = Some(file);
    let mut waited = 0;
    let mut progress = |event: Progress<'_>| {
        if let Progress::Waiting { file: name } = event {
            assert_eq!(name, "model.safetensors");
            waited += 1;
            file.take();
        }
    };
    place
        .hub()
        .pull(&named(ID), &PullOptions::default(), &mut progress)
        .unwrap();
    assert_eq!(waited, 1);
}
