//! Tables at the paths that `outputs:` names.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use ccsr_cache::{Digest, Exported};
use ccsr_engine::CompileOptions;
use ccsr_engine::record::RunOutcome;

use crate::child::wait_until;
use crate::language::said_in;
use crate::{Place, expect, stages};

/// A folder of the files in `files`, as YAML.
fn folder(files: &str) -> String {
    stages(&format!(
        "pictures: {{uses: test.files, with: {{files: {{{files}}}}}, outputs: out}}"
    ))
}

fn files(place: &Place, folder: &str) -> Vec<String> {
    let entries = walkdir::WalkDir::new(place.path(folder)).sort_by_file_name();
    let files = entries
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file());
    let named = files.map(|entry| {
        let name = entry.path().strip_prefix(place.path(folder)).unwrap();
        format!(
            "{}: {}",
            name.display(),
            fs::read_to_string(entry.path()).unwrap()
        )
    });
    named.collect()
}

#[test]
fn a_folder_holds_a_file_a_row() {
    let place = Place::new();
    let ran = place.run(&folder("a.png: ox, deep/er/b.png: ant"));
    expect(
        &ran.story(),
        "
        pictures: executed 2, reused 0
        pictures: out has 2, 2 written
    ",
    );
    assert_eq!(files(&place, "out"), ["a.png: ox", "deep/er/b.png: ant"]);
    assert_eq!(ran.record.stages[0].exports, ["out"]);
}

#[test]
fn an_unchanged_run_writes_nothing() {
    let place = Place::new();
    let look = || {
        ["out", "out/a.png", "out/b.png"].map(|name| {
            let look = fs::metadata(place.path(name)).unwrap();
            (
                look.modified().unwrap(),
                std::os::unix::fs::MetadataExt::ino(&look),
            )
        })
    };
    place.run(&folder("a.png: ox, b.png: ant"));
    let before = look();
    let again = place.run(&folder("a.png: ox, b.png: ant"));
    expect(
        &again.story(),
        "pictures: unchanged\npictures: out has 2, 0 written",
    );
    assert_eq!(look(), before);
}

#[test]
fn what_was_deleted_comes_back_and_what_was_edited_is_written_again() {
    let place = Place::new();
    let text = folder("a.png: ox, b.png: ant, c.png: bee");
    place.run(&text);
    place.work();
    fs::remove_file(place.path("out/a.png")).unwrap();
    place.write("out/b.png", "edited");
    let again = place.run(&text);
    expect(
        &again.story(),
        "pictures: unchanged\npictures: out has 3, 2 written",
    );
    assert_eq!(place.work(), "");
    assert_eq!(
        files(&place, "out"),
        ["a.png: ox", "b.png: ant", "c.png: bee"]
    );
    fs::remove_dir_all(place.path("out")).unwrap();
    place.run(&text);
    assert_eq!(files(&place, "out").len(), 3);
}

#[test]
fn what_does_not_belong_any_more_goes_unless_it_was_edited() {
    let place = Place::new();
    place.write("out/mine.txt", "mine");
    place.run(&folder("a.png: ox, b.png: ant, c.png: bee"));
    place.write("out/b.png", "edited by hand");
    let fewer = place.run(&folder("c.png: bee"));
    expect(
        &fewer.story(),
        r#"
        pictures: `a.png` is gone; it was "ox"; `b.png` is gone; it was "ant"
        pictures: executed 0, reused 1
        pictures: out has 1, 0 written
    "#,
    );
    assert_eq!(
        files(&place, "out"),
        ["b.png: edited by hand", "c.png: bee", "mine.txt: mine"]
    );
    // It is not ours any more, so it is not removed later either.
    place.run(&folder("d.png: cat"));
    assert_eq!(
        files(&place, "out"),
        ["b.png: edited by hand", "d.png: cat", "mine.txt: mine"]
    );
}

#[test]
fn two_names_may_change_places() {
    let place = Place::new();
    place.run(&folder("a.png: ox, b.png: ant"));
    let swapped = place.run(&folder("a.png: ant, b.png: ox"));
    expect(
        &swapped.story(),
        r#"
        pictures: `a.png` was "ox", now "ant"; `b.png` was "ant", now "ox"
        pictures: executed 0, reused 2
        pictures: out has 2, 2 written
    "#,
    );
    assert_eq!(files(&place, "out"), ["a.png: ant", "b.png: ox"]);
}

#[test]
fn a_table_becomes_a_file_in_the_format_of_its_ending() {
    let place = Place::new();
    let text = |ending: &str| {
        stages(&format!(
            "
            words: {{uses: test.rows, with: {{words: ['o\"x', 'a, nt', 'b|ee']}}, outputs: tables/words.{ending}}}
            ask: {{uses: test.gated, from: words, outputs: tables/ask.{ending}}}
            "
        ))
    };
    for ending in ["csv", "jsonl", "md"] {
        place.run(&text(ending));
    }
    expect(
        &place.read("tables/words.csv"),
        r#"
        word
        "o""x"
        "a, nt"
        b|ee
    "#,
    );
    expect(
        &place.read("tables/ask.jsonl"),
        r#"
        {"word":"o\"x","even":false,"half":null}
        {"word":"a, nt","even":false,"half":null}
        {"word":"b|ee","even":true,"half":2}
    "#,
    );
    expect(
        &place.read("tables/words.md"),
        r#"
        | word |
        | --- |
        | o"x |
        | a, nt |
        | b\|ee |
    "#,
    );
    fs::remove_file(place.path("tables/ask.csv")).unwrap();
    let again = place.run(&text("csv"));
    expect(
        &again.story(),
        "
        words: unchanged
        ask: unchanged
        words: tables/words.csv has 1, 0 written
        ask: tables/ask.csv has 1, 1 written
    ",
    );
    assert!(place.path("tables/ask.csv").exists());
}

