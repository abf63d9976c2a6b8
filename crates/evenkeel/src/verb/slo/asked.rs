//! Asked: which objectives are meant, and where they are counted.

use std::path::PathBuf;

use evenkeel_model::Library;
use evenkeel_model::document::Slo;
use evenkeel_serve::objectives::{Access, AskError, Source};
use evenkeel_slo::Objective;
use evenkeel_units::{Clock, SystemClock, parse_duration};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::slo::SourceArgs;
use crate::exit::Failure;
use crate::screen::Screen;
use crate::verb::documents::{gather, read, refuse_errors};

/// The documents of some files, if all of them are right.
pub(super) fn library(files: &[PathBuf], screen: &Screen) -> Result<Library, Failure> {
    let found = read(gather(files)?);
    refuse_errors(&found, screen)?;
    Ok(found.library)
}

/// The objectives that are named, or all that are counted on series. Those of a load alone are passed over unless they are
/// named.
pub(super) fn objectives(
    library: &Library,
    named: &[String],
    screen: &Screen,
) -> Result<Vec<Objective>, Failure> {
    let all = library.slos();
    if let Some(missing) = named.iter().find(|it| !all.contains(&it.as_str())) {
        let help = format!("there is {}", all.join(", "));
        return Err(Failure::usage(format!("there is no objective `{missing}`")).help(help));
    }
    let meant = |it: &&&str| named.is_empty() || named.iter().any(|name| name == **it);
    let mut objectives = Vec::new();
    for slo in all.iter().filter(meant).filter_map(|it| library.slo(it)) {
        if slo.series.is_none() && named.is_empty() {
            screen.say(&passed_over(slo));
            continue;
        }
        let it = Objective::of(slo, library, |name| TimeZone::get(name).ok());
        objectives.push(it.map_err(|error| Failure::usage(error.to_string()))?);
    }
    if objectives.is_empty() {
        let help = "say in the `sli` of an SLO where it is counted, such as `availability: {bad: …, total: …}`";
        return Err(Failure::usage("no objective is counted on series").help(help));
    }
    Ok(objectives)
}

fn passed_over(slo: &Slo) -> String {
    format!("`{}` is counted on the requests of a load alone, and passed over", slo.name)
}

/// Where the series are, and the moment that is meant.
pub(super) fn source(args: &SourceArgs) -> Result<(Source, Timestamp), Failure> {
    let said = |name| std::env::var(name).ok().filter(|it: &String| !it.is_empty());
    let place = args.source.clone().or_else(|| said("EVENKEEL_SOURCE")).ok_or_else(|| {
        Failure::usage("where the series are is not said").help(
            "name the directory of a store, or the URL of a Prometheus, by `--source` or in EVENKEEL_SOURCE",
        )
    })?;
    let timeout = said("EVENKEEL_SOURCE_TIMEOUT").map(|it| parse_duration(&it)).transpose();
    let access = Access {
        token: said("EVENKEEL_SOURCE_TOKEN"),
        ca: said("EVENKEEL_SOURCE_CA").map(PathBuf::from),
        tenant: said("EVENKEEL_SOURCE_TENANT"),
        timeout: timeout.map_err(|it| Failure::usage(format!("EVENKEEL_SOURCE_TIMEOUT: {it}")))?,
    };
    let source = Source::open(&place, access).map_err(unasked)?;
    let at = args.at.unwrap_or_else(|| SystemClock::start().wall());
    Ok((source, at))
}

/// Why a source gave no answer.
pub(super) fn unasked(error: AskError) -> Failure {
    match error {
        AskError::NoStore(_) | AskError::Query { .. } | AskError::Shape { .. } => {
            Failure::usage(error.to_string())
        }
        AskError::Open(_) | AskError::Damaged(_) | AskError::Remote(_) => {
            Failure::could_not_run(error.to_string())
        }
    }
}
