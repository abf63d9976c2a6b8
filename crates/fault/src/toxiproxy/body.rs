//! Bodies of requests, read as Toxiproxy reads them: the first value counts and what follows it does not, keys
//! in any case, `null` as if it was not there, and what nobody knows is passed over.

use serde_json::{Deserializer, Value};

use super::trouble::Trouble;

/// Something in a body that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where, such as `0/name`; numbers count the items of lists from 0.
    pub path: String,
    /// What.
    pub why: Why,
}

/// What cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A field of this name is missing, or empty.
    Missing(String),
    /// Something does not belong where it stands.
    Unfit(String),
}

impl From<Why> for Trouble {
    fn from(why: Why) -> Self {
        match why {
            Why::Missing(field) => Self::missing(field),
            Why::Unfit(why) => Self::bad_body(why),
        }
    }
}

/// The value of a body.
pub(super) fn value(body: &[u8]) -> Result<Value, Trouble> {
    match Deserializer::from_slice(body).into_iter().next() {
        Some(value) => value.map_err(Trouble::bad_body),
        None => Err(Trouble::bad_body("EOF")),
    }
}

/// An object, and what was wrong with it so far.
pub(super) struct Object<'a> {
    value: &'a Value,
    path: String,
    pub(super) wrongs: Vec<Wrong>,
}

impl<'a> Object<'a> {
    /// The object at `path`; anything else is wrong.
    pub(super) fn at(path: impl Into<String>, value: &'a Value) -> Self {
        let mut object = Self { value, path: path.into(), wrongs: Vec::new() };
        if !matches!(value, Value::Object(_) | Value::Null) {
            let why = format!("{} where an object belongs", name(value));
            object.wrong("", Why::Unfit(why));
        }
        object
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        let all = self.value.as_object()?;
        let found = all.get(key);
        let found = found.or_else(|| Some(all.iter().find(|it| it.0.eq_ignore_ascii_case(key))?.1));
        found.filter(|it| !it.is_null())
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let text = |it: &Value| it.as_str().map(str::to_owned);
        self.read(key, "a text", text)
    }

    pub(super) fn boolean(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", Value::as_bool)
    }

    pub(super) fn number(&mut self, key: &str) -> Option<f64> {
        self.read(key, "a number", Value::as_f64)
    }

    /// A whole number, at least 0.
    pub(super) fn count(&mut self, key: &str) -> Option<u64> {
        let whole = |it: f64| (it.fract() == 0.0 && (0.0..1e15).contains(&it)).then_some(it as u64);
        self.read(key, "a whole number, at least 0,", |it| {
            it.as_u64().or_else(|| it.as_f64().and_then(whole))
        })
    }

    /// Says what is wrong with a field of it, or with itself.
    pub(super) fn wrong(&mut self, key: &str, why: Why) {
        let parts = [self.path.as_str(), key];
        let path = parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("/");
        self.wrongs.push(Wrong { path, why });
    }

    /// The first thing that is wrong.
    pub(super) fn check(self) -> Result<(), Trouble> {
        self.wrongs.into_iter().next().map_or(Ok(()), |it| Err(it.why.into()))
    }

    fn read<T>(
        &mut self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let read = read(value);
        if read.is_none() {
            let why = format!("{} where {wanted} belongs in `{key}`", name(value));
            self.wrong(key, Why::Unfit(why));
        }
        read
    }
}

fn name(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
