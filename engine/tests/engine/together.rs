//! Two runs on one cache at once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::child::{spawn, wait_until};
use crate::{Place, stages};

fn counts(place: &Place) -> BTreeMap<String, usize> {
    place
        .log()
        .into_iter()
        .fold(BTreeMap::new(), |mut counts, line| {
            *counts.entry(line.what).or_default() += 1;
            counts
        })
}

#[test]
fn two_runs_share_the_work_and_do_nothing_twice() {
    let words: Vec<_> = (0..40).map(|number| format!("w{number}")).collect();
    let text = |pause: u32, batch: u32| {
        stages(&format!(
            "
            words: {{uses: test.rows, with: {{words: [{}]}}}}
            map: {{uses: test.map, from: words, batch: {batch}, with: {{pause_ms: {pause}}}}}
            train: {{uses: test.chain, with: {{length: 10, pause_ms: {pause}}}}}
            ask: {{uses: test.gated, from: words, batch: {batch}, with: {{pause_ms: {pause}}}}}
            sum: {{uses: test.sum, from: map}}
            ",
            words.join(", ")
        ))
    };
    let place = Place::new();
    place.write("a.yaml", text(4, 3));
    place.write("b.yaml", text(4, 4));
    let both = ["a.yaml", "b.yaml"];
    let processes = both.map(|name| spawn(&place, name));
    wait_until(|| {
        both.iter()
            .all(|name| place.path(&format!("{name}.ready")).exists())
    });
    place.write("go", "");
    for process in processes {
        process.join();
    }
    assert_eq!(place.read("a.yaml.digests"), place.read("b.yaml.digests"));
    let calm = Place::new();
    let expected = calm.run(&text(0, 256)).digests();
    assert_eq!(
        place.read("a.yaml.digests"),
        serde_json::to_string(&expected).unwrap()
    );
    // Each unit once, and all of them.
    assert_eq!(counts(&place), counts(&calm));
    let store = place.store();
    for key in place.log().iter().filter_map(|line| line.key) {
        assert_eq!(store.commits(&key).unwrap(), 1);
    }
}

#[test]
fn what_a_killed_run_was_at_is_taken_over() {
    let text = |stuck: bool| {
        stages(&format!(
            "
            words: {{uses: test.rows, with: {{words: [a, b, c, d, e, f]}}}}
            map: {{uses: test.map, from: words, batch: 2, with: {{stuck: {stuck}}}}}
            sum: {{uses: test.sum, from: map}}
            "
        ))
    };
    let place = Place::new();
    place.write("go", "");
    place.write("stuck.yaml", text(true));
    place.write("well.yaml", text(false));
    let mut stuck = spawn(&place, "stuck.yaml");
    // It holds the leases of its first batch, `a` and `b`, and never gives them back.
    wait_until(|| !place.log().is_empty());
    let well = spawn(&place, "well.yaml");
    wait_until(|| place.log().iter().any(|line| line.what == "f!"));
    std::thread::sleep(Duration::from_millis(200));
    let before = counts(&place);
    assert_eq!((before["a!"], before.get("b!")), (1, None));
    stuck.kill();
    well.join();
    let words = ["a!", "b!", "c!", "d!", "e!", "f!"];
    assert_eq!(words.map(|word| counts(&place)[word]), [2, 1, 1, 1, 1, 1]);
    let calm = Place::new().run(&text(false)).digests();
    assert_eq!(
        place.read("well.yaml.digests"),
        serde_json::to_string(&calm).unwrap()
    );
    assert!(!place.path("stuck.yaml.digests").exists());
}
