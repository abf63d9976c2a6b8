//! Serde: a tree becomes any type that serde can read, with every mistake at its place.
//!
//! For types that are declared elsewhere, such as those of a library that knows nothing of documents. A type of serde says its first mistake
//! and no more; so what is wrong is taken out of the tree, and the rest is read again, until nothing is wrong. That holds for fields
//! that may be absent; what is wrong within the variant of an enum, whose fields may not, takes the whole value out.

use std::fmt::{self, Display};

use ::serde::de::value::StrDeserializer;
use ::serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use ::serde::{Deserializer, forward_to_deserialize_any};

use super::{Entry, Node, Place, Sort, Value};
use crate::decode::{Code, Findings, codes, nearest};

/// Reads a value from a node; `None` when something in it is wrong, all of which has then been reported. `at` is the place to point at
/// when the node itself has nothing to see: its key.
pub fn read_into<T: DeserializeOwned>(node: &Node, at: Place, found: &mut Findings) -> Option<T> {
    let (mut rest, mut gone) = (None, Vec::new());
    loop {
        let read = T::deserialize(Reader { node: rest.as_ref().unwrap_or(node), at });
        let wrong = match read {
            Ok(value) => return rest.is_none().then_some(value),
            Err(wrong) => wrong,
        };
        // What was taken out, since it is wrong, is not missing.
        if !wrong.missing.is_some_and(|it| gone.iter().any(|gone| gone == it)) {
            found.report(wrong.code, wrong.place.unwrap_or(at), wrong.message, wrong.help);
        }
        let mut cut = rest.take().unwrap_or_else(|| node.clone());
        match wrong.within.and_then(|it| take_out(&mut cut, it)) {
            Some(key) if !found.is_full() => gone.push(key),
            _ => return None,
        }
        rest = Some(cut);
    }
}

/// Below it, every whole number is one for a float, too.
const EXACT: f64 = (1u64 << 53) as f64;

/// Takes out the entry or the item at a place, and gives its key, if it is there.
fn take_out(node: &mut Node, place: Place) -> Option<String> {
    match &mut node.value {
        Value::Scalar { .. } => None,
        Value::List(items) => match items.iter().position(|it| it.place == place) {
            Some(at) => {
                items.remove(at);
                Some(String::new())
            }
            None => items.iter_mut().find_map(|it| take_out(it, place)),
        },
        Value::Map(entries) => match entries.iter().position(|it| it.key_place == place) {
            Some(at) => Some(entries.remove(at).key),
            None => entries.iter_mut().find_map(|it| take_out(&mut it.value, place)),
        },
    }
}

/// What is wrong.
#[derive(Debug)]
struct Wrong {
    code: Code,
    message: Box<str>,
    help: Box<str>,
    /// Where it shows.
    place: Option<Place>,
    /// The entry or the item without which the rest can be read.
    within: Option<Place>,
    /// The field that is not there.
    missing: Option<&'static str>,
}

impl Wrong {
    fn new(code: Code, message: String, help: String) -> Self {
        let (message, help) = (message.into(), help.into());
        Self { code, message, help, place: None, within: None, missing: None }
    }

    /// It shows here, if it does not within.
    fn at(self, place: Place) -> Self {
        Self { place: self.place.or(Some(place)), ..self }
    }

    fn within(self, place: Place) -> Self {
        Self { within: self.within.or(Some(place)), ..self }
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl Error for Wrong {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(codes::RANGE, message.to_string(), String::new())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = format!("expected {}, found {}", wanted(expected), shown(found));
        Self::new(codes::TYPE, message, String::new())
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = format!("{} is not {}", shown(found), wanted(expected));
        Self::new(codes::RANGE, message, String::new())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("`{}` is none of {}", cut(variant), expected.join(", "));
        Self::new(codes::CHOICE, message, meant(variant, expected).unwrap_or_default())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let help = meant(field, expected)
            .unwrap_or_else(|| format!("The fields here are {}.", expected.join(", ")));
        Self::new(codes::UNKNOWN_FIELD, format!("unknown field `{}`", cut(field)), help)
    }

    fn duplicate_field(field: &'static str) -> Self {
        let message = format!("`{field}` stands here twice, once by another name");
        Self::new(codes::DUPLICATE_KEY, message, "Keep one of them.".to_owned())
    }

    fn missing_field(field: &'static str) -> Self {
        let message = format!("the field `{field}` is missing");
        let wrong = Self::new(codes::MISSING_FIELD, message, String::new());
        Self { missing: Some(field), ..wrong }
    }
}

/// What was found, for people.
fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(it) => format!("a boolean `{it}`"),
        Unexpected::Unsigned(it) => format!("a number `{it}`"),
        Unexpected::Signed(it) => format!("a number `{it}`"),
        Unexpected::Float(it) => format!("a number `{it}`"),
        Unexpected::Str(it) => format!("a text `{}`", cut(it)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// What was expected, for people: types of Rust are none of their business.
fn wanted(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        it if it.starts_with("struct ") => "a map".to_owned(),
        it => it.to_owned(),
    }
}

fn meant(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known.iter().copied()).map(|it| format!("Did you mean `{it}`?"))
}

