//! Expect: what an answer has to be, as it is written on a command line.
//!
//! ```text
//! status=200   status=2xx   status=200-299,404   what an HTTP server answers
//! body~TEXT                                      the body contains a text
//! header:NAME=VALUE   header:NAME~TEXT           a header is, or contains
//! json:/status=healthy                           a value in a body of JSON, by its pointer (RFC 6901)
//! time<300ms                                     all of it took less
//! role=primary   lag<10s   value=1   version~16  any other fact of an answer, by its name
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use evenkeel_units::{Human, parse_duration};
use serde_json::Value;

use super::notes::Notes;
use crate::address::Scheme;

/// Something that has to hold of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    of: Subject,
    how: How,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Time,
    Body,
    Header(String),
    Json(String),
    Fact(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
enum How {
    Is,
    Contains,
    Status(Vec<(u16, u16)>),
    Less(f64),
    More(f64),
}

/// A text is no expectation, or none that fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectationError {
    /// It has another form.
    #[error(
        "`{0}` is no expectation: write one such as `status=200`, `body~ok`, `json:/status=healthy` or `time<300ms`"
    )]
    Form(String),
    /// It is about nothing that is known.
    #[error("`{name}` is nothing that an answer has: write {known}")]
    Name {
        /// What it is about.
        name: String,
        /// What is known.
        known: String,
    },
    /// The value is of another kind.
    #[error("`{text}` in `{of}` is not {wanted}")]
    Value {
        /// The expectation.
        of: String,
        /// Its value.
        text: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// The protocol has no such thing.
    #[error("an answer of `{scheme}` has no `{name}`")]
    Scheme {
        /// The protocol.
        scheme: &'static str,
        /// What it does not have.
        name: String,
    },
}

/// Facts by name, and whose they are. Seconds are compared with durations.
const FACTS: [(&str, &str, &[Scheme]); 12] = [
    ("status", "status", &[Scheme::Http, Scheme::Https]),
    ("serving", "serving", &[Scheme::Grpc, Scheme::Grpcs]),
    ("role", "role", &[Scheme::Postgres, Scheme::Redis, Scheme::Rediss]),
    ("version", "version", &[Scheme::Postgres, Scheme::Redis, Scheme::Rediss]),
    ("value", "value", &[Scheme::Postgres]),
    ("rows", "rows", &[Scheme::Postgres]),
    ("read_only", "read_only", &[Scheme::Postgres]),
    ("lag", "lag_seconds", &[Scheme::Postgres, Scheme::Redis, Scheme::Rediss]),
    ("loading", "loading", &[Scheme::Redis, Scheme::Rediss]),
    ("link", "link", &[Scheme::Redis, Scheme::Rediss]),
    ("body_bytes", "body_bytes", &[Scheme::Http, Scheme::Https, Scheme::Udp]),
    ("answered", "answered", &[Scheme::Udp]),
];

impl Expectation {
    /// Whether an answer of this protocol can have it.
    ///
    /// # Errors
    /// When it cannot.
    pub fn fits(&self, scheme: Scheme) -> Result<(), ExpectationError> {
        let fits = match &self.of {
            Subject::Time => true,
            Subject::Body | Subject::Json(_) => {
                matches!(scheme, Scheme::Http | Scheme::Https | Scheme::Udp)
            }
            Subject::Header(_) => matches!(scheme, Scheme::Http | Scheme::Https),
            Subject::Fact(key) => FACTS.iter().any(|it| it.1 == *key && it.2.contains(&scheme)),
        };
        let name = self.of.to_string();
        if fits { Ok(()) } else { Err(ExpectationError::Scheme { scheme: scheme.name(), name }) }
    }

    /// Whether it is about the status of HTTP, which then has no usual one.
    pub(super) fn is_of_status(&self) -> bool {
        matches!(self.how, How::Status(_))
    }

    /// Whether it says that a datagram is answered, or is not.
    pub(super) fn is_of_an_answer(&self) -> bool {
        self.of == Subject::Fact("answered")
    }

