//! `probe`: asks services how they are, all at once.
//!
//! ```text
//! shown   what came of it, for people and for programs
//! ```

mod shown;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_model::document::{Part, Reference, Template};
use evenkeel_probe::{Address, Call, Scheme, Series, Trust, Verdict, repeat, wait};
use evenkeel_units::{Ratio, locked};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::JoinSet;

use crate::args::probe::ProbeArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Asks; exit code 1 when a service is not healthy, 3 when of one nothing is known.
pub(crate) async fn run(args: ProbeArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (mut addresses, mut secrets) = (addresses(&args.urls)?, Vec::new());
    let call = Arc::new(call(&args, &addresses, &mut secrets)?);
    for secret in &secrets {
        addresses = addresses.into_iter().map(|it| it.hiding(secret)).collect();
    }
    if args.insecure {
        screen.warn("--insecure: any certificate will do, so nothing says who answers");
    }
    call.prepare(addresses.iter());
    let found: Arc<Mutex<BTreeMap<usize, Series>>> = Arc::default();
    let mut asked = JoinSet::new();
    for (nth, address) in addresses.iter().cloned().enumerate() {
        let (call, screen, found) = (Arc::clone(&call), screen.clone(), Arc::clone(&found));
        let (count, limit, interval) = (args.count, args.wait, args.interval);
        asked.spawn(async move {
            let mut before = String::new();
            let on = |all: &Series| {
                if let Some(line) = progress(&address, all, limit, count, &mut before) {
                    screen.say(&line);
                }
                locked(&found).insert(nth, all.clone());
            };
            match limit {
                Some(limit) => wait(&call, &address, (limit, interval), on).await,
                None => repeat(&call, &address, (count, interval), on).await,
            }
        });
    }
    // Whoever ends it early is told what it has come to so far.
    let is_interrupted = tokio::select! {
        ended = ended(asked) => {
            ended?;
            false
        }
        signal = tokio::signal::ctrl_c() => {
            signal.map_err(|it| Failure::could_not_run(format!("cannot watch for signals: {it}")))?;
            true
        }
    };
    let found = std::mem::take(&mut *locked(&found));
    let rows: Vec<_> = found
        .into_iter()
        .filter_map(|(nth, series)| {
            let verdict = verdict(&series, args.wait, args.allow_loss);
            Some(shown::Row::new(addresses.get(nth)?, series, verdict))
        })
        .collect();
    let is = |wanted| rows.iter().any(|it| it.verdict == wanted);
    let exit = match (is(Verdict::Unhealthy), is(Verdict::Unasked) || is(Verdict::Unknown)) {
        _ if is_interrupted => Exit::INTERRUPTED,
        (true, _) => Exit::FAILED,
        (false, true) => Exit::COULD_NOT_RUN,
        (false, false) => Exit::OK,
    };
    screen.show(&shown::json(&rows, exit == Exit::OK), || shown::text(&rows, screen.color))?;
    Ok(exit)
}

async fn ended(mut asked: JoinSet<Series>) -> Result<(), Failure> {
    while let Some(ended) = asked.join_next().await {
        ended.map_err(|it| Failure::bug(it.to_string()))?;
    }
    Ok(())
}

/// Of several questions so many may be lost; of those that waited the last one counts.
fn verdict(series: &Series, waited: Option<Duration>, allow_loss: Ratio) -> Verdict {
    match series.last.verdict {
        Verdict::Unasked => Verdict::Unasked,
        last if waited.is_some() => last,
        _ if series.lost() <= allow_loss.get() => Verdict::Healthy,
        _ => series.worst.as_ref().map_or(Verdict::Unhealthy, |it| it.verdict),
    }
}

/// A line for whoever waits: each answer of several, and while it is waited only what is new.
fn progress(
    address: &Address,
    all: &Series,
    limit: Option<Duration>,
    count: u32,
    before: &mut String,
) -> Option<String> {
    let last = &all.last;
    if limit.is_some() {
        let is_news = last.verdict != Verdict::Healthy && *before != last.detail;
        before.clone_from(&last.detail);
        return is_news.then(|| format!("{address}: not yet: {}", last.detail));
    }
    let took = evenkeel_units::Human(last.took);
    (count > 1).then(|| format!("{address}: {}/{count}: {} in {took}", all.asked, last.detail))
}

/// Every URL, or everything that is wrong with them.
fn addresses(urls: &[String]) -> Result<Vec<Address>, Failure> {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for url in urls {
        match address(url) {
            Ok(address) => found.push(with_login(address)),
            Err(why) => wrong.push(why),
        }
    }
    match wrong.as_slice() {
        [] => Ok(found),
        all => Err(Failure::usage(all.join("\n  "))),
    }
}

