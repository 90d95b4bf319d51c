//! Lists, maps and enum variants as serde walks through them.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::error::Error;
use super::{Context, Reader};
use crate::params::{Entry, Node};

pub(super) struct List<'a, I> {
    pub(super) elements: I,
    pub(super) context: &'a Context<'a>,
}

impl<'de, 'a, I: Iterator<Item = &'a Node>> SeqAccess<'de> for List<'a, I> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.elements.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(Reader {
            node,
            context: self.context,
        });
        read.map(Some).map_err(|error| error.blame(node))
    }
}

pub(super) struct Map<'a, I> {
    pub(super) entries: I,
    pub(super) value: Option<&'a Node>,
    pub(super) context: &'a Context<'a>,
}

impl<'de, 'a, I: Iterator<Item = &'a Entry>> MapAccess<'de> for Map<'a, I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        seed.deserialize(StrDeserializer::<Error>::new(&entry.key))
            .map(Some)
            .map_err(|mut error| {
                if let Some(problem) = &mut error.problem {
                    problem.span.get_or_insert(entry.key_span);
                }
                error.culprit.get_or_insert(entry.value.span);
                error
            })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self
            .value
            .take()
            .ok_or_else(|| de::Error::custom("a value was read before its name"))?;
        seed.deserialize(Reader {
            node,
            context: self.context,
        })
        .map_err(|error| error.blame(node))
    }
}

pub(super) struct Variant<'a> {
    pub(super) name: &'a str,
    pub(super) content: Option<&'a Node>,
    pub(super) reader: Reader<'a>,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let value = seed.deserialize(StrDeserializer::<Error>::new(self.name))?;
        Ok((value, self))
    }
}

impl<'a> Variant<'a> {
    fn content(&self) -> Result<Reader<'a>, Error> {
        let node = self.content.ok_or_else(|| {
            Error::at(
                self.reader.node.span,
                format!("`{}` needs a value: `{0}: …`", self.name),
            )
        })?;
        Ok(Reader {
            node,
            context: self.reader.context,
        })
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None => Ok(()),
            Some(node) => Err(Error::at(
                node.span,
                format!("`{}` takes no value", self.name),
            )),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_tuple(self.content()?, length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_struct(self.content()?, "", fields, visitor)
    }
}
