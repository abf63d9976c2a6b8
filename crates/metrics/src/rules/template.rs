//! Template: the texts of labels and annotations of alerts, which name labels and the value.
//!
//! What most alerts need of the templates of Go: `{{ $labels.job }}`, `{{ $value }}`, functions, called or behind a `|`, and
//! brackets. Queries, conditions and loops are refused when the file is read.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/configuration/template_reference/>.

use std::collections::BTreeMap;

use evenkeel_series::Labels;

use super::function::{Function, Given};

/// What a template is filled with.
#[derive(Copy, Clone, Debug)]
pub struct Filling<'a> {
    /// The labels of what was found.
    pub labels: &'a Labels,
    /// Its value.
    pub value: f64,
    /// The labels of everything that leaves the store.
    pub external: &'a BTreeMap<String, String>,
    /// Where the store is reached.
    pub url: &'a str,
}

/// A text that names labels and the value.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// The same text means the same.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Output(Pipeline),
}

/// Commands, each of which is given what the one before gives, as its last argument.
type Pipeline = Vec<Command>;

#[derive(Clone, Debug)]
struct Command {
    function: Option<Function>,
    operands: Vec<Operand>,
}

#[derive(Clone, Debug)]
enum Operand {
    Labels,
    Label(String),
    External(String),
    Url,
    Value,
    Number(f64),
    Text(String),
    Inner(Pipeline),
}

/// Brackets may be so deep.
const DEPTH_MAX: usize = 16;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut trims = false;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = closed(after).ok_or("`{{` is not closed by `}}`")?;
            let (inside, next_trims) = match inside.strip_suffix('-') {
                Some(it) if it.ends_with(char::is_whitespace) => (it, true),
                _ => (inside, false),
            };
            let (inside, before) = match inside.strip_prefix('-') {
                Some(it) if it.starts_with(char::is_whitespace) => (it, before.trim_end()),
                _ => (inside, before),
            };
            let before = if trims { before.trim_start() } else { before };
            pieces.push(Piece::Text(before.to_owned()));
            let inside = inside.trim();
            if !(inside.starts_with("/*") && inside.ends_with("*/")) {
                let mut words = Words { rest: inside };
                let output = pipeline(&mut words, 0)?;
                match words.next()? {
                    None => pieces.push(Piece::Output(output)),
                    Some(it) => return Err(format!("`{}` does not belong there", it.shown())),
                }
            }
            (rest, trims) = (after, next_trims);
        }
        let last = if trims { rest.trim_start() } else { rest };
        pieces.push(Piece::Text(last.to_owned()));
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text that it always gives; `None` when that depends on what it is filled with.
    pub fn constant(&self) -> Option<&str> {
        match &*self.pieces {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// With everything filled in. What cannot be is said in its place, as Prometheus does.
    pub fn filled(&self, with: &Filling<'_>) -> String {
        let mut all = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => all.push_str(text),
                Piece::Output(it) => match given(it, with) {
                    Ok(it) => all.push_str(&it.text()),
                    Err(error) => return format!("<error expanding template: {error}>"),
                },
            }
        }
        all
    }
}

/// What is inside of an action, and what is behind it. Quotes may hold its end.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (None, '"' | '`') => quote = Some(letter),
            (Some('"'), '\\') => drop(letters.next()),
            (Some(it), letter) if it == letter => quote = None,
            (None, '}') => {
                if let Some(after) = text.get(at..)?.strip_prefix("}}") {
                    return Some((text.get(..at)?, after));
                }
            }
            _ => {}
        }
    }
    None
}

fn given(of: &[Command], with: &Filling<'_>) -> Result<Given, String> {
    let mut last = None;
    for Command { function, operands } in of {
        let mut all = operands.iter().map(|it| it.given(with)).collect::<Result<Vec<_>, _>>()?;
        all.extend(last.take());
        last = match function {
            Some(it) => Some(it.of(&all)?),
            None => all.into_iter().next(),
        };
    }
    last.ok_or_else(|| "nothing is said".to_owned())
}

