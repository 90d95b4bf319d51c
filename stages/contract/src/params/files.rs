//! Parameters that name files.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Node, Problem, Span};

/// Names by which the types below ask the reader for more than text.
pub(super) const FILE: &str = "$ccsr.file";
pub(super) const FOLDER: &str = "$ccsr.folder";
pub(super) const DOCUMENT: &str = "$ccsr.document";

/// What a folder's path begins with that is a model of a hub, as Hugging Face's own programs write it:
/// `hf://owner/name@revision`.
pub(super) const HUB: &str = "hf://";

/// What the reader needs to turn a path in the tree into a file.
pub trait Documents {
    /// Resolves `path`, written at `span`, against the file it stands in.
    fn resolve(&self, path: &str, span: Span) -> Result<ResolvedPath, Problem>;

    /// The folder of a model of a hub: `owner/name`, or `owner/name@revision`. Nothing is downloaded.
    ///
    /// # Errors
    /// A sentence: why it is not to be had, and what to do.
    fn model(&self, id: &str) -> Result<PathBuf, String> {
        Err(format!("this program knows no place for the model `{id}`"))
    }

    /// The tree of a document.
    fn load(&self, path: &ResolvedPath, span: Span) -> Result<Node, Vec<Problem>>;

    /// A variable of the environment that the whole program was started in.
    fn variable(&self, name: &str) -> Option<OsString> {
        let _ = name;
        None
    }
}

/// A path inside the project; or outside, that of a model of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedPath {
    /// Where it is.
    pub path: PathBuf,
    /// How people write it: relative to the project, with `/`; `hf://owner/name`.
    pub display: String,
}

macro_rules! path_parameter {
    ($name:ident, $marker:ident, $what:literal) => {
        #[doc = concat!("The path of ", $what, " that exists, relative to the file that names it.")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub ResolvedPath);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct($marker, PathVisitor($what)).map(Self)
            }
        }

        /// Written as people write it. A key wants the content instead: leave paths out of it.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0.display)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": concat!("The path of ", $what, ".") })
            }
        }
    };
}

path_parameter!(FilePath, FILE, "a file");
path_parameter!(FolderPath, FOLDER, "a folder");

struct PathVisitor(&'static str);

impl<'de> Visitor<'de> for PathVisitor {
    type Value = ResolvedPath;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the path of {}", self.0)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        inner: D,
    ) -> Result<ResolvedPath, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<ResolvedPath, A::Error> {
        let mut part = || Ok(parts.next_element::<String>()?.unwrap_or_default());
        Ok(ResolvedPath {
            path: part()?.into(),
            display: part()?,
        })
    }

    /// Without a reader that resolves: the path as it is.
    fn visit_str<E>(self, text: &str) -> Result<ResolvedPath, E> {
        Ok(ResolvedPath {
            path: text.into(),
            display: text.to_owned(),
        })
    }
}

/// A value that stands in a file of its own, which the parameter names, or in place.
///
/// Problems inside the file point into the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<T>(pub T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Document<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_newtype_struct(DOCUMENT, DocumentVisitor(PhantomData))
            .map(Self)
    }
}

struct DocumentVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for DocumentVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a YAML file, or its content in place")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<T, D::Error> {
        T::deserialize(inner)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(serde::de::value::MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))
    }
}

impl<T: Serialize> Serialize for Document<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Document<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Document_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inline = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "type": "string" }, inline] })
    }
}
