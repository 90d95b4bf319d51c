//! `report`: a page about a run, read as a browser reads it.

mod failures;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::page::{Element, Page};
use crate::project::{Project, SELECTION, SMALL, TABLE1, copy, walk};
use crate::warm;

/// The report on a run, as it was written.
#[track_caller]
fn reported<'a>(project: &Project, args: impl IntoIterator<Item = &'a str>) -> (String, Page) {
    let outcome = project.run(["report", "--to", "r.html"].into_iter().chain(args));
    assert_eq!(outcome.succeeded().stdout, "r.html\n");
    let html = project.read("r.html");
    let page = Page::parse(&html);
    assert_eq!(page.errors, Vec::<String>::new());
    (html, page)
}

fn rows(table: &str) -> Vec<Json> {
    table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The pictures that a page embeds.
fn pictures(page: &Page) -> Vec<String> {
    serde_json::from_str(&page.id("thumbnails").text).unwrap()
}

#[test]
fn every_prompt_shows_its_candidates_their_points_and_who_won() {
    let project = warm::small();
    let (_, page) = reported(&project, []);
    let prompts = page.all("details", "prompt");
    let pairs = rows(&project.table("pairs", [&[SELECTION][..], &SMALL].concat()));
    let scores = rows(&project.table("scores", [&[SELECTION][..], &SMALL].concat()));
    assert_eq!((prompts.len(), pairs.len(), scores.len()), (20, 20, 80));
    let chosen: BTreeMap<&str, i64> = pairs
        .iter()
        .map(|pair| {
            (
                pair["prompt"].as_str().unwrap(),
                pair["candidate"].as_i64().unwrap(),
            )
        })
        .collect();
    for prompt in prompts {
        let text = &page.within(prompt, "span", "text")[0].text;
        let cards = page.within(prompt, "li", "card");
        assert_eq!(cards.len(), 4);
        let won: Vec<_> = cards.iter().filter(|card| card.has_class("won")).collect();
        let name = |card: &Element| page.within(card, "span", "name")[0].text.clone();
        let (_, candidate) = chosen
            .iter()
            .find(|(prompt, _)| text.ends_with(*prompt))
            .unwrap();
        assert_eq!(
            won.iter().map(|card| name(card)).collect::<Vec<_>>(),
            [candidate.to_string()]
        );
        assert!(won[0].text.contains("★ won"), "more than a colour says so");
        for card in &cards {
            assert_eq!(page.within(card, "p", "why").len(), 1, "{}", card.text);
            assert!(card.text.contains("detection"), "{}", card.text);
        }
        // The paper's Table 1: a row a candidate, what each answer counted, the total.
        let table = page.rows(page.within(prompt, "table", "points")[0]);
        let head: Vec<String> = (1..=10).map(|question| format!("Q{question}")).collect();
        assert_eq!(
            table[0],
            [&["candidate".to_owned()][..], &head, &["total".to_owned()]].concat()
        );
        for row in &table[1..] {
            let number: i64 = row[0].trim_end_matches(" ★").parse().unwrap();
            let fits = |score: &&Json| {
                text.ends_with(score["prompt"].as_str().unwrap()) && score["candidate"] == number
            };
            let score = scores.iter().find(fits).unwrap();
            assert_eq!(row[11], score["score"].to_string());
            let points = row[1..11]
                .iter()
                .map(|cell| cell.split(' ').next().unwrap().parse::<i64>().unwrap());
            assert_eq!(points.sum::<i64>(), score["score"].as_i64().unwrap());
        }
    }
    let pictures = pictures(&page);
    assert_eq!(pictures.len(), 80, "each image once");
    let named: BTreeSet<usize> = page
        .all("img", "")
        .iter()
        .map(|image| image.attribute("data-thumbnail").parse().unwrap())
        .collect();
    assert_eq!(named, (0..80).collect());
}

#[test]
fn the_graph_leads_to_the_stages() {
    let project = warm::small();
    let (_, page) = reported(&project, ["latest"]);
    let nodes = page.all("a", "node");
    assert_eq!(nodes.len(), 9);
    for node in &nodes {
        assert!(node.has_class("ran"));
        let stage = page.id(&node.attribute("href")[1..]);
        let name = &page.within(stage, "h3", "")[0].text;
        assert!(
            node.attribute("aria-label")
                .starts_with(&format!("{name}, "))
        );
    }
    assert!(nodes[1].text.contains("80 computed"), "{}", nodes[1].text);
    // Eleven arrows, as the pipeline says.
    assert_eq!(page.all("path", "edge").len(), 13);
    project
        .run([&["run", SELECTION][..], &SMALL].concat())
        .succeeded();
    let (_, page) = reported(&project, []);
    assert!(
        page.all("a", "node")
            .iter()
            .all(|node| node.has_class("reused"))
    );
}

#[test]
fn nothing_is_asked_of_the_network_and_nothing_foreign_is_executed() {
    let project = Project::new();
    let evil = r#"stages.prompts.with.extra=[{class: elephant, prompt: "Photo of an <script>alert(1)</script> <img src=x onerror=alert(2)> elephant & \"more\" </script><!--"}]"#;
    let small = [
        "--set",
        "stages.prompts.with.count=1",
        "--set",
        "stages.images.with.candidates=2",
        "--set",
        evil,
    ];
    project.summary([&[SELECTION][..], &small].concat());
    let (_, page) = reported(&project, []);
    let prompt = page
        .all("span", "text")
        .into_iter()
        .find(|text| text.text.contains("alert"));
    assert!(prompt.unwrap().text.ends_with(r#"Photo of an <script>alert(1)</script> <img src=x onerror=alert(2)> elephant & "more" </script><!--"#));
    let scripts = page.all("script", "");
    assert_eq!(scripts.len(), 2, "the pictures and the page's own");
    assert_eq!(scripts[0].attribute("type"), "application/json");
    for element in &page.elements {
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on") && name != "style", "{name}={value}");
            if matches!(
                name.as_str(),
                "src" | "href" | "srcset" | "data" | "action" | "poster"
            ) {
                assert!(
                    value.starts_with('#') || value.starts_with("data:"),
                    "{name}={value}"
                );
            }
        }
    }
    let style = &page.all("style", "")[0].text;
    assert!(
        !style.contains("url(") && !style.contains("@import"),
        "{style}"
    );
    let policy = page
        .all("meta", "")
        .into_iter()
        .find(|meta| meta.attribute("http-equiv") == "Content-Security-Policy");
    let policy = policy.unwrap().attribute("content");
    assert!(
        policy.starts_with("default-src 'none'; img-src data:; style-src 'sha256-"),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for picture in pictures(&page) {
        assert!(
            picture.starts_with("data:image/webp;base64,")
                || picture.starts_with("data:image/jpeg;base64,")
        );
    }
}

#[test]
fn what_came_out_is_first() {
    let project = warm::small();
    let (_, page) = reported(&project, []);
    assert_eq!(
        page.parts(),
        ["galleries", "numbers", "stages", "when", "again"]
    );
}

#[test]
fn a_page_is_for_those_who_do_not_see_it_too() {
    let project = warm::small();
    let (_, page) = reported(&project, []);
    let count = |name: &str| page.all(name, "").len();
    assert_eq!(
        ["html", "h1", "main", "header", "nav", "footer"].map(count),
        [1; 6]
    );
    assert_eq!(page.all("html", "")[0].attribute("lang"), "en");
    assert_eq!(page.all("a", "")[0].attribute("href"), "#main");
    let ids: Vec<&str> = page
        .elements
        .iter()
        .map(|e| e.attribute("id"))
        .filter(|id| !id.is_empty())
        .collect();
    assert_eq!(
        ids.len(),
        ids.iter().collect::<BTreeSet<_>>().len(),
        "no id twice"
    );
    for element in &page.elements {
        for name in ["aria-labelledby", "aria-describedby"] {
            assert!(
                element
                    .attribute(name)
                    .split_whitespace()
                    .all(|id| page.has_id(id)),
                "{}",
                element.attribute(name)
            );
        }
        match element.name.as_str() {
            "a" if element.attribute("href") != "#" => {
                assert!(page.has_id(&element.attribute("href")[1..]));
            }
            "th" => assert!(
                matches!(element.attribute("scope"), "col" | "row"),
                "{}",
                element.text
            ),
            "img" => assert!(element.attributes.contains_key("alt")),
            "svg" => assert!(
                !element.attribute("role").is_empty() || element.attribute("aria-hidden") == "true"
            ),
            "table" => assert_eq!(page.within(element, "caption", "").len(), 1),
            _ => {}
        }
    }
    let drawn = page
        .all("svg", "")
        .into_iter()
        .filter(|svg| svg.attribute("role") == "img");
    for svg in drawn {
        let inside = ["title", "desc"].map(|name| page.within(svg, name, "").len());
        assert_eq!(inside, [1, 1]);
    }
}

#[test]
fn the_same_run_gives_the_same_page() {
    let project = warm::small();
    let (first, _) = reported(&project, []);
    let (second, _) = reported(&project, []);
    assert!(first == second);
    // Without a name it is called after the run.
    let outcome = project.run(["report"]);
    let name = outcome.succeeded().stdout.trim().to_owned();
    let record = project.run(["runs", "show", "latest", "--json"]);
    let record: Json = serde_json::from_str(&record.succeeded().stdout).unwrap();
    assert_eq!(
        name,
        format!("report-{}.html", record["run"].as_str().unwrap())
    );
    assert!(project.read(&name) == first);
}

/// The totals of the paper's Table 1 (arXiv 2405.13473).
#[test]
fn table_1_is_there_without_an_image() {
    let project = Project::new();
    project.run(["run", TABLE1]).succeeded();
    let (_, page) = reported(&project, []);
    let tables = page.all("table", "points");
    let totals = |table: &Element| -> Vec<String> {
        page.rows(table)[1..]
            .iter()
            .map(|row| row.last().unwrap().clone())
            .collect()
    };
    let srt2i = tables.iter().find(|table| {
        page.within(table, "caption", "")[0]
            .text
            .ends_with("by srt2i")
    });
    assert_eq!(
        totals(srt2i.unwrap()),
        ["7", "7", "7", "5", "8", "7", "8", "8", "7", "8"]
    );
    let eq1 = tables.iter().find(|table| {
        page.within(table, "caption", "")[0]
            .text
            .ends_with("by eq1")
    });
    assert_eq!(
        totals(eq1.unwrap()),
        ["8", "8", "8", "5", "10", "8", "10", "10", "8", "10"]
    );
    assert_eq!(pictures(&page).len(), 0);
}

/// Networks in all roles: what they find means nothing, but there is much of it.
#[test]
fn of_many_boxes_the_surest_are_drawn() {
    let project = Project::new();
    for example in ["examples/self_reward", "examples/stable_diffusion"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(example);
        copy(&from, &project.path(example));
    }
    project
        .run(["run", "examples/self_reward/pipeline.yaml"])
        .succeeded();
    let (_, page) = reported(&project, []);
    let cards = page.all("li", "card");
    assert_eq!(cards.len(), 8);
    for card in cards {
        assert_eq!(page.within(card, "rect", "").len(), 6);
        assert_eq!(page.within(card, "rect", "surest").len(), 1);
        for why in page.within(card, "p", "why") {
            let (one, other) = why.text.split_once(" < ").unwrap_or_default();
            assert!(
                one.is_empty() || !one.ends_with(&format!(" {other}")),
                "{}",
                why.text
            );
        }
    }
}

#[test]
fn plots_say_what_they_show() {
    let project = Project::new();
    project.write("train.csv", "epoch,step,loss,learning_rate,gradient_norm\n1,1,0.5,1e-4,2\n1,2,0.4,1e-4,1\n2,3,0.25,1e-4,0.5\n");
    project.write(
        "scales.csv",
        "prompt,candidate,scale,score\np,0,0,0.30\np,1,0,0.32\nq,0,0,0.28\np,0,0.4,0.33\np,1,0.4,0.35\nq,0,0.4,0.30\np,0,0.7,0.31\np,1,0.7,0.31\nq,0,0.7,0.29\n",
    );
    project.write(
        "plots.yaml",
        "version: 1\nname: plots\nseed: 1\nstages:\n  training:\n    uses: table.import\n    with: {path: train.csv, columns: {epoch: int, step: int, loss: float, learning_rate: float, gradient_norm: float}}\n  clip:\n    uses: table.import\n    with: {path: scales.csv, columns: {candidate: int, scale: float, score: float}}\n  wins:\n    uses: eval.winrate\n    from: clip\n    with: {baselines: [0], variant: scale, pair_by: [prompt, candidate]}\n",
    );
    project.run(["run", "plots.yaml"]).succeeded();
    let (_, page) = reported(&project, []);
    let plots = page.all("figure", "plot");
    let titles: Vec<&str> = plots
        .iter()
        .map(|plot| page.within(plot, "figcaption", "")[0].text.as_str())
        .collect();
    assert_eq!(
        titles,
        [
            "Loss of training",
            "clip over scales",
            "wins: wins, ties, losses",
            "Timeline"
        ]
    );
    let described = |place: usize| page.within(plots[place], "desc", "")[0].text.clone();
    assert_eq!(
        described(0),
        "Loss of training over 3 steps: 0.5 at the first, 0.25 at the last."
    );
    // Means of prompts' means: scale 0.4 has (0.34 + 0.30) / 2.
    assert_eq!(
        described(1),
        "Mean score of clip over 3 scales; the highest is 0.32 at scale 0.4."
    );
    let table = page.rows(page.within(plots[1], "table", "")[0]);
    assert_eq!(table[2][..4], ["0.4", "3", "2", "0.32"].map(str::to_owned));
    // 1.96 standard errors of two prompts, 0.34 and 0.30: 1.96 * 0.02.
    assert_eq!(table[2][4..], ["0.281", "0.359"].map(str::to_owned));
    assert_eq!(
        described(2),
        "0.4 : 0: 3 wins, 0 ties, 0 losses; 0.7 : 0: 0 wins, 3 ties, 0 losses."
    );
    for plot in &plots {
        let svg = page.within(plot, "svg", "")[0];
        let colours = page
            .within(svg, "", "")
            .into_iter()
            .flat_map(|element| ["fill", "stroke"].map(|name| element.attribute(name)));
        assert!(
            colours
                .into_iter()
                .all(|colour| matches!(colour, "" | "none")),
            "colours are the page's"
        );
    }
}

#[test]
fn scales_are_strips() {
    let project = warm::small();
    let mut lines = String::new();
    let images = project.run([
        "show", SELECTION, "images", "--format", "jsonl", SMALL[0], SMALL[1], SMALL[2], SMALL[3],
    ]);
    let first = &rows(&images.succeeded().stdout)[..6];
    fs::create_dir_all(project.path("strips")).unwrap();
    for (place, row) in first.iter().enumerate() {
        let digest = row["image"].as_str().unwrap();
        let mut found = None;
        walk(&project.path(".ccsr/objects"), &mut |path| {
            if path.to_string_lossy().replace('/', "").ends_with(digest) {
                found = Some(path.to_owned());
            }
        });
        fs::copy(found.unwrap(), project.path(&format!("strips/{place}.png"))).unwrap();
        let (candidate, scale) = (place % 2, [0.0, 0.4, 0.7][place / 2]);
        writeln!(lines, "{{\"file_name\": \"{place}.png\", \"class\": \"elephant\", \"prompt\": \"an elephant\", \"candidate\": {candidate}, \"scale\": {scale}}}").unwrap();
    }
    project.write("strips/metadata.jsonl", lines);
    project.write("strips.yaml", "version: 1\nname: strips\nseed: 1\nstages:\n  drawn:\n    uses: image.import\n    with: {path: strips}\n");
    project.run(["run", "strips.yaml"]).succeeded();
    let (_, page) = reported(&project, []);
    let strips = page.all("table", "strips");
    assert_eq!(strips.len(), 1);
    let table = page.rows(strips[0]);
    assert_eq!(table[0], ["candidate", "base", "scale 0.4", "scale 0.7"]);
    assert_eq!([&table[1][0], &table[2][0]], ["0", "1"]);
    assert_eq!(page.within(strips[0], "img", "").len(), 6);
}

#[test]
fn two_runs_stand_side_by_side() {
    let project = warm::small();
    let stricter = [
        &[
            "run",
            SELECTION,
            "--set",
            "stages.pairs.with.min_confidence=0.93",
        ][..],
        &SMALL,
    ]
    .concat();
    project.run(stricter).succeeded();
    let (_, page) = reported(&project, ["latest", "--compare", "latest~1"]);
    let compared = page.id("comparison");
    assert!(
        compared.text.contains("`min_confidence` was 0.93, now 0.6"),
        "{}",
        compared.text
    );
    let chosen = |run: &str| {
        let record = project.run(["runs", "show", run, "--json"]);
        let record: Json = serde_json::from_str(&record.succeeded().stdout).unwrap();
        let stages = record["stages"].as_array().unwrap().iter();
        let pairs = stages
            .clone()
            .find(|stage| stage["name"] == "pairs")
            .unwrap();
        pairs["tables"]["pairs"]["rows"].as_u64().unwrap() as usize
    };
    let dropped = chosen("latest~1") - chosen("latest");
    assert!(dropped > 0);
    let changed = page.within(compared, "ol", "changed");
    let changed = page.within(changed[0], "li", "");
    // Whoever was not sure enough is dropped; nobody else wins instead.
    assert_eq!(changed.len(), dropped);
    for prompt in changed {
        let sides = page.within(prompt, "div", "side");
        assert_eq!(sides.len(), 2);
        let told = [0, 1].map(|side| page.within(sides[side], "p", "")[1].text.as_str());
        assert!(
            told[0].starts_with("no pair:") && told[1].starts_with("candidate "),
            "{told:?}"
        );
        assert_eq!(
            [0, 1].map(|side| page.within(sides[side], "img", "").len()),
            [0, 1]
        );
    }
}
