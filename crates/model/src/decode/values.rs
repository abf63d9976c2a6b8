//! Values: durations, rates, shares, names. Each is read by one function and described by one pattern;
//! addresses and parts of requests are in [`request`].

use std::time::Duration;

use evenkeel_units::{Bytes, Rate, Ratio, UnitError, parse_duration};
use serde_json::{Value as Json, json};

use super::codec::{Naming, Problem, Takes, Word, cut, quoted};
use super::codes;
use crate::document::{
    Amount, DayTime, DnsAnswer, Hours, Mode, Network, Part, Quantile, Schedule, Template, WORDS,
};

pub(super) mod call;
pub(super) mod clock;
pub(super) mod cluster;
pub(super) mod condition;
pub(super) mod container;
pub(super) mod database;
pub(super) mod process;
pub(super) mod request;
pub(super) mod series;
mod words;

pub(super) use self::words::Choice;

pub(super) const NUMBER: &str = r"(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)";
pub(super) const PERCENT: &str = r"(?:0*100(?:\.0*)?|0*[0-9]{1,2}(?:\.[0-9]*)?|\.[0-9]+)\s*%";

pub(super) fn duration_pattern() -> String {
    format!(r"(?:{NUMBER}\s*(?:ns|us|µs|ms|s|m|h|d)\s*)+")
}

pub(super) fn rate_pattern() -> String {
    format!(r"{NUMBER}\s*(?:/ *(?:s|sec|m|min|h)|rps)")
}

/// A pattern for a whole text, with examples.
pub(super) fn whole(pattern: &str, examples: &[&str]) -> Json {
    json!({"pattern": format!(r"^\s*{pattern}\s*$"), "examples": examples})
}

/// Makes `write 300ms` a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|it| it.to_ascii_uppercase());
    let rest: String = first.into_iter().chain(characters).collect();
    if rest.ends_with(['.', '?']) { rest } else { format!("{rest}.") }
}

pub(super) fn unit(error: &UnitError) -> Problem {
    Problem::new(codes::UNIT, quoted(&error.problem, 160), sentence(&quoted(&error.help, 200)))
}

pub(super) fn range(message: String, help: &str) -> Problem {
    Problem::new(codes::RANGE, message, help)
}

fn duration_schema() -> Json {
    whole(&duration_pattern(), &["250ms", "30s", "1m30s"])
}

/// A duration; may be none.
pub(super) fn duration() -> Word<Duration> {
    let parse = |text: &str| parse_duration(text).map_err(|it| unit(&it));
    let expected = "a duration such as `30s`";
    Word { expected, takes: Takes::Text, parse, schema: duration_schema }
}

/// A duration in which something happens.
pub(super) fn length() -> Word<Duration> {
    let parse = |text: &str| match parse_duration(text) {
        Err(error) => Err(unit(&error)),
        Ok(Duration::ZERO) => Err(range(
            format!("`{}` is no time at all", cut(text)),
            "Nothing can happen in no time; give a duration such as `30s`.",
        )),
        Ok(it) => Ok(it),
    };
    Word { parse, ..duration() }
}

/// A rate; may be nothing a second.
pub(super) fn rate() -> Word<Rate> {
    let parse = |text: &str| match text.parse::<Rate>() {
        Err(error) => Err(unit(&error)),
        Ok(it) if it.get() > 10e6 => Err(range(
            format!("`{}` is more than 10,000,000/s", cut(text)),
            "No single host sends that many requests.",
        )),
        Ok(it) => Ok(it),
    };
    let schema = || whole(&rate_pattern(), &["800/s", "50/m"]);
    Word { expected: "a rate such as `100/s`", takes: Takes::Text, parse, schema }
}

/// A rate at which something happens.
pub(super) fn busy_rate() -> Word<Rate> {
    let parse = |text: &str| match (rate().parse)(text) {
        Ok(it) if it.get() <= 0.0 => {
            Err(range(format!("`{}` sends nothing", cut(text)), "Give a rate such as `100/s`."))
        }
        other => other,
    };
    Word { parse, ..rate() }
}

