//! API: the HTTP API of Prometheus, version 1.
//!
//! ```text
//! asked   what a request asks: parameters of a URL and of a form, moments, durations, selectors
//! answer  how it is answered: the envelope, errors by their type
//! json    texts, numbers and series as JSON, byte for byte as Prometheus writes them
//! query   query, query_range, parse_query, format_query
//! series  series, labels, label/…/values, metadata
//! status  status/…, targets
//! rules   rules and alerts
//! ```
//!
//! All of it are functions of a snapshot, the parameters and the moment; who calls them, in what thread and for how
//! long, is a matter of the server.

pub(crate) mod answer;
pub(crate) mod asked;
mod json;
mod query;
mod rules;
mod series;
mod status;

use evenkeel_promql::Cancel;
use evenkeel_units::Clock;

use self::answer::{Failed, Said};
use self::asked::Asked;
use crate::server::World;

/// Whether a path is asked of this.
pub(crate) fn is_here(path: &str) -> bool {
    path.starts_with("/api/v1/")
}

/// Answers a request of the API: what stands behind `/api/v1/`, and its parameters.
pub(crate) fn answer<C: Clock>(
    world: &World<C>,
    path: &str,
    asked: &Asked,
    cancel: &Cancel,
) -> Result<Said, Failed> {
    match path {
        "query" => query::instant(world, asked, cancel),
        "query_range" => query::range(world, asked, cancel),
        "parse_query" => query::parse(asked),
        "format_query" => query::format(asked),
        "series" => series::series(world, asked),
        "labels" => series::labels(world, asked),
        "metadata" => series::metadata(world, asked),
        "status/buildinfo" => Ok(status::build()),
        "status/runtimeinfo" => Ok(status::runtime(world)),
        "status/flags" => Ok(status::flags(world)),
        "status/config" => Ok(status::config(world)),
        "status/tsdb" => status::store(world, asked),
        "targets" => Ok(status::targets(world, asked)),
        "rules" => rules::rules(world, asked),
        "alerts" => Ok(rules::alerts(world)),
        "alertmanagers" => Ok(status::alertmanagers(world)),
        "query_exemplars" => query::exemplars(asked),
        _ => match path.strip_prefix("label/").and_then(|it| it.strip_suffix("/values")) {
            Some(name) => series::values(world, asked, name),
            None => Err(Failed::not_found(format!("there is no /api/v1/{path} here"))),
        },
    }
}
