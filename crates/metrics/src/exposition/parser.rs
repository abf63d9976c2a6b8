//! The parser: line after line, nothing copied but texts with escapes in them.

use std::borrow::Cow;

use evenkeel_series::METRIC_NAME;

use super::{ExpositionError, Format, Kind, Said, Sample};

/// The NaN that Prometheus writes for every NaN of a target.
const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);
/// No more of what is wrong is shown, in characters.
const SHOWN_MAX: usize = 40;

/// A text between quotes, or a bare word.
#[derive(Copy, Clone, Debug, Default)]
struct Word<'a> {
    raw: &'a str,
    /// Whether there are escapes in it.
    is_escaped: bool,
}

impl<'a> Word<'a> {
    fn text(self) -> Cow<'a, str> {
        match self.is_escaped {
            true => unescaped(self.raw, true).into(),
            false => self.raw.into(),
        }
    }
}

/// Reads a text line by line. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    text: &'a str,
    /// Where reading goes on, in bytes.
    at: usize,
    format: Format,
    /// The metric of the last sample, …
    name: Word<'a>,
    /// … and its other labels.
    labels: Vec<(Word<'a>, Word<'a>)>,
    is_over: bool,
}

type Line<'a> = Result<Option<Said<'a>>, ExpositionError>;

impl<'a> Parser<'a> {
    /// Of a whole text. What is not UTF-8 is nobody's text; [`utf8`](Self::utf8) says where.
    pub const fn new(text: &'a str, format: Format) -> Self {
        let name = Word { raw: "", is_escaped: false };
        Self { text, at: 0, format, name, labels: Vec::new(), is_over: false }
    }

