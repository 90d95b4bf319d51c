//! What runs again after a change, and what does not.

use std::fmt::Write as _;

use ccsr_engine::Pipeline;
use ccsr_stage::Registry;

use crate::kinds::Versioned;
use crate::{Place, expect, stages};

const PIPELINE: &str = "
    words: {uses: test.rows, with: {words: [ox, elephant]}}
    map: {uses: test.map, from: words}
    read: {uses: test.read, from: map}
    sum: {uses: test.sum, from: map}
";

/// Runs `PIPELINE`, then `changed` on the same cache.
fn after(changed: &str) -> (Place, String, String) {
    let place = Place::new();
    place.run(&stages(PIPELINE));
    place.work();
    let story = place.run(changed).story();
    let work = place.work();
    (place, story, work)
}

#[test]
fn what_says_the_same_in_other_words_is_the_same() {
    let same = [
        "# A comment.\n".to_owned() + &stages(PIPELINE),
        stages(
            "
            sum: {from: map, uses: test.sum}
            read: {from: {rows: map.rows}, uses: test.read}
            map: {with: {}, from: words, uses: test.map}
            words: {with: {note: '', words: ['ox', \"elephant\"]}, uses: test.rows}
            ",
        ),
        stages(&PIPELINE.replace(
            "from: words}",
            "from: words, with: {suffix: '!', seeded: false}}",
        )),
        stages(&PIPELINE.replace("from: words}", "from: words, batch: 1, outputs: out}")),
        stages(PIPELINE).replace("version: 1", "version: 1\nseed: 7\nvars: {unused: 1}"),
    ];
    for text in same {
        let (_, story, work) = after(&text);
        let mut lines: Vec<_> = story
            .lines()
            .filter(|line| !line.contains("out has"))
            .collect();
        lines.sort_unstable();
        let unchanged = "map: unchanged, read: unchanged, sum: unchanged, words: unchanged";
        assert_eq!(
            (lines.join(", ").as_str(), work.as_str()),
            (unchanged, ""),
            "{text}"
        );
    }
}

#[test]
fn a_stage_may_be_called_what_you_like() {
    let renamed = PIPELINE
        .replace("map", "shout")
        .replace("test.shout", "test.map");
    let (_, story, work) = after(&stages(&renamed));
    expect(
        &story,
        "
        words: unchanged
        shout: unchanged
        read: unchanged
        sum: unchanged
    ",
    );
    assert_eq!(work, "");
}

#[test]
fn a_parameter_runs_its_units_and_what_reads_them() {
    let (place, story, work) = after(&stages(
        &PIPELINE.replace("from: words}", "from: words, with: {suffix: '?'}}"),
    ));
    expect(
        &story,
        r#"
        words: unchanged
        map: `suffix` was "!", now "?"
        map: executed 2, reused 0
        read: the table `rows` has other rows
        sum: the table `rows` has other rows
        sum: executed 0, reused 0
        read: executed 2, reused 0
    "#,
    );
    assert_eq!(work, "ox?, elephant?, read, read");
    // And back: everything is still there.
    expect(
        &place.run(&stages(PIPELINE)).story(),
        "
        words: unchanged
        map: unchanged
        read: unchanged
        sum: unchanged
    ",
    );
}

#[test]
fn a_row_more_is_a_unit_more() {
    let (_, story, work) = after(&stages(
        &PIPELINE.replace("[ox, elephant]", "[ox, ant, elephant]"),
    ));
    expect(
        &story,
        r#"
        words: `words.1` was "elephant", now "ant"; `words.2` is new: "elephant"
        words: executed 0, reused 0
        map: the table `rows` has other rows
        map: executed 1, reused 2
        read: the table `rows` has other rows
        sum: the table `rows` has other rows
        sum: executed 0, reused 0
        read: executed 1, reused 2
    "#,
    );
    assert_eq!(work, "ant!, read");
}

#[test]
fn equal_tables_cut_off_early() {
    // Another key, the same table: what reads it is not even looked at.
    let (_, story, work) = after(&stages(
        &PIPELINE.replace("words: [ox, elephant]", "words: [ox, elephant], note: x"),
    ));
    expect(
        &story,
        r#"
        words: `note` was "", now "x"
        words: executed 0, reused 0
        map: unchanged
        read: unchanged
        sum: unchanged
    "#,
    );
    assert_eq!(work, "");

    // Two words change places: other rows, but the same sum.
    let place = Place::new();
    let text = |words: &str| {
        let more = "    again: {uses: test.sum, from: sum, with: {note: again}}\n";
        stages(&(PIPELINE.replace("[ox, elephant]", words) + more))
    };
    place.run(&text("[ox, elephant]"));
    place.work();
    expect(
        &place.run(&text("[elephant, ox]")).story(),
        r#"
        words: `words.0` was "ox", now "elephant"; `words.1` was "elephant", now "ox"
        words: executed 0, reused 0
        map: the table `rows` has other rows
        map: executed 0, reused 2
        read: the table `rows` has other rows
        read: executed 0, reused 2
        sum: the table `rows` has other rows
        sum: executed 0, reused 0
        again: unchanged
    "#,
    );
    assert_eq!(place.work(), "");
}

#[test]
fn the_content_of_a_file_counts_and_its_name_does_not() {
    let place = Place::new();
    let text = |file: &str| {
        stages(&format!(
            "words: {{uses: test.rows, with: {{file: {file}}}}}\nmap: {{uses: test.map, from: words}}"
        ))
    };
    place.write("a.txt", "ox\n");
    place.write("b.txt", "ox\n");
    place.run(&text("a.txt"));
    expect(
        &place.run(&text("b.txt")).story(),
        "
        words: unchanged
        map: unchanged
    ",
    );
    place.write("b.txt", "ox\nant\n");
    place.work();
    expect(
        &place.run(&text("b.txt")).story(),
        "
        words: the content of `file.0` changed
        words: executed 0, reused 0
        map: the table `rows` has other rows
        map: executed 1, reused 1
    ",
    );
    assert_eq!(place.work(), "ant!");
}

#[test]
fn the_seed_counts_where_it_is_drawn_from() {
    let place = Place::new();
    let text = |seed: u32| {
        let text = stages(
            "
            words: {uses: test.rows, with: {words: [ox]}}
            drawn: {uses: test.map, from: words, with: {seeded: true}}
            plain: {uses: test.map, from: words}
            ",
        );
        format!("{text}seed: {seed}\n")
    };
    place.run(&text(1));
    place.work();
    expect(
        &place.run(&text(2)).story(),
        r#"
        words: unchanged
        drawn: `seed` was "1", now "2"
        plain: unchanged
        drawn: executed 1, reused 0
    "#,
    );
    assert_eq!(place.work(), "ox!");
}

fn versioned<const R: u32, const T: u32>(place: &Place) -> (String, String, Vec<String>) {
    let text = stages("it: {uses: test.versioned}");
    let ran = place.run_as(&text, &Registry::new().with::<Versioned<R, T>>());
    (ran.story(), place.work(), place.rows(&ran, "it.rows"))
}

#[test]
fn a_revision_runs_units_again_and_a_table_revision_collects_again() {
    let place = Place::new();
    let (_, work, rows) = versioned::<1, 1>(&place);
    assert_eq!((work.as_str(), rows), ("r1", vec!["r1 t1".to_owned()]));

    let (story, work, rows) = versioned::<1, 2>(&place);
    expect(
        &story,
        "
        it: `table_revision` was 1, now 2
        it: executed 0, reused 1
    ",
    );
    assert_eq!((work.as_str(), rows), ("", vec!["r1 t2".to_owned()]));

    let (story, work, rows) = versioned::<2, 2>(&place);
    expect(
        &story,
        "
        it: `revision` was 1, now 2
        it: executed 1, reused 0
    ",
    );
    assert_eq!((work.as_str(), rows), ("r2", vec!["r2 t2".to_owned()]));

    let (story, work, _) = versioned::<1, 1>(&place);
    expect(
        &story,
        "
        it: unchanged
    ",
    );
    assert_eq!(work, "");
}

#[test]
fn equal_units_are_executed_once() {
    let place = Place::new();
    let text = stages(
        "
        few: {uses: test.rows, with: {words: [ox, ant, ox]}}
        many: {uses: test.rows, with: {words: [ant, bee, ox, bee]}}
        first: {uses: test.map, from: few, batch: 1}
        second: {uses: test.map, from: many, with: {note: other}}
        ",
    );
    let ran = place.run(&text);
    expect(
        &ran.story(),
        "
        few: executed 0, reused 0
        many: executed 0, reused 0
        first: executed 2, reused 1
        second: executed 1, reused 3
    ",
    );
    assert_eq!(place.work(), "ox!, ant!, bee!");
    assert_eq!(
        place.rows(&ran, "first.rows").len() + place.rows(&ran, "second.rows").len(),
        7
    );
    let lengths = |port| {
        let table = place.table(&ran, port);
        table
            .rows()
            .map(|row| row.int("length").unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths("first.rows"), [3, 4, 3]);
    assert_eq!(lengths("second.rows"), [4, 4, 3, 4]);
}

#[test]
fn the_size_of_a_batch_changes_nothing() {
    let words: Vec<_> = (0..40).map(|number| format!("w{number}")).collect();
    let text = |batch: usize| {
        stages(&format!(
            "words: {{uses: test.rows, with: {{words: [{}]}}}}\nmap: {{uses: test.map, from: words, batch: {batch}}}",
            words.join(", ")
        ))
    };
    let digests = |batch| Place::new().run(&text(batch)).digests();
    let one = digests(1);
    for batch in [2, 7, 39, 40, 1000] {
        assert_eq!(digests(batch), one, "batch {batch}");
    }
    let place = Place::new();
    place.run(&text(7));
    place.work();
    assert_eq!(place.run(&text(8)).record.units_executed, 0);
    assert_eq!(place.work(), "");
}

#[test]
fn a_role_counts_by_what_it_is_and_not_by_its_suite() {
    let place = Place::new();
    let suite = |level: u32| {
        format!(
            "version: 1\nroles:\n  judge: {{use: moody, with: {{mood: grim, level: {level}}}}}\n"
        )
    };
    place.write("suites/one.yaml", suite(1));
    place.write("suites/same.yaml", suite(1));
    place.write("suites/two.yaml", suite(2));
    let text = |suite: &str| {
        let stages = stages(
            "
            words: {uses: test.rows, with: {words: [ox]}}
            ask: {uses: test.ask, from: words}
            ",
        );
        format!("{stages}suite: {suite}\n")
    };
    let first = place.run(&text("one"));
    assert_eq!(place.work(), "grim 1 says ox");
    assert_eq!(first.record.model_units_executed, 1);
    expect(
        &place.run(&text("same")).story(),
        "
        words: unchanged
        ask: unchanged
    ",
    );
    assert_eq!(place.work(), "");
    expect(
        &place.run(&text("two")).story(),
        "
        words: unchanged
        ask: `roles.judge.with.level` was 1, now 2
        ask: executed 1, reused 0
    ",
    );
    assert_eq!(place.work(), "grim 2 says ox");
}

#[test]
fn a_pipeline_of_a_thousand_stages_is_compiled_and_recognised() {
    let place = Place::new();
    let mut text = "version: 1\nstages:\n  s0: {uses: test.rows, with: {words: [ox]}}\n".to_owned();
    for number in 1..1000 {
        let _ = writeln!(
            text,
            "  s{number}: {{uses: test.map, from: s{}}}",
            number - 1
        );
    }
    let pipeline: Pipeline = place.compile(&text);
    let first = crate::run(&pipeline, &place.store(), &crate::options(place.root())).unwrap();
    // All the maps are of one word, so they are one unit.
    assert_eq!(first.record.units_executed, 1);
    let again = crate::run(&pipeline, &place.store(), &crate::options(place.root())).unwrap();
    assert_eq!(again.story().matches(": unchanged").count(), 1000);
}
