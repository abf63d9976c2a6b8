//! `schema` and `explain`: the manual for editors and for people.

use serde_json::json;

use super::documents::resilience;
use crate::args::{ExplainArgs, SchemaArgs};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Prints the JSON Schema of documents, of one kind, or of `report.json`.
pub(crate) fn run(args: &SchemaArgs, screen: &Screen) -> Result<Exit, Failure> {
    let schema = match args.kind.as_deref() {
        Some(kind) if kind.eq_ignore_ascii_case("report") => Some(evenkeel_report::json::schema()),
        kind => evenkeel_model::schema(kind),
    };
    let mut schema = schema.ok_or_else(|| {
        Failure::usage(format!("there is no kind `{}`", args.kind.as_deref().unwrap_or_default()))
            .help("use Service, SLO, AlertPolicy, ErrorBudgetPolicy, SLA, LoadTest, ChaosExperiment, Drill, GameDay, Resilience or Report")
    })?;
    resilience::describe(&mut schema);
    let text = serde_json::to_string_pretty(&schema).map_err(|it| Failure::bug(it.to_string()))?;
    screen.print(&text)?;
    Ok(Exit::OK)
}

/// Explains a code of `check`.
pub(crate) fn explain(args: &ExplainArgs, screen: &Screen) -> Result<Exit, Failure> {
    let text = evenkeel_model::explain(&args.code).ok_or_else(|| {
        Failure::usage(format!("there is no code `{}`", args.code))
            .help("`evenkeel check` prints the codes of its findings")
    })?;
    screen.show(&json!({"code": args.code, "explanation": text}), || text.to_owned())?;
    Ok(Exit::OK)
}
