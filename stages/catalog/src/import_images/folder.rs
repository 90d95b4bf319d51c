//! The images of a folder, and what metadata beside them says about each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use ccsr_stage::{ColumnType, Misfit, Misfits, Schema, Value};

use crate::import_table::rows::{self, Rows};

/// Files that hold metadata.
const METADATA: [&str; 2] = ["metadata.jsonl", "metadata.csv"];
/// Extensions of the files that are taken where no metadata names any.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// Columns of the table that are the stage's own.
const OWN: [&str; 2] = ["file", "image"];

/// A folder whose files are known by their names: paths below it, with `/`.
pub struct Folder<'a> {
    names: BTreeSet<&'a str>,
    display: &'a str,
    /// Whether an image's class is the name of its sub-folder.
    takes_class: bool,
}

/// The images to take.
pub struct Images<'a> {
    /// The columns of their table.
    pub schema: Schema,
    /// Each file's name with the cells of its columns up to `image`.
    pub entries: Vec<(&'a str, Vec<Value>)>,
}

/// A file of metadata.
struct Metadata<'a> {
    name: &'a str,
    /// The folder that its `file_name`s are relative to, with a `/` at its end.
    folder: &'a str,
    rows: Rows,
}

/// A file, and the cells of its row of the metadata by column.
type Named<'a, 'm> = (&'a str, BTreeMap<&'m str, Value>);

/// Folder, with a `/` at its end, and the rest of a name.
fn split(name: &str) -> (&str, &str) {
    name.split_at(name.rfind('/').map_or(0, |at| at + 1))
}

fn is_metadata(name: &str) -> bool {
    METADATA.contains(&split(name).1)
}

