//! `slo explain`: how what is left of a budget was computed, and who burned it.

use evenkeel_model::diagnostic::in_one_line;
use evenkeel_serve::objectives::{Blame, Judged, Source, blame, judge};
use evenkeel_slo::attribution::{Attribution, By, Cause};
use evenkeel_slo::exclusion::ledger;
use evenkeel_slo::explain::{Explained, account, attribution};
use evenkeel_slo::{Objective, Share, Thresholds};
use serde_json::{Value, json};

use super::asked::{Asked, asked, unasked};
use super::causes::causes;
use super::status::counted;
use crate::args::slo::ExplainArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Explains objectives.
pub(crate) async fn run(args: ExplainArgs, screen: &Screen) -> Result<Exit, Failure> {
    let asked = asked(&args.source, screen)?;
    let causes = causes(&args.went_on, &asked, screen)?;
    let Asked { objectives, source, at, .. } = &asked;
    let mut all = Vec::new();
    for it in objectives {
        let judged = judge(source, it, *at).await.map_err(unasked)?;
        let blame = told_apart(source, it, &judged, &causes, screen).await;
        let standing = &judged.standing;
        let taken_out = ledger(&it.exclusions, it.elapsed(*at), &judged.history);
        let mut tree = account(
            &standing.account,
            Thresholds::default(),
            standing.recent,
            standing.coverage,
            Some(&taken_out),
        );
        let unit = it.asking.unit();
        let told = blame.told.iter();
        tree.inputs.extend(told.map(|(by, told)| attribution(told, by.name(), unit)));
        tree.inputs.extend(judged.queries.iter().map(|it| Explained::given("asked", it.as_str())));
        let why = blame.untold.as_ref();
        tree.notes.extend(why.map(|it| format!("by no label is it told who burned it: {it}")));
        tree.notes.extend(judged.flaw.clone());
        all.push((it, tree, blame));
    }
    let row = |(it, tree, blame): &(&Objective, Explained, Blame)| {
        let told: Vec<_> = blame.told.iter().map(|(by, told)| burned(it, by, told)).collect();
        json!({"name": it.name, "budget": tree, "burned_by": told, "not_told_by_label": blame.untold})
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    screen.show(&json!({"at": at, "objectives": rows}), || {
        all.iter().map(|(it, tree, _)| format!("{}\n{tree}\n", it.name)).collect()
    })?;
    Ok(Exit::OK)
}

/// Who burned it. A server may refuse these questions and answer the others: that is said, and nobody is blamed.
pub(super) async fn told_apart(
    source: &Source,
    of: &Objective,
    judged: &Judged,
    causes: &[Cause],
    screen: &Screen,
) -> Blame {
    blame(source, of, judged, causes).await.unwrap_or_else(|error| {
        let why = in_one_line(&error);
        screen.say(&format!("who burned the budget of `{}` is not known: {why}", of.name));
        Blame { told: Vec::new(), untold: Some(why) }
    })
}

/// Who burned it, as programs read it.
fn burned(of: &Objective, by: &By, told: &Attribution) -> Value {
    let part = |it: &evenkeel_slo::attribution::Culprit| {
        let mut value = json!({"name": it.name, "share_ratio": it.share.get()});
        if let Some(map) = value.as_object_mut() {
            map.extend(counted(of, it.counts));
        }
        value
    };
    let (by, label) = match by {
        By::Label(it) => ("label", Some(it)),
        By::Component => ("component", None),
        By::Cause => ("cause", None),
    };
    let rest = Share::of(told.rest, told.total.bad());
    json!({
        "by": by,
        "label": label,
        "parts": told.culprits.iter().map(part).collect::<Vec<_>>(),
        "rest_ratio": rest.get(),
    })
}
