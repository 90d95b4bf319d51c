//! What a language model is told that writes prompts: a template file, and the texts made of it.

use ccsr_stage::{Misfit, Misfits, StageError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::roles::{Style, Wording};
use crate::template::{self, Piece};

/// The placeholders of a template.
const SLOTS: [&str; 2] = ["class", "count"];

const CAMERA: &str = include_str!("../../../../pipelines/templates/camera.yaml");
const PLAIN: &str = include_str!("../../../../pipelines/templates/plain.yaml");

/// A template, as `templates/*.yaml` hold it: `instruction`, and if wanted `system`; or `raw`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PromptTemplate {
    /// What holds for the whole conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// What is to be done; `{class}` and `{count}` stand for the class and the prompts of a chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// Instead of both: a text that the model goes on from as it is, without a chat template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

impl PromptTemplate {
    /// The one that fits a style.
    pub(crate) fn of(style: Style) -> Self {
        let file = match style {
            Style::Camera => CAMERA,
            Style::Plain => PLAIN,
        };
        Self {
            system: block(file, "system"),
            instruction: block(file, "instruction"),
            raw: block(file, "raw"),
        }
    }

    /// Everything that does not fit, by what in the file it is about.
    pub(crate) fn misfits(&self) -> Misfits {
        let mut misfits = Misfits::new();
        let parts = [
            ("system", &self.system),
            ("instruction", &self.instruction),
            ("raw", &self.raw),
        ];
        for (name, text) in parts {
            let problem = text.as_deref().map(|text| template::check(text, &SLOTS));
            if let Some(Err(message)) = problem {
                misfits.add(Misfit::new([name], format!("`{name}`: {message}")));
            }
        }
        match (&self.raw, &self.instruction) {
            (None, None) => {
                let message = "the template has no `instruction`, which says what the writer is to do \
                               (or `raw` does)";
                let place = self.system.as_ref().map(|_| "system");
                misfits.add(Misfit::of_name(place, message));
            }
            (Some(_), instruction) if instruction.is_some() || self.system.is_some() => {
                let message = "`raw` is the whole text that the model goes on from; leave `system` and \
                               `instruction` out beside it";
                misfits.add(Misfit::of_name(["raw"], message));
            }
            (raw, _) if misfits.is_empty() && !self.names_class() => {
                let message = "the template does not mention `{class}`: the writer would not know what \
                               to write about";
                let place = if raw.is_some() { "raw" } else { "instruction" };
                misfits.add(Misfit::new([place], message));
            }
            _ => {}
        }
        misfits
    }

    fn names_class(&self) -> bool {
        let texts = [&self.system, &self.instruction, &self.raw];
        let pieces = |text| template::pieces(text).unwrap_or_default();
        let mut pieces = texts.into_iter().flatten().flat_map(|text| pieces(text));
        pieces.any(|piece| piece == Piece::Slot("class"))
    }

    /// What the writer is told about a class.
    pub(crate) fn wording(&self, class: &str, count: u32) -> Result<Wording, StageError> {
        let count = count.to_string();
        let filled = |text: &str| {
            let slot = |name| {
                Ok(if name == "class" {
                    class
                } else {
                    count.as_str()
                })
            };
            template::render(text.trim(), slot)
        };
        if let Some(raw) = &self.raw {
            return Ok(Wording::Raw(filled(raw)?));
        }
        Ok(Wording::Chat {
            system: self.system.as_deref().map(filled).transpose()?,
            instruction: filled(self.instruction.as_deref().unwrap_or_default())?,
        })
    }
}

/// A text of one of our own files, all of whose values are YAML's literal blocks (`key: |`, indented by
/// two blanks). The files of others come through the engine, which reads all of YAML.
fn block(file: &str, key: &str) -> Option<String> {
    let head = format!("{key}: |");
    let mut lines = file.lines().skip_while(|line| *line != head);
    lines.next()?;
    let inside = lines.take_while(|line| line.is_empty() || line.starts_with("  "));
    let texts: Vec<&str> = inside
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect();
    Some(format!("{}\n", texts.join("\n").trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value as Json;

    /// What the files hold by YAML's own rules.
    fn read(name: &str) -> PromptTemplate {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = folder.join("../../pipelines/templates").join(name);
        let json: Json = crate::pipelines::yaml::read(&std::fs::read_to_string(file).unwrap());
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_templates_that_come_along_are_those_of_the_files() {
        assert_eq!(PromptTemplate::of(Style::Camera), read("camera.yaml"));
        assert_eq!(PromptTemplate::of(Style::Plain), read("plain.yaml"));
        for name in [
            "camera.yaml",
            "plain.yaml",
            "srt2i.yaml",
            "mini.yaml",
            "mini-plain.yaml",
        ] {
            assert!(
                read(name).misfits().is_empty(),
                "{name}: {}",
                read(name).misfits()
            );
        }
    }

    /// What the writer takes for a pattern must be worth taking.
    #[test]
    fn examples_keep_the_rules() {
        use crate::prompt_rules::{mentions, tokens};
        for (name, animals) in [
            ("camera.yaml", ["bison", "puffin", "lynx"]),
            ("plain.yaml", ["bison", "puffin", "lynx"]),
        ] {
            let instruction = read(name).instruction.unwrap();
            let of = |animal| instruction.lines().find(move |line| mentions(line, animal));
            for animal in animals {
                let example = of(animal).unwrap_or_else(|| panic!("{name} has no {animal}"));
                let (_, example) = example.split_once(". ").unwrap();
                assert!(tokens(example) <= 77, "{}: {example}", tokens(example));
            }
        }
    }

    #[test]
    fn styles_differ_in_the_camera() {
        let text = |name: &str| match read(name).wording("red panda", 12).unwrap() {
            Wording::Chat {
                system,
                instruction,
            } => format!("{}\n{instruction}", system.unwrap()),
            Wording::Raw(text) => text,
        };
        let (camera, plain) = (text("camera.yaml"), text("plain.yaml"));
        assert!(camera.contains("50mm, f/2.8, natural lighting, RAW photo"));
        assert!(!plain.contains("50mm") && !plain.contains("RAW"));
        for text in [&camera, &plain] {
            assert!(text.contains("Write 12 different prompts.") && text.contains("red panda"));
            assert!(!text.contains(['{', '}']) && text.trim() == text);
        }
        // The published layout: blocks that are no tokens, and the beginning of a text twice.
        let srt2i = text("srt2i.yaml");
        assert!(srt2i.starts_with("<s>[SYS] ") && srt2i.ends_with(" [/INST]"));
        assert!(
            srt2i.contains(" [/SYS]\n<s>[INST] ") && srt2i.contains("Give 12 distinct prompts")
        );
    }
}
