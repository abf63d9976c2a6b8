//! `${name}` and `${__function(…)}` → templates of ours.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_model::document::{Part, Reference, Slot, Template};

use crate::address;
use crate::compose;
use crate::notes::{Notes, cut};

/// Variables may be made of variables, so deep and with so many pieces in all.
const MAX_DEPTH: usize = 10;
const MAX_PIECES: usize = 2_000;

/// What names stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// Variables of the plan, as they are written there.
    pub(super) values: BTreeMap<String, String>,
    /// Columns of data: feeder and column.
    pub(super) columns: BTreeMap<String, (String, String)>,
    /// A feeder whose columns only its file names.
    pub(super) unnamed: Option<String>,
    /// What extractors keep.
    pub(super) extracted: BTreeSet<String>,
    /// What another element gives for each use.
    pub(super) slots: BTreeMap<String, Slot>,
}

impl Words {
    /// A text of the plan as a template.
    pub(super) fn read(&self, place: &str, text: &str, notes: &mut Notes) -> Template {
        self.expand(place, text, 0, &mut MAX_PIECES.clone(), notes)
    }

    /// A text that must be the same for every request.
    pub(super) fn plain(&self, place: &str, text: &str, notes: &mut Notes) -> Option<String> {
        compose::plain(&self.read(place, text, notes)).map(|it| it.trim().to_owned())
    }

    /// A whole number that must be the same for every request.
    pub(super) fn number(&self, place: &str, text: &str, notes: &mut Notes) -> Option<i64> {
        let text = self.plain(place, text, notes)?;
        text.parse::<i64>().ok().or_else(|| {
            let number = text.parse::<f64>().ok().filter(|it| it.is_finite() && it.abs() < 1e15)?;
            Some(number.round() as i64)
        })
    }

    fn expand(
        &self,
        place: &str,
        text: &str,
        depth: usize,
        left: &mut usize,
        notes: &mut Notes,
    ) -> Template {
        let mut template = Template::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if *left == 0 {
                notes.add(place, cut(text), "its variables are made of too many others");
                break;
            }
            *left -= 1;
            // A backslash takes the meaning away.
            if let Some(before) = before.strip_suffix('\\') {
                compose::push_text(&mut template, before);
                compose::push_text(&mut template, "${");
                rest = after;
                continue;
            }
            compose::push_text(&mut template, before);
            let Some(end) = closing(after) else {
                compose::push_text(&mut template, "${");
                rest = after;
                continue;
            };
            let inside = after.get(..end).unwrap_or_default();
            let meant = match depth < MAX_DEPTH {
                true => self.placeholder(place, inside, depth, left, notes),
                false => None,
            };
            match meant {
                Some(it) => compose::append(&mut template, it),
                None => {
                    let why = match inside.starts_with("__") {
                        true => "this function has no counterpart; the text stays as it is written",
                        false => {
                            "nothing in the plan sets this variable; the text stays as it is written"
                        }
                    };
                    notes.add(place, format!("`${{{}}}`", cut(inside)), why);
                    compose::push_text(&mut template, &format!("${{{inside}}}"));
                }
            }
            rest = after.get(end + 1..).unwrap_or_default();
        }
        compose::push_text(&mut template, rest);
        template
    }

    fn placeholder(
        &self,
        place: &str,
        inside: &str,
        depth: usize,
        left: &mut usize,
        notes: &mut Notes,
    ) -> Option<Template> {
        let inside = inside.trim();
        if inside.starts_with("__") {
            return self.function(place, inside, depth, left, notes);
        }
        if self.extracted.contains(inside) {
            return Some(compose::slot(Slot::Var(compose::variable(inside))));
        }
        if let Some(it) = self.slots.get(inside) {
            return Some(compose::slot(it.clone()));
        }
        if let Some((feeder, column)) = self.columns.get(inside) {
            return Some(compose::slot(Slot::Data {
                feeder: feeder.clone(),
                column: column.clone(),
            }));
        }
        if let Some(value) = self.values.get(inside) {
            return Some(self.expand(place, value, depth + 1, left, notes));
        }
        let feeder = self
            .unnamed
            .clone()
            .filter(|_| inside.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_'))?;
        Some(compose::slot(Slot::Data { feeder, column: inside.to_owned() }))
    }

    fn function(
        &self,
        place: &str,
        inside: &str,
        depth: usize,
        left: &mut usize,
        notes: &mut Notes,
    ) -> Option<Template> {
        let (name, rest) = inside.split_once('(').unwrap_or((inside, ")"));
        let arguments = arguments(rest.strip_suffix(')')?);
        let mut argument = |n: usize| -> Template {
            let text = arguments.get(n).map_or("", |it| it.as_str());
            self.expand(place, text, depth + 1, left, notes)
        };
        let slot = match name {
            "__Random" => {
                let (from, to) = (argument(0), argument(1));
                let number =
                    |it: &Template| compose::plain(it).and_then(|it| it.trim().parse::<u64>().ok());
                let (from, to) = number(&from).zip(number(&to)).filter(|(from, to)| from <= to)?;
                Slot::Between(from, to)
            }
            "__UUID" => Slot::Uuid,
            "__time" if arguments.first().is_none_or(|it| it.trim().is_empty()) => Slot::Time,
            "__threadNum" => {
                notes.add(
                    place,
                    "`${__threadNum}`",
                    "users are counted from 0 here, and from 1 there",
                );
                Slot::User
            }
            "__iterationNum" => {
                notes.add(
                    place,
                    "`${__iterationNum}`",
                    "iterations are counted from 0 here, and from 1 there",
                );
                Slot::Iteration
            }
            "__counter" => {
                let why = "it counts the iterations of each user, from 0";
                notes.add(place, "`${__counter}`", why);
                Slot::Iteration
            }
            "__P" => {
                let default =
                    if arguments.len() > 1 { argument(1) } else { Template::literal("1") };
                return Some(default);
            }
            "__property" | "__property2" => return (arguments.len() > 2).then(|| argument(2)),
            "__V" | "__eval" => {
                let name = argument(0);
                let name = compose::plain(&name)?.to_owned();
                return match name.contains(' ') || name.is_empty() {
                    true => None,
                    false => self.placeholder(place, &name, depth + 1, left, notes),
                };
            }
            "__env" => {
                let name = argument(0);
                let name = compose::plain(&name)?.trim().to_owned();
                let fits = !name.is_empty()
                    && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
                return fits
                    .then(|| Template { parts: vec![Part::Reference(Reference::Env(name))] });
            }
            "__urlencode" => return Some(compose::map_text(argument(0), address::encode_value)),
            "__lowercase" => return Some(compose::map_text(argument(0), str::to_lowercase)),
            "__uppercase" => return Some(compose::map_text(argument(0), str::to_uppercase)),
            _ => return None,
        };
        Some(compose::slot(slot))
    }
}

