//! Series: which there are, their labels, and what metrics mean.

use std::collections::BTreeSet;

use evenkeel_series::{Labels, Matcher};
use evenkeel_units::Clock;

use super::answer::{Failed, Said};
use super::asked::Asked;
use super::json;
use crate::server::World;

const CUT: &str = "results truncated due to limit";

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
    // As a part of a path, a name that is no plain one is encoded.
    let name = form_urlencoded::parse(format!("n={}", name.replace('+', "%2B")).as_bytes())
        .next()
        .map(|it| it.1.into_owned())
        .unwrap_or_default();
    if name.is_empty() {
        return Err(Failed::bad("invalid label name: \"\""));
    }
    names(world, asked, |snapshot, matchers, span| snapshot.label_values(&name, matchers, span))
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
    let limit = asked.limit("limit")?.unwrap_or(usize::MAX);
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
