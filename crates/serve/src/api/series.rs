//! Series: which there are, their labels, and what metrics mean.

use std::collections::BTreeSet;

use evenkeel_series::{Labels, Matcher};
use evenkeel_units::Clock;

use super::answer::{CUT, Failed, Said};
use super::asked::Asked;
use super::json;
use crate::server::World;

pub(super) fn series<C: Clock>(world: &World<C>, asked: &Asked) -> Result<Said, Failed> {
    let selectors = asked.selectors()?;
    if selectors.is_empty() {
        return Err(Failed::bad("no match[] parameter provided"));
    }
    let (span, limit) = (asked.span()?, asked.limit("limit")?);
    let snapshot = world.store.snapshot();
    let mut found: BTreeSet<Labels> = BTreeSet::new();
    for matchers in &selectors {
        found.extend(snapshot.series(matchers, span));
    }
    Ok(listed(found, limit, |to, it| json::labels(to, &it)))
}

pub(super) fn labels<C: Clock>(world: &World<C>, asked: &Asked) -> Result<Said, Failed> {
    names(world, asked, evenkeel_tsdb::Snapshot::label_names)
}

pub(super) fn values<C: Clock>(
    world: &World<C>,
    asked: &Asked,
    name: &str,
) -> Result<Said, Failed> {
    // As a part of a path, a name that is no plain one is encoded; in a form, other signs have a meaning.
    let form = format!("n={}", name.replace('+', "%2B").replace('&', "%26"));
    let pair = form_urlencoded::parse(form.as_bytes()).next();
    let name = pair.map(|it| it.1.into_owned()).unwrap_or_default();
    let name = unescaped(&name).unwrap_or(name);
    if name.is_empty() {
        return Err(Failed::bad("invalid label name: \"\""));
    }
    names(world, asked, |snapshot, matchers, span| snapshot.label_values(&name, matchers, span))
}

/// A name with other signs than letters and digits, as it is written where only those may stand: `U__`, then `_` twice for one,
/// and every other sign as its number in hexadecimal between two of them.
///
/// Source: <https://prometheus.io/docs/instrumenting/escaping_schemes/>.
fn unescaped(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut text = String::new();
    while let Some((plain, after)) = rest.split_once('_') {
        text.push_str(plain);
        if let Some(after) = after.strip_prefix('_') {
            text.push('_');
            rest = after;
        } else {
            let (number, after) = after.split_once('_')?;
            text.push(char::from_u32(u32::from_str_radix(number, 16).ok()?)?);
            rest = after;
        }
    }
    Some(text + rest)
}

fn names<C: Clock>(
    world: &World<C>,
    asked: &Asked,
    ask: impl Fn(&evenkeel_tsdb::Snapshot, &[Matcher], evenkeel_series::Span) -> BTreeSet<String>,
) -> Result<Said, Failed> {
    let mut selectors = asked.selectors()?;
    let (span, limit) = (asked.span()?, asked.limit("limit")?);
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    let snapshot = world.store.snapshot();
    let mut found = BTreeSet::new();
    for matchers in &selectors {
        found.extend(ask(&snapshot, matchers, span));
    }
    Ok(listed(found, limit, |to, it| json::text(to, &it)))
}

fn listed<T: Ord>(
    found: BTreeSet<T>,
    limit: Option<usize>,
    each: impl FnMut(&mut String, T),
) -> Said {
    let limit = limit.unwrap_or(usize::MAX);
    let is_cut = found.len() > limit;
    let mut data = String::new();
    json::list(&mut data, found.into_iter().take(limit), each);
    let warnings = if is_cut { vec![CUT.to_owned()] } else { Vec::new() };
    Said { data, warnings, infos: Vec::new() }
}

pub(super) fn metadata<C: Clock>(world: &World<C>, asked: &Asked) -> Result<Said, Failed> {
    // Here zero is none, and a negative one all. Of each metric there is one meaning, whatever their limit.
    let limit = asked.whole("limit")?.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
    asked.whole("limit_per_metric")?;
    let metric = asked.text("metric");
    let snapshot = world.store.snapshot();
    let all = snapshot.metadata().iter().filter(|it| metric.is_empty() || it.0 == metric);
    let mut data = "{".to_owned();
    for (at, (name, it)) in all.take(limit).enumerate() {
        if at > 0 {
            data.push(',');
        }
        json::text(&mut data, name);
        data.push_str(":[");
        let fields = [("type", it.kind.name()), ("help", &it.help), ("unit", &it.unit)];
        json::names(&mut data, fields);
        data.push(']');
    }
    data.push('}');
    Ok(Said::data(data))
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn a_name_of_other_signs_may_be_written_with_plain_ones() {
        for (written, meant) in [
            ("U__http_2e_status", Some("http.status")),
            ("U__a__b", Some("a_b")),
            ("U___1f600_", Some("😀")),
            ("U__", Some("")),
            ("U__plain", Some("plain")),
            ("http_status", None),
            ("U__a_2e", None),
            ("U__a_zz_", None),
            ("U__a_d800_", None),
        ] {
            assert_eq!(unescaped(written).as_deref(), meant, "{written}");
        }
    }
}
