//! Selector: which series are meant, as PromQL writes it: `http_requests_total{job="shop",code=~"5.."}`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which series are meant: by the name of their metric and by labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SeriesSelector {
    /// The name of the metric; `None` when labels alone say which.
    pub metric: Option<String>,
    /// Conditions on labels, in the order in which they were written.
    pub matchers: Vec<LabelMatcher>,
}

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMatcher {
    /// The label.
    pub name: String,
    /// How it is compared.
    pub operation: MatchOperation,
    /// What it is compared with.
    pub value: String,
}

/// How a label is compared.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum MatchOperation {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, the whole value
    Matches,
    /// `!~`
    MatchesNot,
}

impl MatchOperation {
    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesSelectorError {
    /// Neither a metric nor a label is named.
    #[error("it names no series")]
    Empty,
    /// Something stands where it cannot.
    #[error("`{0}` does not belong there")]
    Unexpected(String),
    /// A quote that is not closed, or an escape that means nothing.
    #[error("a text in it does not end")]
    Text,
    /// A condition without a comparison.
    #[error("the label `{0}` is compared with nothing")]
    Comparison(String),
}

impl SeriesSelector {
    /// All series of a metric.
    pub fn metric(name: &str) -> Self {
        Self { metric: Some(name.to_owned()), matchers: Vec::new() }
    }

    /// Reads `name{label="value"}`, `name` and `{label="value"}`.
    ///
    /// # Errors
    /// When it is none of these: what has a range, an offset or a function around it is a query.
    pub fn parse(text: &str) -> Result<Self, SeriesSelectorError> {
        let mut rest = text.trim();
        let metric = word(&mut rest, |it| it.is_ascii_alphanumeric() || it == '_' || it == ':');
        let mut metric = metric.map(str::to_owned);
        let mut matchers = Vec::new();
        if eat(&mut rest, "{") {
            while !eat(&mut rest, "}") {
                matchers.extend(matcher(&mut rest, &mut metric)?);
                if !eat(&mut rest, ",") && !rest.starts_with('}') {
                    return Err(unexpected(rest));
                }
            }
        }
        match (rest.trim(), metric.is_none() && matchers.is_empty()) {
            ("", false) => Ok(Self { metric, matchers }),
            ("", true) => Err(SeriesSelectorError::Empty),
            (rest, _) => Err(unexpected(rest)),
        }
    }

    /// The same with another metric, such as `name_bucket` for `name`.
    pub fn renamed(&self, metric: String) -> Self {
        Self { metric: Some(metric), matchers: self.matchers.clone() }
    }
}

fn unexpected(rest: &str) -> SeriesSelectorError {
    SeriesSelectorError::Unexpected(rest.chars().take(20).collect())
}

/// One condition; `None` when it was the name of the metric, in quotes.
fn matcher(
    rest: &mut &str,
    metric: &mut Option<String>,
) -> Result<Option<LabelMatcher>, SeriesSelectorError> {
    *rest = rest.trim_start();
    let is_quoted = rest.starts_with(['"', '\'']);
    let name = match is_quoted {
        true => quoted(rest)?,
        false => word(rest, |it| it.is_ascii_alphanumeric() || it == '_')
            .ok_or_else(|| unexpected(rest))?
            .to_owned(),
    };
    *rest = rest.trim_start();
    // The longer signs first.
    let signs = [
        ("=~", MatchOperation::Matches),
        ("!~", MatchOperation::MatchesNot),
        ("!=", MatchOperation::NotEqual),
        ("=", MatchOperation::Equal),
    ];
    let Some((_, operation)) = signs.into_iter().find(|(sign, _)| eat(rest, sign)) else {
        return match is_quoted && metric.is_none() {
            true => {
                *metric = Some(name);
                Ok(None)
            }
            false => Err(SeriesSelectorError::Comparison(name)),
        };
    };
    *rest = rest.trim_start();
    let value = quoted(rest)?;
    Ok(Some(LabelMatcher { name, operation, value }))
}

/// A word of letters that `fits`, which does not begin with a digit.
fn word<'a>(rest: &mut &'a str, fits: fn(char) -> bool) -> Option<&'a str> {
    let text = rest.trim_start();
    let end = text.find(|it| !fits(it)).unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    (!word.is_empty() && !word.starts_with(|it: char| it.is_ascii_digit())).then(|| {
        *rest = after;
        word
    })
}

