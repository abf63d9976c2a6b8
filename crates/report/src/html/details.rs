//! Details: the same run by phase and by route, how safe it was, and how to repeat it.

use evenkeel_model::document::{Criterion, Shape, Unit};
use evenkeel_model::outcome::{Figures, GuardFigures, ProbeFigures};
use evenkeel_units::{Bytes, Human};
use maud::{Markup, html};

use super::piece::{self, Card, Column};
use super::view::View;
use crate::figure;
use crate::mark::Tone;

/// By phase.
pub(super) fn phases(view: &View) -> Option<Markup> {
    let phases = &view.outcome.phases;
    if phases.is_empty() {
        return None;
    }
    let mut columns = vec![Column::Words("Phase"), Column::Figures("When")];
    columns.extend(COLUMNS);
    let row = |it: &evenkeel_model::outcome::PhaseFigures| {
        let (from, to) = (it.from.as_secs_f64(), it.to.as_secs_f64());
        let role = Some(it.role.name()).filter(|role| it.name.replace('-', "") != *role);
        let name = html! { span.name { (it.name) @if let Some(role) = role { small { (role) } } } };
        let when = html! { (figure::clock(from)) " to " (figure::clock(to)) };
        [name, when].into_iter().chain(cells(&it.figures)).collect()
    };
    let rows: Vec<_> = phases.iter().map(row).collect();
    Some(section("phases", "Phases", "", piece::table("Phases", &columns, &rows)))
}

/// By route, and what failed how.
pub(super) fn routes(view: &View) -> Option<Markup> {
    let routes = &view.outcome.routes;
    if routes.is_empty() {
        return None;
    }
    let (title, word) = if view.has_load() { ("Routes", "Route") } else { ("Each probe", "Probe") };
    let mut columns = vec![Column::Words(word)];
    columns.extend(COLUMNS);
    columns.push(Column::Words("Errors"));
    let row = |it: &evenkeel_model::outcome::RouteFigures| {
        let name = html! { span.name { (it.name) } };
        let errors = html! { span.name { (errors(&it.figures)) } };
        std::iter::once(name).chain(cells(&it.figures)).chain([errors]).collect()
    };
    let rows: Vec<_> = routes.iter().map(row).collect();
    let timed: Vec<_> = view.outcome.transactions.iter().map(row).collect();
    Some(html! {
        (section("routes", title, "", piece::table(title, &columns, &rows)))
        @if !timed.is_empty() {
            (section("transactions", "Transactions", "without think time", piece::table("Transactions", &columns, &timed)))
        }
    })
}

const COLUMNS: [Column; 8] = [
    Column::Figures("Sent"),
    Column::Figures("Right each second"),
    Column::Figures("Availability"),
    Column::Figures("p50"),
    Column::Figures("p95"),
    Column::Figures("p99"),
    Column::Figures("p99.9"),
    Column::Figures("Longest"),
];

fn cells(it: &Figures) -> [Markup; 8] {
    // Zeros would say that something was asked and nothing came.
    let empty = it.planned == 0 && it.sent == 0;
    let seen = |text: String| if empty { figure::NONE.to_owned() } else { text };
    [
        seen(figure::count(it.sent)),
        seen(figure::rate(it.throughput_per_second)),
        figure::share_or_none(it.availability_ratio),
        figure::time_or_none(it.p50_seconds),
        figure::time_or_none(it.p95_seconds),
        figure::time_or_none(it.p99_seconds),
        figure::time_or_none(it.p999_seconds),
        figure::time_or_none(it.max_seconds),
    ]
    .map(|it| html! { (it) })
}

/// Such as `timeout 1 204 · status 12`.
fn errors(it: &Figures) -> String {
    let mut classes: Vec<_> = it.errors.iter().filter(|(_, count)| **count > 0).collect();
    classes.sort_by(|a, b| b.1.cmp(a.1));
    let each: Vec<_> =
        classes.iter().map(|(name, count)| format!("{name} {}", figure::count(**count))).collect();
    if each.is_empty() { figure::NONE.to_owned() } else { each.join(" · ") }
}

