//! Reading the JSON form, without making a tree of JSON first: a ledger holds millions of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{BLOB, FLOAT, Value};

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        let whole = i64::try_from(number).map(Value::Int);
        whole.map_err(|_| E::custom(format_args!("{number} does not fit in 64 bits with sign")))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Value::list(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        if let [(tag, Value::Text(text))] = entries.as_slice() {
            match tag.as_str() {
                BLOB => return text.parse().map(Value::Blob).map_err(A::Error::custom),
                FLOAT => {
                    let number = text.parse().map(Value::Float);
                    let refused = |_| A::Error::custom(format_args!("`{text}` is not a number"));
                    return number.map_err(refused);
                }
                _ => {}
            }
        }
        Ok(Value::map(entries.into_iter().map(unescaped)))
    }
}

/// An entry by its own name: see [`Value::to_json`].
fn unescaped((mut name, value): (String, Value)) -> (String, Value) {
    if name.starts_with("$$") {
        name.remove(0);
    }
    (name, value)
}