    /// The text of bytes, or where they are none.
    pub fn utf8(bytes: &'a [u8]) -> Result<&'a str, ExpositionError> {
        std::str::from_utf8(bytes).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let good = std::str::from_utf8(good).unwrap_or_default();
            fault(good, good.len(), "a byte that is not UTF-8".to_owned())
        })
    }

    /// The labels of the last sample in the order in which they are written, the name of the metric first. A label may
    /// be there twice, or be empty.
    pub fn labels(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + '_ {
        let metric = (Cow::Borrowed(METRIC_NAME), self.name.text());
        let others = self.labels.iter().map(|(name, value)| (name.text(), value.text()));
        std::iter::once(metric).chain(others)
    }

    /// An error at the line of the last sample, for what only whoever takes it in can know.
    pub fn error(&self, problem: impl Into<String>) -> ExpositionError {
        let line = self.text.get(..self.at.saturating_sub(1)).and_then(|it| it.rfind('\n'));
        fault(self.text, line.map_or(0, |it| it + 1), problem.into())
    }

    fn line(&mut self) -> Line<'a> {
        match (self.format, self.peek()) {
            (Format::Text, None) => Ok(None),
            (Format::OpenMetrics, None) => Err(self.wrong("the text ends without `# EOF`")),
            (_, Some(b'#')) => self.comment(),
            (_, Some(_)) => self.sample().map(Some),
        }
    }

    fn comment(&mut self) -> Line<'a> {
        self.at += 1;
        if self.format == Format::OpenMetrics && self.peek() != Some(b' ') {
            return Err(self.wrong("a space belongs behind `#`"));
        }
        if !self.blanks() {
            self.rest_of_line();
            return Ok(None);
        }
        let begins = self.at;
        let word = self.until(b" \t\n");
        match (word, self.format) {
            ("HELP" | "TYPE", _) | ("UNIT", Format::OpenMetrics)
                if matches!(self.peek(), Some(b' ' | b'\t')) =>
            {
                self.metadata(word).map(Some)
            }
            ("EOF", Format::OpenMetrics) => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                if !matches!(rest, "" | "\n") {
                    return Err(self.wrong("there is something behind `# EOF`"));
                }
                (self.at, self.is_over) = (self.text.len(), true);
                Ok(None)
            }
            (_, Format::OpenMetrics) => {
                self.at = begins;
                Err(self.wrong("`HELP`, `TYPE`, `UNIT` or `EOF` belongs here"))
            }
            (_, Format::Text) => {
                self.rest_of_line();
                Ok(None)
            }
        }
    }

    fn metadata(&mut self, what: &str) -> Result<Said<'a>, ExpositionError> {
        self.blanks();
        let name = match self.peek() {
            Some(b'"') => self.quoted()?,
            _ => self.bare(true)?,
        };
        let metric = name.text();
        if !matches!(self.peek(), None | Some(b' ' | b'\t' | b'\n')) {
            return Err(self.wrong("a space belongs behind the name of the metric"));
        }
        let begins = self.at;
        self.blanks();
        let said = self.at;
        let text = self.rest_of_line();
        let wrong_at = |this: &Self, problem: String| Err(fault(this.text, said, problem));
        match what {
            "HELP" => {
                // One space is the separator, and all others are text.
                let end = said + text.len();
                let whole = self.text.get((begins + 1).min(end)..end).unwrap_or_default();
                let with_quotes = self.format == Format::OpenMetrics;
                let help = match whole.contains('\\') {
                    true => Cow::Owned(unescaped(whole, with_quotes)),
                    false => Cow::Borrowed(whole),
                };
                Ok(Said::Help(metric, help))
            }
            "TYPE" => {
                let text = text.trim_end_matches([' ', '\t']);
                let is_of_format = self.format == Format::OpenMetrics && text != "untyped"
                    || self.format == Format::Text;
                match Kind::parse(text).filter(|_| is_of_format) {
                    Some(kind) => Ok(Said::Type(metric, kind)),
                    None => wrong_at(self, format!("`{}` is no type of a metric", cut(text))),
                }
            }
            _ => {
                let fits = text.is_empty()
                    || metric.strip_suffix(text).is_some_and(|it| it.ends_with('_'));
                match fits {
                    true => Ok(Said::Unit(metric, text.into())),
                    false => {
                        let (unit, metric) = (cut(text), cut(&metric));
                        wrong_at(self, format!("`{metric}` does not end with its unit, `_{unit}`"))
                    }
                }
            }
        }
    }

    fn sample(&mut self) -> Result<Said<'a>, ExpositionError> {
        self.labels.clear();
        let begins = self.at;
        let mut name = None;
        if self.peek() != Some(b'{') {
            name = Some(self.bare(true)?);
        }
        let mut end = self.at;
        // In the text format, blanks may stand before the braces, and none need stand behind them.
        let mut is_parted = self.format == Format::Text && self.blanks();
        if self.peek() == Some(b'{') {
            self.braces(&mut name, true)?;
            (end, is_parted) = (self.at, self.format == Format::Text);
        }
        let Some(name) = name else { return Err(self.wrong("the name of the metric is missing")) };
        self.name = name;
        let series = self.text.get(begins..end).unwrap_or_default();
        self.separator(is_parted)?;
        let value = self.value()?;
        let mut at = None;
        if self.goes_on()? && self.peek() != Some(b'#') {
            at = Some(self.moment()?);
            self.goes_on()?;
        }
        if self.format == Format::OpenMetrics && self.peek() == Some(b'#') {
            self.exemplar()?;
        }
        match self.peek() {
            None => {}
            Some(b'\n') => self.at += 1,
            Some(_) => return Err(self.wrong("the line ends here")),
        }
        Ok(Said::Sample(Sample { series, value, at }))
    }

    /// What may follow the value follows.
    fn goes_on(&mut self) -> Result<bool, ExpositionError> {
        if !matches!(self.peek(), Some(b' ' | b'\t')) {
            return Ok(false);
        }
        self.separator(false)?;
        Ok(!matches!(self.peek(), None | Some(b'\n')))
    }

    /// Blanks between the parts of a sample: any in the text format, one space in OpenMetrics.
    fn separator(&mut self, may_be_absent: bool) -> Result<(), ExpositionError> {
        let found = match self.format {
            Format::Text => self.blanks(),
            Format::OpenMetrics => {
                let found = self.peek() == Some(b' ');
                self.at += usize::from(found);
                found && !matches!(self.peek(), Some(b' ' | b'\t' | b'\n') | None)
            }
        };
        match found || may_be_absent {
            true => Ok(()),
            false => Err(self.wrong("a space and a value belong here")),
        }
    }

    /// The labels of a sample, the metric among them when it is quoted, or those of an exemplar.
    fn braces(&mut self, name: &mut Option<Word<'a>>, keeps: bool) -> Result<(), ExpositionError> {
        self.at += 1;
        loop {
            self.blanks_of_text();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(());
            }
            let begins = self.at;
            let is_quoted = self.peek() == Some(b'"');
            let label = if is_quoted { self.quoted()? } else { self.bare(false)? };
            if label.raw.is_empty() {
                return Err(fault(self.text, begins, "a name is empty".to_owned()));
            }
            self.blanks_of_text();
            if self.peek() == Some(b'=') {
                self.at += 1;
                self.blanks_of_text();
                if self.peek() != Some(b'"') {
                    return Err(self.wrong("the value of a label is between quotes"));
                }
                let value = self.quoted()?;
                if keeps {
                    self.labels.push((label, value));
                }
            } else if is_quoted && name.is_none() && keeps {
                *name = Some(label);
            } else {
                return Err(self.wrong("`=` belongs behind the name of a label"));
            }
            self.blanks_of_text();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return Err(self.wrong("`,` or `}` belongs behind a label")),
            }
        }
    }

    fn exemplar(&mut self) -> Result<(), ExpositionError> {
        self.at += 1;
        if !self.text.get(self.at..).is_some_and(|it| it.starts_with(" {")) {
            return Err(self.wrong("an exemplar is `# {…} VALUE`"));
        }
        self.at += 1;
        self.braces(&mut None, false)?;
        self.separator(false)?;
        self.value()?;
        if self.goes_on()? {
            self.moment()?;
        }
        Ok(())
    }

    fn value(&mut self) -> Result<f64, ExpositionError> {
        let begins = self.at;
        let text = self.until(b" \t\n");
        number(text).ok_or_else(|| {
            fault(self.text, begins, format!("`{}` is no value of a sample", cut(text)))
        })
    }

    /// Milliseconds in the text format, seconds in OpenMetrics.
    fn moment(&mut self) -> Result<i64, ExpositionError> {
        let begins = self.at;
        let text = self.until(b" \t\n");
        let moment = match self.format {
            Format::Text => text.parse().ok(),
            Format::OpenMetrics => number(text)
                .map(|seconds| (seconds * 1000.0).round())
                .filter(|it| it.abs() < 9e15)
                .map(|it| it as i64),
        };
        moment.ok_or_else(|| fault(self.text, begins, format!("`{}` is no moment", cut(text))))
    }

    /// A name without quotes; colons are for metrics.
    fn bare(&mut self, is_metric: bool) -> Result<Word<'a>, ExpositionError> {
        let begins = self.at;
        let is_of_name =
            |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (is_metric && byte == b':');
        let mut rest = self.bytes().iter();
        let first = rest.next().copied().is_some_and(is_of_name);
        if !first {
            let what = if is_metric { "metric" } else { "label" };
            return Err(self.wrong(&format!("the name of a {what} belongs here")));
        }
        let more = rest.take_while(|it| is_of_name(**it) || it.is_ascii_digit()).count();
        self.at += 1 + more;
        Ok(Word { raw: self.text.get(begins..self.at).unwrap_or_default(), is_escaped: false })
    }

    /// A text between quotes, which begins here.
    fn quoted(&mut self) -> Result<Word<'a>, ExpositionError> {
        let (opened, begins) = (self.at, self.at + 1);
        let (mut at, mut is_escaped) = (begins, false);
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') if bytes.get(at + 1).is_some_and(|it| *it != b'\n') => {
                    (at, is_escaped) = (at + 2, true);
                }
                None | Some(b'\n' | b'\\') => {
                    return Err(fault(
                        self.text,
                        opened,
                        "a text without its last quote".to_owned(),
                    ));
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(Word { raw: self.text.get(begins..at).unwrap_or_default(), is_escaped })
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes over blanks; whether there were any.
    fn blanks(&mut self) -> bool {
        let count = self.bytes().iter().take_while(|it| matches!(it, b' ' | b'\t')).count();
        self.at += count;
        count > 0
    }

    /// OpenMetrics has no blanks within braces.
    fn blanks_of_text(&mut self) {
        if self.format == Format::Text {
            self.blanks();
        }
    }

    fn until(&mut self, ends: &[u8]) -> &'a str {
        let begins = self.at;
        self.at += self.bytes().iter().take_while(|it| !ends.contains(it)).count();
        self.text.get(begins..self.at).unwrap_or_default()
    }

    /// What is left of the line, whose end is passed over.
    fn rest_of_line(&mut self) -> &'a str {
        let begins = self.at;
        let length = memchr::memchr(b'\n', self.bytes()).unwrap_or(self.bytes().len());
        self.at = (begins + length + 1).min(self.text.len());
        self.text.get(begins..begins + length).unwrap_or_default()
    }

    fn wrong(&self, problem: &str) -> ExpositionError {
        fault(self.text, self.at, problem.to_owned())
    }
}

