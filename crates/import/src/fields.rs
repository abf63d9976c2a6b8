//! Maps of other tools: every key is read, or left out with a reason; none is dropped in silence.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_model::decode::codes;
use evenkeel_model::yaml::{Entry, Node, Place, Sort, Value};
use evenkeel_units::{Offset, Ratio, parse_duration};

use crate::ledger::Ledger;
use crate::notes::cut;
use crate::secrets;

/// The longest time that is read: no experiment lasts longer.
pub(crate) const LONGEST: Duration = Duration::from_hours(30 * 24);

/// A map, and which of its keys have been read.
pub(crate) struct Fields<'a> {
    node: &'a Node,
    read: BTreeSet<usize>,
}

/// What is said of a key that nobody reads.
const NO_FIELD: &str = "no field of ours says this";

impl<'a> Fields<'a> {
    /// The keys of `node`; what is no map is a mistake.
    pub(crate) fn of(node: &'a Node, place: Place, draft: &mut Ledger) -> Self {
        if !matches!(node.sort(), Sort::Map | Sort::Null) {
            let message = format!("a map belongs here, and not {}", node.sort().name());
            draft.wrong_as(codes::TYPE, at(node.place, place), message, "Write `key: value`.");
        }
        Self { node, read: BTreeSet::new() }
    }

    /// The map under a key; one without keys when it is absent.
    pub(crate) fn map(&mut self, key: &str, draft: &mut Ledger) -> Option<Self> {
        let entry = self.take(key)?;
        Some(Self::of(&entry.value, entry.key_place, draft))
    }

    /// The entry of a key, which is read by this; `None` when it is absent or empty.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a Entry> {
        let (at, entry) = self.node.entries().iter().enumerate().find(|(_, it)| it.key == key)?;
        self.read.insert(at);
        let is_empty = entry.value.sort() == Sort::Null
            || entry.value.sort() == Sort::Text && entry.value.text() == Some("");
        (!is_empty).then_some(entry)
    }

    /// The items of the list under a key, or the value itself when it is none.
    pub(crate) fn items(&mut self, key: &str) -> &'a [Node] {
        self.take(key).map(|it| items(&it.value)).unwrap_or_default()
    }

    /// The text of a scalar.
    pub(crate) fn text(&mut self, key: &str, draft: &mut Ledger) -> Option<&'a str> {
        let entry = self.take(key)?;
        entry.value.text().or_else(|| {
            draft.wrong_as(
                codes::TYPE,
                entry.key_place,
                format!(
                    "`{}` is {}, and a text belongs here",
                    entry.key,
                    entry.value.sort().name()
                ),
                "Write one value.",
            );
            None
        })
    }

    /// Leaves a key out, when it is there.
    pub(crate) fn leave(&mut self, key: &str, why: impl Into<String>, draft: &mut Ledger) {
        if let Some(entry) = self.take(key) {
            draft.leave(entry, why);
        }
    }

    /// Leaves keys out, each that is there.
    pub(crate) fn leave_all(&mut self, keys: &[&str], why: &str, draft: &mut Ledger) {
        keys.iter().for_each(|it| self.leave(it, why, draft));
    }

    /// Passes over keys that say nothing by themselves.
    pub(crate) fn skip(&mut self, keys: &[&str]) {
        for key in keys {
            self.take(key);
        }
    }

    /// The keys that nobody has read so far.
    pub(crate) fn rest(&self) -> impl Iterator<Item = &'a Entry> {
        let unread = |(at, _): &(usize, &Entry)| !self.read.contains(at);
        self.node.entries().iter().enumerate().filter(unread).map(|(_, it)| it)
    }

    /// Leaves out what nobody has read.
    pub(crate) fn finish(self, draft: &mut Ledger) {
        self.finish_as(NO_FIELD, draft);
    }

    /// Likewise, for this reason.
    pub(crate) fn finish_as(self, why: &str, draft: &mut Ledger) {
        for entry in self.rest().filter(|it| it.value.sort() != Sort::Null) {
            draft.leave(entry, why);
        }
    }
}

/// The items of a list, or the value itself when it is none.
pub(crate) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Scalar { .. } | Value::Map(_) => std::slice::from_ref(node),
    }
}