    /// A status that a kubelet takes for success.
    pub(super) fn usual_status() -> Self {
        Self {
            of: Subject::Fact("status"),
            how: How::Status(vec![(200, 399)]),
            text: "200-399".to_owned(),
        }
    }

    /// What is not as it has to be.
    pub(super) fn complaint(&self, notes: &Notes, took: Duration) -> Option<String> {
        match &self.of {
            Subject::Time => {
                self.judge(&Value::from(took.as_secs_f64()), || Human(took).to_string())
            }
            Subject::Body => {
                let body = String::from_utf8_lossy(&notes.body);
                let holds = match self.how {
                    How::Contains => body.contains(&self.text),
                    _ => *body == self.text,
                };
                (!holds).then(|| match self.how {
                    How::Contains => format!("`{}` is not in the body", self.text),
                    _ => format!("the body is not `{}`", self.text),
                })
            }
            Subject::Header(name) => {
                let mut complaint = Some(format!("there is no header `{name}`"));
                for (nth, value) in notes.headers.get_all(name).iter().enumerate() {
                    // Of several one will do, and the first is told about.
                    match self.judge(&String::from_utf8_lossy(value.as_bytes()).into(), String::new)
                    {
                        None => return None,
                        other if nth == 0 => complaint = other,
                        _ => {}
                    }
                }
                complaint
            }
            Subject::Json(pointer) => match serde_json::from_slice::<Value>(&notes.body) {
                Err(_) => Some("the body is not JSON".to_owned()),
                Ok(body) => match body.pointer(pointer) {
                    None => Some(format!("there is no `{pointer}` in the body")),
                    Some(value) => self.judge(value, String::new),
                },
            },
            Subject::Fact(key) => match notes.facts.get(key) {
                None => Some(format!("the {} is not known", self.of)),
                Some(value) => self.judge(value, String::new),
            },
        }
    }