/// A share between 0 % and 100 %.
pub(super) fn share() -> Word<Ratio> {
    let parse = |text: &str| text.parse::<Ratio>().map_err(|it| unit(&it));
    let schema = || whole(PERCENT, &["5%", "99.9%"]);
    Word { expected: "a share such as `30%`", takes: Takes::Text, parse, schema }
}

/// A share of something, more than nothing.
pub(super) fn some_share() -> Word<Ratio> {
    let parse = |text: &str| match (share().parse)(text) {
        Ok(Ratio::ZERO) => {
            Err(range(format!("`{}` is none at all", cut(text)), "Give a share above 0%."))
        }
        other => other,
    };
    Word { parse, ..share() }
}

/// What an objective promises: less than everything.
pub(super) fn promise() -> Word<Ratio> {
    let parse = |text: &str| match (share().parse)(text) {
        Ok(Ratio::ONE) => Err(range(
            "a promise of 100% leaves no error budget".to_owned(),
            "Promise less than everything, such as `99.9%`.",
        )),
        Ok(Ratio::ZERO) => Err(range(
            "a promise of 0% promises nothing".to_owned(),
            "Promise something, such as `99.9%`.",
        )),
        other => other,
    };
    Word { parse, ..share() }
}

const BYTES: &str = "(?:B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)";

/// An amount of memory.
pub(super) fn amount() -> Word<Bytes> {
    let parse = |text: &str| match text.parse::<Bytes>() {
        Err(error) => Err(unit(&error)),
        Ok(Bytes(0)) => {
            Err(range(format!("`{}` is nothing", cut(text)), "Give some, such as `64MiB`."))
        }
        Ok(it) => Ok(it),
    };
    let schema = || whole(&format!(r"{NUMBER}\s*{BYTES}"), &["64KiB", "2GB"]);
    Word { expected: "an amount such as `64MiB`", takes: Takes::Text, parse, schema }
}

/// An amount, or a share of all there is.
pub(super) fn some_amount() -> Word<Amount> {
    let parse = |text: &str| match text.trim().ends_with('%') {
        true => (some_share().parse)(text).map(Amount::Share),
        false => (amount().parse)(text).map(Amount::Bytes),
    };
    let schema = || whole(&format!(r"(?:{NUMBER}\s*{BYTES}|{PERCENT})"), &["64MiB", "30%"]);
    Word { expected: "an amount such as `64MiB` or `30%`", takes: Takes::Text, parse, schema }
}

/// An amount a second.
pub(super) fn bandwidth() -> Word<Bytes> {
    let parse = |text: &str| match evenkeel_units::bytes::parse_bandwidth(text) {
        Err(error) => Err(unit(&error)),
        Ok(Bytes(0)) => Err(range(
            format!("`{}` is nothing", cut(text)),
            "Use the fault `blackHole` to let nothing through.",
        )),
        Ok(it) => Ok(it),
    };
    let schema = || whole(&format!(r"{NUMBER}\s*{BYTES}\s*/s"), &["64KiB/s", "1MB/s"]);
    Word { expected: "a bandwidth such as `1MiB/s`", takes: Takes::Text, parse, schema }
}

/// An amount a second that a disk reads or writes.
pub(super) fn disk_rate() -> Word<Bytes> {
    let parse = |text: &str| match evenkeel_units::bytes::parse_bandwidth(text) {
        Err(error) => Err(unit(&error)),
        Ok(Bytes(0)) => Err(range(
            format!("`{}` is nothing, and a disk cannot be slowed down to it", cut(text)),
            "Give some, such as `64KiB/s`, or use the fault `ioErrors`.",
        )),
        Ok(it) => Ok(it),
    };
    Word { parse, ..bandwidth() }
}