impl<'a> Iterator for Parser<'a> {
    type Item = Result<Said<'a>, ExpositionError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            if self.format == Format::Text {
                self.blanks();
                if self.peek() == Some(b'\n') {
                    self.at += 1;
                    continue;
                }
                if self.at >= self.text.len() {
                    break;
                }
            }
            match self.line() {
                Ok(Some(said)) => return Some(Ok(said)),
                Ok(None) => {}
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// An error at a byte of a text.
fn fault(text: &str, at: usize, problem: String) -> ExpositionError {
    let before = text.get(..at).unwrap_or(text);
    let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    ExpositionError { line, column, problem }
}

/// A number as Go reads one, without the forms that newer versions of it have.
fn number(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let names = |letter: u8| text.bytes().any(|it| it.eq_ignore_ascii_case(&letter));
    match value {
        it if it.is_nan() => (!text.starts_with(['+', '-'])).then_some(NAN),
        // Too large to be told from infinity.
        it if it.is_infinite() => names(b'i').then_some(it),
        it => Some(it),
    }
}

/// With what escapes stand for; those that stand for nothing are left as they are.
fn unescaped(text: &str, with_quotes: bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(it) = characters.next() {
        if it != '\\' {
            plain.push(it);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('\\') => plain.push('\\'),
            Some('"') if with_quotes => plain.push('"'),
            other => {
                plain.push('\\');
                plain.extend(other);
            }
        }
    }
    plain
}

/// A text of a stranger, short enough for a message.
fn cut(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(SHOWN_MAX).collect()
}
