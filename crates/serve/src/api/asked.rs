//! Asked: what a request asks. Parameters of a URL and of a form, moments, durations, selectors.

use std::time::Duration;

use evenkeel_promql::parse::duration_ms;
use evenkeel_promql::{Kind, Query};
use evenkeel_series::{Matcher, Span};

use super::answer::Failed;

/// The parameters of a request, those of its body before those of its URL.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Vec<(String, String)>);

/// Moments beyond this, in seconds, are no moments.
const SECONDS_MAX: f64 = 9e12;
/// More selectors at once are looked for one after the other.
const SELECTORS_MAX: usize = 1_000;
/// No timeout is longer than this.
const TIMEOUT_MAX: Duration = Duration::from_mins(2);

impl Asked {
    /// Those of a form and of what stands behind the `?` of a URL.
    pub(crate) fn of(form: &[u8], query: &str) -> Self {
        let pairs = |bytes: &[u8]| {
            let pairs = form_urlencoded::parse(bytes);
            pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect::<Vec<_>>()
        };
        let mut all = pairs(form);
        all.extend(pairs(query.as_bytes()));
        Self(all)
    }

    /// The first value of a parameter, `""` when there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|it| it.0 == name).map_or("", |it| &it.1)
    }

    /// All values of a parameter that may be given more than once.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |it| it.0 == name).map(|it| &*it.1)
    }

    /// A moment that there need not be, in milliseconds: seconds since 1970, or RFC 3339.
    pub(super) fn moment(&self, name: &str) -> Result<Option<i64>, Failed> {
        match self.text(name) {
            "" => Ok(None),
            text => moment(text).map(Some).map_err(|why| {
                Failed::parameter(name, format!("Invalid time value for '{name}': {why}"))
            }),
        }
    }

    /// A moment that there has to be.
    pub(super) fn end_of_range(&self, name: &str) -> Result<i64, Failed> {
        moment(self.text(name)).map_err(|why| Failed::parameter(name, why))
    }

    /// A duration in milliseconds: seconds, or as in a query.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>, Failed> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let seconds = text.parse::<f64>().ok().filter(|it| it.abs() < SECONDS_MAX);
        let millis = seconds.map(|it| (it * 1000.0).round() as i64);
        let millis = millis.or_else(|| i64::try_from(duration_ms(text)?).ok());
        let wrong =
            || Failed::parameter(name, format!("cannot parse {text:?} to a valid duration"));
        millis.map(Some).ok_or_else(wrong)
    }

    /// How many at most; none or zero is all.
    pub(super) fn limit(&self, name: &str) -> Result<Option<usize>, Failed> {
        match self.text(name) {
            "" => Ok(None),
            text => match text.parse::<usize>() {
                Ok(0) => Ok(None),
                Ok(limit) => Ok(Some(limit)),
                Err(_) => Err(Failed::parameter(name, format!("cannot parse {text:?} to a limit"))),
            },
        }
    }

    /// A whole number.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, Failed> {
        match self.text(name) {
            "" => Ok(None),
            text => {
                let number =
                    text.parse().map_err(|_| Failed::bad(format!("{name} must be a number")));
                number.map(Some)
            }
        }
    }

    /// How far back a selector looks for a sample.
    pub(super) fn lookback(&self) -> Result<Option<i64>, Failed> {
        let wrong = || {
            let text = self.text("lookback_delta");
            Failed::bad(format!(
                "error parsing lookback delta duration: cannot parse {text:?} to a valid duration"
            ))
        };
        let asked = self.duration("lookback_delta").map_err(|_| wrong())?;
        Ok(asked.filter(|it| *it > 0))
    }

    /// How long the answer may take.
    pub(crate) fn timeout(&self) -> Result<Duration, Failed> {
        let asked = self.duration("timeout")?.filter(|it| *it > 0);
        let asked = asked.map(|it| Duration::from_millis(it.unsigned_abs()));
        Ok(asked.unwrap_or(TIMEOUT_MAX).min(TIMEOUT_MAX))
    }

    /// From `start` to `end`, both included; everything where they are absent.
    pub(super) fn span(&self) -> Result<Span, Failed> {
        let (start, end) = (self.moment("start")?, self.moment("end")?);
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            return Err(Failed::parameter("end", "end timestamp must not be before start time"));
        }
        let after = start.map_or(i64::MIN, |it| it - 1);
        Ok(Span { after, until: end.unwrap_or(i64::MAX) })
    }

    /// The selectors of `match[]`.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, Failed> {
        let texts: Vec<_> = self.all("match[]").collect();
        if texts.len() > SELECTORS_MAX {
            return Err(Failed::parameter(
                "match[]",
                format!("there are more than {SELECTORS_MAX}"),
            ));
        }
        texts
            .into_iter()
            .map(|text| selector(text).map_err(|why| Failed::parameter("match[]", why)))
            .collect()
    }
}

