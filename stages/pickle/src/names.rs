//! The names that a checkpoint may ask for, and what is made of them instead.

use std::fmt;
use std::sync::Arc;

use crate::tensor::Kind;

/// A name of Python's that is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    whole: Arc<str>,
    pub(crate) meaning: Meaning,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

/// What a name stands for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A class whose objects are their state.
    Class,
    /// A tensor of a storage.
    RebuildTensor,
    /// A tensor that is learnt.
    RebuildParameter,
    /// A dictionary.
    Dict,
    /// Something of which nothing matters.
    Other,
    /// A storage of numbers of one kind.
    Storage(Kind),
}

/// Beginnings of modules whose classes networks consist of.
const CLASSES: [&str; 2] = ["ultralytics.", "torch.nn.modules."];
/// Names of plain things that checkpoints have beside a network.
const OTHERS: [&str; 12] = [
    "__builtin__.set",
    "builtins.set",
    "__builtin__.frozenset",
    "builtins.frozenset",
    "__builtin__.bytearray",
    "builtins.bytearray",
    "_codecs.encode",
    "torch.Size",
    "torch.device",
    "pathlib.PosixPath",
    "pathlib._local.PosixPath",
    "pathlib.WindowsPath",
];
/// Bytes of a name, at most: a file may ask for the same long one over and over.
const LONGEST: usize = 200;
/// Kinds of numbers, which are named where no storage is: never called, since nothing calls them.
const TYPES: [&str; 4] = [
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.bfloat16",
];

impl Name {
    /// The name, if it is allowed.
    pub(crate) fn allowed(module: &str, name: &str) -> Result<Self, String> {
        let whole = format!("{module}.{name}");
        if whole.len() > LONGEST {
            return Err(whole);
        }
        let meaning = match whole.as_str() {
            "torch._utils._rebuild_tensor_v2" => Meaning::RebuildTensor,
            "torch._utils._rebuild_parameter" => Meaning::RebuildParameter,
            "collections.OrderedDict" => Meaning::Dict,
            other if OTHERS.contains(&other) || TYPES.contains(&other) => Meaning::Other,
            other => match storage(other) {
                Some(kind) => Meaning::Storage(kind),
                // A class has one name, a module's path none but letters: no attribute of a class is asked for.
                None if CLASSES
                    .iter()
                    .any(|class| module.starts_with(class) || format!("{module}.") == *class)
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') =>
                {
                    Meaning::Class
                }
                None => return Err(whole),
            },
        };
        Ok(Self {
            whole: whole.into(),
            meaning,
        })
    }
}

fn storage(name: &str) -> Option<Kind> {
    Some(
        match name.strip_prefix("torch.")?.strip_suffix("Storage")? {
            "Half" => Kind::F16,
            "BFloat16" => Kind::BF16,
            "Float" => Kind::F32,
            "Double" => Kind::F64,
            "Long" => Kind::I64,
            "Int" => Kind::I32,
            "Short" => Kind::I16,
            "Char" => Kind::I8,
            "Byte" => Kind::U8,
            "Bool" => Kind::Bool,
            _ => return None,
        },
    )
}
