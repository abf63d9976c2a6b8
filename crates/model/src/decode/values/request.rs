//! Addresses and the parts of a request. What is sent is checked here, so that no document can add a
//! header or a second request by a line break.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use super::{REFERENCES, cut, parse_text, steady_text};
use crate::decode::codec::{Naming, Problem, Takes, Word};
use crate::decode::codes;
use crate::document::{Part, StatusCheck, Template};

const AUTHORITY: &str = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])";

/// Splits `host:port`; the port may be absent.
fn authority(text: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, after) = rest.split_once(']')?;
            let fits = inner.bytes().all(|it| it.is_ascii_hexdigit() || it == b':' || it == b'.');
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            return (!inner.is_empty() && fits).then_some((text, port));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let fits = host.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
    (!host.is_empty() && fits).then_some((host, port))
}

fn port(text: &str) -> Result<u16, Problem> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    if !digits {
        let message = format!("`{}` is not a port", cut(text));
        return Err(Problem::new(codes::ADDRESS, message, "Write a number such as `8080`."));
    }
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => {
            let message = format!("there is no port {text}");
            Err(Problem::new(codes::RANGE, message, "Ports are numbers from 1 to 65535."))
        }
    }
}

/// The protocols that are spoken under load, and the port of each when the URL names none.
const SCHEMES: [(&str, Option<u16>); 12] = [
    ("http", Some(80)),
    ("https", Some(443)),
    ("grpc", None),
    ("grpcs", Some(443)),
    ("ws", Some(80)),
    ("wss", Some(443)),
    ("tcp", None),
    ("tls", None),
    ("udp", None),
    ("kafka", Some(9092)),
    ("kafkas", Some(9093)),
    ("dns", Some(53)),
];

/// Probes speak HTTP alone.
const PLAIN: [(&str, Option<u16>); 1] = [("http", Some(80))];

/// A server that is asked for figures.
const WEB: [(&str, Option<u16>); 2] = [("http", Some(80)), ("https", Some(443))];

