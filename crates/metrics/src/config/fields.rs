//! Fields: maps of the file, key by key. What nobody asks for is a mistake, and what is left out is listed.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::decode::{Code, Findings, codes, nearest};
use evenkeel_model::yaml::{Entry, Node, Place, Sort, Value};

use super::Note;

/// What is wrong with the file, and what of it is left out.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) found: Findings,
    pub(crate) notes: Vec<Note>,
    pub(crate) doubts: Vec<Doubt>,
}

/// Something that can be done, and is hardly what was meant.
#[derive(Debug)]
pub(crate) struct Doubt {
    pub(crate) place: Place,
    pub(crate) problem: String,
    pub(crate) help: String,
}

impl Reading {
    pub(crate) fn wrong(
        &mut self,
        code: Code,
        place: Place,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.report(code, place, problem, help);
    }
}

/// A map, and which of its keys have been asked for.
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    place: Place,
    asked: Vec<&'a str>,
}

impl<'a> Fields<'a> {
    /// The keys of a node; what is no map is a mistake.
    pub(crate) fn of(node: &'a Node, to: &mut Reading) -> Self {
        if !matches!(node.sort(), Sort::Map | Sort::Null) {
            let problem = format!("a map belongs here, and not {}", node.sort().name());
            to.wrong(codes::TYPE, node.place, problem, "Write `key: value`.");
        }
        Self { entries: node.entries(), place: node.place, asked: Vec::new() }
    }

    /// Where it stands.
    pub(crate) const fn place(&self) -> Place {
        self.place
    }

