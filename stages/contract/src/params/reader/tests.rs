use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::params::{Document, FilePath, FolderPath, ResolvedPath, SourceId};

/// Builds trees with made-up spans: every node gets the next number.
struct Maker(u32);

impl Maker {
    fn node(&mut self, json: &serde_json::Value) -> Node {
        use serde_json::Value as Json;
        self.0 += 10;
        let span = Span {
            source: SourceId(0),
            start: self.0,
            end: self.0 + 1,
        };
        let kind = match json {
            Json::Null => NodeKind::Null,
            Json::Bool(b) => NodeKind::Bool(*b),
            Json::Number(n) => n
                .as_i64()
                .map_or(NodeKind::Float(n.as_f64().unwrap()), NodeKind::Int),
            Json::String(s) => NodeKind::Text(s.as_str().into()),
            Json::Array(list) => NodeKind::List(list.iter().map(|j| self.node(j)).collect()),
            Json::Object(map) => {
                let entry = |(key, json): (&String, &Json)| {
                    self.0 += 1;
                    let key_span = Span {
                        source: SourceId(0),
                        start: self.0,
                        end: self.0 + 1,
                    };
                    Entry {
                        key: key.as_str().into(),
                        key_span,
                        value: self.node(json),
                    }
                };
                NodeKind::Map(map.iter().map(entry).collect())
            }
        };
        Node { span, kind }
    }
}

struct NoFiles;

impl Documents for NoFiles {
    fn resolve(&self, path: &str, _: Span) -> Result<ResolvedPath, Problem> {
        Ok(ResolvedPath {
            path: path.into(),
            display: path.to_owned(),
        })
    }

    fn load(&self, path: &ResolvedPath, _: Span) -> Result<Node, Vec<Problem>> {
        match path.display.as_str() {
            "good" => Ok(Maker(1000).node(&serde_json::json!({ "text": "from the file" }))),
            _ => Err(vec![Problem::new(
                None,
                format!("there is no file `{}`", path.display),
            )]),
        }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Choice {
    AllMax,
    TopK(u32),
    Threshold { at: f64 },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Inner {
    text: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default)]
struct Params {
    count: u32,
    share: f64,
    names: Vec<String>,
    choice: Choice,
    weights: BTreeMap<String, f64>,
    maybe: Option<bool>,
    inner: Option<Document<Inner>>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            count: 10,
            share: 0.5,
            names: Vec::new(),
            choice: Choice::AllMax,
            weights: BTreeMap::new(),
            maybe: None,
            inner: None,
        }
    }
}

fn parse(json: &serde_json::Value) -> Result<Params, Vec<String>> {
    read::<Params>(&Maker(0).node(json), &NoFiles).map_err(|problems| {
        let text = |p: Problem| {
            let help = p.help.map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}{help}", p.message)
        };
        problems.into_iter().map(text).collect()
    })
}

#[test]
fn what_fits_is_read() {
    let read = parse(&serde_json::json!({
        "count": 3, "share": 1, "names": ["yes", "no"], "choice": {"top_k": 4},
        "weights": {"yes": 1, "no": -1.5}, "maybe": null, "inner": "good",
    }));
    let expected = Params {
        count: 3,
        share: 1.0,
        names: vec!["yes".to_owned(), "no".to_owned()],
        choice: Choice::TopK(4),
        weights: BTreeMap::from([("no".to_owned(), -1.5), ("yes".to_owned(), 1.0)]),
        maybe: None,
        inner: Some(Document(Inner {
            text: "from the file".to_owned(),
        })),
    };
    assert_eq!(read.unwrap(), expected);
    let read =
        parse(&serde_json::json!({"choice": {"threshold": {"at": 2}}, "inner": {"text": "here"}}));
    assert_eq!(
        read.unwrap().inner,
        Some(Document(Inner {
            text: "here".to_owned()
        }))
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let errors = parse(&serde_json::json!({
        "choice": "al_max", "cuont": 3, "count": -1, "inner": {"txt": "x"}, "maybe": "yes",
        "names": [1, "ok", true], "share": "much", "weights": {"yes": "one", "no": []},
    }))
    .unwrap_err();
    let mut sorted = errors.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "`al_max` is not one of `all_max`, `top_k`, `threshold` (did you mean `all_max`?)",
            "`cuont` is not expected here; there are `count`, `share`, `names`, `choice`, `weights`, \
             `maybe`, `inner` (did you mean `count`?)",
            "`txt` is not expected here; there are `text` (did you mean `text`?)",
            "expected `true` or `false`, found the text `yes`",
            "expected a number, found a list",
            "expected a number, found the text `much`",
            "expected a number, found the text `one`",
            "expected a whole number from 0 to 4294967295, found `-1`",
            "expected text, found `1` (put it in quotes if text is what you mean)",
            "expected text, found `true` (put it in quotes if text is what you mean)",
        ]
    );
}

#[test]
fn files_and_variants_that_do_not_fit_are_named() {
    let only = |json: serde_json::Value| parse(&json).unwrap_err();
    assert_eq!(
        only(serde_json::json!({"inner": "bad"})),
        ["there is no file `bad`"]
    );
    assert_eq!(
        only(serde_json::json!({"inner": {}})),
        ["`text` is missing"]
    );
    assert_eq!(
        only(serde_json::json!({"choice": "top_k"})),
        ["`top_k` needs a value: `top_k: …`"]
    );
    assert_eq!(
        only(serde_json::json!({"choice": {"all_max": 1}})),
        ["`all_max` takes no value"]
    );
    assert_eq!(
        only(serde_json::json!({"choice": 3})),
        ["expected one of `all_max`, `top_k`, `threshold`, found `3`"]
    );
}

#[test]
#[cfg(unix)]
fn only_what_can_be_read_to_its_end_is_a_file() {
    let text = |path: &str| Maker(0).node(&serde_json::json!(path));
    let file = |path| read::<FilePath>(&text(path), &NoFiles).unwrap_err()[0].clone();
    let folder = |path| read::<FolderPath>(&text(path), &NoFiles).unwrap_err()[0].clone();
    assert_eq!(
        file("/dev/null").message,
        "`/dev/null` is a pipe, a device or the like, expected a file"
    );
    assert_eq!(
        folder("/dev/null").message,
        "`/dev/null` is a pipe, a device or the like, expected a folder"
    );
    assert_eq!(file("/dev").message, "`/dev` is a folder, expected a file");
    assert_eq!(file("/nowhere").message, "there is no file `/nowhere`");
    assert!(read::<FolderPath>(&text("/dev"), &NoFiles).is_ok());
}
