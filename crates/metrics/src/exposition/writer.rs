//! The writer: metrics as text, in either form.

use std::fmt::Write as _;

use super::{Format, Kind};

/// Writes metrics one after the other.
#[derive(Clone, Debug)]
pub struct Writer {
    format: Format,
    text: String,
}

impl Writer {
    /// Nothing yet.
    pub const fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// Begins a metric: all of its samples follow.
    pub fn family(&mut self, metric: &str, kind: Kind, help: &str) {
        let mut name = String::new();
        match is_bare(metric, true) {
            true => name.push_str(metric),
            false => quote(&mut name, metric),
        }
        let mut escaped = help.replace('\\', "\\\\").replace('\n', "\\n");
        if self.format == Format::OpenMetrics {
            escaped = escaped.replace('"', "\\\"");
        }
        let kind = match (self.format, kind) {
            (Format::Text, Kind::Unknown | Kind::Info | Kind::StateSet | Kind::GaugeHistogram) => {
                "untyped"
            }
            (_, kind) => kind.name(),
        };
        self.text.push_str(&format!("# HELP {name} {escaped}\n# TYPE {name} {kind}\n"));
    }

    /// A sample, at a moment in milliseconds since 1970 where one is given.
    pub fn sample<'a>(
        &mut self,
        metric: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        value: f64,
        at: Option<i64>,
    ) {
        let needs_none = is_bare(metric, true);
        let mut inside = String::new();
        if !needs_none {
            quote(&mut inside, metric);
        }
        for (name, value) in labels {
            if !inside.is_empty() {
                inside.push(',');
            }
            match is_bare(name, false) {
                true => inside.push_str(name),
                false => quote(&mut inside, name),
            }
            inside.push('=');
            quote(&mut inside, value);
        }
        if needs_none {
            self.text.push_str(metric);
        }
        if !inside.is_empty() {
            self.text.push_str(&format!("{{{inside}}}"));
        }
        self.text.push(' ');
        self.text.push_str(&number(value));
        match (at, self.format) {
            (None, _) => {}
            (Some(at), Format::Text) => self.text.push_str(&format!(" {at}")),
            (Some(at), Format::OpenMetrics) => {
                let sign = if at < 0 { "-" } else { "" };
                let at = at.unsigned_abs();
                self.text.push_str(&format!(" {sign}{}.{:03}", at / 1000, at % 1000));
            }
        }
        self.text.push('\n');
    }

    /// All of it.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// A value as Prometheus writes it: `+Inf`, `NaN`, else the shortest text that is read back as the same number.
fn number(value: f64) -> String {
    let mut text = String::new();
    match value {
        it if it.is_nan() => text.push_str("NaN"),
        it if it.is_infinite() => text.push_str(if it > 0.0 { "+Inf" } else { "-Inf" }),
        // A vector of text takes everything.
        it => drop(write!(text, "{it}")),
    }
    text
}

/// Whether a name needs no quotes.
fn is_bare(name: &str, is_metric: bool) -> bool {
    let begins = |it: char| it.is_ascii_alphabetic() || it == '_' || (is_metric && it == ':');
    name.starts_with(begins) && name.chars().all(|it| begins(it) || it.is_ascii_digit())
}

fn quote(to: &mut String, text: &str) {
    to.push('"');
    for it in text.chars() {
        match it {
            '\\' => to.push_str("\\\\"),
            '"' => to.push_str("\\\""),
            '\n' => to.push_str("\\n"),
            other => to.push(other),
        }
    }
    to.push('"');
}