    /// The entry of a key; `None` when it is absent or has nothing in it.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|it| it.key == key)?;
        (entry.value.sort() != Sort::Null).then_some(entry)
    }

    /// The map of a key.
    pub(crate) fn map(&mut self, key: &'static str, to: &mut Reading) -> Option<Self> {
        self.take(key).map(|it| Self::of(&it.value, to))
    }

    /// The items of the list of a key.
    pub(crate) fn list(&mut self, key: &'static str, to: &mut Reading) -> &'a [Node] {
        match self.take(key).map(|it| (it, &it.value.value)) {
            None => &[],
            Some((_, Value::List(items))) => items,
            Some((entry, _)) => {
                let problem =
                    format!("`{key}` is {}, and a list belongs here", entry.value.sort().name());
                to.wrong(codes::TYPE, entry.value.place, problem, "Write each item behind a `-`.");
                &[]
            }
        }
    }

    /// A text; also what looks like a number.
    pub(crate) fn text(&mut self, key: &'static str, to: &mut Reading) -> Option<&'a str> {
        let entry = self.take(key)?;
        let text = entry.value.text();
        if text.is_none() {
            let problem =
                format!("`{key}` is {}, and a text belongs here", entry.value.sort().name());
            to.wrong(codes::TYPE, entry.value.place, problem, "Write one value.");
        }
        text
    }

    /// The texts of a list.
    pub(crate) fn texts(&mut self, key: &'static str, to: &mut Reading) -> Vec<&'a str> {
        let items = self.list(key, to);
        items.iter().filter_map(|it| text_of(it, to)).collect()
    }

    /// A value that `read` understands.
    pub(crate) fn value<T>(
        &mut self,
        key: &'static str,
        what: &str,
        to: &mut Reading,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let place = self.place_of(key);
        let text = self.text(key, to)?;
        let value = read(text);
        if value.is_none() {
            let problem = format!("`{key}: {}` is not {what}", cut(text));
            to.wrong(codes::RANGE, place, problem, "");
        }
        value
    }

    /// A time as Prometheus has it, such as `1m30s`.
    pub(crate) fn time(&mut self, key: &'static str, to: &mut Reading) -> Option<Duration> {
        self.value(key, "a time such as `1m30s`", to, duration)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str, to: &mut Reading) -> Option<bool> {
        self.value(key, "`true` or `false`", to, |it| it.parse().ok())
    }

    /// A count of which zero is none.
    pub(crate) fn limit(&mut self, key: &'static str, to: &mut Reading) -> Option<usize> {
        let count = self.value(key, "a whole number", to, |it| it.parse::<usize>().ok());
        count.filter(|it| *it > 0)
    }

    /// Names and texts.
    pub(crate) fn names(
        &mut self,
        key: &'static str,
        to: &mut Reading,
    ) -> BTreeMap<String, String> {
        let Some(entry) = self.take(key) else { return BTreeMap::new() };
        let entries = Self::of(&entry.value, to).entries;
        let pairs = entries.iter().filter_map(|it| Some((it.key.clone(), text_of(&it.value, to)?)));
        pairs.map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// Where the value of a key stands, or what it is missing from.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        let entry = self.entries.iter().find(|it| it.key == key);
        entry.map_or(self.place, |it| match it.value.text() {
            Some(_) if it.value.place.line > 0 => it.value.place,
            _ => it.key_place,
        })
    }

    /// A key that changes nothing here, and why.
    pub(crate) fn note(&mut self, key: &'static str, why: &str, to: &mut Reading) {
        if let Some(entry) = self.take(key) {
            let Place { line, column, .. } = entry.key_place;
            to.notes.push(Note { line, column, field: key.to_owned(), why: why.to_owned() });
        }
    }

    /// A key without which the rest would mean something else, and why it cannot be here.
    pub(crate) fn refuse(&mut self, key: &'static str, why: &str, to: &mut Reading) {
        if let Some(entry) = self.take(key) {
            let problem = format!("`{key}` is not supported: {why}");
            to.wrong(codes::UNSUPPORTED, entry.key_place, problem, "");
        }
    }

    /// Refuses every other way to find targets.
    pub(crate) fn refuse_discovery(&mut self, help: &str, to: &mut Reading) {
        for entry in self.entries.iter().filter(|it| it.key.ends_with("_sd_configs")) {
            if !self.asked.contains(&entry.key.as_str()) {
                self.asked.push(&entry.key);
                let problem = format!("`{}` is not supported", cut(&entry.key));
                to.wrong(codes::UNSUPPORTED, entry.key_place, problem, help);
            }
        }
    }

    /// Refuses what nobody has asked for.
    pub(crate) fn finish(self, to: &mut Reading) {
        let is_asked = |entry: &&Entry| self.asked.contains(&entry.key.as_str());
        for entry in self.entries.iter().filter(|it| !is_asked(it)) {
            let problem = format!("there is no field `{}` here", cut(&entry.key));
            let help = match nearest(&entry.key, self.asked.iter().copied()) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => String::new(),
            };
            to.wrong(codes::UNKNOWN_FIELD, entry.key_place, problem, help);
        }
    }
}

fn text_of<'a>(node: &'a Node, to: &mut Reading) -> Option<&'a str> {
    let text = node.text();
    if text.is_none() {
        let problem = format!("a text belongs here, and not {}", node.sort().name());
        to.wrong(codes::TYPE, node.place, problem, "Write one value.");
    }
    text
}

/// A duration as Prometheus has it: whole numbers with units from the largest to the smallest, each once. A year has 365
/// days.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut next, mut total) = (text, 0, 0_u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let at = UNITS.iter().position(|it| it.0 == unit).filter(|at| *at >= next)?;
        let millis = number.parse::<u64>().ok()?.checked_mul(UNITS.get(at)?.1)?;
        (rest, next, total) = (after, at + 1, total.checked_add(millis)?);
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// A number of bytes with its unit of 1024, such as `10MB`; a number alone is bytes.
pub(crate) fn size(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let power = match unit {
        "" | "B" => 0,
        "KB" | "KiB" | "K" => 1,
        "MB" | "MiB" | "M" => 2,
        "GB" | "GiB" | "G" => 3,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(1024_usize.checked_pow(power)?)
}

/// A text of the file, short enough for a line.
pub(crate) fn cut(text: &str) -> String {
    let shown = |it: char| if it.is_control() { ' ' } else { it };
    text.chars().take(60).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_prometheus() {
        for (text, millis) in
            [("0", 0), ("15s", 15_000), ("1h30m", 5_400_000), ("1y", 31_536_000_000), ("5ms", 5)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "15", "1.5s", "1m1h", "1s1s", "s", "99999999999999y", "1µs"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!(
            (size("10MB"), size("512"), size("2GiB")),
            (Some(10 << 20), Some(512), Some(2 << 30))
        );
        assert_eq!((size("1.5MB"), size("MB"), size("1XB")), (None, None, None));
    }
}
