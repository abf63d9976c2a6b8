//! Fields: what an object is made of, declared once, by a function that both reads and describes.
//!
//! The function asks for each field in turn and puts the answers together. When it reads, the answers
//! are values; when it describes, every answer is `None` and the questions themselves are what is kept.
//! So it must ask for all fields before it looks at any answer: no `?` before the last question.

use serde_json::{Map, Value as Json, json};

use super::codec::{Codec, Definitions, with};
use super::{Code, Decoded, Findings, codes, nearest};
use crate::document::Document;
use crate::yaml::{Entry, Node, Place};

/// The fields of one object, while it is read or described.
pub(crate) struct Fields<'a> {
    mode: Mode<'a>,
}

enum Mode<'a> {
    Read {
        entries: &'a [Entry],
        at: Place,
        found: &'a mut Findings,
        known: Vec<&'static str>,
    },
    Describe {
        definitions: &'a mut Definitions,
        properties: Map<String, Json>,
        required: Vec<&'static str>,
        rules: Vec<Json>,
    },
}

/// A document by its name, or the spec of one in its place.
pub(super) enum Given<T> {
    Name(String),
    Inline(T, Node),
}

/// What came of asking for a field.
enum Asked<T> {
    /// It is there; `None` when it is wrong, which has been reported.
    Given(Option<T>),
    /// It is not there, or this only describes.
    Absent,
}

