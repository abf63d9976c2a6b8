//! Asked: which objectives are meant, and where they are counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use evenkeel_drill::folder::JOURNAL;
use evenkeel_drill::{Run, journal};
use evenkeel_model::Library;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::Slo;
use evenkeel_serve::objectives::{Access, AskError, Recorded, Source};
use evenkeel_slo::Objective;
use evenkeel_units::{Clock, SystemClock, parse_duration};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::slo::SourceArgs;
use crate::exit::Failure;
use crate::screen::Screen;
use crate::verb::documents::{gather, read, refuse_errors};

/// What is asked of which source.
pub(super) struct Asked {
    /// The documents.
    pub(super) library: Library,
    /// The objectives that are meant.
    pub(super) objectives: Vec<Objective>,
    /// Where they are counted.
    pub(super) source: Source,
    /// As of when.
    pub(super) at: Timestamp,
    /// The run that is the source, where one is.
    pub(super) run: Option<Run>,
}

/// What the arguments ask for: objectives on series, or on the requests of a run.
pub(super) fn asked(args: &SourceArgs, screen: &Screen) -> Result<Asked, Failure> {
    let library = library(&args.files, screen)?;
    let journal = Path::new(&place(args)?).join(JOURNAL);
    if !journal.is_file() {
        let objectives = objectives(&library, &args.slo, screen)?;
        let (source, at) = source(args)?;
        return Ok(Asked { library, objectives, source, at, run: None });
    }
    let run =
        journal::read(&journal).map_err(|error| Failure::could_not_run(in_one_line(&error)))?;
    let no_load = || Failure::could_not_run(format!("the run {} sent no load", run.head.id));
    let time = run.time().ok_or_else(no_load)?;
    let (mut objectives, mut histories) = (Vec::new(), BTreeMap::new());
    for slo in named(&library, &args.slo)? {
        match Objective::of_requests(slo, &library, |name| TimeZone::get(name).ok()) {
            Ok(it) => objectives.push(it),
            Err(error) if args.slo.is_empty() => {
                screen.say(&format!("passed over: {error}"));
                continue;
            }
            Err(error) => return Err(Failure::usage(error.to_string())),
        }
        let unreadable = |it| Failure::could_not_run(in_one_line(&it));
        let history = run.history(slo).map_err(unreadable)?;
        let routes = run.history_by_route(slo).map_err(unreadable)?;
        histories.extend(history.map(|all| (slo.name.clone(), Recorded { all, routes })));
    }
    if objectives.is_empty() {
        return Err(Failure::usage("no objective is counted by requests"));
    }
    let (source, at) = (Source::Record(histories), args.at.unwrap_or(time.to));
    Ok(Asked { library, objectives, source, at, run: Some(run) })
}

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
    let mut objectives = Vec::new();
    for slo in self::named(library, named)? {
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

/// The objectives that are named, or all.
fn named<'a>(library: &'a Library, named: &[String]) -> Result<Vec<&'a Slo>, Failure> {
    let all = library.slos();
    if let Some(missing) = named.iter().find(|it| !all.contains(&it.as_str())) {
        let help = format!("there is {}", all.join(", "));
        return Err(Failure::usage(format!("there is no objective `{missing}`")).help(help));
    }
    let meant = |it: &&&str| named.is_empty() || named.iter().any(|name| name == **it);
    Ok(all.iter().filter(meant).filter_map(|it| library.slo(it)).collect())
}

fn passed_over(slo: &Slo) -> String {
    format!("`{}` is counted on the requests of a load alone, and passed over", slo.name)
}

/// An environment variable that says something.
fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}

/// Where the series are, as it was said.
pub(super) fn place(args: &SourceArgs) -> Result<String, Failure> {
    args.source.clone().or_else(|| said("EVENKEEL_SOURCE")).ok_or_else(|| {
        Failure::usage("where the series are is not said").help(
            "name the directory of a store or of a run, or the URL of a Prometheus, by `--source` or in EVENKEEL_SOURCE",
        )
    })
}

/// Where the series are, and the moment that is meant.
pub(super) fn source(args: &SourceArgs) -> Result<(Source, Timestamp), Failure> {
    let place = place(args)?;
    if Path::new(&place).join(JOURNAL).is_file() {
        return Err(Failure::usage(format!("`{place}` is a run, which has no series"))
            .help("`slo status`, `explain`, `backtest` and `gate` count the requests of a run"));
    }
    let timeout = said("EVENKEEL_SOURCE_TIMEOUT").map(|it| parse_duration(&it)).transpose();
    let access = Access {
        token: said("EVENKEEL_SOURCE_TOKEN"),
        ca: said("EVENKEEL_SOURCE_CA").map(PathBuf::from),
        tenant: said("EVENKEEL_SOURCE_TENANT"),
        timeout: timeout.map_err(|it| {
            Failure::usage(format!("EVENKEEL_SOURCE_TIMEOUT: {}", it.problem)).help(it.help)
        })?,
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