/// Where the brace closes that was opened just before.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0usize;
    for (at, it) in text.char_indices() {
        match it {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

/// The arguments of a function: between commas that no backslash and no brace hides.
fn arguments(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut open = 0usize;
    let mut characters = text.chars().peekable();
    while let Some(it) = characters.next() {
        match it {
            '\\' if characters.peek().is_some_and(|it| matches!(it, ',' | '\\')) => {
                all.last_mut().into_iter().for_each(|last| last.extend(characters.next()));
                continue;
            }
            ',' if open == 0 => {
                all.push(String::new());
                continue;
            }
            '{' => open += 1,
            '}' => open = open.saturating_sub(1),
            _ => {}
        }
        all.last_mut().into_iter().for_each(|last| last.push(it));
    }
    if text.is_empty() { Vec::new() } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, usize) {
        let mut words = Words::default();
        words.values.insert("host".to_owned(), "shop-${stage}".to_owned());
        words.values.insert("stage".to_owned(), "${__P(stage,test)}".to_owned());
        words.values.insert("loop".to_owned(), "${loop}${loop}".to_owned());
        words.columns.insert("user".to_owned(), ("users".to_owned(), "user".to_owned()));
        words.extracted.insert("id".to_owned());
        let mut notes = Notes::default();
        (words.read("line 1", text, &mut notes).to_string(), notes.finish().len())
    }

    #[test]
    fn variables_and_functions_are_ours() {
        for (text, expected) in [
            ("http://${host}/${id}?u=${user}", "http://shop-test/${var:id}?u=${data:users.user}"),
            ("${__Random(1,9)} ${__Random(1,9,x)} ${__UUID()} ${__UUID} ${__time()}", {
                "${random:1-9} ${random:1-9} ${random:uuid} ${random:uuid} ${run:time}"
            }),
            ("${__P(port,80\\,81)}${__P(on)}${__property(a,,b)}", "80,811b"),
            ("${__P(a,${__P(b,c)})}", "c"),
            ("${__urlencode(a b)}-${__env(HOME)}", "a%20b-${env:HOME}"),
            ("$ 5 \\${id} {}", "$ 5 $${id} {}"),
        ] {
            assert_eq!(read(text), (expected.to_owned(), 0), "{text}");
        }
    }

    #[test]
    fn what_has_no_counterpart_stays_and_is_noted() {
        assert_eq!(read("${__groovy(1 + 1)}"), ("$${__groovy(1 + 1)}".to_owned(), 1));
        assert_eq!(read("${nobody} ${__time(HH:mm)}").1, 2);
    }

    #[test]
    fn variables_that_name_themselves_end() {
        assert!(read("${loop}").0.len() < 100_000);
    }
}