fn moment(text: &str) -> Result<i64, String> {
    let seconds = text.parse::<f64>().ok().filter(|it| it.abs() < SECONDS_MAX);
    let millis = seconds.map(|it| (it * 1000.0).round() as i64);
    let moment = millis.or_else(|| Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
    moment.ok_or_else(|| format!("cannot parse {text:?} to a valid timestamp"))
}

/// The conditions of a selector.
fn selector(text: &str) -> Result<Vec<Matcher>, String> {
    let query = Query::parse(text).map_err(|problems| parse_error(&problems))?;
    match &query.expr().kind {
        Kind::Selector(selector) => Ok(selector.matchers.clone()),
        _ => Err("1:1: parse error: a selector such as `up{job=\"shop\"}` belongs here".to_owned()),
    }
}

/// What is wrong with a query, as Prometheus begins it.
pub(super) fn parse_error(problems: &[evenkeel_promql::Problem]) -> String {
    let each = problems.iter().map(|problem| {
        let (line, column) = problem.line_and_column;
        format!("{line}:{column}: parse error: {}: {}", problem.what, problem.fix)
    });
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::of(b"", query)
    }

    #[test]
    fn moments_are_seconds_or_dates() {
        let moment = |text: &str| asked(&format!("time={text}")).moment("time");
        assert_eq!(moment("1435781451.781"), Ok(Some(1_435_781_451_781)));
        assert_eq!(moment("2015-07-01T20:10:51.781Z"), Ok(Some(1_435_781_451_781)));
        assert_eq!(moment("2015-07-01T22:10:51%2B02:00"), Ok(Some(1_435_781_451_000)));
        assert_eq!(moment(""), Ok(None));
        for wrong in ["yesterday", "NaN", "1e99", "inf"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_seconds_or_have_units() {
        let duration = |text: &str| asked(&format!("step={text}")).duration("step");
        assert_eq!(duration("1m30s"), Ok(Some(90_000)));
        assert_eq!(duration("0.5"), Ok(Some(500)));
        assert_eq!(duration("-1"), Ok(Some(-1000)));
        assert!(duration("1x").is_err());
    }

    #[test]
    fn a_form_comes_before_the_url_and_selectors_may_be_many() {
        let asked = Asked::of(b"query=a%2Bb&match[]=up", "query=c&match%5B%5D=%7Bjob%3D%22x%22%7D");
        assert_eq!(asked.text("query"), "a+b");
        let selectors = asked.selectors().unwrap();
        assert_eq!(selectors.len(), 2);
        assert_eq!(selectors[1][0].to_string(), "job=\"x\"");
        for wrong in ["rate(up[5m])", "1", "{"] {
            let asked = Asked::of(b"", &format!("match[]={wrong}"));
            assert!(asked.selectors().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_span_holds_both_its_ends() {
        let span = asked("start=1&end=2").span().unwrap();
        assert!(span.holds(1000) && span.holds(2000) && !span.holds(999));
        assert!(asked("start=2&end=1").span().is_err());
        assert_eq!(asked("").span(), Ok(Span::ALL));
    }
}
