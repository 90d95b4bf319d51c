//! What goes wrong, and what is said and kept then.

use super::*;
use crate::testing::Fault;

#[test]
fn a_pull_that_broke_off_goes_on_where_it_was() {
    let place = Place::new();
    place.storage.fail(Fault::BreakOff {
        after: 100_000,
        times: 1,
    });
    let error = place.failure(ID);
    assert!(
        matches!(
            error,
            HubError::BrokenOff {
                done: 100_000,
                size: 300_000,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("another `pull` goes on from there"),
        "{error}"
    );
    let incomplete = place.blob(&format!("{}.incomplete", sha256()));
    assert_eq!(fs::metadata(&incomplete).unwrap().len(), 100_000);
    place.storage.requests();

    let mut here = 0;
    let mut progress = |event: Progress<'_>| {
        if let Progress::Chosen { here: found, .. } = event {
            here = found;
        }
    };
    place
        .hub()
        .pull(&named(ID), &PullOptions::default(), &mut progress)
        .unwrap();
    assert_eq!(here, 100_002);
    let requests = stored(place.storage.requests());
    let told: Vec<_> = requests
        .iter()
        .map(|request| (request.headers["range"].as_str(), request.sent))
        .collect();
    assert_eq!(told, [("bytes=100000-", 200_000)]);
    assert!(!incomplete.exists());
    assert_eq!(fs::read(place.blob(&sha256())).unwrap(), weights());
}

#[test]
fn a_connection_that_breaks_off_now_and_then_is_taken_up_again() {
    let mut place = Place::new();
    place.config.retries = 3;
    place.storage.fail(Fault::BreakOff {
        after: 90_000,
        times: 3,
    });
    let mut told = Vec::new();
    let mut progress = |event: Progress<'_>| {
        if let Progress::Retrying { file, .. } = event {
            told.push(file.to_owned());
        }
    };
    place
        .hub()
        .pull(&named(ID), &PullOptions::default(), &mut progress)
        .unwrap();
    assert_eq!(told, ["model.safetensors"; 3]);
    let sent: Vec<_> = stored(place.storage.requests())
        .iter()
        .map(|request| request.sent)
        .collect();
    assert_eq!(sent, [90_000, 90_000, 90_000, 30_000]);
}

#[test]
fn a_server_without_ranges_sends_all_of_it() {
    let mut place = Place::new();
    place.config.retries = 1;
    place.storage.fail(Fault::NoRanges);
    place.storage.fail(Fault::BreakOff {
        after: 90_000,
        times: 1,
    });
    let pulled = place.pull(ID).unwrap();
    assert_eq!(pulled.downloaded, 390_010);
    assert_eq!(
        fs::read(pulled.path.join("model.safetensors")).unwrap(),
        weights()
    );
}

#[test]
fn a_beginning_that_was_damaged_is_given_up() {
    let place = Place::new();
    fs::create_dir_all(place.blob("")).unwrap();
    let incomplete = place.blob(&format!("{}.incomplete", sha256()));
    fs::write(&incomplete, vec![7; 1000]).unwrap();
    let pulled = place.pull(ID).unwrap();
    assert_eq!(
        fs::read(pulled.path.join("model.safetensors")).unwrap(),
        weights()
    );
    // One that is longer than the file, too.
    fs::remove_file(place.blob(&sha256())).unwrap();
    fs::write(&incomplete, vec![7; 300_001]).unwrap();
    place.pull(ID).unwrap();
    assert_eq!(
        fs::read(pulled.path.join("model.safetensors")).unwrap(),
        weights()
    );
}

#[test]
fn other_bytes_than_the_hub_said_are_thrown_away() {
    for storage in [true, false] {
        let place = Place::new();
        let server = if storage {
            &place.storage
        } else {
            &place.server
        };
        server.fail(Fault::FlipByte);
        let error = place.failure(ID);
        assert!(matches!(error, HubError::WrongDigest { .. }), "{error}");
        let file = if storage {
            "model.safetensors"
        } else {
            "config.json"
        };
        assert!(error.to_string().contains(file), "{error}");
        let left = crate::layout::files(&place.blob("")).unwrap();
        assert!(
            left.iter().all(|name| !name.ends_with(".incomplete")),
            "{left:?}"
        );
        server.heal();
        place.pull(ID).unwrap();
    }
}

#[test]
fn another_size_than_the_hub_said_is_an_error() {
    let place = Place::new();
    place.storage.fail(Fault::TooLong);
    let error = place.failure(ID);
    assert!(
        matches!(
            error,
            HubError::WrongSize {
                expected: 300_000,
                found: 300_001,
                ..
            }
        ),
        "{error}"
    );
    assert!(!place.blob(&format!("{}.incomplete", sha256())).exists());
}