type Schemes = [(&'static str, Option<u16>)];

/// Reads `http://host:port`, and what comes after it; the port becomes visible.
fn url_parts<'t>(text: &'t str, schemes: &Schemes) -> Result<(String, &'t str), Problem> {
    let wrong = |help: &str| {
        Problem::new(codes::ADDRESS, format!("`{}` is not a URL we can call", cut(text)), help)
    };
    let after = text.split_once("://").map_or(text, |(_, after)| after);
    let before_path = after.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((_, host)) = before_path.rsplit_once('@') {
        // The message must not repeat them.
        let help = format!(
            "Write `http://{}`, and send them in a header, such as `authorization: \"Basic ${{env:TOKEN}}\"`.",
            cut(host)
        );
        let message = "the URL has credentials, and documents are no place for those";
        return Err(Problem::new(codes::ADDRESS, message, help));
    }
    let known = |(scheme, rest)| schemes.iter().find(|it| it.0 == scheme).map(|it| (*it, rest));
    let Some(((scheme, usual), rest)) = text.split_once("://").and_then(known) else {
        let names: Vec<_> = schemes.iter().map(|it| it.0).collect();
        return Err(match text.split_once("://") {
            Some(("https", _)) => wrong(
                "Only load and `evenkeel probe` speak TLS; ask the service behind its TLS, with `http://`.",
            ),
            Some(_) if names.len() > 1 => {
                wrong(&format!("Begin with one of {}, and `://`.", names.join(", ")))
            }
            _ => wrong("Write a URL such as `http://127.0.0.1:8080`."),
        });
    };
    let (host_port, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let Some((_, explicit)) = authority(host_port) else {
        return Err(wrong("Write a host and a port, such as `http://127.0.0.1:8080`."));
    };
    match (explicit, usual) {
        (Some(text), _) => port(text).map(|_| (format!("{scheme}://{host_port}"), path)),
        (None, Some(usual)) => Ok((format!("{scheme}://{host_port}:{usual}"), path)),
        (None, None) => {
            let help =
                format!("`{scheme}` has no usual port; write `{scheme}://{host_port}:PORT`.");
            Err(wrong(&help))
        }
    }
}

/// A pattern of the URLs of these schemes, up to the path.
fn url_pattern(schemes: &Schemes) -> String {
    let named = |with_port: bool| {
        let chosen = schemes.iter().filter(|it| it.1.is_some() == with_port).map(|it| it.0);
        chosen.collect::<Vec<_>>().join("|")
    };
    let usual = format!("(?:{})://{AUTHORITY}(?::[0-9]{{1,5}})?", named(true));
    match named(false).as_str() {
        "" => usual,
        others => format!("(?:{usual}|(?:{others})://{AUTHORITY}:[0-9]{{1,5}})"),
    }
}

/// A URL without a path, of any protocol that is spoken under load.
pub(in crate::decode) fn base_url() -> Word<String> {
    let parse = |text: &str| match url_parts(text, &SCHEMES)? {
        (base, "" | "/") => Ok(base),
        (base, path) => {
            let message = format!("`{}` is a path, and only the base is wanted here", cut(path));
            let help = format!("Write `{}`, and the paths in `routes`.", cut(&base));
            Err(Problem::new(codes::ADDRESS, message, help))
        }
    };
    let schema = || {
        let pattern = format!("^{}/?$", url_pattern(&SCHEMES));
        json!({"pattern": pattern, "examples": ["http://127.0.0.1:8080", "https://shop.example"]})
    };
    Word { expected: "a URL such as `http://127.0.0.1:8080`", takes: Takes::Text, parse, schema }
}

/// The base of a URL under load, and its path.
pub(in crate::decode) fn split_url(text: &str) -> Result<(String, &str), Problem> {
    let (base, path) = url_parts(text, &SCHEMES)?;
    Ok((base, if path.is_empty() { "/" } else { path }))
}

/// A URL of a server of figures.
pub(in crate::decode) fn web_url() -> Word<String> {
    let parse = |text: &str| {
        let (base, path) = url_parts(text, &WEB)?;
        match path.bytes().all(|it| it.is_ascii_graphic() && !b"?#".contains(&it)) {
            true => Ok(format!("{base}{}", path.trim_end_matches('/'))),
            false => {
                let message = format!("`{}` is not a path below which one can ask", cut(path));
                let help = "Write the base of the server, such as `http://127.0.0.1:9090`.";
                Err(Problem::new(codes::ADDRESS, message, help))
            }
        }
    };
    let schema = || {
        let pattern = format!(r"^{}(?:/[!-\x22$->@-~]*)?$", url_pattern(&WEB));
        json!({"pattern": pattern, "examples": ["http://127.0.0.1:9090"]})
    };
    Word { expected: "a URL", takes: Takes::Text, parse, schema }
}

/// A URL with a path.
pub(in crate::decode) fn url() -> Word<String> {
    let parse = |text: &str| {
        let (base, path) = url_parts(text, &PLAIN)?;
        let fits = path.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
        if !fits || path.starts_with('?') {
            let message = format!("`{}` is not a path that can be asked for", cut(path));
            let help = "Begin with `/`; write blanks and other letters as %20 and the like.";
            return Err(Problem::new(codes::ADDRESS, message, help));
        }
        Ok(format!("{base}{}", if path.is_empty() { "/" } else { path }))
    };
    let schema = || {
        let pattern = format!(r"^http://{AUTHORITY}(?::[0-9]{{1,5}})?(?:/[!-\x22$-~]*)?$");
        json!({"pattern": pattern, "examples": ["http://127.0.0.1:8080/health"]})
    };
    Word { expected: "a URL", takes: Takes::Text, parse, schema }
}

/// The host of an address.
pub(in crate::decode) fn host() -> Word<String> {
    let parse = |text: &str| match authority(text) {
        Some((_, None)) => Ok(text.to_owned()),
        _ => {
            let message = format!("`{}` is not a host", cut(text));
            let help =
                "Write a name or an address alone, such as `primary.example.com` or `[::1]`.";
            Err(Problem::new(codes::ADDRESS, message, help))
        }
    };
    let schema =
        || json!({"pattern": format!("^{AUTHORITY}$"), "examples": ["primary.example.com"]});
    Word { expected: "a host", takes: Takes::Text, parse, schema }
}

/// A path that is asked for as it stands.
pub(in crate::decode) fn plain_path() -> Word<String> {
    let parse = |text: &str| {
        let fits = text.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
        match text.starts_with('/') && fits {
            true => Ok(text.to_owned()),
            false => {
                let message = format!("`{}` is not a path that can be asked for", cut(text));
                let help = "Begin with `/`; write blanks and other letters as %20 and the like.";
                Err(Problem::new(codes::ADDRESS, message, help))
            }
        }
    };
    let schema = || json!({"pattern": r"^/[!-\x22$-~]*$", "examples": ["/health"]});
    Word { expected: "a path such as `/health`", takes: Takes::Text, parse, schema }
}

/// `host:port`.
pub(in crate::decode) fn address() -> Word<String> {
    let parse = |text: &str| match authority(text) {
        Some((_, Some(number))) => port(number).map(|_| text.to_owned()),
        _ => {
            let message = format!("`{}` is not an address", cut(text));
            Err(Problem::new(
                codes::ADDRESS,
                message,
                "Write `host:port`, such as `127.0.0.1:5432`.",
            ))
        }
    };
    let schema = || json!({"pattern": format!("^{AUTHORITY}:[0-9]{{1,5}}$"), "examples": ["127.0.0.1:5432"]});
    Word { expected: "an address such as `127.0.0.1:5432`", takes: Takes::Text, parse, schema }
}

/// An address of this host alone.
pub(in crate::decode) fn loopback() -> Word<SocketAddr> {
    let parse = |text: &str| {
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        match numeric.parse::<SocketAddr>() {
            Ok(it) if !it.ip().is_loopback() => {
                let message = format!("`{}` can be reached from other hosts", cut(text));
                let help = format!("Listen on `127.0.0.1:{}`.", it.port());
                Err(Problem::new(codes::LOOPBACK, message, help))
            }
            Ok(it) if it.port() == 0 => {
                let message = "port 0 is a different port each time";
                let help = "Give the port at which the service calls the dependency.";
                Err(Problem::new(codes::RANGE, message, help))
            }
            Ok(it) => Ok(it),
            Err(_) => {
                let message = format!("`{}` is not an address of this host", cut(text));
                let help = "Write an address such as `127.0.0.1:7451`.";
                Err(Problem::new(codes::ADDRESS, message, help))
            }
        }
    };
    // The schema only knows the shape: how high the numbers may be is for the decoder to say.
    let schema = || json!({"pattern": r"^(?:localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$", "examples": ["127.0.0.1:7451"]});
    Word { expected: "an address such as `127.0.0.1:7451`", takes: Takes::Text, parse, schema }
}

fn refuse(message: String, help: &str) -> Problem {
    Problem::new(codes::REQUEST, message, help)
}

/// Whether all that stands written fits.
fn literals(text: &Template, fits: impl Fn(char) -> bool) -> bool {
    text.parts.iter().all(|part| match part {
        Part::Literal(it) => it.chars().all(&fits),
        Part::Reference(_) | Part::Slot(_) => true,
    })
}

/// The path and query of a request.
pub(in crate::decode) fn path() -> Naming<Word<Template>> {
    let parse = |text: &str| {
        let read = parse_text(text)?;
        if !text.starts_with('/') {
            let message = format!("the path `{}` does not begin with `/`", cut(text));
            return Err(refuse(
                message,
                "Write it from the root of the service on, such as `/products`.",
            ));
        }
        if !literals(&read, |it| it.is_ascii_graphic() && it != '#') {
            let message =
                format!("the path `{}` has characters that a path cannot have", cut(text));
            let help = "Write blanks and other letters as %20 and the like, and leave `#` away.";
            return Err(refuse(message, help));
        }
        Ok(read)
    };
    let schema =
        || json!({"pattern": format!("^(?=/){REFERENCES}"), "examples": ["/products?page=1"]});
    Naming(Word { expected: "a path such as `/products`", takes: Takes::Text, parse, schema })
}

/// An HTTP method.
pub(in crate::decode) fn method() -> Word<String> {
    let parse = |text: &str| {
        let fits = (1..=20).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_uppercase());
        // CONNECT and TRACE answer with something else than a response of the service.
        if fits && !["CONNECT", "TRACE"].contains(&text) {
            return Ok(text.to_owned());
        }
        let upper = text.to_ascii_uppercase();
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let help = match known.contains(&upper.as_str()) {
            true => format!("Write `{upper}`."),
            false => format!("Use one of {}.", known.join(", ")),
        };
        Err(refuse(format!("`{}` is not a method we can send", cut(text)), &help))
    };
    let schema =
        || json!({"pattern": "^(?!CONNECT$|TRACE$)[A-Z]{1,20}$", "examples": ["GET", "POST"]});
    Word { expected: "a method such as `GET`", takes: Takes::Text, parse, schema }
}

const OURS: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];

