//! Spans of time as people write them: `30s`, `500ms`, `2m`, `1h`.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

/// A span of time, longer than none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// How long it is.
    pub(super) time: Duration,
    written: String,
}

/// Units and their milliseconds; the longer name first where one ends like another.
const UNITS: [(&str, f64); 4] = [
    ("ms", 1.0),
    ("s", 1_000.0),
    ("m", 60_000.0),
    ("h", 3_600_000.0),
];

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let of = |(unit, milliseconds): &(&str, f64)| {
            let number: f64 = trimmed.strip_suffix(unit)?.trim().parse().ok()?;
            let time = Duration::try_from_secs_f64(number * milliseconds / 1_000.0).ok()?;
            (time > Duration::ZERO).then_some(time)
        };
        Some(Self {
            time: UNITS.iter().find_map(of)?,
            written: trimmed.to_owned(),
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let expected = "expected a time such as `30s`, `500ms`, `2m` or `1h`";
            D::Error::custom(format!("{expected}, found `{text}`"))
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^\s*[0-9.]+\s*(ms|s|m|h)\s*$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let read = |text: &str| Span::parse(text).map(|span| span.time.as_millis());
        assert_eq!(read("30s"), Some(30_000));
        assert_eq!(read(" 1.5 m "), Some(90_000));
        assert_eq!(read("500ms"), Some(500));
        assert_eq!(read("1h"), Some(3_600_000));
        for none in ["", "30", "s", "-1s", "0s", "1d", "infs", "NaNs", "1e400s"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