fn eat(rest: &mut &str, sign: &str) -> bool {
    let after = rest.trim_start().strip_prefix(sign);
    if let Some(after) = after {
        *rest = after;
    }
    after.is_some()
}

/// A text in quotes.
fn quoted(rest: &mut &str) -> Result<String, SeriesSelectorError> {
    let mut letters = rest.char_indices();
    let Some((_, quote @ ('"' | '\'' | '`'))) = letters.next() else {
        return Err(unexpected(rest));
    };
    let mut text = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            it if it == quote => {
                *rest = rest.get(at + 1..).unwrap_or_default();
                return Ok(text);
            }
            '\\' if quote != '`' => {
                let escaped = letters.next().map(|(_, it)| it);
                text.push(match escaped {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(it @ ('\\' | '"' | '\'')) => it,
                    Some(_) | None => return Err(SeriesSelectorError::Text),
                });
            }
            it => text.push(it),
        }
    }
    Err(SeriesSelectorError::Text)
}

/// A text in double quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                it => write!(f, "{it}")?,
            }
        }
        f.write_str("\"")
    }
}

impl fmt::Display for LabelMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let is_word = !self.name.starts_with(|it: char| it.is_ascii_digit());
        match is_word && !self.name.is_empty() && self.name.chars().all(plain) {
            true => f.write_str(&self.name)?,
            false => write!(f, "{}", Quoted(&self.name))?,
        }
        write!(f, "{}{}", self.operation.sign(), Quoted(&self.value))
    }
}

impl fmt::Display for SeriesSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
        let metric = self.metric.as_deref().unwrap_or_default();
        let is_word =
            metric.chars().all(plain) && !metric.starts_with(|it: char| it.is_ascii_digit());
        let mut inner = Vec::new();
        match is_word {
            true => f.write_str(metric)?,
            false => inner.push(Quoted(metric).to_string()),
        }
        inner.extend(self.matchers.iter().map(ToString::to_string));
        if inner.is_empty() { Ok(()) } else { write!(f, "{{{}}}", inner.join(",")) }
    }
}

impl From<SeriesSelector> for String {
    fn from(it: SeriesSelector) -> Self {
        it.to_string()
    }
}

impl TryFrom<String> for SeriesSelector {
    type Error = SeriesSelectorError;

    fn try_from(text: String) -> Result<Self, SeriesSelectorError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn selectors_are_read_as_prometheus_writes_them() {
        for (text, expected) in [
            ("up", "up"),
            ("  job:errors:rate5m { } ", "job:errors:rate5m"),
            (r#"x{a="1", b!='2',}"#, r#"x{a="1",b!="2"}"#),
            (r#"{job=~"a|b", c!~`\d`}"#, r#"{job=~"a|b",c!~"\\d"}"#),
            (r#"{"my.metric", "a b"="c"}"#, r#"{"my.metric","a b"="c"}"#),
            (r#"{__name__="x"}"#, r#"{__name__="x"}"#),
        ] {
            assert_eq!(SeriesSelector::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_more_or_less_than_a_selector_is_refused() {
        for text in [
            "",
            "{}",
            "x[5m]",
            "sum(x)",
            "x{a}",
            "x{a=}",
            "x{a=1}",
            "x{a=\"1}",
            "x{a=\"1\" b=\"2\"}",
            "x offset 5m",
            "1x",
            "x{,}",
            "x{a=\"\\q\"}",
            "{\"a\",\"b\"}",
            "x{\"y\"}",
            "x}",
        ] {
            assert!(SeriesSelector::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(metric in "[a-z:_ .\"]{0,6}", name in "[a-z0-9_ ]{1,5}", value in "\\PC{0,8}") {
            let operation = MatchOperation::NotEqual;
            let matchers = vec![LabelMatcher { name, operation, value }];
            let metric = Some(metric).filter(|it| !it.is_empty());
            let it = SeriesSelector { metric, matchers };
            prop_assert_eq!(SeriesSelector::parse(&it.to_string()), Ok(it));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            prop_assert!(SeriesSelector::parse(&text).is_err() || !text.is_empty());
        }
    }
}
