//! YAML as JSON: as much of it as our own files use.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value as Json};

/// Lists and maps that are not finished; a map with the name that waits for its value.
enum Open {
    List(Vec<Json>),
    Map(Map<String, Json>, Option<String>),
}

/// The value of a text.
pub(crate) fn read(text: &str) -> Json {
    let mut open: Vec<Open> = Vec::new();
    let mut root = Json::Null;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.expect("our files are YAML");
        let value = match event {
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(list)) => Json::Array(list),
                Some(Open::Map(map, _)) => Json::Object(map),
                None => unreachable!("what ends has begun"),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = value,
            Some(Open::List(list)) => list.push(value),
            Some(Open::Map(_, name @ None)) => *name = Some(value.as_str().unwrap().to_owned()),
            Some(Open::Map(map, name)) => {
                map.insert(name.take().unwrap(), value);
            }
        }
    }
    root
}

fn scalar(text: &str, style: ScalarStyle) -> Json {
    if !matches!(style, ScalarStyle::Plain) {
        return Json::from(text);
    }
    let number = || {
        serde_json::from_str(text)
            .ok()
            .filter(|json: &Json| !json.is_string())
    };
    number().unwrap_or_else(|| Json::from(text))
}