fn cut(text: &str) -> String {
    let more = if text.chars().nth(60).is_some() { "…" } else { "" };
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    shown + more
}

/// A node, and where to point at when it has nothing to see.
#[derive(Copy, Clone)]
struct Reader<'a> {
    node: &'a Node,
    at: Place,
}

impl<'a> Reader<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self { node: &entry.value, at: entry.key_place }
    }

    /// Where it shows: a scalar itself, all else by its key.
    fn place(self) -> Place {
        match &self.node.value {
            Value::Scalar { .. } if self.node.place.length > 0 => self.node.place,
            _ => self.at,
        }
    }

    fn visit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let text = self.node.text().unwrap_or_default();
        match (self.node.sort(), &self.node.value) {
            (Sort::Null, _) => visitor.visit_unit(),
            (Sort::Boolean(it), _) => visitor.visit_bool(it),
            (Sort::Number(it), _) => match (text.parse::<u64>(), text.parse::<i64>()) {
                (Ok(exact), _) => visitor.visit_u64(exact),
                (_, Ok(exact)) => visitor.visit_i64(exact),
                // Whole numbers may be written otherwise, as in `1e3` and `10.0`.
                _ if it.fract() == 0.0 && (0.0..EXACT).contains(&it) => {
                    visitor.visit_u64(it as u64)
                }
                _ => visitor.visit_f64(it),
            },
            (_, Value::Scalar { text, .. }) => visitor.visit_str(text),
            (_, Value::List(items)) => visitor.visit_seq(Items { items: items.iter() }),
            (_, Value::Map(entries)) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None })
            }
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.visit(visitor).map_err(|it| it.at(self.place()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.sort() {
            Sort::Null => visitor.visit_none(),
            _ => visitor.visit_some(self).map_err(|it| it.at(self.place())),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self).map_err(|it| it.at(self.place()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match &self.node.value {
            // A type would take its fields by their order.
            Value::List(_) => Err(Wrong::invalid_type(Unexpected::Seq, &visitor).at(self.place())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let read = match (self.node.entries(), self.node.text()) {
            ([entry], _) => {
                visitor.visit_enum(Variant { key: &entry.key, of: Some(Reader::of(entry)) })
            }
            (_, Some(text)) if self.node.sort() != Sort::Null => {
                visitor.visit_enum(Variant { key: text, of: None })
            }
            _ => {
                let message = format!("expected one of {}", variants.join(", "));
                Err(Wrong::new(codes::ONE_KEY, message, String::new()))
            }
        };
        // The fields of a variant may not be absent, so the whole of it goes.
        read.map_err(|it| Wrong { within: None, ..it.at(self.place()) })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let item = seed.deserialize(Reader { node, at: node.place });
        item.map(Some).map_err(|it| it.within(node.place))
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        self.value = self.entries.next();
        let Some(entry) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, Wrong> = entry.key.as_str().into_deserializer();
        let (place, key) = (entry.key_place, seed.deserialize(key));
        key.map(Some).map_err(|it| it.at(place).within(place))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let Some(entry) = self.value.take() else {
            return Err(Wrong::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reader::of(entry)).map_err(|it| it.within(entry.key_place))
    }
}

/// A variant by its name, and what is in it.
struct Variant<'a> {
    key: &'a str,
    of: Option<Reader<'a>>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let key: StrDeserializer<'_, Wrong> = self.key.into_deserializer();
        let read = seed.deserialize(key);
        let variant = read.map_err(|it| match self.of {
            Some(of) => it.at(of.at),
            None => it,
        })?;
        Ok((variant, self))
    }
}

impl<'de> Variant<'de> {
    fn content(&self) -> Result<Reader<'de>, Wrong> {
        self.of.ok_or_else(|| {
            let message = format!("`{}` says nothing by itself", cut(self.key));
            let help = format!("Write `{{{}: …}}`.", cut(self.key));
            Wrong::new(codes::ONE_KEY, message, help)
        })
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        match self.of {
            Some(of) if of.node.sort() != Sort::Null => {
                let message = format!("`{}` has nothing in it", cut(self.key));
                let help = format!("Write `{}` alone.", cut(self.key));
                Err(Wrong::new(codes::ONE_KEY, message, help).at(of.at))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.content()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.content()?.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests;