impl Fields<'_> {
    /// Reads an object of these entries, for which `at` stands.
    pub(super) fn read<T>(
        entries: &[Entry],
        at: Place,
        found: &mut Findings,
        fields: fn(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut reading = Fields { mode: Mode::Read { entries, at, found, known: Vec::new() } };
        let value = fields(&mut reading);
        reading.refuse_unknown();
        value
    }

    /// The schema of an object.
    pub(super) fn describe<T>(
        definitions: &mut Definitions,
        fields: fn(&mut Fields<'_>) -> Option<T>,
    ) -> Json {
        let (properties, required, rules) = (Map::new(), Vec::new(), Vec::new());
        let mut describing =
            Fields { mode: Mode::Describe { definitions, properties, required, rules } };
        let _nothing = fields(&mut describing);
        let Mode::Describe { properties, required, rules, .. } = describing.mode else {
            unreachable!("describing stays describing")
        };
        let mut schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": properties,
        });
        if !required.is_empty() {
            schema = with("required", json!(required), schema);
        }
        if !rules.is_empty() {
            schema = with("allOf", json!(rules), schema);
        }
        schema
    }

    /// A field that must be there.
    pub(super) fn required<C: Codec>(
        &mut self,
        name: &'static str,
        sentence: &str,
        codec: C,
    ) -> Option<C::Value> {
        let answer = self.ask(name, sentence, None, true, &codec);
        match (&mut self.mode, answer) {
            (_, Asked::Given(answer)) => answer,
            (Mode::Read { at, found, .. }, Asked::Absent) => {
                let message = format!("the field `{name}` is missing");
                found.report(codes::MISSING_FIELD, *at, message, sentence);
                None
            }
            (Mode::Describe { .. }, Asked::Absent) => None,
        }
    }

    /// A field that may be absent.
    pub(super) fn optional<C: Codec>(
        &mut self,
        name: &'static str,
        sentence: &str,
        codec: C,
    ) -> Option<C::Value> {
        match self.ask(name, sentence, None, false, &codec) {
            Asked::Given(answer) => answer,
            Asked::Absent => None,
        }
    }

    /// A field that is empty when it is absent.
    pub(super) fn or_empty<C: Codec<Value: Default>>(
        &mut self,
        name: &'static str,
        sentence: &str,
        codec: C,
    ) -> Option<C::Value> {
        match self.ask(name, sentence, None, false, &codec) {
            Asked::Given(answer) => answer,
            Asked::Absent => Some(C::Value::default()),
        }
    }

    /// A field that is read from `default` when it is absent.
    pub(super) fn default<C: Codec>(
        &mut self,
        name: &'static str,
        sentence: &str,
        codec: C,
        default: &str,
    ) -> Option<C::Value> {
        let default = Node::plain(default);
        let answer = self.ask(name, sentence, Some(&default), false, &codec);
        match (&mut self.mode, answer) {
            (_, Asked::Given(answer)) => answer,
            (Mode::Read { found, .. }, Asked::Absent) => {
                codec.read(&default, Place::default(), found)
            }
            (Mode::Describe { .. }, Asked::Absent) => None,
        }
    }

    /// Asks for a field.
    fn ask<C: Codec>(
        &mut self,
        name: &'static str,
        sentence: &str,
        default: Option<&Node>,
        is_required: bool,
        codec: &C,
    ) -> Asked<C::Value> {
        match &mut self.mode {
            Mode::Read { entries, found, known, .. } => {
                known.push(name);
                match entries.iter().find(|it| it.key == name) {
                    Some(entry) => Asked::Given(codec.read(&entry.value, entry.key_place, found)),
                    None => Asked::Absent,
                }
            }
            Mode::Describe { definitions, properties, required, .. } => {
                let mut schema = with("description", json!(sentence), codec.schema(definitions));
                if let Some(default) = default {
                    schema = with("default", default.to_json(), schema);
                }
                properties.insert(name.to_owned(), schema);
                if is_required {
                    required.push(name);
                }
                Asked::Absent
            }
        }
    }

    /// Whether a field is there, right or wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        match &self.mode {
            Mode::Read { entries, .. } => entries.iter().any(|it| it.key == name),
            Mode::Describe { .. } => false,
        }
    }

    /// Exactly one of these fields, declared above, must be there.
    pub(super) fn exactly_one(&mut self, names: &[&'static str]) {
        match &mut self.mode {
            Mode::Read { entries, at, found, .. } => {
                let mut given = entries.iter().filter(|it| names.contains(&it.key.as_str()));
                let list = names.join("`, `");
                match (given.next(), given.next()) {
                    (None, _) => {
                        let message = format!("one of `{list}` is missing");
                        found.report(codes::EXCLUSIVE, *at, message, "Give exactly one of them.");
                    }
                    (Some(_), None) => {}
                    (Some(first), Some(second)) => {
                        let message = format!("`{}` beside `{}`", second.key, first.key);
                        let help = format!("Give exactly one of `{list}`.");
                        found.report(codes::EXCLUSIVE, second.key_place, message, help);
                    }
                }
            }
            Mode::Describe { rules, .. } => {
                let each: Vec<_> = names.iter().map(|it| json!({"required": [it]})).collect();
                rules.push(json!({"oneOf": each}));
            }
        }
    }

    /// At least one of these fields, declared above, must be there.
    pub(super) fn at_least_one(&mut self, names: &[&'static str]) {
        match &mut self.mode {
            Mode::Read { entries, at, found, .. } => {
                if !entries.iter().any(|it| names.contains(&it.key.as_str())) {
                    let message = format!("one of `{}` is missing", names.join("`, `"));
                    found.report(codes::MISSING_FIELD, *at, message, "Give at least one of them.");
                }
            }
            Mode::Describe { rules, .. } => {
                let each: Vec<_> = names.iter().map(|it| json!({"required": [it]})).collect();
                rules.push(json!({"anyOf": each}));
            }
        }
    }

    /// The field `name` has no meaning beside `others`.
    pub(super) fn never_beside(&mut self, name: &'static str, others: &[&'static str], help: &str) {
        match &mut self.mode {
            Mode::Read { entries, found, .. } => {
                let find = |name: &str| entries.iter().find(|it| it.key == name);
                let other = others.iter().find_map(|it| find(it));
                if let (Some(it), Some(other)) = (find(name), other) {
                    let message = format!("`{name}` beside `{}`", other.key);
                    found.report(codes::EXCLUSIVE, it.key_place, message, help);
                }
            }
            Mode::Describe { rules, .. } => {
                let each = others.iter().map(|it| json!({"not": {"required": [name, it]}}));
                rules.extend(each);
            }
        }
    }

    /// A rule that the schema has beside those it gets from the fields.
    pub(super) fn rule(&mut self, rule: impl FnOnce() -> Json) {
        if let Mode::Describe { rules, .. } = &mut self.mode {
            rules.push(rule());
        }
    }

    /// Reports what is wrong at `path` below this object.
    pub(super) fn refuse(
        &mut self,
        path: &str,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if let Mode::Read { entries, at, found, .. } = &mut self.mode {
            if found.is_full() {
                found.count_only();
                return;
            }
            let (first, rest) = path.split_once('/').unwrap_or((path, ""));
            let entry = entries.iter().find(|it| it.key == first);
            let place = entry.map_or(*at, |it| {
                let place = it.value.locate(rest);
                let is_scalar = it.value.text().is_some();
                if rest.is_empty() && !is_scalar { it.key_place } else { place }
            });
            found.report(code, place, message, help);
        }
    }

    /// The name of a document that may stand inline: then it gets one, and is kept beside this one.
    pub(super) fn adopt<T>(
        &mut self,
        given: Given<T>,
        part: &str,
        document: impl FnOnce(String, T) -> Document,
    ) -> String {
        match (given, &mut self.mode) {
            (Given::Name(name), _) => name,
            (Given::Inline(spec, node), Mode::Read { found, .. }) => {
                let name = format!("{}/{part}", found.document());
                let document = document(name.clone(), spec);
                found.keep_inline(Decoded { document, name_place: node.place, spec: node });
                name
            }
            (Given::Inline(..), Mode::Describe { .. }) => String::new(),
        }
    }

    fn refuse_unknown(self) {
        let Mode::Read { entries, found, known, .. } = self.mode else { return };
        for entry in entries.iter().filter(|it| !known.contains(&it.key.as_str())) {
            let name = super::codec::cut(&entry.key);
            let help = match nearest(&entry.key, known.iter().copied()) {
                Some(nearest) => format!("Did you mean `{nearest}`?"),
                None if entry.key == "<<" => {
                    "Merge keys are not part of YAML 1.2; write the fields out.".to_owned()
                }
                None if known.is_empty() => "There are no fields here.".to_owned(),
                None => format!("The fields here are {}.", known.join(", ")),
            };
            let message = format!("unknown field `{name}`");
            found.report(codes::UNKNOWN_FIELD, entry.key_place, message, help);
        }
    }
}