/// Guards and steady state.
pub(super) fn safety(view: &View) -> Option<Markup> {
    let (guards, probes) = (&view.outcome.guards, &view.outcome.steady_state);
    if guards.is_empty() && probes.is_empty() {
        return None;
    }
    let guard_columns = [
        Column::Words("The run stops when"),
        Column::Figures("Worst seen"),
        Column::Words("How near"),
        Column::Words("Result"),
    ];
    let probe_columns = [
        Column::Words("Steady state"),
        Column::Words("Before"),
        Column::Figures("During"),
        Column::Words("After"),
        Column::Words("When it did not hold"),
    ];
    let guards: Vec<_> = guards.iter().map(guard).collect();
    let probes: Vec<_> = probes.iter().map(probe).collect();
    Some(html! {
        div.pair id="safety" {
            @if !guards.is_empty() { (section("", "Guards", "how near the run came to being stopped", piece::table("Guards", &guard_columns, &guards))) }
            @if !probes.is_empty() { (section("", "Steady state", "asked before, during and after", piece::table("Steady state", &probe_columns, &probes))) }
        }
    })
}

fn guard(it: &GuardFigures) -> Vec<Markup> {
    let near = nearness(it);
    let (tone, word) = match it.tripped_at {
        Some(at) => (Tone::Bad, format!("stopped the run at {}", figure::clock(at.as_secs_f64()))),
        None if it.worst.is_empty() => (Tone::Plain, "no data".to_owned()),
        None => (Tone::Good, "never reached".to_owned()),
    };
    let class = match near {
        Some(near) if near >= 1.0 => "bad",
        Some(near) if near >= 0.7 => "warn",
        _ => "ok",
    };
    vec![
        html! { span.mono { (it.condition) } },
        html! { (if it.worst.is_empty() { figure::NONE } else { &it.worst }) },
        html! {
            @match near {
                Some(near) => { (piece::bar(class, near)) " " small { (figure::share((near * 100.0).round() / 100.0)) } },
                None => (figure::NONE),
            }
        },
        piece::pill(tone, &word),
    ]
}

/// How near the worst value came to the limit: 1 is there. Both are read back from what people read,
/// since that is all an outcome keeps; `None` when it says nothing.
fn nearness(it: &GuardFigures) -> Option<f64> {
    let condition = Criterion::parse(&it.condition).ok()?;
    if it.worst == figure::ENDLESS {
        return Some(1.0);
    }
    let worst = format!("{}{}", condition.comparison.symbol(), it.worst);
    let worst = Criterion::parse_limit(condition.metric, &worst).ok()?.limit;
    let ratio = match condition.comparison.wants_less() {
        // Availability below a limit: what is missing to one counts, as it does for errors.
        true if condition.metric.unit() == Unit::Ratio => (1.0 - worst) / (1.0 - condition.limit),
        true => condition.limit / worst,
        false => worst / condition.limit,
    };
    (ratio.is_finite() && ratio >= 0.0).then_some(ratio)
}

fn probe(it: &ProbeFigures) -> Vec<Markup> {
    let held = |it: Option<bool>| match it {
        Some(true) => piece::pill(Tone::Good, "held"),
        Some(false) => piece::pill(Tone::Bad, "did not"),
        None => piece::pill(Tone::Plain, "not asked"),
    };
    vec![
        html! { span.name { (it.question) } },
        held(it.before),
        html! {
            @if it.during_asked == 0 { (figure::NONE) }
            @else { (figure::count(it.during_held)) " of " (figure::count(it.during_asked)) }
        },
        held(it.after),
        html! { span.name { (if it.detail.is_empty() { figure::NONE } else { &it.detail }) } },
    ]
}

