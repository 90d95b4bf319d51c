//! What identifies a row about an image: those of `class`, `prompt`, `candidate`, `epoch`, `scale` and `image`
//! that its table has, in this order.

use ccsr_stage::{ColumnType, Row, Schema, Schemas, StageError, Value};

/// The columns that identify rows.
pub(crate) const NAMES: [&str; 6] = ["class", "prompt", "candidate", "epoch", "scale", "image"];

/// The columns that identify the images of one prompt.
const GROUP: [&str; 2] = ["class", "prompt"];

/// The identifying columns that a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowId(Vec<(&'static str, ColumnType)>);

/// The values that identify a row, as bytes to compare.
pub(crate) type Key = Vec<u8>;

impl RowId {
    /// The identifying columns of tables of this schema.
    pub(crate) fn of(schema: &Schema) -> Self {
        Self::among(&NAMES, schema)
    }

    /// The columns that tell the prompts of such a table apart; none: all rows belong together.
    pub(crate) fn group_of(schema: &Schema) -> Self {
        Self::among(&GROUP, schema)
    }

    fn among(names: &[&'static str], schema: &Schema) -> Self {
        let present = |name: &&'static str| schema.get(name).map(|kind| (*name, kind));
        Self(names.iter().filter_map(present).collect())
    }

    /// The identifying columns that two tables share, by which their rows are matched.
    ///
    /// # Errors
    /// If there is none, or one is not of the same type in both.
    pub(crate) fn shared(one: (&str, &Schema), other: (&str, &Schema)) -> Result<Self, StageError> {
        let theirs = Self::of(other.1);
        let mut columns = Vec::new();
        for (name, kind) in Self::of(one.1).0 {
            match theirs.kind(name) {
                Some(same) if same == kind => columns.push((name, kind)),
                Some(another) => {
                    return Err(StageError::input(format!(
                        "`{name}` holds {} in `{}` and {} in `{}`: their rows cannot be matched",
                        kind.described(),
                        one.0,
                        another.described(),
                        other.0
                    )));
                }
                None => {}
            }
        }
        if columns.is_empty() {
            return Err(StageError::input(format!(
                "`{}` and `{}` share none of the columns `class`, `prompt`, `candidate`, `image`: \
                 their rows cannot be matched",
                one.0, other.0
            )));
        }
        Ok(Self(columns))
    }

    /// That the rows of the ports that are bound can be matched with those of the images.
    pub(crate) fn check_matched(
        images: &Schema,
        inputs: &Schemas,
        ports: &[&str],
    ) -> Result<(), StageError> {
        for port in ports {
            if let Some(schema) = inputs.get(port) {
                Self::shared(("images", images), (port, schema))?;
            }
        }
        Ok(())
    }

    fn kind(&self, name: &str) -> Option<ColumnType> {
        self.0
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, kind)| *kind)
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// The columns, to begin a schema with.
    pub(crate) fn schema(&self) -> Schema {
        Schema::new(self.0.iter().copied())
    }

    /// The values of a row.
    pub(crate) fn values(&self, row: Row<'_>) -> Vec<Value> {
        let value = |name| row.find(name).cloned().unwrap_or_default();
        self.names().map(value).collect()
    }

    /// The values of a row, to look it up by.
    pub(crate) fn key(&self, row: Row<'_>) -> Key {
        Value::list(self.values(row)).canonical()
    }
}

/// A row's image in a person's words: `candidate 3 of "Wide photo of …"`.
pub(crate) fn described(row: Row<'_>) -> String {
    let prompt = row.find("prompt").and_then(Value::as_text);
    let candidate = row.find("candidate").map(shown);
    let image = row.find("image").map(shown);
    match (candidate, prompt, image) {
        (Some(candidate), Some(prompt), _) => {
            format!("candidate {candidate} of \"{}\"", shortened(prompt))
        }
        (Some(candidate), None, _) => format!("candidate {candidate}"),
        (None, Some(prompt), Some(image)) => {
            format!("image {image} of \"{}\"", shortened(prompt))
        }
        (None, Some(prompt), None) => format!("the image of \"{}\"", shortened(prompt)),
        (None, None, Some(image)) => format!("image {image}"),
        (None, None, None) => format!("row {}", row.index() + 1),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Blob(digest) => digest.short(),
        other => other.to_text(),
    }
}

/// Whether a class and a label are the same, but for case and spaces around them.
pub(crate) fn same_word(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// At most 60 characters of a text.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ccsr_stage::Table;

    #[test]
    fn rows_are_matched_by_the_columns_that_both_tables_have() {
        let images = Schema::new([
            ("prompt", ColumnType::Text),
            ("scene", ColumnType::Text),
            ("candidate", ColumnType::Int),
        ]);
        let scores = Schema::new([("candidate", ColumnType::Int), ("score", ColumnType::Int)]);
        let shared = RowId::shared(("images", &images), ("scores", &scores)).unwrap();
        assert_eq!(shared.names().collect::<Vec<_>>(), ["candidate"]);

        let texts = Schema::new([("candidate", ColumnType::Text)]);
        assert_eq!(
            RowId::shared(("images", &images), ("scores", &texts))
                .unwrap_err()
                .to_string(),
            "`candidate` holds whole numbers in `images` and text in `scores`: \
             their rows cannot be matched"
        );
        let none = Schema::new([("score", ColumnType::Int)]);
        assert!(
            RowId::shared(("images", &images), ("scores", &none))
                .unwrap_err()
                .to_string()
                .starts_with("`images` and `scores` share none of")
        );
    }

    #[test]
    fn rows_are_described_by_what_they_have() {
        let mut table = Table::builder(Schema::new([
            ("prompt", ColumnType::Text),
            ("candidate", ColumnType::Int),
        ]));
        table
            .push([Value::from("a ".repeat(40)), Value::Int(3)])
            .unwrap();
        table.push([Value::Null, Value::Int(3)]).unwrap();
        table.push([Value::Null, Value::Null]).unwrap();
        let table = table.finish();
        let texts: Vec<String> = table.rows().map(described).collect();
        assert!(texts[0].starts_with("candidate 3 of \"a a a") && texts[0].ends_with("a…\""));
        assert_eq!(texts[1..], ["candidate 3", "row 3"]);
    }
}
