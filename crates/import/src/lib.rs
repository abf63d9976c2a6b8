//! What other tools wrote, as load tests, chaos experiments and objectives of ours, and what of it does not carry over.
//!
//! ```text
//! jmx       a plan of JMeter: thread groups, samplers, controllers, timers, assertions, extractors
//! har       a browser's recording: one scenario, with the pauses it was recorded with
//! curl      command lines, read without a shell
//! openapi   a description of an API: one route an operation
//! capacity  the four load tests of a capacity plan
//! write     load tests as YAML, so that people can go on from there
//! chaos     experiments of Chaos Toolkit, Chaos Mesh and Litmus, and the like, as experiments of ours
//! slo       objectives and policies of OpenSLO, Sloth, Pyrra and slo-generator, and the like, as documents of ours
//! ```
//!
//! Nothing is dropped in silence: what has no counterpart is listed with its place and the reason. Secrets
//! found on the way are not written down; `${env:NAME}` stands in their place, and the list says what to set.
//!
//! Deliberately absent: files and networks (text comes in as bytes, answers go out as values), scripts of
//! other tools, and any way to run what a command line or a plan would run.

mod address;
mod capacity;
pub mod chaos;
mod compose;
mod curl;
mod draft;
mod fields;
mod figures;
mod har;
mod jmx;
mod json;
mod ledger;
mod map;
mod notes;
mod openapi;
mod secrets;
pub mod slo;
mod tree;
mod write;

use evenkeel_model::document::LoadTest;

pub use self::capacity::{Capacity, capacity_plan};
pub use self::notes::LeftOut;
pub use self::write::to_yaml;

/// The largest text that is read, in bytes: recordings of browsers keep the answers, and are large.
pub const MAX_BYTES: usize = 64 << 20;

/// How many requests a load test may have: no more are read back.
pub(crate) const MAX_REQUESTS: usize = 1_000;

/// Who wrote it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A test plan of JMeter.
    Jmx,
    /// A recording of a browser or a proxy: HTTP Archive 1.1 or 1.2.
    Har,
    /// Command lines of curl.
    Curl,
    /// A description of an API: OpenAPI 3.0 or 3.1, as YAML or JSON.
    OpenApi,
}

impl Format {
    /// Every format with its name on the command line.
    pub const NAMES: [(&'static str, Self); 4] =
        [("jmx", Self::Jmx), ("har", Self::Har), ("curl", Self::Curl), ("openapi", Self::OpenApi)];

    /// Guesses by the end of the file's name, and else by how the text begins.
    pub fn guess(file_name: &str, bytes: &[u8]) -> Option<Self> {
        let end = file_name.rsplit_once('.').map(|(_, it)| it.to_ascii_lowercase());
        match end.as_deref() {
            Some("jmx") => return Some(Self::Jmx),
            Some("har") => return Some(Self::Har),
            Some("curl") => return Some(Self::Curl),
            _ => {}
        }
        let head = String::from_utf8_lossy(bytes.get(..4_096).unwrap_or(bytes));
        let head = head.trim_start_matches('\u{feff}');
        if head.contains("<jmeterTestPlan") {
            return Some(Self::Jmx);
        }
        let is_json = head.trim_start().starts_with('{');
        if is_json
            && head.contains("\"log\"")
            && (head.contains("\"creator\"") || head.contains("\"entries\""))
        {
            return Some(Self::Har);
        }
        let describes = |line: &str| {
            let key = line.trim_start_matches(['{', ' ', '\t', '"', '\'']);
            key.starts_with("openapi") || key.starts_with("swagger")
        };
        if head.lines().any(describes) || (is_json && head.contains("\"openapi\"")) {
            return Some(Self::OpenApi);
        }
        let mut lines = head.lines().map(str::trim);
        let first = lines.find(|it| !it.is_empty() && !it.starts_with('#'))?;
        let first = first.trim_start_matches("$ ");
        first
            .strip_prefix("curl")
            .is_some_and(|it| it.starts_with([' ', '\t', '\\']))
            .then_some(Self::Curl)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The load tests; names differ.
    pub tests: Vec<LoadTest>,
    /// What does not carry over, in the order in which it was found.
    pub left_out: Vec<LeftOut>,
}

/// Why nothing could be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is larger than we read.
    #[error("larger than {} MiB: cut it into pieces", .0 >> 20)]
    TooLarge(usize),
    /// It is not text.
    #[error("line {0}: not UTF-8; save it as UTF-8")]
    NotText(usize),
    /// It breaks the rules of its format.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong there, and what to do.
        problem: String,
    },
    /// It is something else.
    #[error("this is no {expected}: {problem}")]
    Other {
        /// What was expected.
        expected: &'static str,
        /// What there is instead, and what to do.
        problem: String,
    },
    /// There is nothing in it that could be sent.
    #[error("there is nothing to send in it: {reason}")]
    Nothing {
        /// Why there is not.
        reason: String,
        /// What there is instead, and does not carry over.
        left_out: Vec<LeftOut>,
    },
}

/// Reads `text`, which is called `name`.
///
/// # Errors
/// When it is not of the format, breaks its rules, or has nothing that we could send.
pub fn import(format: Format, name: &str, text: &[u8]) -> Result<Imported, ImportError> {
    let text = read_text(text)?;
    let stem = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    match format {
        Format::Jmx => jmx::import(stem, text),
        Format::Har => har::import(stem, text),
        Format::Curl => curl::import(stem, text),
        Format::OpenApi => openapi::import(stem, text),
    }
}

fn read_text(bytes: &[u8]) -> Result<&str, ImportError> {
    if bytes.len() > MAX_BYTES {
        return Err(ImportError::TooLarge(MAX_BYTES));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        ImportError::NotText(String::from_utf8_lossy(good).matches('\n').count() + 1)
    })?;
    Ok(text.trim_start_matches('\u{feff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_guessed_by_the_name_and_else_by_the_beginning() {
        let cases: [(&str, &str, Option<Format>); 10] = [
            ("plan.jmx", "", Some(Format::Jmx)),
            ("a.HAR", "", Some(Format::Har)),
            ("-", "<?xml version=\"1.0\"?>\n<jmeterTestPlan version=\"1.2\">", Some(Format::Jmx)),
            ("-", "{\"log\": {\"version\": \"1.2\", \"creator\": {}}}", Some(Format::Har)),
            ("api.yaml", "# ours\nopenapi: 3.0.3\n", Some(Format::OpenApi)),
            ("api.json", "{\"info\": {}, \"openapi\": \"3.1.0\"}", Some(Format::OpenApi)),
            ("-", "\n# list\ncurl -s http://a/", Some(Format::Curl)),
            ("-", "$ curl http://a/", Some(Format::Curl)),
            ("-", "curly", None),
            ("drill.yaml", "apiVersion: evenkeel.dev/v1\n", None),
        ];
        for (name, text, format) in cases {
            assert_eq!(Format::guess(name, text.as_bytes()), format, "{name} {text}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let refusal = import(Format::Curl, "a", b"curl http://a/\n\xff").unwrap_err();
        assert_eq!(refusal, ImportError::NotText(2));
    }
}