impl Operand {
    fn given(&self, with: &Filling<'_>) -> Result<Given, String> {
        Ok(match self {
            Self::Label(name) => Given::Text(with.labels.get(name).to_owned()),
            Self::Labels => {
                let all = with.labels.iter().map(|it| format!("{}:{}", it.name, it.value));
                Given::Text(format!("map[{}]", all.collect::<Vec<_>>().join(" ")))
            }
            Self::External(name) => {
                Given::Text(with.external.get(name).cloned().unwrap_or_default())
            }
            Self::Url => Given::Text(with.url.to_owned()),
            Self::Value => Given::Number(with.value),
            Self::Number(it) => Given::Number(*it),
            Self::Text(it) => Given::Text(it.clone()),
            Self::Inner(it) => given(it, with)?,
        })
    }
}

fn pipeline(words: &mut Words<'_>, depth: usize) -> Result<Pipeline, String> {
    if depth > DEPTH_MAX {
        return Err(format!("brackets are more than {DEPTH_MAX} deep"));
    }
    let mut all = Vec::new();
    loop {
        let is_piped = !all.is_empty();
        let it = command(words, depth, is_piped)?;
        all.push(it);
        if !words.takes('|') {
            return Ok(all);
        }
    }
}

fn command(words: &mut Words<'_>, depth: usize, is_piped: bool) -> Result<Command, String> {
    let mut function = None;
    let mut operands = Vec::new();
    let mut is_first = true;
    while !words.is_at_end_of_command() {
        let operand = match words.next()? {
            Some(Word::Name(name)) if is_first => {
                function = Some(Function::named(name)?);
                is_first = false;
                continue;
            }
            Some(Word::Open) => {
                let inner = pipeline(words, depth + 1)?;
                if !words.takes(')') {
                    return Err("`(` is not closed by `)`".to_owned());
                }
                Operand::Inner(inner)
            }
            Some(Word::Variable(name)) => variable(name)?,
            Some(Word::Number(it)) => Operand::Number(it),
            Some(Word::Text(it)) => Operand::Text(it),
            Some(it) => return Err(format!("`{}` does not belong there", it.shown())),
            None => break,
        };
        is_first = false;
        operands.push(operand);
    }
    let many = operands.len() + usize::from(is_piped);
    if let (Some(function), Some(Operand::Text(first))) = (function, operands.first()) {
        function.understands(first)?;
    }
    match function {
        Some(it) => it.takes(many)?,
        None if many == 1 && !is_piped => {}
        None if many == 0 => return Err("`{{ }}` is empty".to_owned()),
        None => return Err("what is behind a value or a `|` is no function".to_owned()),
    }
    Ok(Command { function, operands })
}

fn variable(name: &str) -> Result<Operand, String> {
    let (first, rest) = name.split_once('.').map_or((name, None), |(a, b)| (a, Some(b)));
    let (first, rest) = match (first, rest) {
        ("", Some(rest)) => rest.split_once('.').map_or((rest, None), |(a, b)| (a, Some(b))),
        (first, rest) => (first, rest),
    };
    match (first, rest) {
        ("$labels" | "Labels", None) => Ok(Operand::Labels),
        ("$labels" | "Labels", Some(name)) => Ok(Operand::Label(name.to_owned())),
        ("$externalLabels" | "ExternalLabels", Some(name)) => {
            Ok(Operand::External(name.to_owned()))
        }
        ("$externalURL" | "ExternalURL", None) => Ok(Operand::Url),
        ("$value" | "Value", None) => Ok(Operand::Value),
        _ => Err(format!(
            "there is no `{name}`: there is `$labels.NAME`, `$value`, `$externalLabels.NAME` and `$externalURL`"
        )),
    }
}

/// What an action is made of.
struct Words<'a> {
    rest: &'a str,
}

enum Word<'a> {
    /// `$labels.job`, `.Value`.
    Variable(&'a str),
    Name(&'a str),
    Number(f64),
    Text(String),
    Open,
    Other(char),
}

impl Word<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Variable(it) | Self::Name(it) => (*it).to_owned(),
            Self::Number(it) => it.to_string(),
            Self::Text(it) => format!("{it:?}"),
            Self::Open => "(".to_owned(),
            Self::Other(it) => it.to_string(),
        }
    }
}

impl<'a> Words<'a> {
    /// Goes past a sign if it is next.
    fn takes(&mut self, sign: char) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn is_at_end_of_command(&self) -> bool {
        let rest = self.rest.trim_start();
        rest.is_empty() || rest.starts_with(['|', ')'])
    }

