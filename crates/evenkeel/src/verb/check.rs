//! `check`: every error of every document in one run.
//!
//! ```text
//! theirs       files of Kubernetes and of Prometheus among them
//! ```

mod theirs;

use evenkeel_model::{Library, document::Document};
use evenkeel_units::{Clock, Human, SystemClock};

use super::documents::{Found, gather, plural, read};
use crate::args::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Checks documents; exit code 2 when one is wrong.
pub(crate) fn run(args: &CheckArgs, screen: &Screen) -> Result<Exit, Failure> {
    let mut gathered = gather(&args.paths)?;
    let (mut others, mut found) = ((0, 0), Vec::new());
    gathered.keep(|name, bytes| {
        let Some((documents, wrong)) = theirs::check(name, bytes) else { return true };
        others = (others.0 + documents, others.1 + 1);
        found.extend(wrong);
        false
    });
    let Found { library, mut diagnostics, files } = read(gathered);
    diagnostics.extend(found);
    let errors = diagnostics.iter().filter(|it| it.is_error()).count();
    screen.show(&diagnostics, || {
        let mut text = evenkeel_model::render(&diagnostics, screen.color);
        text.push_str(&facts(&library));
        let documents = library.items().iter().filter(|it| !it.is_inline()).count();
        let (read, found) =
            (plural(documents + others.0, "document"), plural(files + others.1, "file"));
        text.push_str(&match (errors, diagnostics.len() - errors) {
            (0, 0) => format!("{read} in {found}: no errors\n"),
            (0, warnings) => format!("{read} in {found}: {}\n", plural(warnings, "warning")),
            (errors, 0) => format!("{found}: {}\n", plural(errors, "error")),
            (errors, warnings) => {
                format!("{found}: {}, {}\n", plural(errors, "error"), plural(warnings, "warning"))
            }
        });
        text
    })?;
    Ok(if errors == 0 { Exit::OK } else { Exit::USAGE })
}

/// What follows from documents and stands in none: when each experiment runs that has times, and how long a failover takes.
fn facts(library: &Library) -> String {
    let now = SystemClock::start().wall();
    let line = |it: &evenkeel_model::library::Item| match it.document() {
        Document::ChaosExperiment(it) => {
            let times = it.schedule.clone()?.in_zone(&it.safety.time_zone);
            let next = times.shown(times.next(now)?);
            Some(format!("{} runs at {times}, next {next}\n", it.name))
        }
        Document::LoadBalancer(it) => {
            let within = Human(it.fails_over_within()?);
            Some(format!("when {} fails, another answers within {within}\n", it.name))
        }
        Document::Patroni(it) => {
            let within = Human(it.elects_within());
            Some(format!(
                "when the leader of {} vanishes, another is elected within {within}\n",
                it.name
            ))
        }
        _ => None,
    };
    library.items().iter().filter_map(line).collect()
}
