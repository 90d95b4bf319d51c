//! Schemas of typed values as they may stand in a tree: with `${vars.name}` wherever a value is
//! expected, and with nothing where all of a map may be left out.

use serde_json::{Map, Value as Json, json};

/// What editors show of a schema: it stays outside when the schema becomes one of several.
const SHOWN: &[&str] = &["title", "description", "default", "examples"];

/// A `with:` block among the definitions.
pub(super) struct Block {
    pub(super) reference: Json,
    /// Whether it has a parameter without a default.
    pub(super) is_required: bool,
}

/// Adds a `with:` block to the definitions. The names of its own definitions get its name in front,
/// because two blocks may mean different things by one name.
pub(super) fn block(name: &str, schema: &Json, definitions: &mut Map<String, Json>) -> Block {
    let none = Map::new();
    let own = Own {
        block: name,
        definitions: schema["$defs"].as_object().unwrap_or(&none),
    };
    for (definition, schema) in own.definitions {
        definitions.insert(format!("{name}:{definition}"), own.shaped(schema));
    }
    let mut whole = own.shaped(schema);
    if let Some(fields) = whole.as_object_mut() {
        for key in ["$schema", "$defs", "title"] {
            fields.remove(key);
        }
    }
    definitions.insert(name.to_owned(), whole);
    let reference = json!({ "$ref": format!("#/$defs/{name}") });
    let is_required = schema["required"].is_array();
    Block {
        reference: or_nothing(open(reference), !is_required),
        is_required,
    }
}

/// The same schema for a place in which a variable may stand, too.
pub(super) fn open(schema: Json) -> Json {
    if takes_any_text(&schema) {
        return schema;
    }
    or(schema, json!({ "$ref": "#/$defs/variable" }))
}

/// What a block's own references lead to.
struct Own<'a> {
    block: &'a str,
    definitions: &'a Map<String, Json>,
}

impl Own<'_> {
    /// The schema, open in all places of its values but not itself.
    fn shaped(&self, schema: &Json) -> Json {
        let Some(fields) = schema.as_object() else {
            return schema.clone();
        };
        let values = |of: &Json| match of {
            Json::Object(map) => map
                .iter()
                .map(|(name, v)| (name.clone(), self.value(v)))
                .collect(),
            other => other.clone(),
        };
        let choices = |of: &Json| match of {
            Json::Array(list) => list.iter().map(|choice| self.shaped(choice)).collect(),
            other => other.clone(),
        };
        let shaped = |(key, of): (&String, &Json)| {
            let of = match key.as_str() {
                "properties" => values(of),
                "items" | "additionalProperties" => self.value(of),
                "anyOf" | "oneOf" | "allOf" => choices(of),
                "prefixItems" => of
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|v| self.value(v))
                    .collect(),
                "$ref" => match self.referred(of) {
                    Some((name, _)) => json!(format!("#/$defs/{}:{name}", self.block)),
                    None => of.clone(),
                },
                _ => of.clone(),
            };
            (key.clone(), of)
        };
        Json::Object(fields.iter().map(shaped).collect())
    }

    /// The schema of a value.
    fn value(&self, schema: &Json) -> Json {
        let meant = self
            .referred(&schema["$ref"])
            .map_or(schema, |(_, meant)| meant);
        let shaped = self.shaped(schema);
        let open = if takes_any_text(meant) {
            shaped
        } else {
            open(shaped)
        };
        or_nothing(
            open,
            meant["type"] == "object" && !meant["required"].is_array(),
        )
    }

    fn referred(&self, reference: &Json) -> Option<(&str, &Json)> {
        let name = reference.as_str()?.strip_prefix("#/$defs/")?;
        self.definitions
            .get_key_value(name)
            .map(|(name, schema)| (name.as_str(), schema))
    }
}

fn or_nothing(schema: Json, nothing_will_do: bool) -> Json {
    if nothing_will_do {
        or(schema, json!({ "type": "null" }))
    } else {
        schema
    }
}

/// One or the other, with what is shown of the first.
fn or(schema: Json, other: Json) -> Json {
    let Json::Object(mut fields) = schema else {
        return schema;
    };
    let (shown, mut rest): (Map<_, _>, Map<_, _>) = std::mem::take(&mut fields)
        .into_iter()
        .partition(|(key, _)| SHOWN.contains(&key.as_str()));
    let mut choices = match rest.remove("anyOf") {
        Some(Json::Array(choices)) if rest.is_empty() => choices,
        Some(choices) => {
            rest.insert("anyOf".to_owned(), choices);
            vec![Json::Object(rest)]
        }
        None => vec![Json::Object(rest)],
    };
    choices.push(other);
    let mut schema = Json::Object(shown);
    schema["anyOf"] = choices.into();
    schema
}

/// Whether nothing is expected of a text.
fn takes_any_text(schema: &Json) -> bool {
    let Some(fields) = schema.as_object() else {
        return schema == &Json::Bool(true);
    };
    let narrow = [
        "enum",
        "const",
        "pattern",
        "minLength",
        "maxLength",
        "format",
    ];
    let apart = ["anyOf", "oneOf", "allOf", "$ref"];
    if narrow
        .iter()
        .chain(&apart)
        .any(|key| fields.contains_key(*key))
    {
        return false;
    }
    match fields.get("type") {
        None => true,
        Some(Json::Array(kinds)) => kinds.contains(&json!("string")),
        Some(kind) => kind == "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_may_stand_where_values_do() {
        let schema = json!({
            "type": "object",
            "title": "Params",
            "properties": {
                "size": { "type": "integer", "description": "Pixels.", "default": 64 },
                "name": { "type": "string" },
                "style": { "$ref": "#/$defs/Style" },
                "boxes": { "type": "array", "items": { "$ref": "#/$defs/Box" } },
            },
            "$defs": {
                "Style": { "oneOf": [{ "const": "plain" }, { "const": "camera" }] },
                "Box": { "type": "object", "properties": { "x": { "type": "number" } } },
            },
        });
        let mut definitions = Map::new();
        let found = block("draw", &schema, &mut definitions);
        let variable = json!({ "$ref": "#/$defs/variable" });
        let nothing = json!({ "type": "null" });
        assert_eq!(
            found.reference,
            json!({ "anyOf": [{ "$ref": "#/$defs/draw" }, variable, nothing] })
        );
        assert_eq!(
            definitions["draw"]["properties"],
            json!({
                "size": {
                    "description": "Pixels.",
                    "default": 64,
                    "anyOf": [{ "type": "integer" }, variable],
                },
                "name": { "type": "string" },
                "style": { "anyOf": [{ "$ref": "#/$defs/draw:Style" }, variable] },
                "boxes": {
                    "anyOf": [{
                        "type": "array",
                        "items": { "anyOf": [{ "$ref": "#/$defs/draw:Box" }, variable, nothing] },
                    }, variable],
                },
            })
        );
        // A definition is not itself open: one of several choices would be met twice.
        assert!(definitions["draw:Style"]["oneOf"].is_array());
    }
}