fn has_image_extension(name: &str) -> bool {
    let extension = Path::new(name)
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

impl<'a> Folder<'a> {
    /// A folder with files of these names, in errors called `display`.
    pub fn new(
        names: impl IntoIterator<Item = &'a str>,
        display: &'a str,
        takes_class: bool,
    ) -> Self {
        Self {
            names: names.into_iter().collect(),
            display,
            takes_class,
        }
    }

    /// The images; `read` gives the bytes of a file.
    pub fn images(
        &self,
        read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Images<'a>, Misfits> {
        let mut metadata = Vec::new();
        for name in self.names.iter().filter(|name| is_metadata(name)) {
            metadata.push(self.metadata(name, read)?);
        }
        if let Some(pair) = metadata
            .windows(2)
            .find(|pair| pair[0].folder == pair[1].folder)
        {
            let (one, other) = (pair[0].name, pair[1].name);
            return Err(self.wrong(format!(
                "there are both `{one}` and `{other}`; keep one of them"
            )));
        }
        let mut named = Vec::new();
        for file in &metadata {
            named.extend(self.joined(file)?);
        }
        let alone = |name: &&&str| {
            let governed = metadata.iter().any(|file| name.starts_with(file.folder));
            has_image_extension(name) && !governed
        };
        named.extend(
            self.names
                .iter()
                .filter(alone)
                .map(|name| (*name, BTreeMap::new())),
        );
        if named.is_empty() {
            return Err(self.wrong(self.nothing(metadata.len())));
        }
        let schema = self.schema(&metadata);
        let mut entries = Vec::with_capacity(named.len());
        for (name, mut cells) in named {
            if self.takes_class {
                cells.insert("class", Value::from(self.class_of(name)?));
            }
            cells.insert("file", Value::from(name));
            let cell = |(column, _)| cells.get(column).cloned().unwrap_or_default();
            let width = schema.len() - 1;
            entries.push((name, schema.columns().take(width).map(cell).collect()));
        }
        Ok(Images { schema, entries })
    }

    fn wrong(&self, problem: impl std::fmt::Display) -> Misfits {
        Misfit::new(["path"], format!("{}: {problem}", self.display)).into()
    }

    /// Why there is no image.
    fn nothing(&self, metadata: usize) -> String {
        let others = match self.names.len() - metadata {
            0 => "there is no other file".to_owned(),
            1 => "1 other file was left out".to_owned(),
            others => format!("{others} other files were left out"),
        };
        if metadata > 0 {
            return format!("its metadata names no image; {others}");
        }
        let extensions = EXTENSIONS.map(|extension| format!(".{extension}"));
        format!(
            "there is no image in it: files that end in {} are read; {others}",
            extensions.join(", ")
        )
    }

    /// The rows of a metadata file, `text` offered as `prompt`.
    fn metadata(
        &self,
        name: &'a str,
        read: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Metadata<'a>, Misfits> {
        let at = |problem: String| self.wrong(format!("{name}: {problem}"));
        let bytes = read(name).map_err(|problem| self.wrong(problem))?;
        let text = String::from_utf8(bytes).map_err(|error| at(error.to_string()))?;
        let types = BTreeMap::new();
        let is_csv = Path::new(name).extension().is_some_and(|e| e == "csv");
        let read = if is_csv { rows::of_csv } else { rows::of_jsonl };
        let mut rows = read(&text, &types).map_err(|problem| at(problem.message))?;
        match rows.schema.get("file_name") {
            Some(ColumnType::Text) => {}
            Some(_) => return Err(at("`file_name` holds something other than text".to_owned())),
            None => return Err(at("there is no column `file_name`".to_owned())),
        }
        for reserved in OWN {
            if rows.schema.get(reserved).is_some() {
                return Err(at(format!(
                    "there is a column `{reserved}`, which is what this stage calls the images'"
                )));
            }
        }
        if rows.schema.get("prompt").is_none()
            && let Some(position) = rows.schema.position("text")
            && rows.schema.get("text") == Some(ColumnType::Text)
        {
            rows.schema = rows.schema.with("prompt", ColumnType::Text);
            for cells in &mut rows.cells {
                let text = cells[position].clone();
                cells.push(text);
            }
        }
        let folder = split(name).0;
        Ok(Metadata { name, folder, rows })
    }

    /// The file of each row of a metadata file.
    fn joined<'m>(&self, metadata: &'m Metadata<'a>) -> Result<Vec<Named<'a, 'm>>, Misfits> {
        let rows = &metadata.rows;
        let mut joined = Vec::with_capacity(rows.cells.len());
        for (cells, line) in rows.cells.iter().zip(&rows.lines) {
            let cells: BTreeMap<&str, Value> = rows
                .schema
                .columns()
                .map(|(name, _)| name)
                .zip(cells.iter().cloned())
                .collect();
            let at =
                |problem: String| self.wrong(format!("{}, line {line}: {problem}", metadata.name));
            let name = cells.get("file_name").and_then(Value::as_text);
            let name = name.ok_or_else(|| at("`file_name` is missing".to_owned()))?;
            let slashed = name.replace('\\', "/");
            if slashed.starts_with('/') || slashed.split('/').any(|part| part == "..") {
                return Err(at(format!("`{name}` leads out of the folder")));
            }
            let parts = slashed.split('/');
            let tidy: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
            let path = format!("{}{}", metadata.folder, tidy.join("/"));
            let file = self.names.get(path.as_str());
            let file = file.ok_or_else(|| at(format!("there is no file `{name}`")))?;
            joined.push((*file, cells));
        }
        Ok(joined)
    }

    /// The columns of the table. A column that several files have is of a type that fits them all.
    fn schema(&self, metadata: &[Metadata<'_>]) -> Schema {
        let mut schema = Schema::default();
        if self.takes_class {
            schema = schema.with("class", ColumnType::Text);
        }
        let mut kinds: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for file in metadata {
            for (name, kind) in file.rows.schema.columns() {
                let kinds = kinds.entry(name).or_default();
                kinds.insert(kind.described());
                if name == "file_name" || (name == "class" && self.takes_class) {
                    continue;
                }
                let fitting = if kinds.len() == 1 {
                    kind
                } else {
                    fitting(name, metadata)
                };
                schema = schema.with(name, fitting);
            }
        }
        schema
            .with("file", ColumnType::Text)
            .with("image", ColumnType::Image)
    }

    fn class_of(&self, name: &str) -> Result<String, Misfits> {
        match name.rsplit('/').nth(1) {
            Some(folder) => Ok(folder.to_owned()),
            None => Err(Misfit::new(
                ["class_from_folder"],
                format!(
                    "{}: `{name}` lies in no sub-folder; `class_from_folder` takes its class from \
                     there",
                    self.display
                ),
            )
            .into()),
        }
    }
}

/// The narrowest type that all cells of a column have.
fn fitting(name: &str, metadata: &[Metadata<'_>]) -> ColumnType {
    let admits = |kind: &ColumnType| {
        metadata.iter().all(|file| {
            let position = file.rows.schema.position(name);
            position.is_none_or(|at| file.rows.cells.iter().all(|cells| kind.admits(&cells[at])))
        })
    };
    let narrow_first = [
        ColumnType::Text,
        ColumnType::Bool,
        ColumnType::Int,
        ColumnType::Float,
    ];
    let found = narrow_first.into_iter().find(admits);
    found.unwrap_or(ColumnType::Json)
}