/// What it takes to repeat the run, and what it cost.
pub(super) fn run(view: &View) -> Markup {
    let outcome = view.outcome;
    let plan = &outcome.plan;
    let names = |it: Vec<&str>| if it.is_empty() { figure::NONE.to_owned() } else { it.join(", ") };
    let mut facts = vec![
        ("Run", outcome.run.id.clone()),
        ("Started", outcome.run.started.clone()),
        ("Seed", plan.seed.to_string()),
        ("Evenkeel", outcome.run.version.clone()),
        ("Service", plan.service.name.clone()),
        ("Objectives", names(plan.objectives.iter().map(|it| it.name.as_str()).collect())),
        ("Compared with", outcome.baseline_run.clone().unwrap_or_else(|| figure::NONE.to_owned())),
        ("Longest fault", Human(plan.safety.max_duration).to_string()),
    ];
    facts.extend(plan.schedule.iter().map(|it| ("Runs at", it.to_string())));
    facts.extend(plan.monkey.iter().map(|it| {
        ("Left to chance", format!("{} of the runs break something; this one did", it.probability))
    }));
    facts.extend(plan.load.iter().map(|it| ("Load", it.name.clone())));
    facts.extend(plan.phases.iter().filter_map(|it| {
        Some(("Planned phase", format!("{}: {}", it.name, shape(it.shape.as_ref()?))))
    }));
    if let Some(it) = &outcome.footprint {
        facts.extend([
            ("Conducting took", format!("{} of a core", figure::share(it.conducting_cpu_ratio))),
            ("Proxy took", format!("{} of CPU time", Human(it.proxy_cpu))),
            ("Peak memory", Bytes(it.peak_memory_bytes).to_string()),
        ]);
    }
    if let (Some(it), true) = (&outcome.footprint, view.has_load()) {
        facts.push(("Load took", format!("{} of CPU time", Human(it.load_cpu))));
    }
    let body = html! {
        dl.facts { @for (name, fact) in &facts { div { dt { (name) } dd { (fact) } } } }
    };
    section("run", "This run", "the same seed gives the same arrivals, targets and jitter", body)
}

fn shape(it: &Shape) -> String {
    let length = Human(it.length());
    match it {
        Shape::Constant { rate, .. } => format!("{rate} for {length}"),
        Shape::Ramp { from, to, .. } => format!("from {from} to {to} in {length}"),
        Shape::Step { start, step, steps, .. } => {
            format!("{steps} steps of {step} from {start} in {length}")
        }
        Shape::Spike { base, peak, hold, .. } => {
            format!("{base}, {peak} for {}, {length} in all", Human(*hold))
        }
        Shape::Soak { rate, ramp_up, .. } => {
            format!("up to {rate} in {}, {length} in all", Human(*ramp_up))
        }
        Shape::Peak { rate, ramp_up, hold, .. } => {
            format!(
                "up to {rate} in {}, held for {}, {length} in all",
                Human(*ramp_up),
                Human(*hold)
            )
        }
        Shape::Volume { requests, rate } => format!("{requests} requests at {rate}, {length}"),
        Shape::Stages { start, stages } => {
            let lines: Vec<_> = stages.iter().map(|it| it.to.to_string()).collect();
            format!("{start} → {} in {length}", few(&lines))
        }
        Shape::Trace { every, rates } => {
            format!("{} recorded counts of {} each, {length}", rates.len(), Human(*every))
        }
        Shape::Recorded { file, .. } => format!("as recorded in {}", file.as_str()),
        Shape::Max { from, to, hold, precision } => {
            format!("the most between {from} and {to}, {} each, to {precision}", Human(*hold))
        }
        Shape::Users { users, think_time, iterations, .. } => {
            let times = iterations.map(|it| format!(", {it} times each")).unwrap_or_default();
            format!("{users} users who think for {}{times}, {length}", Human(*think_time))
        }
        Shape::UserStages { start, stages, think_time } => {
            let lines: Vec<_> = stages.iter().map(|it| it.to.to_string()).collect();
            let think = Human(*think_time);
            format!("{start} → {} users who think for {think}, {length}", few(&lines))
        }
        Shape::Scale { users, hold, think_time, .. } => {
            let steps: Vec<_> = users.iter().map(u32::to_string).collect();
            let think = Human(*think_time);
            format!("{} users who think for {think}, {} each", few(&steps), Human(*hold))
        }
    }
}

/// The steps of a shape, when they are few; else the first and the last.
fn few(steps: &[String]) -> String {
    match steps {
        [first, .., last] if steps.len() > 6 => format!("{first} → … → {last}"),
        _ => steps.join(" → "),
    }
}

fn section(id: &str, title: &str, note: &str, body: Markup) -> Markup {
    Card { id, title, note: note.to_owned(), legend: html! {}, body }.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_as_near_as_can_be_and_no_data_is_nowhere() {
        let near = |worst: &str| {
            let condition = "p99 > 2s".to_owned();
            nearness(&GuardFigures { condition, worst: worst.to_owned(), tripped_at: None })
        };
        assert_eq!(["no answer", "1s", ""].map(near), [Some(1.0), Some(0.5), None]);
    }
}
