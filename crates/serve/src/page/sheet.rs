//! Sheet: what a page shows of an objective, asked of a source.

use std::time::Duration;

use evenkeel_model::Library;
use evenkeel_report::slo::Sheet;
use evenkeel_slo::asking::SLICE;
use evenkeel_slo::attribution::{Attribution, Cause, Kind};
use evenkeel_slo::backtest::{Firing, replay};
use evenkeel_slo::burn::Severity;
use evenkeel_slo::gate::Request;
use evenkeel_slo::reading::ReadingError;
use evenkeel_slo::{Budget, Charter, Counts, History, Interval, Objective};
use jiff::Timestamp;

use crate::objectives::{AskError, Judged, Source, history};

/// A window is drawn by so many slices: enough for a month of five minutes.
const SLICES: u32 = 8_640;
/// The slices of a window that has only just begun to have data.
const FINEST: Duration = Duration::from_mins(1);
/// Pages that are shown as incidents, the last ones.
const PAGES_MAX: usize = 12;

/// What is known of an objective beside its series.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What its document says of it.
    pub description: Option<String>,
    /// What is done as its budget goes.
    pub charter: Charter,
    /// Deploys, drills and incidents that somebody knows of.
    pub causes: Vec<Cause>,
    /// Bad events told apart by labels: the name of the label, and who they were of.
    pub by_label: Vec<(String, Attribution)>,
    /// Where it is counted, for people.
    pub source: String,
}

impl Known {
    /// What documents say of an objective.
    ///
    /// # Errors
    /// When the levels of its policy contradict each other.
    pub fn of(library: &Library, objective: &Objective) -> Result<Self, ReadingError> {
        let document = library.slo(&objective.name);
        Ok(Self {
            description: document.and_then(|it| it.description.clone()),
            charter: Charter::of(library.error_budget_policies(), objective)?,
            ..Self::default()
        })
    }
}

/// What a page shows of an objective that was judged: asks for the course of its window.
///
/// # Errors
/// When the source does not answer.
pub async fn sheet(
    source: &Source,
    of: &Objective,
    known: Known,
    judged: Judged,
) -> Result<Sheet, AskError> {
    let course = course(source, of, &judged).await?;
    Ok(sheet_of(of, known, judged, course))
}

/// What a page shows of an objective that was judged, and whose window went like this.
pub(crate) fn sheet_of(of: &Objective, known: Known, judged: Judged, course: History) -> Sheet {
    let at = judged.standing.account.at;
    let mut causes = known.causes;
    // What somebody has given a name is not told again by the page that it caused.
    let known_of = |page: &Cause| causes.iter().any(|it| it.time.meets(page.time));
    let unknown: Vec<_> = pages(of, &course, at).into_iter().filter(|it| !known_of(it)).collect();
    causes.extend(unknown);
    let request = Request { kind: "normal", reason: None, who: None, at };
    Sheet {
        objective: of.clone(),
        description: known.description,
        decision: known.charter.decide(request, &judged.standing),
        charter: known.charter,
        standing: judged.standing,
        history: course,
        causes,
        by_label: known.by_label,
        queries: judged.queries,
        flaw: judged.flaw,
        source: known.source,
    }
}

/// The course of a window in the slices that it was judged by, as far as they lie in it.
pub(crate) fn coarse(of: &Objective, judged: &Judged) -> History {
    let passed = of.elapsed(judged.standing.account.at);
    let excluded = of.exclusions.iter().flat_map(|it| it.within(passed)).collect();
    let filled = judged.history.filled(of.asking.gaps(), of.asking.unit());
    filled.without(&excluded)
}

/// The same from where there is data on, and in finer slices where the samples are close enough.
pub(crate) async fn course(
    source: &Source,
    of: &Objective,
    judged: &Judged,
) -> Result<History, AskError> {
    let coarse = coarse(of, judged);
    let passed = of.elapsed(judged.standing.account.at);
    let has_data = |(slice, counts): (Interval, Option<_>)| counts.map(|_: Counts| slice.from);
    let begun = coarse.slices().find_map(has_data).unwrap_or(passed.from).max(passed.from);
    // A window of which half has no data yet is drawn from its first data on.
    let is_young = Interval::new(begun, passed.to).length() < passed.length() / 2;
    let shown = if is_young { Interval::new(begun, passed.to) } else { passed };
    let usual = SLICE.max(shown.length() / SLICES);
    let slice = if is_young { usual.min(FINEST.max(shown.length() / SLICES)) } else { usual };
    if coarse.slice() <= slice && !is_young {
        return Ok(coarse);
    }
    let fine = history(source, of, shown, slice).await?;
    let (fine, coarse) = (begun_with_data(fine, is_young), begun_with_data(coarse, is_young));
    // A slice that is shorter than it takes from one sample to the next has no increase.
    let present = |it: &History| it.coverage(shown).present;
    let is_dense = present(&fine).saturating_mul(4) >= fine.bounds().length().saturating_mul(3);
    let is_as_good = present(&fine).saturating_mul(4) >= present(&coarse).saturating_mul(3);
    Ok(if is_dense || is_as_good { fine } else { coarse })
}

/// The same without what lies before the first data, of a window that is drawn from there.
fn begun_with_data(of: History, is_young: bool) -> History {
    let slices: Vec<_> = of.slices().skip_while(|it| it.1.is_none()).collect();
    let Some(first) = slices.first().filter(|_| is_young) else { return of };
    let counts = slices.iter().map(|it| it.1).collect();
    History::new(first.0.from, of.slice(), counts).unwrap_or(of)
}

/// The pages that the alerts of an objective would have sent, as incidents: while its budget burned as fast as it takes.
fn pages(of: &Objective, history: &History, at: Timestamp) -> Vec<Cause> {
    let passed = of.elapsed(at);
    let fired = replay(of.promise, &of.burn, history);
    let mut pages: Vec<(String, Interval)> = Vec::new();
    let is_silent = |it: &Firing| it.inhibited && of.inhibits;
    for it in fired.iter().filter(|it| it.severity == Severity::Page && !is_silent(it)) {
        let Some(rule) = of.burn.get(it.rule) else { continue };
        let from = it.time.from.checked_sub(rule.long).unwrap_or(it.time.from);
        let told = Interval::new(from, it.time.to).common(passed);
        let burns = |counts: Option<Counts>| {
            let budget = counts.map(|counts| Budget { objective: of.promise, counts });
            budget.and_then(Budget::burn_rate).is_some_and(|it| it > rule.factor)
        };
        let within = history.slices().filter(|it| it.0.meets(told) && burns(it.1)).map(|it| it.0);
        let burned = within.reduce(|all, it| Interval::new(all.from, it.to));
        let time = burned.unwrap_or(it.time).common(passed);
        match pages.last_mut().filter(|last| last.1.meets(time)) {
            Some(last) => last.1.to = last.1.to.max(time.to),
            None => pages.push((rule.name.clone(), time)),
        }
    }
    let first = pages.len().saturating_sub(PAGES_MAX);
    let page = |(n, (name, time)): (usize, (String, Interval))| Cause {
        kind: Kind::Incident,
        // Each has a name of its own.
        name: if n == 0 { name } else { format!("{name} ({})", n + 1) },
        time,
    };
    pages.into_iter().skip(first).enumerate().map(page).collect()
}