    fn while_it(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|it| !is_part(it)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn next(&mut self) -> Result<Option<Word<'a>>, String> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let is_name = |it: char| it.is_alphanumeric() || it == '_';
        Ok(Some(match first {
            '$' | '.' => Word::Variable(self.while_it(|it| is_name(it) || it == '$' || it == '.')),
            '"' | '`' => Word::Text(self.quoted(first)?),
            '(' => {
                self.takes('(');
                Word::Open
            }
            '0'..='9' | '-' | '+' => {
                let word = self.while_it(|it| is_name(it) || "+-.".contains(it));
                let number = word.parse().map_err(|_| format!("`{word}` is no number"))?;
                Word::Number(number)
            }
            it if is_name(it) => Word::Name(self.while_it(is_name)),
            it => {
                self.takes(it);
                Word::Other(it)
            }
        }))
    }

    /// A text between quotes. What is behind a `\` is what it is in Go, where that is one letter.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                it if it == quote => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' if quote == '"' => match letters.next().map(|it| it.1) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(it @ ('"' | '\\' | '\'')) => text.push(it),
                    it => return Err(format!("`\\{}` is not supported", it.unwrap_or(' '))),
                },
                it => text.push(it),
            }
        }
        Err("a quote is not closed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let labels = Labels::of([("job", "shop"), ("instance", "a.example:9090")]);
        let external = [("zone".to_owned(), "eu".to_owned())].into();
        let filling = Filling {
            labels: &labels,
            value: 0.014_567,
            external: &external,
            url: "http://127.0.0.1:9090",
        };
        Template::parse(text).map(|it| it.filled(&filling))
    }

    #[test]
    fn labels_and_the_value_are_filled_in() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{{ $labels.job }} is at {{$value}}", "shop is at 0.014567"),
            ("{{ .Labels.job }}/{{ .Value }}", "shop/0.014567"),
            ("{{ $labels.nothing }}.", "."),
            ("{{ $externalLabels.zone }} {{ $externalURL }}", "eu http://127.0.0.1:9090"),
            ("{{ $labels }}", "map[instance:a.example:9090 job:shop]"),
            ("a  {{- $value -}}  b", "a0.014567b"),
            ("{{/* nothing */}}it", "it"),
        ] {
            assert_eq!(filled(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn functions_are_called_or_stand_behind_a_bar() {
        for (text, expected) in [
            ("{{ $value | humanizePercentage }}", "1.457%"),
            ("{{ humanize $value }}", "14.57m"),
            (r#"{{ printf "%.2f" $value }}"#, "0.01"),
            (r#"{{ $value | printf "%.3f of %s" 2.0 }}"#, "2.000 of %!s(float64=0.014567)"),
            ("{{ $labels.instance | stripPort | toUpper }}", "A.EXAMPLE"),
            (r#"{{ reReplaceAll "(.*):.*" "$1" $labels.instance }}"#, "a.example"),
            ("{{ humanize (printf \"%.1f\" $value) }}", "0"),
            (r#"{{ $value | printf "%06.2f" }}"#, "000.01"),
            (r#"{{ printf "%s }}" $labels.job }}"#, "shop }}"),
        ] {
            assert_eq!(filled(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_when_it_is_read() {
        for (text, expected) in [
            ("{{ $value", "`{{` is not closed by `}}`"),
            ("{{ if $value }}a{{ end }}", "`if` is not supported"),
            ("{{ range query \"up\" }}", "`range` is not supported"),
            ("{{ query \"up\" | first }}", "`query` is not supported"),
            ("{{ $label.job }}", "there is no `$label.job`"),
            ("{{ }}", "`{{ }}` is empty"),
            ("{{ humanize }}", "`humanize` takes 1 value, and here are 0"),
            ("{{ humanise $value }}", "there is no function `humanise`"),
            ("{{ $value $value }}", "what is behind a value"),
            ("{{ $value | $value }}", "what is behind a value"),
            ("{{ ($value }}", "`(` is not closed"),
            ("{{ \"a }}", "`{{` is not closed"),
            ("{{ $value ] }}", "`]` does not belong there"),
            (r#"{{ printf "%x" $value }}"#, "`%x` is not supported"),
            (r#"{{ reReplaceAll "(" "" $labels.job }}"#, "`(` is no pattern"),
        ] {
            let error = filled(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let deep = format!("{{{{ {}$value }}}}", "(".repeat(1_000));
        assert!(filled(&deep).is_err());
    }

    #[test]
    fn what_cannot_be_filled_in_is_said_in_its_place() {
        let text = filled("{{ humanize $labels.job }}").unwrap();
        assert!(text.starts_with("<error expanding template: "), "{text}");
    }
}
