//! Of type: the JSON Schema of any type that serde reads, found out by asking the type.
//!
//! For types that are declared elsewhere, and are [read](crate::yaml::read_into) from documents. A type of serde says what it reads only
//! while it reads. So it reads again and again, each time along another path of fields, variants and items, until what stands at
//! the end of the path has said what it wants. A scalar is offered values of each sort, and shows by its errors which of them it
//! takes. There is no second description of the type that could differ from what is read; sentences are all that it lacks.

use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value as Json, json};

use crate::yaml::MAX_DEPTH;

/// The schema of what a type reads.
pub fn of_type<T: DeserializeOwned>() -> Json {
    describe::<T>(&mut Vec::new())
}

/// One step of the way to what is asked.
#[derive(Copy, Clone)]
enum Step {
    Field(&'static str),
    Variant(&'static str),
    /// Of a list or of a map.
    Item,
    /// What is there, where it may be absent.
    Given,
}

/// What stands at the end of the way.
enum Shape {
    Fields(&'static [&'static str]),
    Variants(&'static [&'static str]),
    Optional,
    List,
    Map,
    Unit,
    /// What it wants, for people.
    Scalar(String),
}

/// What became of reading.
enum Told {
    Shape(Shape),
    /// It took what it was offered.
    Taken,
    /// It takes no value of this sort.
    WrongSort,
    Missing(&'static str),
    /// It takes values of this sort, but not this one.
    WrongValue,
}

fn describe<T: DeserializeOwned>(path: &mut Vec<Step>) -> Json {
    // A type that holds itself has no end.
    if path.len() > MAX_DEPTH {
        return json!({});
    }
    let Told::Shape(shape) = ask::<T>(path, None) else { return json!({}) };
    match shape {
        Shape::Fields(fields) => object::<T>(path, fields),
        Shape::Variants(variants) => choice::<T>(path, variants),
        Shape::Optional => json!({"anyOf": [beyond::<T>(path, Step::Given), {"type": "null"}]}),
        Shape::List => json!({"type": "array", "items": beyond::<T>(path, Step::Item)}),
        Shape::Map => {
            json!({"type": "object", "additionalProperties": beyond::<T>(path, Step::Item)})
        }
        Shape::Unit => json!({"type": "null"}),
        Shape::Scalar(wanted) => scalar::<T>(path, &wanted),
    }
}

fn beyond<T: DeserializeOwned>(path: &mut Vec<Step>, step: Step) -> Json {
    path.push(step);
    let described = describe::<T>(path);
    path.pop();
    described
}

fn object<T: DeserializeOwned>(path: &mut Vec<Step>, fields: &[&'static str]) -> Json {
    let mut properties = Map::new();
    for field in fields {
        properties.insert((*field).to_owned(), beyond::<T>(path, Step::Field(field)));
    }
    // It misses one field after the other, until it has all that have no default.
    let (mut given, mut required) = (Map::new(), Vec::new());
    while let Told::Missing(field) = ask::<T>(path, Some(&Json::Object(given.clone()))) {
        if given.insert(field.to_owned(), sample(&properties[field])).is_some() {
            break;
        }
        required.push(field);
    }
    let mut schema =
        json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A word; or a map with one key, for what has something in it.
fn choice<T: DeserializeOwned>(path: &mut Vec<Step>, variants: &[&'static str]) -> Json {
    let (mut words, mut properties, mut is_plain) = (Vec::new(), Map::new(), true);
    for variant in variants {
        let described = beyond::<T>(path, Step::Variant(variant));
        let is_word = described == json!({"type": "null"});
        words.extend(is_word.then_some(*variant));
        is_plain &= is_word;
        properties.insert((*variant).to_owned(), described);
    }
    let words = json!({"enum": words});
    let map = json!({
        "type": "object", "additionalProperties": false, "properties": properties,
        "minProperties": 1, "maxProperties": 1,
    });
    match (is_plain, words["enum"] == json!([])) {
        (true, _) => words,
        (false, true) => map,
        (false, false) => json!({"anyOf": [words, map]}),
    }
}

fn scalar<T: DeserializeOwned>(path: &[Step], wanted: &str) -> Json {
    let offer = |value: &Json| ask::<T>(path, Some(value));
    let is_taken = |value: Json| matches!(offer(&value), Told::Taken);
    let is_sort = |value: Json| matches!(offer(&value), Told::Taken | Told::WrongValue);
    let mut schema = Map::new();
    let mut types = Vec::new();
    if is_sort(json!(true)) {
        types.push("boolean");
    }
    if is_sort(json!(1)) {
        types.push(if is_sort(json!(0.5)) { "number" } else { "integer" });
        if !is_taken(json!(-1)) {
            schema.insert("minimum".to_owned(), json!(0));
        }
        // What takes one and not two takes shares.
        if is_taken(json!(1)) && !is_taken(json!(2)) {
            schema.insert("maximum".to_owned(), json!(1));
        }
    }
    if is_sort(json!("")) {
        types.push("string");
        let example = TEXTS.into_iter().find(|it| is_taken(json!(it)) && !is_taken(json!("")));
        if let Some(example) = example {
            schema.insert("examples".to_owned(), json!([example]));
        }
    }
    schema.insert("type".to_owned(), if let [it] = types[..] { json!(it) } else { json!(types) });
    if wanted.contains(' ') && !["a boolean", "a string"].contains(&wanted) {
        schema.insert("description".to_owned(), json!(wanted));
    }
    Json::Object(schema)
}

/// Of which whoever reads quantities from texts takes one.
const TEXTS: [&str; 2] = ["1s", "50%"];

/// A value that fits a schema of this file.
fn sample(schema: &Json) -> Json {
    if let Some(first) = ["examples", "enum"].iter().find_map(|it| schema[it].get(0)) {
        return first.clone();
    }
    if let Some(first) = schema["anyOf"].get(0) {
        return sample(first);
    }
    let sort = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match sort {
        Some("object") => {
            let only = schema["maxProperties"].as_u64().and(schema["properties"].as_object());
            let only = only.and_then(|it| it.keys().next());
            let required = schema["required"].as_array().into_iter().flatten();
            let names = required.filter_map(Json::as_str).chain(only.map(String::as_str));
            names.map(|it| (it.to_owned(), sample(&schema["properties"][it]))).collect()
        }
        Some("array") => json!([]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => json!(1),
        Some("string") => json!(""),
        _ => Json::Null,
    }
}

/// What stands at the end of the way says when it is offered a value, or asked what it is.
fn ask<T: DeserializeOwned>(path: &[Step], offer: Option<&Json>) -> Told {
    match T::deserialize(Guide { path, offer }) {
        Ok(_) => Told::Taken,
        Err(told) => told,
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("told")
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("told")
    }
}

impl std::error::Error for Told {}

impl Error for Told {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::WrongValue
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::WrongSort
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// Leads along the way, and has at its end what is offered.
#[derive(Copy, Clone)]
struct Guide<'a> {
    path: &'a [Step],
    offer: Option<&'a Json>,
}

impl<'a> Guide<'a> {
    /// One step further on.
    fn next(self) -> Option<(Step, Self)> {
        let (step, path) = self.path.split_first()?;
        Some((*step, Self { path, ..self }))
    }

    /// At the end with this.
    const fn with(offer: &'a Json) -> Self {
        Self { path: &[], offer: Some(offer) }
    }

    /// Hands over what is offered, at the end of the way.
    fn give<'de, V: Visitor<'de>>(self, visitor: V, shape: Shape) -> Result<V::Value, Told> {
        match self.offer {
            None => Err(Told::Shape(shape)),
            Some(Json::Null) => visitor.visit_unit(),
            Some(Json::Bool(it)) => visitor.visit_bool(*it),
            Some(Json::String(it)) => visitor.visit_str(it),
            Some(Json::Number(it)) => match (it.as_u64(), it.as_i64()) {
                (Some(it), _) => visitor.visit_u64(it),
                (None, Some(it)) => visitor.visit_i64(it),
                (None, None) => visitor.visit_f64(it.as_f64().unwrap_or_default()),
            },
            Some(Json::Array(items)) => {
                visitor.visit_seq(Many::of(items.iter().map(|it| ("", it))))
            }
            Some(Json::Object(fields)) => {
                visitor.visit_map(Many::of(fields.iter().map(|(key, it)| (key.as_str(), it))))
            }
        }
    }
}

impl<'de> Deserializer<'de> for Guide<'_> {
    type Error = Told;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        let wanted = (&visitor as &dyn Expected).to_string();
        self.give(visitor, Shape::Scalar(wanted))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Told> {
        match self.next() {
            Some((Step::Field(name), guide)) => visitor.visit_map(Many::one(name, guide)),
            _ => self.give(visitor, Shape::Fields(fields)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        match self.next() {
            Some((_, guide)) => visitor.visit_map(Many::one("key", guide)),
            None => self.give(visitor, Shape::Map),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        match self.next() {
            Some((_, guide)) => visitor.visit_seq(Many::one("", guide)),
            None => self.give(visitor, Shape::List),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Told> {
        match (self.next(), self.offer) {
            (Some((_, guide)), _) => visitor.visit_some(guide),
            (None, None) => Err(Told::Shape(Shape::Optional)),
            (None, Some(Json::Null)) => visitor.visit_none(),
            (None, Some(_)) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Told> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Told> {
        const NOTHING: &Json = &Json::Null;
        match (self.next(), self.offer) {
            (Some((Step::Variant(name), guide)), _) => visitor.visit_enum(Case { name, guide }),
            (_, Some(Json::String(name))) => {
                visitor.visit_enum(Case { name, guide: Guide::with(NOTHING) })
            }
            (_, Some(Json::Object(one))) if one.len() == 1 => {
                let Some((name, of)) = one.iter().next() else { return Err(Told::WrongSort) };
                visitor.visit_enum(Case { name, guide: Guide::with(of) })
            }
            (_, Some(_)) => Err(Told::WrongSort),
            (_, None) => Err(Told::Shape(Shape::Variants(variants))),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Told> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Told> {
        self.deserialize_seq(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct identifier ignored_any
    }
}

/// Fields or items.
struct Many<'a> {
    left: std::vec::IntoIter<(&'a str, Guide<'a>)>,
    value: Option<Guide<'a>>,
    /// Whether all are there. Else there is one that is asked for, and the others do not matter.
    is_all: bool,
}

impl<'a> Many<'a> {
    fn of(all: impl Iterator<Item = (&'a str, &'a Json)>) -> Self {
        let all: Vec<_> = all.map(|(key, it)| (key, Guide::with(it))).collect();
        Self { left: all.into_iter(), value: None, is_all: true }
    }

    fn one(key: &'a str, guide: Guide<'a>) -> Self {
        Self { left: vec![(key, guide)].into_iter(), value: None, is_all: false }
    }

    fn next(&mut self) -> Result<Option<(&'a str, Guide<'a>)>, Told> {
        match self.left.next() {
            None if !self.is_all => Err(Told::Taken),
            next => Ok(next),
        }
    }
}

impl<'de> MapAccess<'de> for Many<'_> {
    type Error = Told;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Told> {
        let Some((key, guide)) = self.next()? else { return Ok(None) };
        self.value = Some(guide);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Told> {
        seed.deserialize(self.value.take().ok_or(Told::WrongSort)?)
    }
}

impl<'de> SeqAccess<'de> for Many<'_> {
    type Error = Told;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Told> {
        let Some((_, guide)) = self.next()? else { return Ok(None) };
        seed.deserialize(guide).map(Some)
    }
}

/// A variant, and what is in it.
struct Case<'a> {
    name: &'a str,
    guide: Guide<'a>,
}

impl<'de> EnumAccess<'de> for Case<'_> {
    type Error = Told;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Told> {
        let name: serde::de::value::StrDeserializer<'_, Told> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Case<'_> {
    type Error = Told;

    fn unit_variant(self) -> Result<(), Told> {
        match self.guide.offer {
            None => Err(Told::Shape(Shape::Unit)),
            Some(Json::Null) => Ok(()),
            Some(_) => Err(Told::WrongSort),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Told> {
        seed.deserialize(self.guide)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Told> {
        self.guide.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Told> {
        self.guide.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests;