#[test]
fn refusals_say_what_to_do() {
    let place = Place::new();
    let missing = "f".repeat(40);
    for (path, status, code, id, parts) in [
        (
            "/api/",
            401,
            "RepoNotFound",
            ID.to_owned(),
            ["without a token", "HF_TOKEN"],
        ),
        (
            "/api/",
            401,
            "",
            ID.to_owned(),
            ["without a token", "HF_TOKEN"],
        ),
        (
            "/api/",
            403,
            "GatedRepo",
            ID.to_owned(),
            ["accept them at http", "HF_TOKEN"],
        ),
        (
            "/resolve/",
            401,
            "GatedRepo",
            ID.to_owned(),
            ["accept them at http", "HF_TOKEN"],
        ),
        (
            "/resolve/",
            404,
            "EntryNotFound",
            ID.to_owned(),
            ["`config.json`", "--exclude config.json"],
        ),
        (
            "-",
            404,
            "",
            "owner/other".to_owned(),
            ["no model `owner/other`", "name is right"],
        ),
        (
            "-",
            404,
            "",
            format!("{ID}@v9"),
            ["no revision `v9`", "/tree/main"],
        ),
        (
            "-",
            404,
            "",
            format!("{ID}@{missing}"),
            ["no revision", "/tree/main"],
        ),
        (
            "/api/",
            429,
            "",
            ID.to_owned(),
            ["fewer requests", "HF_TOKEN"],
        ),
        ("/api/", 500, "", ID.to_owned(), ["answered 500", "later"]),
        (
            "/api/",
            418,
            "",
            ID.to_owned(),
            ["answered 418", "HF_ENDPOINT"],
        ),
    ] {
        place.server.heal();
        place.server.fail(Fault::Answer {
            path,
            status,
            code,
            times: usize::from(path != "-"),
        });
        let error = place.failure(&id).to_string();
        for part in parts {
            assert!(
                error.contains(part),
                "{status} {code}: no `{part}` in: {error}"
            );
        }
    }
}

#[test]
fn a_token_that_may_not_is_another_matter_than_none() {
    let mut place = Place::new();
    place.server.ask_for("right");
    place.config.token = Token::new("wrong");
    let error = place.failure(ID).to_string();
    assert!(
        error.contains("the owner of this token") && !error.contains("wrong"),
        "{error}"
    );
}

#[test]
fn trouble_of_the_server_that_passes_is_waited_for() {
    let mut place = Place::new();
    place.config.retries = 2;
    for path in ["/api/", "/resolve/"] {
        place.server.fail(Fault::Answer {
            path,
            status: 503,
            code: "",
            times: 2,
        });
    }
    place.pull(ID).unwrap();
}

#[test]
fn nobody_there_is_said() {
    let mut place = Place::new();
    place.config.endpoint = "http://127.0.0.1:9".to_owned();
    let error = place.failure(ID);
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
}

#[test]
fn an_address_that_is_none_is_not_tried_again() {
    let mut place = Place::new();
    place.config.retries = 9;
    place.config.backoff = Duration::from_mins(1);
    for endpoint in ["nonsense", "ftp://127.0.0.1"] {
        endpoint.clone_into(&mut place.config.endpoint);
        let error = place.failure(ID);
        assert!(matches!(error, HubError::BadEndpoint { .. }), "{error}");
        assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
    }
}

#[test]
fn a_listing_cannot_write_outside_the_snapshot() {
    for path in ["../../../evil.json", "/etc/evil.json", "a/../../evil.json"] {
        let place = Place::new();
        place.server.fail(Fault::AlsoLists(path));
        let error = place.failure(ID);
        assert!(matches!(error, HubError::NotAHub { .. }), "{error}");
    }
}

#[test]
fn choices_that_leave_nothing_say_what_there_is() {
    let place = Place::new();
    let mut options = PullOptions::default();
    options.selection.include = vec!["*.gguf".parse().unwrap()];
    let pull = |options: &PullOptions| {
        place
            .hub()
            .pull(&named(ID), options, &mut |_| {})
            .unwrap_err()
            .to_string()
    };
    let error = pull(&options);
    assert!(
        error.contains("`model.safetensors`") && error.contains("--include"),
        "{error}"
    );
    options.selection.include.clear();
    options.selection.variant = Some("fp16".to_owned());
    assert!(pull(&options).contains("no weights of the variant `fp16`"));
}

#[test]
fn a_full_disk_is_called_by_its_name() {
    let place = Place::new();
    // The listing promises more than any disk holds.
    let huge = serde_json::json!({"sha": COMMIT, "siblings": [
        {"rfilename": "model.safetensors", "size": u64::MAX / 2, "blobId": "0".repeat(40)}]});
    let listing = crate::listing::Listing::read(huge.to_string().as_bytes()).unwrap();
    assert_eq!(listing.files[0].size, Some(u64::MAX / 2));
    let layout = crate::layout::Layout::of(place.cache.path(), &named(ID));
    layout.prepare().unwrap();
    let error = crate::pull::look_for_room(&layout, u64::MAX / 2).unwrap_err();
    assert!(
        matches!(error, HubError::NoRoom { free: Some(_), .. }),
        "{error}"
    );
    assert!(error.to_string().contains("HF_HUB_CACHE"), "{error}");
}

#[test]
fn a_cache_that_cannot_be_written_is_said() {
    let mut place = Place::new();
    let file = place.cache.path().join("file");
    fs::write(&file, "").unwrap();
    place.config.cache = file.clone();
    let error = place.failure(ID).to_string();
    assert!(error.contains(&*file.to_string_lossy()), "{error}");
}
