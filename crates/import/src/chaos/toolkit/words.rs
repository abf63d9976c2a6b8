//! The words of a command line, and `${name}` of the configuration.

use std::collections::BTreeMap;

use evenkeel_model::yaml::{Entry, Value};

use super::super::draft::Draft;
use super::super::fields::Fields;
use crate::notes::cut;

/// The most words of a command.
const MOST_WORDS: usize = 1_000;
/// The most bytes of all of them, and of a text with its placeholders filled in.
pub(super) const MOST_BYTES: usize = 64 << 10;

const TOO_LONG: &str = "it is longer than 64 KiB";

/// What `${name}` stands for; nothing where only the environment knows.
#[derive(Debug, Default)]
pub(super) struct Configuration<'a>(BTreeMap<&'a str, Option<&'a str>>);

impl<'a> Configuration<'a> {
    /// Reads `configuration`.
    pub(super) fn of(entry: Option<&'a Entry>, draft: &mut Draft) -> Self {
        let mut known = BTreeMap::new();
        let entries = entry.map(|it| it.value.entries()).unwrap_or_default();
        for entry in entries {
            if entry.value.text().is_some() {
                known.insert(entry.key.as_str(), entry.value.text());
                continue;
            }
            let mut fields = Fields::of(&entry.value, entry.key_place, draft);
            let default = fields.text("default", draft);
            known.insert(entry.key.as_str(), default);
            let what = format!("where `{}` of the configuration comes from", cut(&entry.key));
            let why = match default {
                Some(_) => "its default is written",
                None => "what needs it is left out: documents are read as they are",
            };
            draft.leave_at(entry.key_place, what, why);
        }
        Self(known)
    }

    /// A text with every `${name}` replaced. The error says what cannot be.
    pub(super) fn text(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            filled.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err("a `${` in it has no end".to_owned());
            };
            let Some(value) = self.0.get(name.trim()).copied().flatten() else {
                let name = cut(name);
                return Err(format!("`${{{name}}}` is known only when it runs: write its value"));
            };
            filled.push_str(value);
            rest = after;
            if filled.len() > MOST_BYTES {
                return Err(TOO_LONG.to_owned());
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The words of `arguments`: a list, a map, or a line without anything for a shell.
    pub(super) fn words(&self, arguments: Option<&Entry>) -> Result<Vec<String>, String> {
        let mut words = Vec::new();
        let mut bytes = 0;
        let mut add = |text: &str| {
            let word = self.text(text)?;
            bytes += word.len();
            words.push(word);
            if bytes > MOST_BYTES { Err(TOO_LONG.to_owned()) } else { Ok(()) }
        };
        match arguments.map(|it| &it.value.value) {
            None => {}
            Some(Value::List(items)) => {
                for it in items.iter().take(MOST_WORDS) {
                    add(it.text().ok_or("an argument of it is no text")?)?;
                }
            }
            Some(Value::Map(entries)) => {
                for it in entries.iter().take(MOST_WORDS) {
                    add(&it.key)?;
                    it.value.text().map_or(Ok(()), &mut add)?;
                }
            }
            Some(Value::Scalar { text, .. }) => words = line(&self.text(text)?)?,
        }
        words.retain(|it| !it.is_empty());
        Ok(words)
    }
}

/// The words of a line. The error says why it has none.
pub(in crate::chaos) fn line(text: &str) -> Result<Vec<String>, String> {
    if text.contains(['|', ';', '&', '<', '>', '`', '$', '(', ')', '\\', '*', '?', '\n']) {
        return Err("it is a line for a shell, and none is run".to_owned());
    }
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for it in text.chars() {
        match (quote, it) {
            (Some(open), it) if it == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(it);
                word.get_or_insert_default();
            }
            (None, it) if it.is_whitespace() => words.extend(word.take()),
            (_, it) => word.get_or_insert_default().push(it),
        }
    }
    words.extend(word);
    match quote {
        Some(it) => Err(format!("a quote {it} in it has no end")),
        None if words.len() > MOST_WORDS => Err("it has too many words".to_owned()),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_blanks_outside_of_quotes() {
        assert_eq!(line("-9  'my app' x\"y z\"").unwrap(), ["-9", "my app", "xy z"]);
        assert!(line("-9 $(pgrep x)").is_err());
        assert!(line("'").unwrap_err().contains("no end"));
    }

    #[test]
    fn what_only_the_environment_knows_is_not_guessed() {
        let known = [("port", Some("80")), ("token", None)];
        let configuration = Configuration(known.into_iter().collect());
        assert_eq!(configuration.text("a:${port}/${port}").unwrap(), "a:80/80");
        assert!(configuration.text("${token}").unwrap_err().contains("write its value"));
        assert!(configuration.text("${port").is_err());
    }
}