    fn judge(&self, found: &Value, human: impl Fn() -> String) -> Option<String> {
        let text = match found {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let number = found.as_f64().or_else(|| text.parse().ok());
        let holds = match &self.how {
            // `1` is also what a text of JSON says with `"1"`, and 1.0 is 1.
            How::Is => {
                text == self.text
                    || serde_json::from_str(&self.text).is_ok_and(|it| is_same(&it, found))
            }
            How::Contains => text.contains(&self.text),
            How::Status(ranges) => number.is_some_and(|it| {
                ranges.iter().any(|(from, to)| (f64::from(*from)..=f64::from(*to)).contains(&it))
            }),
            How::Less(limit) => number.is_some_and(|it| it < *limit),
            How::More(limit) => number.is_some_and(|it| it > *limit),
        };
        if holds {
            return None;
        }
        let shown = match human() {
            it if it.is_empty() => super::short(&text),
            it => it,
        };
        let of = &self.of;
        Some(match &self.how {
            How::Is | How::Status(_) => format!("{of} is {shown}, and not {}", self.text),
            How::Contains => format!("{of} is {shown}, without `{}`", self.text),
            How::Less(_) => format!("{of} is {shown}, and not below {}", self.text),
            How::More(_) => format!("{of} is {shown}, and not above {}", self.text),
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time => f.write_str("time"),
            Self::Body => f.write_str("body"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Fact(key) => {
                f.write_str(FACTS.iter().find(|it| it.1 == *key).map_or(key, |it| it.0))
            }
        }
    }
}

impl FromStr for Expectation {
    type Err = ExpectationError;

    fn from_str(whole: &str) -> Result<Self, ExpectationError> {
        let form = || ExpectationError::Form(whole.to_owned());
        let (name, sign, text) = parted(whole).ok_or_else(form)?;
        let of = match name.split_once(':') {
            Some(("header", name))
                if hyper::header::HeaderName::from_bytes(name.as_bytes()).is_ok() =>
            {
                Subject::Header(name.to_ascii_lowercase())
            }
            Some(("json", pointer)) if pointer.is_empty() || pointer.starts_with('/') => {
                Subject::Json(pointer.to_owned())
            }
            Some(_) => return Err(form()),
            None if name == "time" => Subject::Time,
            None if name == "body" => Subject::Body,
            None => match FACTS.iter().find(|it| it.0 == name) {
                Some((_, key, _)) => Subject::Fact(key),
                None => {
                    let names: Vec<_> = FACTS.iter().map(|it| it.0).collect();
                    let known =
                        format!("time, body, header:NAME, json:/POINTER, {}", names.join(", "));
                    return Err(ExpectationError::Name { name: name.to_owned(), known });
                }
            },
        };
        let value = |wanted| ExpectationError::Value {
            of: whole.to_owned(),
            text: text.to_owned(),
            wanted,
        };
        let number = || match of {
            Subject::Time | Subject::Fact("lag_seconds") => parse_duration(text)
                .map(|it| it.as_secs_f64())
                .map_err(|_| value("a duration such as `300ms`")),
            _ => {
                text.parse().ok().filter(|it: &f64| it.is_finite()).ok_or_else(|| value("a number"))
            }
        };
        let how = match (sign, &of) {
            ('=', Subject::Fact("status")) => How::Status(
                statuses(text)
                    .ok_or_else(|| value("a status such as `200`, `2xx` or `200-299,404`"))?,
            ),
            ('<', _) if of != Subject::Body => How::Less(number()?),
            ('>', _) if of != Subject::Body => How::More(number()?),
            ('=' | '~', Subject::Time) | ('<' | '>', _) => return Err(form()),
            ('~', _) => How::Contains,
            _ => How::Is,
        };
        Ok(Self { of, how, text: text.to_owned() })
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        // Whole numbers are not compared as fractions: large neighbours would be the same.
        (Some(a), Some(b)) if one.is_f64() || other.is_f64() => a.total_cmp(&b).is_eq(),
        _ => one == other,
    }
}

/// Name, sign and value: the first sign parts them.
fn parted(whole: &str) -> Option<(&str, char, &str)> {
    let at = whole.find(['=', '~', '<', '>'])?;
    let (name, rest) = whole.split_at_checked(at)?;
    let sign = rest.chars().next()?;
    let text = rest.strip_prefix(sign)?;
    (!name.is_empty() && !text.is_empty()).then_some((name, sign, text))
}

fn statuses(text: &str) -> Option<Vec<(u16, u16)>> {
    let one = |it: &str| {
        let it = it.trim();
        let ends = match (it.strip_suffix("xx"), it.split_once('-')) {
            (Some(hundreds), _) => {
                let from = hundreds.parse::<u16>().ok()?.checked_mul(100)?;
                (from, from.checked_add(99)?)
            }
            (None, Some((from, to))) => (from.parse().ok()?, to.parse().ok()?),
            (None, None) => (it.parse().ok()?, it.parse().ok()?),
        };
        (100 <= ends.0 && ends.0 <= ends.1 && ends.1 <= 999).then_some(ends)
    };
    text.split(',').map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn complaint(text: &str, change: impl FnOnce(&mut Notes)) -> String {
        let mut notes = Notes::begin(Duration::MAX);
        change(&mut notes);
        let it: Expectation = text.parse().unwrap();
        it.complaint(&notes, Duration::from_millis(250)).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_status_is_one_a_class_or_a_range() {
        let of = |text: &str, status: u16| complaint(text, |it| it.fact("status", status));
        for (text, good, bad) in [
            ("status=200", 200, 201),
            ("status=2xx", 204, 301),
            ("status=200-299,404", 404, 403),
            ("status<500", 404, 503),
        ] {
            assert_eq!(of(text, good), "", "{text}");
            assert!(of(text, bad).starts_with(&format!("status is {bad}, and not ")), "{text}");
        }
    }

    #[tokio::test]
    async fn a_body_a_header_and_a_value_in_json_are_looked_at() {
        let body =
            br#"{"status":"healthy","checks":[{"up":true,"n":1,"x":2.0,"id":9007199254740993}]}"#;
        let of = |text: &str| {
            complaint(text, |it| {
                it.body = body.to_vec();
                it.headers.insert("server", "nginx/1.26".parse().unwrap());
                it.headers.append("via", "1.1 near".parse().unwrap());
                it.headers.append("via", "1.1 far".parse().unwrap());
            })
        };
        for text in [
            "body~healthy",
            "json:/status=healthy",
            "json:/checks/0/up=true",
            "json:/checks/0/n<2",
            "json:/checks/0/n=1",
            "json:/checks/0/n=1.0",
            "json:/checks/0/x=2",
            "json:/checks/0/id=9007199254740993",
            "header:Server~nginx",
            "header:via~far",
            "header:server=nginx/1.26",
        ] {
            assert_eq!(of(text), "", "{text}");
        }
        for (text, said) in [
            ("body~degraded", "`degraded` is not in the body"),
            ("json:/status=up", "json:/status is healthy, and not up"),
            ("json:/checks/0/x=3", "json:/checks/0/x is 2.0, and not 3"),
            (
                "json:/checks/0/id=9007199254740992",
                "json:/checks/0/id is 9007199254740993, and not 9007199254740992",
            ),
            ("json:/nothing=up", "there is no `/nothing` in the body"),
            ("header:via~edge", "header:via is 1.1 near, without `edge`"),
            ("header:x-none=1", "there is no header `x-none`"),
            ("header:server~apache", "header:server is nginx/1.26, without `apache`"),
        ] {
            assert_eq!(of(text), said, "{text}");
        }
        assert_eq!(complaint("json:/a=1", |_| ()), "the body is not JSON");
    }

    #[tokio::test]
    async fn times_and_facts_are_compared() {
        assert_eq!(complaint("time<300ms", |_| ()), "");
        assert_eq!(complaint("time<200ms", |_| ()), "time is 250ms, and not below 200ms");
        assert_eq!(complaint("role=primary", |it| it.fact("role", "primary")), "");
        assert_eq!(
            complaint("lag<10s", |it| it.fact("lag_seconds", 12.5)),
            "lag is 12.5, and not below 10s"
        );
        assert_eq!(complaint("value=1", |it| it.fact("value", "1")), "");
        assert_eq!(complaint("read_only=false", |it| it.fact("read_only", false)), "");
        assert_eq!(complaint("role=primary", |_| ()), "the role is not known");
    }

    #[test]
    fn what_is_no_expectation_is_refused_with_what_would_be() {
        for (text, said) in [
            ("200", "write one such as `status=200`"),
            ("status=", "write one such as"),
            ("=200", "write one such as"),
            ("status=ok", "a status such as"),
            ("status=6000", "a status such as"),
            ("time<300", "a duration such as `300ms`"),
            ("time=1s", "write one such as"),
            ("body<3", "write one such as"),
            ("json:status=up", "write one such as"),
            ("header:a b=1", "write one such as"),
            ("colour=red", "nothing that an answer has: write time, body"),
            ("lag<many", "a duration"),
        ] {
            let error = text.parse::<Expectation>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn what_a_protocol_does_not_have_cannot_be_expected_of_it() {
        let fits = |text: &str, scheme| text.parse::<Expectation>().unwrap().fits(scheme);
        assert_eq!(fits("time<1s", Scheme::Ping), Ok(()));
        assert_eq!(fits("role=master", Scheme::Rediss), Ok(()));
        let error = fits("body~ok", Scheme::Tcp).unwrap_err().to_string();
        assert_eq!(error, "an answer of `tcp` has no `body`");
        assert!(fits("status=200", Scheme::Grpc).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(status|time|json:/a|body|lag)?[=~<>]?\\PC{0,12}") {
            if let Ok(it) = text.parse::<Expectation>() {
                drop(it.fits(Scheme::Http));
            }
        }
    }
}