/// The texts of a list, each where it stands; what is none is a mistake.
pub(crate) fn texts<'a>(entry: &'a Entry, draft: &mut Ledger) -> Vec<(Place, &'a str)> {
    let mut texts = Vec::new();
    for item in items(&entry.value) {
        match item.text() {
            Some(text) => texts.push((item.place, text)),
            None => {
                let message =
                    format!("`{}` has texts in it, and not {}", entry.key, item.sort().name());
                let help = "Write each of them behind a `-`, or in `[…]`.";
                draft.wrong_as(codes::TYPE, at(item.place, entry.key_place), message, help);
            }
        }
    }
    texts
}

/// The place of a value, or of what it belongs to.
pub(crate) const fn at(place: Place, or: Place) -> Place {
    if place.line == 0 { or } else { place }
}

/// An entry for people: with its value when that is short and no secret.
pub(crate) fn shown(entry: &Entry) -> String {
    let secret = secrets::is_secret(&entry.key);
    match entry.value.text().filter(|_| !secret) {
        Some(text) => format!("`{}: {}`", cut(&entry.key), without_credentials(&cut(text))),
        None => format!("`{}`", cut(&entry.key)),
    }
}

/// A text in which the name and the password of a URL are not shown.
pub(crate) fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    match rest.get(..end).and_then(|it| it.rfind('@')) {
        Some(at) => format!("{scheme}://…{}", rest.get(at..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Values of an entry; what cannot be read is a mistake of the document.
impl Ledger {
    fn refuse<T>(&mut self, entry: &Entry, what: &str, help: &str) -> Option<T> {
        let value = match entry.value.text() {
            Some(text) => format!("`{}`", cut(text)),
            None => entry.value.sort().name().to_owned(),
        };
        let message = format!("`{}`: {value} is no {what}", cut(&entry.key));
        self.wrong(at(entry.value.place, entry.key_place), message, help);
        None
    }

    /// A number, also one in quotes.
    pub(crate) fn number(&mut self, entry: &Entry) -> Option<f64> {
        let number = entry.value.text().and_then(|it| it.trim().parse::<f64>().ok());
        match number.filter(|it| it.is_finite()) {
            Some(it) => Some(it),
            None => self.refuse(entry, "number", "Write a number, such as `20`."),
        }
    }

    /// A whole number, also one in quotes.
    pub(crate) fn count(&mut self, entry: &Entry) -> Option<u32> {
        match entry.value.text().and_then(|it| it.trim().parse().ok()) {
            Some(it) => Some(it),
            None => self.refuse(entry, "whole number", "Write a whole number, such as `2`."),
        }
    }

    /// A share, as a number of hundredths with or without `%`.
    pub(crate) fn percent(&mut self, entry: &Entry) -> Option<Ratio> {
        let text = entry.value.text().unwrap_or_default().trim();
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
        match number.and_then(|it| Ratio::new(it / 100.0)) {
            Some(it) => Some(it),
            None => self.refuse(
                entry,
                "percentage",
                "Write a number of hundredths from 0 to 100, such as `20`.",
            ),
        }
    }

    /// A time: with its unit, or as a number of `unit` seconds.
    pub(crate) fn time(&mut self, entry: &Entry, unit: f64) -> Option<Duration> {
        let text = entry.value.text().unwrap_or_default().trim();
        let time = match text.parse::<f64>() {
            Ok(number) => Duration::try_from_secs_f64(number * unit).ok(),
            Err(_) => parse_duration(text).ok(),
        };
        match time.filter(|it| *it <= LONGEST) {
            // Whole nanoseconds of what was written, and not of the nearest binary fraction.
            Some(it) => Some(Duration::from_nanos((it.as_secs_f64() * 1e9).round() as u64)),
            None => self.refuse(
                entry,
                "time",
                "Write a time of at most 30 days with its unit, such as `30s`.",
            ),
        }
    }

    /// A number of seconds, or a time with its unit.
    pub(crate) fn seconds(&mut self, entry: &Entry) -> Option<Duration> {
        self.time(entry, 1.0)
    }

    /// How far a clock is off: with its unit, and `-` where it is behind.
    pub(crate) fn offset(&mut self, entry: &Entry) -> Option<Offset> {
        match entry.value.text().and_then(|it| it.parse().ok()) {
            Some(it) => Some(it),
            None => self.refuse(entry, "offset", "Write it with its unit, such as `-10m`."),
        }
    }
}
