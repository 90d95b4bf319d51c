//! What the cache loses and somebody reads is made again; what nobody reads is not missed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ccsr_cache::{Digest, StoreError};
use ccsr_engine::record::RunOutcome;

use crate::{Place, expect, stages};

fn text(salt: &str) -> String {
    stages(&format!(
        "
        words: {{uses: test.rows, with: {{words: [ox, ant, bee]}}}}
        map: {{uses: test.map, from: words}}
        read: {{uses: test.read, from: map, with: {{salt: '{salt}'}}}}
        "
    ))
}

/// A name, and what is done to the object.
type Way = (&'static str, fn(&Path));

/// Ways to lose an object.
const WAYS: [Way; 4] = [
    ("deleted", |path| fs::remove_file(path).unwrap()),
    ("emptied", |path| overwrite(path, |_| Vec::new())),
    ("truncated", |path| {
        overwrite(path, |bytes| bytes[..bytes.len() - 1].to_vec());
    }),
    ("flipped", |path| {
        overwrite(path, |mut bytes| {
            bytes[0] ^= 1;
            bytes
        });
    }),
];

/// Objects cannot be written to, so that a damaged one takes the place of the good one.
fn overwrite(path: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let bytes = change(fs::read(path).unwrap());
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn object(place: &Place, digest: Digest) -> PathBuf {
    place.store().object_path(&digest)
}

fn blob(place: &Place, content: &str) -> PathBuf {
    object(place, Digest::of(content.as_bytes()))
}

#[test]
fn a_lost_blob_that_is_read_is_made_again() {
    let calm = Place::new();
    let expected = calm.run(&text("other")).digests();
    for (way, lose) in WAYS {
        let place = Place::new();
        place.run(&text(""));
        place.work();
        lose(&blob(&place, "ant!"));
        let ran = place.run(&text("other"));
        assert_eq!(ran.record.outcome, RunOutcome::Done, "{way}");
        assert_eq!(ran.digests(), expected, "{way}");
        let work = place.work();
        assert_eq!(work.matches("ant!").count(), 1, "{way}: {work}");
        assert_eq!(work.matches('!').count(), 1, "{way}: {work}");
        assert!(ran.story().contains("read: healing"), "{way}");
        expect(
            &place.run(&text("other")).story(),
            "words: unchanged\nmap: unchanged\nread: unchanged",
        );
    }
}

#[test]
fn all_of_several_lost_blobs_are_made_again() {
    for (way, lose) in WAYS {
        let place = Place::new();
        let first = place.run(&text(""));
        for content in ["ox!", "ant!", "bee!"] {
            lose(&blob(&place, content));
        }
        lose(&object(&place, first.digests()["map.rows"]));
        place.work();
        let ran = place.run(&text("other"));
        assert_eq!(ran.record.outcome, RunOutcome::Done, "{way}");
        let work = place.work();
        assert_eq!(work.matches('!').count(), 3, "{way}: {work}");
    }
}

#[test]
fn what_nobody_reads_is_not_missed() {
    let place = Place::new();
    let first = place.run(&text(""));
    place.work();
    for content in ["ox!", "ant!", "bee!"] {
        fs::remove_file(blob(&place, content)).unwrap();
    }
    let again = place.run(&text(""));
    expect(
        &again.story(),
        "words: unchanged\nmap: unchanged\nread: unchanged",
    );
    assert_eq!(
        (place.work().as_str(), again.digests()),
        ("", first.digests())
    );
    // Tables are cheap: those that are gone are collected again. No unit is executed for them.
    for digest in first.digests().values() {
        fs::remove_file(object(&place, *digest)).unwrap();
    }
    let again = place.run(&text(""));
    expect(
        &again.story(),
        "
        words: executed 0, reused 0
        map: executed 0, reused 3
        read: executed 0, reused 3
    ",
    );
    assert_eq!(
        (place.work().as_str(), again.digests()),
        ("", first.digests())
    );
}

#[test]
fn a_chain_goes_on_from_its_last_link_without_the_others() {
    let place = Place::new();
    let chain = |length: u32| {
        stages(&format!(
            "train: {{uses: test.chain, with: {{length: {length}}}}}"
        ))
    };
    place.run(&chain(4));
    place.work();
    for link in ["1;", "1;2;", "1;2;3;"] {
        fs::remove_file(blob(&place, link)).unwrap();
    }
    place.run(&chain(6));
    assert_eq!(place.work(), "step 5, step 6");
}

#[test]
fn a_lost_link_is_made_from_the_links_before_it() {
    let place = Place::new();
    let chain = |length: u32| {
        stages(&format!(
            "train: {{uses: test.chain, with: {{length: {length}}}}}"
        ))
    };
    let calm = Place::new().run(&chain(20)).digests();
    place.run(&chain(15));
    place.work();
    let links = (1..=15).scan(String::new(), |link, step| {
        *link = format!("{link}{step};");
        Some(link.clone())
    });
    let links: Vec<_> = links.collect();
    // More of them than there are attempts.
    for link in &links[3..] {
        fs::remove_file(blob(&place, link)).unwrap();
    }
    let ran = place.run(&chain(20));
    assert_eq!(ran.digests(), calm);
    // Each link notices that the one before it is missing, back to the one that is there.
    let steps = (5..=16).rev().chain(4..=20);
    let steps: Vec<_> = steps.map(|step| format!("step {step}")).collect();
    assert_eq!(place.work(), steps.join(", "));
}

#[test]
fn links_that_nobody_reads_are_not_made_again_with_one_that_somebody_does() {
    let place = Place::new();
    let chain = |length: u32| {
        stages(&format!(
            "train: {{uses: test.chain, with: {{length: {length}}}}}"
        ))
    };
    let calm = Place::new().run(&chain(18)).digests();
    place.run(&chain(15));
    place.work();
    let link = |last: u32| {
        let steps: Vec<_> = (1..=last).map(|step| format!("{step};")).collect();
        steps.concat()
    };
    for last in (1..=10).chain([15]) {
        fs::remove_file(blob(&place, &link(last))).unwrap();
    }
    let ran = place.run(&chain(18));
    assert_eq!(ran.digests(), calm);
    assert_eq!(place.work(), "step 16, step 15, step 16, step 17, step 18");
}

#[test]
fn a_lost_table_is_collected_again() {
    for (way, lose) in WAYS {
        let place = Place::new();
        let first = place.run(&text(""));
        place.work();
        lose(&object(&place, first.digests()["map.rows"]));
        let ran = place.run(&text("other"));
        assert_eq!(ran.record.outcome, RunOutcome::Done, "{way}");
        assert_eq!(place.work(), "read, read, read", "{way}");
        match way {
            // A table that is not there is noticed at once, what is in it when it is read.
            "deleted" => expect(
                &ran.story(),
                r#"
                words: unchanged
                map: executed 0, reused 3
                read: `salt` was "", now "other"
                read: executed 3, reused 0
            "#,
            ),
            _ => expect(
                &ran.story(),
                r#"
                words: unchanged
                map: unchanged
                read: `salt` was "", now "other"
                read: healing
                words: executed 0, reused 0
                map: executed 0, reused 3
                read: `salt` was "", now "other"
                read: executed 3, reused 0
            "#,
            ),
        }
        assert_eq!(ran.digests()["map.rows"], first.digests()["map.rows"]);
    }
}

#[test]
fn what_is_lost_is_found_out_when_it_is_exported() {
    for (way, lose) in WAYS {
        let place = Place::new();
        let exporting = text("").replace("from: words}", "from: words, outputs: out}");
        place.run(&exporting);
        place.work();
        lose(&blob(&place, "bee!"));
        // The file is there, so nobody reads the blob.
        place.run(&exporting);
        assert_eq!(place.work(), "", "{way}");
        fs::remove_file(place.path("out/00003.png")).unwrap();
        let ran = place.run(&exporting);
        assert_eq!(ran.record.outcome, RunOutcome::Done, "{way}");
        assert_eq!(place.work(), "bee!", "{way}");
        assert_eq!(place.read("out/00003.png"), "bee!", "{way}");
    }
}

#[test]
fn a_cache_without_objects_fills_up_again() {
    let place = Place::new();
    let mut text =
        "words: {uses: test.rows, with: {words: [ox, ant]}, outputs: words.csv}\n".to_owned();
    for number in 0..12 {
        let map = format!(
            "map{number}: {{uses: test.map, from: words, with: {{suffix: '{number}'}}, outputs: out/{number}}}\n"
        );
        text.push_str(&map);
    }
    let text = stages(&text);
    let first = place.run(&text);
    let units = place.work();
    fs::remove_dir_all(place.path(".ccsr/objects")).unwrap();
    fs::create_dir(place.path(".ccsr/objects")).unwrap();
    fs::remove_dir_all(place.path("out")).unwrap();
    let ran = place.run(&text);
    assert_eq!(
        (ran.record.outcome, ran.digests()),
        (RunOutcome::Done, first.digests())
    );
    let sorted = |work: &str| {
        let mut units: Vec<_> = work.split(", ").map(str::to_owned).collect();
        units.sort_unstable();
        units
    };
    assert_eq!(sorted(&place.work()), sorted(&units));
    assert_eq!(place.read("out/11/00002.png"), "ant11");
}

#[test]
fn blobs_that_many_stages_read_are_made_once() {
    let place = Place::new();
    let text = |salt: &str| {
        let reads = (0..12).map(|number| {
            format!(
                "read{number}: {{uses: test.read, from: map, with: {{salt: '{salt}{number}'}}}}\n"
            )
        });
        let head = "words: {uses: test.rows, with: {words: [ox, ant]}}\nmap: {uses: test.map, from: words}\n";
        stages(&(head.to_owned() + &reads.collect::<String>()))
    };
    place.run(&text("a"));
    place.work();
    for content in ["ox!", "ant!"] {
        WAYS[3].1(&blob(&place, content));
    }
    let ran = place.run(&text("b"));
    assert_eq!(ran.record.outcome, RunOutcome::Done);
    assert_eq!(place.work().matches('!').count(), 2);
}

#[test]
fn an_outcome_that_is_made_again_is_made_again_as_a_whole() {
    for (way, lose) in WAYS {
        let place = Place::new();
        let text = |salt: &str| {
            stages(&format!(
                "
                words: {{uses: test.rows, with: {{words: [ox]}}}}
                map: {{uses: test.map, from: words, with: {{more: 3}}}}
                read: {{uses: test.read, from: map, with: {{salt: {salt}}}}}
                "
            ))
        };
        place.run(&text("a"));
        let contents = ["ox!", "ox 0", "ox 1", "ox 2"];
        for content in contents {
            lose(&blob(&place, content));
        }
        place.run(&text("b"));
        for content in contents {
            let read = place.store().read(&Digest::of(content.as_bytes()));
            assert_eq!(read.unwrap(), content.as_bytes(), "{way}");
        }
    }
}

#[test]
fn what_failed_before_a_healing_is_told_once() {
    let place = Place::new();
    let text = |salt: &str, fail: &str| {
        stages(&format!(
            "
            words: {{uses: test.rows, with: {{words: [ox, ant]}}}}
            map: {{uses: test.map, from: words}}
            bad: {{uses: test.map, from: words, with: {{suffix: '?', fail: [{fail}]}}}}
            read: {{uses: test.read, from: map, with: {{salt: '{salt}'}}}}
            "
        ))
    };
    place.run(&text("a", ""));
    fs::remove_dir_all(place.path(".ccsr/objects")).unwrap();
    fs::create_dir(place.path(".ccsr/objects")).unwrap();
    let changed = text("b", "newt").replace("[ox, ant]", "[ox, ant, newt]");
    let ran = place.run_with(&changed, |options| options.keep_going = true);
    let bad = ran
        .record
        .stages
        .iter()
        .find(|stage| stage.name == "bad")
        .unwrap();
    assert_eq!(bad.errors, ["the word `newt`: it does not please"]);
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
}

#[test]
fn a_blob_that_never_was_ends_the_run_with_an_error() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: [ox]}}
        map: {uses: test.map, from: words, with: {defect: lost_blob}}
        ",
    );
    let options = crate::options(place.root());
    let error = crate::run(&place.compile(&text), &place.store(), &options)
        .err()
        .unwrap();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}

#[test]
fn healing_leaves_the_ledger_as_it_should_be() {
    let place = Place::new();
    let exporting = text("").replace("salt: ''}", "salt: ''}, outputs: texts.csv");
    let before = place.run(&exporting).digests();
    for (round, (way, lose)) in WAYS.iter().enumerate() {
        let lost: BTreeMap<_, _> = ["ox!", "ant!", "bee!"].into_iter().enumerate().collect();
        lose(&blob(&place, lost[&(round % 3)]));
        place.run(&text(way));
        let after = place.run(&exporting);
        assert_eq!(
            (after.digests(), after.record.units_executed),
            (before.clone(), 0)
        );
    }
}
