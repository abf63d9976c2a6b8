//! Causes: what went on while a budget burned: deploys and incidents that somebody wrote down, and drills by their runs.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::SystemTime;

use evenkeel_drill::Runs;
use evenkeel_drill::folder::JOURNAL;
use evenkeel_drill::journal::glance;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_slo::Interval;
use evenkeel_slo::attribution::{Cause, Kind};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::asked::Asked;
use crate::args::slo::EventArgs;
use crate::exit::Failure;
use crate::screen::Screen;

/// A deploy is to blame for so long, where nobody says when it ended.
const DEPLOY: SignedDuration = SignedDuration::from_hours(1);
/// Causes that are looked at.
const CAUSES_MAX: usize = 10_000;
/// Runs that are looked at, the newest.
const RUNS_MAX: usize = 1_000;
/// No file of events is larger.
const BYTES_MAX: u64 = 8 << 20;

/// A line of a file of events.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: Kind,
    name: String,
    from: Timestamp,
    to: Option<Timestamp>,
}

/// What went on: of a run its faults, else what the arguments name and the runs of drills in the time that matters.
pub(super) fn causes(
    args: &EventArgs,
    asked: &Asked,
    screen: &Screen,
) -> Result<Vec<Cause>, Failure> {
    if let Some(run) = &asked.run {
        let fault = |(name, time)| Cause { kind: Kind::Drill, name, time };
        let faults = run.faults_on_clocks().into_iter().map(fault);
        return Ok(named(args)?.into_iter().chain(faults).collect());
    }
    let from = asked.objectives.iter().map(|it| it.elapsed(asked.at).from).min();
    let over = Interval::new(from.unwrap_or(asked.at), asked.at);
    let (causes, unread) = went_on(args, over)?;
    unread.iter().for_each(|it| screen.say(it));
    Ok(causes)
}

/// What the arguments name, as files say it now, and the runs of drills that sent load in a time. Runs that cannot be read are
/// left out, and said beside it.
pub(crate) fn went_on(
    args: &EventArgs,
    over: Interval,
) -> Result<(Vec<Cause>, Vec<String>), Failure> {
    let (mut all, mut unread) = (named(args)?, Vec::new());
    drills(&args.runs, over, &mut all, &mut unread);
    Ok((all, unread))
}

/// What the arguments name, one by one and in files.
pub(crate) fn named(args: &EventArgs) -> Result<Vec<Cause>, Failure> {
    let mut all = args.events.clone();
    for file in &args.event_files {
        read(file, &mut all)?;
    }
    let found = all.len();
    if found > CAUSES_MAX {
        return Err(Failure::usage(format!("{found} events are more than {CAUSES_MAX}")));
    }
    Ok(all)
}

/// `deploy:v42=2026-03-01T12:00:00Z..2026-03-01T13:00:00Z`.
pub(crate) fn event(text: &str) -> Result<Cause, String> {
    let wrong = || {
        "write a kind (deploy, incident or drill), a name and moments, such as \
         deploy:v42=2026-03-01T12:00:00Z or incident:db=2026-03-01T12:00:00Z..2026-03-01T13:00:00Z"
            .to_owned()
    };
    let (what, when) = text.rsplit_once('=').ok_or_else(wrong)?;
    let (kind, name) = what.split_once(':').ok_or_else(wrong)?;
    let kind = Kind::NAMES.iter().find(|it| it.0 == kind).ok_or_else(wrong)?.1;
    let moment = |it: &str| it.parse::<Timestamp>().map_err(|_| wrong());
    let (from, to) = match when.split_once("..") {
        Some((from, to)) => (moment(from)?, Some(moment(to)?)),
        None => (moment(when)?, None),
    };
    cause(Line { kind, name: name.to_owned(), from, to })
}

fn cause(of: Line) -> Result<Cause, String> {
    let Line { kind, name, from, to } = of;
    let to = to.unwrap_or_else(|| match kind {
        Kind::Deploy => from.checked_add(DEPLOY).unwrap_or(Timestamp::MAX),
        // It goes on.
        Kind::Incident | Kind::Drill => Timestamp::MAX,
    });
    if to <= from {
        return Err(format!("`{name}` ends before it begins"));
    }
    Ok(Cause { kind, name, time: Interval::new(from, to) })
}

/// Reads a file of events: a JSON object a line.
fn read(file: &Path, into: &mut Vec<Cause>) -> Result<(), Failure> {
    let shown = file.display();
    let unreadable = |it| Failure::could_not_run(format!("cannot read {shown}: {it}"));
    let opened = File::open(file).map_err(unreadable)?;
    let mut left = BYTES_MAX;
    for (number, line) in BufReader::new(opened.take(BYTES_MAX + 1)).lines().enumerate() {
        let line = line.map_err(unreadable)?;
        left = left
            .checked_sub(line.len() as u64)
            .ok_or_else(|| Failure::usage(format!("{shown} is larger than {BYTES_MAX} bytes")))?;
        if line.trim().is_empty() {
            continue;
        }
        let read = serde_json::from_str::<Line>(&line);
        let read = read.map_err(|it| (it.column(), why(&it)));
        let found = read.and_then(|it| cause(it).map_err(|it| (1, it)));
        into.push(found.map_err(|(column, why)| {
            let place = format!("{shown}:{}:{column}", number + 1);
            Failure::usage(format!("{place}: this is no event: {why}")).help(
                r#"a line is such as {"kind": "deploy", "name": "v42", "from": "2026-03-01T12:00:00Z"}"#,
            )
        })?);
    }
    Ok(())
}

/// What is wrong with a line, without the place in it, which is told with that of the line.
fn why(of: &serde_json::Error) -> String {
    let text = of.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |it| it.0).to_owned()
}

/// The runs of drills that sent load in a time.
fn drills(dir: &Path, over: Interval, into: &mut Vec<Cause>, unread: &mut Vec<String>) {
    let folders = Runs::at(dir).list().unwrap_or_else(|error| {
        unread.push(format!("runs are left out: cannot list {}: {error}", dir.display()));
        Vec::new()
    });
    for folder in folders.iter().rev().take(RUNS_MAX) {
        let file = folder.join(JOURNAL);
        let written = std::fs::metadata(&file).and_then(|it| it.modified()).ok();
        if written.is_some_and(|it| it < SystemTime::from(over.from)) {
            continue;
        }
        match glance(&file) {
            Ok(run) => {
                let run = run.filter(|it| it.1.meets(over));
                into.extend(run.map(|(name, time)| Cause { kind: Kind::Drill, name, time }));
            }
            Err(error) => unread.push(format!("left out: {}", in_one_line(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_kind_a_name_and_its_time() {
        let it = event("deploy:a=b=2026-03-01T12:00:00Z").unwrap();
        assert_eq!((it.kind, it.name.as_str()), (Kind::Deploy, "a=b"));
        assert_eq!(it.time.length().as_secs(), 3600);
        let it = event("incident:db=2026-03-01T12:00:00Z..2026-03-01T12:30:00Z").unwrap();
        assert_eq!((it.kind, it.time.length().as_secs()), (Kind::Incident, 1800));
        for wrong in ["deploy", "party:x=2026-03-01T12:00:00Z", "deploy:x=soon"] {
            assert!(event(wrong).unwrap_err().starts_with("write a kind"), "{wrong}");
        }
        let back = event("drill:x=2026-03-01T12:00:00Z..2026-03-01T11:00:00Z");
        assert!(back.unwrap_err().contains("before it begins"));
    }
}