/// A percentile.
pub(super) fn quantile() -> Word<Quantile> {
    let parse = |text: &str| {
        Quantile::parse(text).ok_or_else(|| {
            let message = format!("`{}` is not a percentile", cut(text));
            Problem::new(
                codes::UNIT,
                message,
                "Write one between p0 and p100, such as `p99` or `p99.9`.",
            )
        })
    };
    let schema =
        || json!({"pattern": format!("^{}$", condition::QUANTILE), "examples": ["p99", "p99.9"]});
    Word { expected: "a percentile such as `p99`", takes: Takes::Text, parse, schema }
}

/// Hours of the day.
pub(super) fn hours() -> Word<Hours> {
    let parse = |text: &str| {
        Hours::parse(text).ok_or_else(|| {
            let message = format!("`{}` are no hours of a day", cut(text));
            Problem::new(
                codes::UNIT,
                message,
                "Write them such as `09:00-17:30`, `22:00-06:00` or `Mon-Fri 09:00-17:00`.",
            )
        })
    };
    let schema = || {
        let minute = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]";
        let day = "(?:[Mm][Oo][Nn]|[Tt][Uu][Ee]|[Ww][Ee][Dd]|[Tt][Hh][Uu]|[Ff][Rr][Ii]|[Ss][Aa][Tt]|[Ss][Uu][Nn])";
        let days = format!("{day}(?:[-,]{day})*");
        let examples = ["09:00-17:00", "22:00-06:00", "Mon-Fri 09:00-17:00"];
        whole(&format!(r"(?:{days}\s+)?{minute}\s*-\s*(?:{minute}|24:00)"), &examples)
    };
    Word { expected: "hours such as `09:00-17:00`", takes: Takes::Text, parse, schema }
}

/// A minute of a day.
pub(super) fn day_time() -> Word<DayTime> {
    let parse = |text: &str| {
        DayTime::parse(text).ok_or_else(|| {
            let message = format!("`{}` is no time of a day", cut(text));
            Problem::new(codes::UNIT, message, "Write one such as `09:45`.")
        })
    };
    let schema = || whole("(?:[01][0-9]|2[0-3]):[0-5][0-9]", &["09:45"]);
    Word { expected: "a time such as `09:45`", takes: Takes::Text, parse, schema }
}

/// Times at which something runs.
pub(super) fn schedule() -> Word<Schedule> {
    let parse = |text: &str| {
        Schedule::parse(text).map_err(|error| {
            let message = format!("`{}` are no times: {}", cut(text), quoted(&error.to_string(), 160));
            let help = "Write minute, hour, day, month and day of the week, such as `0 14 * * Mon-Fri`, with \
                        a time zone behind them if need be; or `@daily`, or `@every 2h`.";
            Problem::new(codes::SCHEDULE, message, help)
        })
    };
    let schema = || {
        let words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
        let named = format!(r"(?:{})(?:\s+\S+)?", words.join("|"));
        let every = format!(r"@every\s+{}", duration_pattern());
        let fields = r"[^@\s]\S*(?:\s+\S+){4,5}";
        let examples = ["0 14 * * Mon-Fri", "30 9 1 * * Europe/Paris", "@daily", "@every 2h"];
        whole(&format!("(?:{named}|{every}|{fields})"), &examples)
    };
    Word { expected: "times such as `0 14 * * Mon-Fri`", takes: Takes::Text, parse, schema }
}

/// A name that others refer to: a label of RFC 1123.
pub(super) fn name() -> Word<String> {
    let parse = |text: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends = [text.bytes().next(), text.bytes().last()];
        let fits = text.len() <= 63
            && text.bytes().all(|it| inner(it) || it == b'-')
            && ends.iter().all(|it| it.is_some_and(inner));
        if fits {
            return Ok(text.to_owned());
        }
        let lower: String = text.to_lowercase().chars().take(63).collect();
        let fixed = lower.replace(|it: char| !it.is_ascii_lowercase() && !it.is_ascii_digit(), "-");
        let fixed = fixed.trim_matches('-');
        let help = match fixed.is_empty() {
            true => "Use 1 to 63 lowercase letters, digits and `-`.".to_owned(),
            false => {
                format!("Use 1 to 63 lowercase letters, digits and `-`, such as `{fixed}`.")
            }
        };
        Err(Problem::new(codes::NAME, format!("`{}` is not a name", cut(text)), help))
    };
    let schema =
        || json!({"pattern": "^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$", "examples": ["shop"]});
    Word { expected: "a name", takes: Takes::Text, parse, schema }
}

