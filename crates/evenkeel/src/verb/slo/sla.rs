//! `slo sla`: what is owed by agreements.

use evenkeel_model::document::Sla;
use evenkeel_serve::objectives::{Counting, Source, count};
use evenkeel_slo::sla::{Agreement, Credit};
use evenkeel_slo::{Counts, Interval, Objective, Share, reading};
use evenkeel_units::{Human, Ratio};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::asked::{library, source, unasked};
use super::status::counted;
use crate::args::slo::SourceArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// A period of an agreement, and what it comes to.
struct Period {
    bounds: Interval,
    is_over: bool,
    counting: Counting,
    /// `None` without data.
    credit: Option<Credit>,
}

/// Shows what is owed.
pub(crate) async fn run(args: SourceArgs, screen: &Screen) -> Result<Exit, Failure> {
    let library = library(&args.files, screen)?;
    let wrong = |error: reading::ReadingError| Failure::usage(error.to_string());
    let zones = |name: &str| TimeZone::get(name).ok();
    let is_meant = |it: &&Sla| args.slo.is_empty() || args.slo.contains(&it.slo);
    let meant: Vec<_> = library.slas().filter(is_meant).collect();
    if meant.is_empty() {
        let help = "an agreement is a document of `kind: SLA`";
        return Err(Failure::usage("there is no agreement about these objectives").help(help));
    }
    let (source, at) = source(&args)?;
    let mut all = Vec::new();
    for sla in meant {
        let missing = || Failure::usage(format!("there is no objective `{}`", sla.slo));
        let slo = library.slo(&sla.slo).ok_or_else(missing)?;
        let objective = Objective::of(slo, &library, zones).map_err(wrong)?;
        let objective = objective.agreed(sla, zones).map_err(wrong)?;
        let agreement = reading::agreement(sla).map_err(wrong)?;
        all.push((sla, periods(&source, &objective, &agreement, at).await?, objective));
    }
    let row = |(sla, periods, objective): &(&Sla, Vec<Period>, Objective)| {
        let periods: Vec<_> = periods.iter().map(|it| row(objective, it)).collect();
        json!({
            "name": sla.name,
            "customer": sla.customer,
            "slo": sla.slo,
            "periods": periods,
        })
    };
    let value = json!({"at": at, "agreements": all.iter().map(row).collect::<Vec<_>>()});
    screen.show(&value, || {
        all.iter().map(|(sla, periods, _)| shown(sla, periods)).collect::<Vec<_>>().join("\n")
    })?;
    let periods = || all.iter().flat_map(|it| &it.1);
    let is_owed = |it: &Period| it.credit.is_some_and(|it| it.credit > Ratio::ZERO);
    Ok(match (periods().any(is_owed), periods().any(|it| it.credit.is_none())) {
        (true, _) => Exit::FAILED,
        (false, true) => Exit::INCONCLUSIVE,
        (false, false) => Exit::OK,
    })
}

/// The period that is over, where the calendar has one, and the one that goes on.
async fn periods(
    source: &Source,
    of: &Objective,
    agreement: &Agreement,
    at: Timestamp,
) -> Result<Vec<Period>, Failure> {
    let last = of.window.last(at).map(|it| (it, it, true));
    let mut all = Vec::new();
    for (bounds, passed, is_over) in
        last.into_iter().chain([(of.window.bounds(at), of.elapsed(at), false)])
    {
        let counting = count(source, of, passed).await.map_err(unasked)?;
        let credit = counting.counts.and_then(|it| agreement.credit(it));
        all.push(Period { bounds, is_over, counting, credit });
    }
    Ok(all)
}

fn row(of: &Objective, it: &Period) -> Value {
    let coverage = it.counting.history.coverage(it.bounds);
    let excluded = it.bounds.length().saturating_sub(of.counted_of(it.bounds).length());
    let mut value = json!({
        "from": it.bounds.from,
        "to": it.bounds.to,
        "is_over": it.is_over,
        "attainment_ratio": it.credit.map(|it| it.measured.get()),
        "tier": it.credit.map(|it| json!({
            "from_ratio": Share::from(it.from).get(),
            "below_ratio": it.below.map(|it| Share::from(it).get()),
        })),
        "credit_ratio": it.credit.map(|it| Share::from(it.credit).get()),
        "coverage_ratio": coverage.present.as_secs_f64() / coverage.of.as_secs_f64().max(1e-3),
        "excluded_seconds": excluded.as_secs_f64(),
        "note": it.counting.flaw,
    });
    if let Some(map) = value.as_object_mut() {
        map.extend(counted(of, it.counting.counts.unwrap_or_default()));
    }
    value
}

fn shown(sla: &Sla, periods: &[Period]) -> String {
    let customer = sla.customer.as_ref().map(|it| format!(", {it}")).unwrap_or_default();
    let mut text = format!("{} ({}{customer})\n", sla.name, sla.slo);
    for it in periods {
        let Interval { from, to } = it.bounds;
        let present = Human(it.counting.history.coverage(it.bounds).present);
        let so_far = if it.is_over { "" } else { " so far" };
        let owed = match it.credit.map(|it| (it, it.below)) {
            None => "no data".to_owned(),
            Some((_, None)) => format!("nothing is owed{so_far}"),
            Some((credit, Some(below))) => {
                format!("{} is owed{so_far}, for {} to below {below}", credit.credit, credit.from)
            }
        };
        text += &format!("  {from:.0} to {to:.0}  {owed}\n");
        text += &format!(
            "    {}, {present} of {} present\n",
            cut(it.counting.counts),
            Human(it.bounds.length())
        );
        text.extend(it.counting.flaw.iter().map(|it| format!("    {it}\n")));
    }
    text
}

/// A share for people, cut and not rounded: what is below an edge is not shown as the edge.
fn cut(of: Option<Counts>) -> String {
    let Some(of) = of.filter(|it| it.total > 0) else { return "nothing was counted".to_owned() };
    let parts = u128::from(of.good) * 1_000_000 / u128::from(of.total);
    format!("{}.{:04} % reached", parts / 10_000, parts % 10_000)
}