#[test]
fn rows_without_names_are_numbered() {
    let place = Place::new();
    let text = stages(
        "
        words: {uses: test.rows, with: {words: [ox, ant]}}
        map: {uses: test.map, from: words, outputs: {rows: out}}
        train: {uses: test.chain, with: {length: 1}, outputs: checkpoints}
        ",
    );
    place.run(&text);
    assert_eq!(files(&place, "out"), ["00001.png: ox!", "00002.png: ant!"]);
    assert_eq!(files(&place, "checkpoints"), ["00001.bin: 1;"]);
}

#[test]
fn paths_that_climb_out_are_refused() {
    for name in [
        "../climbed.png",
        "a/../../climbed.png",
        "/tmp/climbed.png",
        "./a.png",
        "a//b.png",
        "''",
        "a\\b.png",
    ] {
        let place = Place::new();
        let ran = place.run(&folder(&format!("good.png: ox, {name}: ant")));
        assert_eq!(ran.record.outcome, RunOutcome::Failed, "{name}");
        let name = name.trim_matches('\'');
        let error = format!("`{name}` is no path below the folder of an export");
        assert_eq!(ran.record.stages[0].errors, [error]);
        assert!(!place.path("climbed.png").exists());
        // Nothing at all is written of such a table.
        assert_eq!(files(&place, "out").len(), 0);
    }
}

#[test]
fn a_table_without_blobs_is_no_folder() {
    let place = Place::new();
    let text = stages("words: {uses: test.rows, with: {words: [ox]}, outputs: words}");
    expect(
        &said_in(&place, &text, &CompileOptions::default()),
        "
        pipeline.yaml:4:58: `words` would be a folder, and the table `rows` holds no images to put there
          help: name a file that ends in .csv, .jsonl or .md
    ",
    );
}

#[test]
fn nothing_is_written_where_the_pipeline_reads() {
    let place = Place::new();
    place.write("words/one.txt", "ox");
    let said = |outputs: &str| {
        let text = format!(
            "words: {{uses: test.rows, with: {{file: words/one.txt}}, outputs: {outputs}}}"
        );
        said_in(&place, &stages(&text), &CompileOptions::default())
    };
    assert_eq!(said("words/two.csv"), "nothing is wrong");
    expect(
        &said("words/one.txt/rows.csv"),
        "
        pipeline.yaml:4:3: `words` writes to `words/one.txt/rows.csv`, where `words` reads `words/one.txt`
          help: give each a path of its own
    ",
    );
    let text =
        stages("pictures: {uses: test.files, with: {files: {a.png: ox}}, outputs: pipeline.yaml}");
    expect(
        &said_in(&place, &text, &CompileOptions::default()),
        "
        pipeline.yaml:4:3: `pictures` writes to `pipeline.yaml`, which the pipeline itself is read from
          help: give each a path of its own
    ",
    );
}

#[test]
fn a_plan_says_which_exports_would_be_put_right() {
    let place = Place::new();
    let text = folder("a.png: ox, b.png: ant");
    place.run(&text);
    let plan = || ccsr_engine::plan::plan(&place.compile(&text), &place.store()).unwrap();
    assert!(plan().is_fresh());
    fs::remove_file(place.path("out/a.png")).unwrap();
    assert!(!plan().is_fresh());
    assert_eq!(plan().stages[0].exports, ["out"]);
    place.run(&text);
    assert!(plan().is_fresh());
}

#[test]
fn a_file_in_the_way_is_an_error_of_the_stage() {
    let place = Place::new();
    place.write("out", "I am a file.");
    let ran = place.run(&folder("a.png: ox"));
    assert_eq!(ran.record.outcome, RunOutcome::Failed);
    assert_eq!(place.read("out"), "I am a file.");
    fs::remove_file(place.path("out")).unwrap();
    assert_eq!(
        place.run(&folder("a.png: ox")).record.outcome,
        RunOutcome::Done
    );
}

/// Else what one of them wrote would stay for ever: the other would not know that it is an export.
#[test]
fn what_another_run_wrote_in_the_meantime_goes_as_what_an_earlier_one_did() {
    let place = Place::new();
    let text = folder("a.png: ox");
    let other = place.store();
    let turn = other.export_turn().unwrap();
    thread::scope(|scope| {
        let run = scope.spawn(|| place.run(&text));
        wait_until(|| !place.log().is_empty());
        // All is computed, and it comes to its exports.
        thread::sleep(Duration::from_millis(100));
        assert!(!place.path("out/a.png").exists());
        place.write("out/b.png", "ant");
        let look = fs::metadata(place.path("out/b.png")).unwrap();
        let written = Exported {
            identity: Digest::of(b"ant"),
            size: look.size(),
            mtime_ns: look.mtime() * 1_000_000_000 + look.mtime_nsec(),
        };
        let whole = Exported {
            identity: Digest::of(b"whole"),
            size: 0,
            mtime_ns: 0,
        };
        let left = BTreeMap::from([(String::new(), whole), ("b.png".to_owned(), written)]);
        other.set_exports(&place.path("out"), &left).unwrap();
        drop(turn);
        run.join().unwrap();
    });
    assert_eq!(files(&place, "out"), ["a.png: ox"]);
}