/// A name for people, in reports.
pub(super) fn title() -> Word<String> {
    let parse = |text: &str| {
        let fits = (1..=64).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
            && text.trim() == text;
        if fits {
            return Ok(text.to_owned());
        }
        let help = "Use 1 to 64 printable characters, without blanks at the ends.";
        Err(Problem::new(codes::NAME, format!("`{}` is not a name for reports", cut(text)), help))
    };
    let schema = || {
        let pattern = r"^(?!\s)[^\u0000-\u001f\u007f-\u009f]{1,64}(?<!\s)$";
        json!({"pattern": pattern, "examples": ["checkout"]})
    };
    Word { expected: "a name", takes: Takes::Text, parse, schema }
}

/// Text for people.
pub(super) fn prose() -> Word<String> {
    let parse = |text: &str| Ok(text.to_owned());
    Word { expected: "a text", takes: Takes::Scalars, parse, schema: || json!({}) }
}

/// What may stand between placeholders.
const REFERENCES: &str = r"(?:[^$]|\$(?!\{)|\$\$\{|\$\{(?:env|file|data|var|run|random):[^}]+\})*$";

pub(in crate::decode) fn parse_text(text: &str) -> Result<Template, Problem> {
    Template::parse(text).map_err(|sentence| {
        let (problem, help) = sentence.split_once(": ").unwrap_or((&sentence, ""));
        Problem::new(codes::REFERENCE, problem, self::sentence(help))
    })
}

/// Text that may refer to secrets and to values of the moment.
pub(super) fn text() -> Naming<Word<Template>> {
    let schema =
        || json!({"pattern": format!("^{REFERENCES}"), "examples": ["Bearer ${env:TOKEN}"]});
    Naming(Word { expected: "a text", takes: Takes::Scalars, parse: parse_text, schema })
}

/// Text that may refer to secrets, and is the same for every request.
pub(super) fn steady() -> Word<Template> {
    let schema = || json!({"pattern": format!("^{REFERENCES}"), "examples": ["${env:USER}"]});
    Word { expected: "a text", takes: Takes::Scalars, parse: steady_text, schema }
}

fn steady_text(text: &str) -> Result<Template, Problem> {
    let read = parse_text(text)?;
    if let Some(slot) = read.slots().next() {
        return Err(Problem::new(
            // No schema can tell one placeholder from another that is well formed.
            codes::RANGE,
            format!("`{slot}` is a value of the moment, and a connection serves many requests"),
            "Write a text, `${env:NAME}` or `${file:PATH}`.",
        ));
    }
    Ok(read)
}

/// A secret: a reference, and nothing else.
pub(super) fn secret() -> Word<Template> {
    let parse = |text: &str| {
        let read = steady_text(text)?;
        match read.parts.as_slice() {
            [Part::Reference(_)] => Ok(read),
            // The message must not repeat it.
            _ => Err(Problem::new(
                codes::REFERENCE,
                "a secret stands in the document",
                "Write `${env:NAME}` or `${file:PATH}`: documents and reports are shown around.",
            )),
        }
    };
    let schema =
        || json!({"pattern": r"^\$\{(?:env|file):[^}]+\}$", "examples": ["${env:PASSWORD}"]});
    Word { expected: "a reference such as `${env:PASSWORD}`", takes: Takes::Text, parse, schema }
}

/// An address of IPv4 in a schema.
const IPV4: &str = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}";
/// What an address of IPv6 looks like; which of them are none, the decoder says.
const IPV6: &str = r"(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]+";

