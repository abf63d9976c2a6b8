//! `slo explain`: how what is left of a budget was computed.

use evenkeel_serve::objectives::judge;
use evenkeel_slo::Thresholds;
use evenkeel_slo::exclusion::ledger;
use evenkeel_slo::explain::{Explained, account};
use serde_json::json;

use super::asked::{library, objectives, source, unasked};
use crate::args::slo::SourceArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Explains objectives.
pub(crate) async fn run(args: SourceArgs, screen: &Screen) -> Result<Exit, Failure> {
    let library = library(&args.files, screen)?;
    let objectives = objectives(&library, &args.slo, screen)?;
    let (source, at) = source(&args)?;
    let mut all = Vec::new();
    for it in &objectives {
        let judged = judge(&source, it, at).await.map_err(unasked)?;
        let standing = &judged.standing;
        let taken_out = ledger(&it.exclusions, it.elapsed(at), &judged.history);
        let mut tree = account(
            &standing.account,
            Thresholds::default(),
            standing.recent,
            standing.coverage,
            Some(&taken_out),
        );
        tree.inputs.extend(judged.queries.iter().map(|it| Explained::given("asked", it.as_str())));
        tree.notes.extend(judged.flaw.clone());
        all.push((it, tree));
    }
    let rows: Vec<_> =
        all.iter().map(|(it, tree)| json!({"name": it.name, "budget": tree})).collect();
    screen.show(&json!({"at": at, "objectives": rows}), || {
        all.iter().map(|(it, tree)| format!("{}\n{tree}\n", it.name)).collect()
    })?;
    Ok(Exit::OK)
}
