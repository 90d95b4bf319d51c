//! The report in a browser: clicked through, typed into, and looked at.
//!
//! Needs Chromium (`apt-get install chromium`). Where there is none, a test says so and passes, unless the
//! variable `CI` is set. Pictures of what was seen are left in `target/tmp/browser`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says where it stopped, and one that leaves something out says so"
)]

mod chromium;

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use chromium::Tab;
use image::RgbImage;
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PROMPTS: usize = 12;

/// A report in a folder of its own, on a small run of the paper's pipeline.
struct Reported {
    folder: TempDir,
}

impl Reported {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        copy(
            &Path::new(ROOT).join("pipelines"),
            &folder.path().join("pipelines"),
        );
        let reported = Self { folder };
        // The second run drops some prompts, and most of it is reused.
        let small = [
            "--set",
            "stages.prompts.with.count=6",
            "--set",
            "stages.images.with.candidates=4",
            "--set",
            "vars.size=96",
        ];
        let strict = ["--set", "stages.pairs.with.min_confidence=0.92"];
        reported.program(&[&["run", "pipelines/selection.yaml"][..], &small].concat());
        reported.program(&[&["run", "pipelines/selection.yaml"][..], &small, &strict].concat());
        reported.program(&["report", "--to", "r.html", "--compare", "latest~1"]);
        reported
    }

    fn program(&self, args: &[&str]) {
        let output = Command::new(env!("CARGO_BIN_EXE_ccsr-flow"))
            .args(args)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn url(&self) -> String {
        format!(
            "file://{}/r.html",
            self.folder.path().canonicalize().unwrap().display()
        )
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_name().to_str() {
            // What somebody's runs left there.
            Some("out") => {}
            _ if entry.path().is_dir() => copy(&entry.path(), &target),
            _ => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The report in a browser; `None`, with a word about it, where there is no browser.
fn opened(reported: &Reported, width: u32, height: u32) -> Option<Tab> {
    let Some(mut tab) = Tab::open(width, height) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "no Chromium is installed, and CI is set: `apt-get install chromium`"
        );
        println!("left out: no Chromium is installed");
        return None;
    };
    tab.visit(&reported.url());
    Some(tab)
}

fn colours(picture: &RgbImage) -> HashSet<[u8; 3]> {
    picture.pixels().map(|pixel| pixel.0).collect()
}

/// How much of a picture has a colour, in pixels.
fn amount(picture: &RgbImage, colour: [u8; 3]) -> usize {
    picture.pixels().filter(|pixel| pixel.0 == colour).count()
}

#[test]
fn a_report_is_clicked_through() {
    let reported = Reported::new();
    let Some(mut tab) = opened(&reported, 1280, 900) else {
        return;
    };
    let open = "document.querySelectorAll('.prompt[open]').length";

    // A prompt opens with a click, and its pictures come.
    assert_eq!(tab.ask(open), 0);
    tab.click(".prompts > li:nth-child(3) summary");
    assert_eq!(tab.ask(open), 1);
    let pictures = "[...document.querySelectorAll('.prompt[open] .card img')]";
    tab.wait_for(&format!("{pictures}.length === 4 && {pictures}.every((image) => image.complete && image.naturalWidth === 96)"));
    tab.click(".prompts > li:nth-child(3) summary");
    assert_eq!(tab.ask(open), 0);

    // A pair leads to its prompt, a stage of the graph to its facts.
    tab.click(".tiles li:nth-child(2) a");
    tab.wait_for("document.querySelectorAll('.prompt[open]').length === 1");
    let href =
        tab.ask("document.querySelector('.tiles li:nth-child(2) a').getAttribute('href').slice(1)");
    assert_eq!(tab.ask("document.querySelector('.prompt[open]').id"), href);
    assert_eq!(tab.ask("document.activeElement.parentElement.id"), href);
    tab.click("a.node");
    tab.wait_for("document.getElementById('stage-0').open");

    // Keys: to a prompt, on, back, open, shut.
    tab.ask("document.activeElement.blur()");
    let focused = "document.activeElement.parentElement.id";
    for (key, number) in [
        ("j", 1),
        ("j", 2),
        ("ArrowDown", 3),
        ("k", 2),
        ("ArrowUp", 1),
        ("k", 1),
    ] {
        tab.press(key);
        assert_eq!(tab.ask(focused), format!("images-{number}"), "{key}");
    }
    tab.press("Enter");
    tab.wait_for("document.getElementById('images-1').open");
    tab.press("Escape");
    tab.wait_for("!document.getElementById('images-1').open");

    // The filter, by a key and by a choice.
    let shown = "document.querySelectorAll('.prompts > li:not([hidden])').length";
    let said = "document.querySelector('.tools output').textContent";
    tab.press("/");
    assert_eq!(tab.ask("document.activeElement.type"), "search");
    tab.write("GIRAFFE");
    assert_eq!(tab.ask(shown), PROMPTS / 2);
    assert_eq!(tab.ask(said), format!("{} of {PROMPTS}", PROMPTS / 2));
    tab.write(" nobody wrote this");
    assert_eq!(tab.ask(shown), 0);
    tab.ask("(() => { const input = document.activeElement; input.value = ''; input.dispatchEvent(new Event('input')); input.blur(); })()");
    let dropped = tab
        .ask("document.querySelectorAll('.prompt[data-state=dropped]').length")
        .as_u64()
        .unwrap();
    assert!(0 < dropped && dropped < PROMPTS as u64, "{dropped} dropped");
    tab.ask("(() => { const select = document.querySelector('.tools select'); select.value = 'dropped'; select.dispatchEvent(new Event('change')); })()");
    assert_eq!(tab.ask(shown), dropped);
    tab.ask("(() => { const select = document.querySelector('.tools select'); select.value = ''; select.dispatchEvent(new Event('change')); })()");

    // The colours, by the button and by a key.
    let paper = "getComputedStyle(document.body).backgroundColor";
    let light = tab.ask(paper);
    tab.click("#theme");
    assert_eq!(
        tab.ask(paper),
        light,
        "light after what the system prefers, which is light"
    );
    tab.press("t");
    assert_ne!(tab.ask(paper), light);
    assert_eq!(
        tab.ask("document.querySelector('#theme span').textContent"),
        "dark"
    );
    tab.press("t");
    tab.prefer("dark");
    assert_ne!(
        tab.ask(paper),
        light,
        "as the system prefers, which is dark now"
    );

    // Everything that can be reached by Tab has a name, and is seen when it is reached.
    tab.prefer("light");
    tab.ask("document.querySelector('.skip').focus()");
    let mut reached = HashSet::new();
    for _ in 0..40 {
        tab.press("Tab");
        let named = tab.ask(
            "(() => { const on = document.activeElement; \
             return [on.tagName, (on.getAttribute('aria-label') ?? on.labels?.[0]?.textContent ?? on.textContent).trim(), getComputedStyle(on).outlineStyle]; })()",
        );
        assert!(!named[1].as_str().unwrap().is_empty(), "{named}");
        assert_eq!(named[2], "solid", "{named}");
        reached.insert(named[0].as_str().unwrap().to_owned());
    }
    assert!(
        ["A", "BUTTON", "SUMMARY"]
            .iter()
            .all(|name| reached.contains(*name)),
        "{reached:?}"
    );

    // Nobody complained, and nothing but the page was asked for.
    let asked: Vec<_> = tab
        .events("Network.requestWillBeSent")
        .map(|event| event["request"]["url"].as_str().unwrap())
        .collect();
    let foreign: Vec<_> = asked
        .iter()
        .filter(|url| **url != reported.url() && !url.starts_with("data:"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    for method in [
        "Runtime.exceptionThrown",
        "Runtime.consoleAPICalled",
        "Log.entryAdded",
    ] {
        let said: Vec<_> = tab.events(method).collect();
        assert!(said.is_empty(), "{method}: {said:?}");
    }
}

#[test]
fn a_report_is_looked_at() {
    let reported = Reported::new();
    let Some(mut tab) = opened(&reported, 1280, 900) else {
        return;
    };
    tab.ask("document.querySelector('.prompt[data-state=pair]').open = true; scrollTo(0, 0)");
    let top = tab.picture("wide");
    assert_eq!(top.dimensions(), (1280, 900));
    let paper = [0xfb, 0xfa, 0xf7];
    assert!(amount(&top, paper) > 1280 * 900 / 3, "the page is light");
    assert!(colours(&top).len() > 100, "{} colours", colours(&top).len());
    for part in [
        "comparison",
        "stages",
        "when",
        "images-images",
        "numbers",
        "again",
    ] {
        tab.ask(&format!(
            "document.getElementById('{part}').scrollIntoView()"
        ));
        let picture = tab.picture(&format!("wide-{part}"));
        assert!(
            colours(&picture).len() > 50,
            "{part}: {} colours",
            colours(&picture).len()
        );
    }

    // The winner has its frame, as long as its card is around, and its pictures are there.
    let loaded = "[...document.querySelectorAll('.prompt[open] .card img')].every((image) => image.naturalWidth > 0)";
    tab.ask("document.querySelector('.prompt[open]').scrollIntoView()");
    tab.wait_for(loaded);
    let picture = tab.picture("wide-prompt");
    let card = tab.ask("document.querySelector('.card.won').getBoundingClientRect().toJSON()");
    let around = 2.0 * (card["width"].as_f64().unwrap() + card["height"].as_f64().unwrap());
    let frame = amount(&picture, [0xd0, 0x87, 0x00]);
    assert!(
        frame as f64 > 2.5 * around,
        "{frame} pixels around {around}"
    );
    assert!(
        colours(&picture).len() > 1000,
        "{} colours",
        colours(&picture).len()
    );

    // In the dark nothing stays light, the plots least of all.
    tab.prefer("dark");
    tab.ask("document.getElementById('when').scrollIntoView()");
    let dark = tab.picture("dark-when");
    assert!(amount(&dark, [0x14, 0x17, 0x1b]) > 1280 * 900 / 3);
    assert_eq!(amount(&dark, [0xff, 0xff, 0xff]), 0);
    assert!(
        amount(&dark, [0xe6, 0xe4, 0xdf]) > 100,
        "letters, those of the plot among them"
    );
    tab.ask("document.querySelector('.prompt[open]').scrollIntoView()");
    tab.picture("dark-prompt");
}

#[test]
fn a_report_fits_a_phone() {
    let reported = Reported::new();
    let Some(mut tab) = opened(&reported, 390, 844) else {
        return;
    };
    tab.ask("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    for width in [390, 360] {
        tab.resize(width, 844);
        assert_eq!(
            tab.ask("document.documentElement.scrollWidth"),
            width,
            "nothing stands out"
        );
        // What is wider scrolls on its own, and only that.
        let out = tab.ask(
            "[...document.querySelectorAll('main *, header *, footer *')].filter((element) => \
             element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.scroll, pre, .hidden')) \
             .map((element) => element.tagName + '.' + element.getAttribute('class'))",
        );
        assert_eq!(out, serde_json::json!([]));
    }
    tab.resize(390, 844);
    tab.ask("document.querySelectorAll('details').forEach((details) => { details.open = false; })");
    tab.ask("document.querySelector('.prompt[data-state=pair]').open = true; scrollTo(0, 0)");
    assert!(colours(&tab.picture("phone")).len() > 100);
    tab.ask("document.querySelector('.prompt[open]').scrollIntoView()");
    tab.wait_for("[...document.querySelectorAll('.prompt[open] .card img')].slice(0, 2).every((image) => image.naturalWidth > 0)");
    assert!(colours(&tab.picture("phone-prompt")).len() > 500);
}