/// An IP address, or a network.
pub(super) fn network() -> Word<Network> {
    let parse = |text: &str| {
        text.parse::<Network>().map_err(|it| {
            let help = "Write an address such as `10.0.0.7`, or a network such as `10.0.0.0/8`.";
            Problem::new(codes::ADDRESS, it.to_string(), help)
        })
    };
    let schema = || {
        let bits =
            [r"(?:/(?:[1-9]|[12][0-9]|3[0-2]))?", r"(?:/(?:[1-9][0-9]?|1[01][0-9]|12[0-8]))?"];
        let pattern = format!("^(?:(?:localhost|{IPV4}){}|{IPV6}{})$", bits[0], bits[1]);
        json!({"pattern": pattern, "examples": ["10.0.0.7", "10.0.0.0/8"]})
    };
    Word { expected: "an IP address or a network", takes: Takes::Text, parse, schema }
}

/// What a name server answers.
pub(super) fn dns_answer() -> Word<DnsAnswer> {
    let parse = |text: &str| match text {
        "servfail" => Ok(DnsAnswer::ServFail),
        "nxdomain" => Ok(DnsAnswer::NxDomain),
        "refused" => Ok(DnsAnswer::Refused),
        "timeout" => Ok(DnsAnswer::Timeout),
        address => address.parse().map(DnsAnswer::Address).map_err(|_| {
            let message = format!("`{}` is no answer of DNS", cut(text));
            let help = "Write `servfail`, `nxdomain`, `refused`, `timeout`, or an IP address.";
            Problem::new(codes::CHOICE, message, help)
        }),
    };
    let schema = || {
        json!({"anyOf": [
            {"enum": ["servfail", "nxdomain", "refused", "timeout"]},
            {"pattern": format!("^(?:{IPV4}|{IPV6})$"), "examples": ["192.0.2.7"]},
        ]})
    };
    Word { expected: "an answer of DNS", takes: Takes::Text, parse, schema }
}

/// A name of a host, or everything below one.
pub(super) fn host_pattern() -> Word<String> {
    let parse = |text: &str| {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_.".contains(&it);
        match text == "*" || (!name.is_empty() && name.bytes().all(plain)) {
            true => Ok(text.to_owned()),
            false => {
                let message = format!("`{}` is not the name of a host in lower case", cut(text));
                Err(Problem::new(
                    codes::ADDRESS,
                    message,
                    "Write one such as `api.example` or `*.example`.",
                ))
            }
        }
    };
    let schema = || json!({"pattern": r"^(?:\*|(?:\*\.)?[a-z0-9_.-]+)$", "examples": ["api.example", "*.example"]});
    Word { expected: "the name of a host", takes: Takes::Text, parse, schema }
}

/// How many of the candidates of a fault are hit.
pub(super) fn mode() -> Word<Mode> {
    let parse = |text: &str| match text.trim().strip_prefix("random max ") {
        Some(share) => (some_share().parse)(share.trim()).map(Mode::AtMost),
        None => parse_mode(text.trim()),
    };
    let schema = || {
        let pattern = format!(r"^\s*(?:one|all|[0-9]+|(?:random max\s+)?{PERCENT})\s*$");
        json!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": pattern, "examples": ["one", "all", "30%", "random max 30%"]},
        ]})
    };
    Word { expected: "`one`, `all`, a number or a share", takes: Takes::Readable, parse, schema }
}

fn parse_mode(text: &str) -> Result<Mode, Problem> {
    match text {
        "one" => Ok(Mode::One),
        "all" => Ok(Mode::All),
        share if share.ends_with('%') => (some_share().parse)(share).map(Mode::Share),
        number => match number.parse() {
            Ok(count) if count > 0 => Ok(Mode::Count(count)),
            Ok(_) => Err(range("`0` hits nothing".to_owned(), "Give one or more.")),
            Err(_) => {
                let message = format!("`{}` does not say how many", cut(number));
                let help = "Write `one`, `all`, a number such as `2`, a share such as `30%`, or `random max 30%`.";
                Err(Problem::new(codes::CHOICE, message, help))
            }
        },
    }
}
