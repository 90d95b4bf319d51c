//! Conversations as transformers writes them down.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ccsr_text::{ChatTemplate, Content, Message, Part, TemplateError};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use super::golden;

#[derive(Deserialize)]
struct Conversations {
    template: String,
    tokens: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    messages: Vec<Value>,
    prompt: bool,
    text: Option<String>,
    error: Option<String>,
}

fn message(value: &Value) -> Message {
    let content = match &value["content"] {
        Value::String(text) => Content::Text(text.clone()),
        parts => {
            let parts = parts.as_array().unwrap().iter();
            let parts = parts.map(|part| match part["type"].as_str().unwrap() {
                "image" => Part::Image,
                _ => Part::text(part["text"].as_str().unwrap()),
            });
            Content::Parts(parts.collect())
        }
    };
    Message {
        role: value["role"].as_str().unwrap().to_owned(),
        content,
    }
}

/// Every conversation is written as transformers does, or refused with the same words.
#[track_caller]
pub(crate) fn are_theirs(name: &str, template: &ChatTemplate) {
    let mut all: BTreeMap<String, Conversations> = golden("conversations.json");
    for case in all.remove(name).unwrap().cases {
        let messages: Vec<_> = case.messages.iter().map(message).collect();
        match (
            template.render(&messages, case.prompt),
            case.text,
            case.error,
        ) {
            (Ok(text), Some(expected), _) => assert_eq!(text, expected, "{name}"),
            (Err(TemplateError::Refused { message, .. }), _, Some(expected)) => {
                assert_eq!(message, expected, "{name}");
            }
            (found, text, error) => panic!("{name}: {found:?}, expected {text:?} {error:?}"),
        }
    }
}

#[test]
fn conversations_are_written_as_transformers_does() {
    let all: BTreeMap<String, Conversations> = golden("conversations.json");
    assert_eq!(all.len(), 7);
    for (name, conversations) in all {
        let path = Path::new("chat_template.jinja");
        let template =
            ChatTemplate::parse(&conversations.template, path, conversations.tokens).unwrap();
        are_theirs(&name, &template);
    }
}

/// A folder of these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn rendered(folder: &TempDir) -> String {
    let template = ChatTemplate::open(folder.path()).unwrap();
    template
        .render(&[Message::text("user", "Hi")], true)
        .unwrap()
}

#[test]
fn templates_are_found_where_checkpoints_have_them() {
    let config = r#"{"bos_token": {"content": "<s>"}, "eos_token": "</s>",
        "chat_template": "config {{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}"}"#;
    let json = r#"{"chat_template": "json {{ bos_token }}"}"#;
    let config = ("tokenizer_config.json", config);
    assert_eq!(rendered(&folder(&[config])), "config <s>Hi</s>");
    let json = ("chat_template.json", json);
    assert_eq!(rendered(&folder(&[config, json])), "json <s>");
    let jinja = ("chat_template.jinja", "jinja {{ bos_token }}\n");
    assert_eq!(rendered(&folder(&[config, json, jinja])), "jinja <s>");
    let map = ("special_tokens_map.json", r#"{"bos_token": "<begin>"}"#);
    assert_eq!(rendered(&folder(&[jinja, map])), "jinja <begin>");
}

#[test]
fn named_templates_are_asked_for_by_name() {
    let config = r#"{"chat_template": [{"name": "default", "template": "plain"},
        {"name": "tool_use", "template": "tools"}]}"#;
    let folder = folder(&[("tokenizer_config.json", config)]);
    assert_eq!(rendered(&folder), "plain");
    let named = ChatTemplate::open_named(folder.path(), "tool_use").unwrap();
    assert_eq!(named.render(&[], false).unwrap(), "tools");
    let error = ChatTemplate::open_named(folder.path(), "rag")
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("has no chat template `rag`; it has default, tool_use"),
        "{error}"
    );
}

#[test]
fn templates_that_cannot_be_used_say_file_and_line() {
    let opened = |text: &str| ChatTemplate::open(folder(&[("chat_template.jinja", text)]).path());
    let error = opened("{{ bos_token }}\n{% for x in %}\n{% endfor %}").unwrap_err();
    assert!(
        matches!(error, TemplateError::Syntax { line: 2, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("chat_template.jinja` is wrong in line 2: syntax error"),
        "{error}"
    );
    let template = opened("one\ntwo {{ messages[0].content.frobnicate() }}").unwrap();
    let error = template
        .render(&[Message::text("user", "Hi")], false)
        .unwrap_err();
    assert!(
        matches!(error, TemplateError::Failed { line: 2, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("frobnicate"), "{error}");
    let template = opened("{{ raise_exception('Only users, please.') }}").unwrap();
    let error = template.render(&[], false).unwrap_err().to_string();
    assert!(
        error.ends_with("refuses the conversation: Only users, please."),
        "{error}"
    );
}

#[test]
fn a_template_without_end_is_stopped() {
    let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}\
                  {% endfor %}{% endfor %}{% endfor %}";
    let template = ChatTemplate::parse(nested, Path::new("t"), BTreeMap::new()).unwrap();
    let error = template.render(&[], false).unwrap_err();
    assert!(matches!(error, TemplateError::Failed { .. }), "{error}");
}

#[test]
fn no_template_says_what_was_looked_for() {
    let error = ChatTemplate::open(folder(&[]).path())
        .unwrap_err()
        .to_string();
    let said = "has no chat template: looked for `chat_template.jinja`, `chat_template.json` and";
    assert!(error.contains(said), "{error}");
    let damaged = folder(&[("chat_template.json", "{")]);
    let error = ChatTemplate::open(damaged.path()).unwrap_err().to_string();
    assert!(
        error.contains("chat_template.json`: EOF while parsing"),
        "{error}"
    );
}