/// What is kept elsewhere is part of a URL, and escaped as one, or all of it.
fn address(url: &str) -> Result<Address, String> {
    let template = Template::parse(url)?;
    let is_whole = template.parts.len() == 1;
    let mut secrets = Vec::new();
    let filled = filled(template, |it| {
        if is_whole {
            return it;
        }
        let escaped = utf8_percent_encode(&it, NON_ALPHANUMERIC).to_string();
        secrets.push(it);
        escaped
    })?;
    match Address::parse(&filled) {
        Ok(address) => Ok(secrets.iter().fold(address, |it, secret| it.hiding(secret))),
        // In the words of what was written: what was filled in is told to nobody.
        Err(_) => Err(match Address::parse(url) {
            Err(error) => error.to_string(),
            Ok(address) => format!("`{address}` is no URL once it is filled in"),
        }),
    }
}

/// As the programs of the databases take it from the environment.
fn with_login(address: Address) -> Address {
    let of = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    match address.scheme() {
        Scheme::Postgres => address.or_login(of("PGUSER").or_else(|| of("USER")), of("PGPASSWORD")),
        Scheme::Redis | Scheme::Rediss => address.or_login(None, of("REDISCLI_AUTH")),
        _ => address,
    }
}

/// How to ask; what headers are filled in with is kept with the secrets.
fn call(
    args: &ProbeArgs,
    addresses: &[Address],
    secrets: &mut Vec<String>,
) -> Result<Call, Failure> {
    let asks = |wanted: &[Scheme]| addresses.iter().any(|it| wanted.contains(&it.scheme()));
    let wrong = |why: &dyn std::fmt::Display| Failure::usage(why.to_string());
    for it in &args.expect {
        addresses.iter().try_for_each(|address| it.fits(address.scheme())).map_err(|error| {
            wrong(&error).help("an expectation has to fit every URL: ask the others by themselves")
        })?;
    }
    if args.query.is_some() && !asks(&[Scheme::Postgres]) {
        return Err(wrong(&"`--query` is for a PostgreSQL, and no URL is of one"));
    }
    if args.send.is_some() && !asks(&[Scheme::Udp]) {
        return Err(wrong(&"`--send` is for UDP, and no URL is of it"));
    }
    if !args.headers.is_empty()
        && !asks(&[Scheme::Http, Scheme::Https, Scheme::Grpc, Scheme::Grpcs])
    {
        return Err(wrong(&"`--header` is for HTTP and gRPC, and no URL is of them"));
    }
    let trust = match &args.ca {
        Some(file) => Trust::of_file(file).map_err(|error| wrong(&error))?,
        None if args.insecure => Trust::Anybody,
        None => Trust::System,
    };
    let mut call = Call {
        timeout: args.timeout,
        expect: args.expect.clone(),
        trust,
        server_name: args.server_name.clone(),
        warn_before: Duration::from_hours(24 * args.warn_days),
        ..Call::default()
    };
    if let Some(query) = &args.query {
        call.query.clone_from(query);
    }
    if let Some(text) = &args.send {
        call = call.with_payload(text).map_err(|error| wrong(&error))?;
    }
    for it in &args.headers {
        let template = Template::parse(it).map_err(|error| wrong(&error))?;
        let keep = |it: String| {
            secrets.push(it.clone());
            it
        };
        let filled = filled(template, keep).map_err(|error| wrong(&error))?;
        call = call.with_header(&filled).map_err(|error| wrong(&error))?;
    }
    Ok(call)
}

/// With what is kept elsewhere in the place of each reference.
fn filled(template: Template, mut written: impl FnMut(String) -> String) -> Result<String, String> {
    let mut filled = String::new();
    for part in template.parts {
        match part {
            Part::Literal(it) => filled.push_str(&it),
            Part::Reference(it) => filled.push_str(&written(kept(&it)?)),
            Part::Slot(it) => return Err(format!("`{it}` is for documents of load")),
        }
    }
    Ok(filled)
}

fn kept(reference: &Reference) -> Result<String, String> {
    let found = match reference {
        Reference::Env(name) => std::env::var(name).map_err(|it| it.to_string()),
        Reference::File(file) => std::fs::read_to_string(file.as_str())
            .map(|it| it.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|it| it.to_string()),
    };
    found.map_err(|why| format!("cannot read {reference}: {why}"))
}