/// What [`is_token`] says, as a pattern.
pub(super) const TOKEN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$";

/// Whether a text is a token of HTTP (RFC 9110 §5.6.2), of a length that somebody would write.
pub(super) fn is_token(text: &str) -> bool {
    let token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
    (1..=128).contains(&text.len()) && text.bytes().all(token)
}

/// The name of a header.
pub(in crate::decode) fn header_name() -> Word<String> {
    let parse = |text: &str| {
        if !is_token(text) {
            let message = format!("`{}` is not the name of a header", cut(text));
            return Err(refuse(message, "Use letters, digits and `-`, such as `content-type`."));
        }
        if OURS.contains(&text.to_ascii_lowercase().as_str()) {
            let message = format!("the header `{text}` is ours to send");
            return Err(refuse(
                message,
                "Leave it away: it follows from the address and the body.",
            ));
        }
        Ok(text.to_owned())
    };
    let schema = || json!({"pattern": TOKEN, "examples": ["content-type"]});
    Word { expected: "a header", takes: Takes::Text, parse, schema }
}

/// The value of a header.
pub(in crate::decode) fn header_value() -> Naming<Word<Template>> {
    let parse = |text: &str| {
        let read = parse_text(text)?;
        match literals(&read, |it| it == '\t' || !it.is_control()) {
            true => Ok(read),
            false => Err(refuse(
                "the value of the header has a line break or another control character".to_owned(),
                "Write it on one line.",
            )),
        }
    };
    let schema =
        || json!({"pattern": format!("^{REFERENCES}"), "examples": ["Bearer ${env:TOKEN}"]});
    Naming(Word { expected: "a text", takes: Takes::Scalars, parse, schema })
}

/// The value of a header that is sent when a connection is opened.
pub(in crate::decode) fn opening_value() -> Naming<Word<Template>> {
    let parse = |text: &str| steady_text(text).and_then(|_| (header_value().0.parse)(text));
    Naming(Word { parse, ..header_value().0 })
}

/// The path at which a connection is opened.
pub(in crate::decode) fn opening_path() -> Naming<Word<Template>> {
    let parse = |text: &str| steady_text(text).and_then(|_| (path().0.parse)(text));
    Naming(Word { parse, ..path().0 })
}

/// Status codes that are right.
pub(in crate::decode) fn status() -> Word<StatusCheck> {
    let parse = |text: &str| {
        let code = |it: &str| {
            let it = it.trim();
            it.parse::<u16>().ok().filter(|code| it.len() == 3 && (100..600).contains(code))
        };
        let read = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => class
                .parse::<u16>()
                .ok()
                .filter(|it| class.len() == 1 && (1..6).contains(it))
                .map(|it| (it * 100, it * 100 + 99)),
            (None, Some((from, to))) => code(from).zip(code(to)),
            (None, None) => code(text).map(|it| (it, it)),
        };
        match read {
            Some((from, to)) if from <= to => Ok(StatusCheck { from, to }),
            Some((from, to)) => Err(Problem::new(
                codes::RANGE,
                format!("no status lies between {from} and {to}"),
                format!("Write `{to}-{from}`."),
            )),
            None => Err(Problem::new(
                codes::CHOICE,
                format!("`{}` is not a status", cut(text)),
                "Write a status such as `200`, a class such as `2xx`, or a range such as `200-204`.",
            )),
        }
    };
    let schema = || {
        let pattern = r"^(?:[1-5]xx|\s*[1-5][0-9]{2}\s*(?:-\s*[1-5][0-9]{2}\s*)?)$";
        json!({"anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": pattern, "examples": ["2xx", "200-204"]},
        ]})
    };
    Word { expected: "a status such as `200` or `2xx`", takes: Takes::Readable, parse, schema }
}

/// A folder of this host.
pub(in crate::decode) fn folder() -> Word<PathBuf> {
    let parse = |text: &str| match text.starts_with('/') && !text.contains('\0') {
        true => Ok(PathBuf::from(text)),
        false => {
            let message = format!("`{}` is not an absolute path", cut(text));
            Err(Problem::new(codes::RANGE, message, "Begin at the root, such as `/var/tmp`."))
        }
    };
    let schema = || json!({"pattern": "^/", "examples": ["/var/tmp"]});
    Word { expected: "an absolute path", takes: Takes::Text, parse, schema }
}

/// An argument of a program; numbers are taken as written.
pub(in crate::decode) fn argument() -> Word<String> {
    let parse = |text: &str| match text.contains('\0') {
        true => Err(Problem::new(
            codes::RANGE,
            "an argument has a NUL character",
            "Programs cannot be given one; remove it.",
        )),
        false => Ok(text.to_owned()),
    };
    Word { expected: "a text", takes: Takes::Scalars, parse, schema: || json!({}) }
}

/// Names of instances, where `*` stands for anything.
pub(in crate::decode) fn name_pattern() -> Word<String> {
    let parse = |text: &str| {
        let fits = (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"*-".contains(&it));
        match fits {
            true => Ok(text.to_owned()),
            false => Err(Problem::new(
                codes::NAME,
                format!("`{}` is no pattern of names", cut(text)),
                "Write a name such as `gateway-1`, or `gateway-*` for all that begin so.",
            )),
        }
    };
    let schema = || json!({"pattern": "^[-a-z0-9*]{1,63}$", "examples": ["gateway-*"]});
    Word { expected: "a name or a pattern such as `gateway-*`", takes: Takes::Text, parse, schema }
}
