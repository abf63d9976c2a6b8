//! Live: what is shown while a run is under way.
//!
//! A pure picture of a moment. Whoever knows the terminal redraws it in place, once a second;
//! without a terminal, [`quiet_line`] says the same in one line every ten seconds.

use std::time::Duration;

use evenkeel_units::Human;

use crate::figure;

/// The most lines of a picture.
pub const LINES: usize = 12;
/// Faults and guards shown; more are counted.
const SHOWN: usize = 3;

/// A run at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveView {
    /// Name of the drill.
    pub drill: String,
    /// Name of the phase under way, or what is being done beside the load, such as `preparing`.
    pub phase: String,
    /// Load has been sent for this long.
    pub elapsed: Duration,
    /// Load will be sent for this long.
    pub length: Duration,
    /// Every phase.
    pub phases: Vec<LivePhase>,
    /// Arrivals that were due in the last second.
    pub planned_per_second: f64,
    /// Requests answered right in the last second.
    pub achieved_per_second: f64,
    /// Median response time in the last second.
    pub p50: Option<Duration>,
    /// 99th percentile in the last second.
    pub p99: Option<Duration>,
    /// Share of requests that failed in the last second; `None` without any.
    pub error_ratio: Option<f64>,
    /// Requests under way.
    pub in_flight: u64,
    /// Faults that act now.
    pub faults: Vec<LiveFault>,
    /// The abort conditions.
    pub guards: Vec<LiveGuard>,
    /// The budget that has lost most, when an objective has one.
    pub budget: Option<LiveBudget>,
    /// Requests answered right in each of the last seconds, the latest last.
    pub history: Vec<f64>,
}

/// A phase on the bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePhase {
    /// Its name.
    pub name: String,
    /// When it begins, after the start of the load.
    pub from: Duration,
    /// When it ends.
    pub to: Duration,
}

/// A fault that acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveFault {
    /// What and where.
    pub label: String,
    /// When it will be taken back; `None` for one that acts once.
    pub remaining: Option<Duration>,
}

/// An abort condition and how near it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveGuard {
    /// The condition, for people.
    pub condition: String,
    /// The value now, for people.
    pub value: String,
    /// From 0, all is well, to 1, the run is stopped; `None` without data.
    pub closeness: Option<f64>,
}

/// What an error budget has lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveBudget {
    /// Name of the objective.
    pub objective: String,
    /// Share of the allowance of this run that was used; above 1 when overspent.
    pub spent_ratio: f64,
}

impl LiveGuard {
    /// How near it is, from 0 to 1; below 0 without data.
    fn rank(&self) -> f64 {
        self.closeness.filter(|it| !it.is_nan()).map_or(-1.0, |it| it.clamp(0.0, 1.0))
    }
}

const OFF: &str = "\u{1b}[0m";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const BLUE: &str = "\u{1b}[36m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const RED: &str = "\u{1b}[31m";

/// Columns that a line of a picture takes on a terminal; its colours take none.
pub fn columns(line: &str) -> usize {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().map_or(0, figure::columns);
    // A colour ends with the first letter behind its escape.
    let rest = parts.filter_map(|it| it.split_once('m')).map(|(_, text)| figure::columns(text));
    first + rest.sum::<usize>()
}

/// The picture, at most 12 lines of at most `width` columns.
pub fn render(view: &LiveView, width: usize, color: bool) -> Vec<String> {
    let mut lines = vec![head(view), bar(view, width)];
    lines.push(names(view, width));
    let mut load = vec![
        (DIM, "load    ".to_owned()),
        (BOLD, figure::rate(view.achieved_per_second)),
        ("", format!(" of {}  ", figure::rate(view.planned_per_second))),
    ];
    let used: usize = load.iter().map(|(_, it)| figure::columns(it)).sum();
    load.push((BLUE, sparkline(&view.history, width.saturating_sub(used).min(60))));
    lines.push(load);
    lines.push(vec![
        (DIM, "latency ".to_owned()),
        ("", format!("p50 {}  ", time(view.p50))),
        (BOLD, format!("p99 {}", time(view.p99))),
    ]);
    let tone = match view.error_ratio {
        Some(it) if it > 0.0 => RED,
        Some(_) => GREEN,
        None => "",
    };
    lines.push(vec![
        (DIM, "errors  ".to_owned()),
        (tone, figure::share_or_none(view.error_ratio)),
        ("", format!("  {} in flight", figure::count(view.in_flight))),
    ]);
    lines.extend(faults(view));
    lines.extend(guards(view, width));
    if let Some(it) = &view.budget {
        let tone = if it.spent_ratio > 1.0 { RED } else { "" };
        lines.push(vec![
            (DIM, "budget  ".to_owned()),
            (tone, format!("{} spent", figure::share(it.spent_ratio))),
            (DIM, format!("  {}", it.objective)),
        ]);
    }
    lines.truncate(LINES);
    lines.into_iter().map(|it| painted(it, width, color)).collect()
}

/// The run at a moment in one line.
pub fn quiet_line(view: &LiveView) -> String {
    let mut parts = vec![
        format!("{} of {}", clock(view.elapsed), clock(view.length)),
        view.phase.clone(),
        format!(
            "{} of {}",
            figure::rate(view.achieved_per_second),
            figure::rate(view.planned_per_second)
        ),
        format!("p50 {} p99 {}", time(view.p50), time(view.p99)),
        format!("errors {}", figure::share_or_none(view.error_ratio)),
    ];
    if !view.faults.is_empty() {
        let labels: Vec<_> = view.faults.iter().map(|it| it.label.as_str()).collect();
        parts.push(format!("active: {}", labels.join(", ")));
    }
    let nearest = view.guards.iter().max_by(|a, b| a.rank().total_cmp(&b.rank()));
    if let Some(guard) = nearest.filter(|it| it.rank() >= 0.5) {
        parts.push(format!("near {} (now {})", guard.condition, guard.value));
    }
    parts.join(" · ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

type Pieces = Vec<(&'static str, String)>;

/// Pieces with their styles as one line, cut to the width.
fn painted(pieces: Pieces, width: usize, color: bool) -> String {
    let mut left = width;
    let mut line = String::new();
    for (style, text) in pieces {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = figure::cut(&text, left);
        left -= figure::columns(&text);
        match color && !style.is_empty() {
            true => line.extend([style, &text, OFF]),
            false => line.push_str(&text),
        }
    }
    line.trim_end().to_owned()
}

fn head(view: &LiveView) -> Pieces {
    vec![
        (BOLD, view.drill.clone()),
        (BLUE, format!("  {}", view.phase)),
        (DIM, format!("  {} of {}", clock(view.elapsed), clock(view.length))),
    ]
}

/// Where a moment lies on a bar of so many cells.
fn cell(at: Duration, length: Duration, width: usize) -> usize {
    let share = at.as_secs_f64() / length.as_secs_f64().max(0.001);
    ((share * width as f64).round() as usize).min(width)
}

fn bar(view: &LiveView, width: usize) -> Pieces {
    let done = cell(view.elapsed, view.length, width);
    let begins: Vec<_> =
        view.phases.iter().skip(1).map(|it| cell(it.from, view.length, width)).collect();
    let draw = |at: usize| match (begins.contains(&at), at < done) {
        (true, _) => '┃',
        (false, true) => '━',
        (false, false) => '─',
    };
    vec![(GREEN, (0..done).map(draw).collect()), (DIM, (done..width).map(draw).collect())]
}

/// Names below the bar, each where its phase begins, as far as they fit.
fn names(view: &LiveView, width: usize) -> Pieces {
    let mut line: Pieces = Vec::new();
    let mut used = 0;
    for it in &view.phases {
        let (from, to) = (cell(it.from, view.length, width), cell(it.to, view.length, width));
        let name = figure::cut(&it.name, to.saturating_sub(from.max(used) + 1));
        if figure::columns(&name) < 2 {
            continue;
        }
        let gap = from.saturating_sub(used);
        used += gap + figure::columns(&name);
        let style = if it.name == view.phase { BOLD } else { DIM };
        line.extend([("", " ".repeat(gap)), (style, name)]);
    }
    line
}

fn faults(view: &LiveView) -> Vec<Pieces> {
    let line = |(index, it): (usize, &LiveFault)| {
        let left = it.remaining.map_or(" (acted)".to_owned(), |it| format!("  {} left", clock(it)));
        vec![
            (DIM, if index == 0 { "faults  " } else { "        " }.to_owned()),
            (RED, format!("● {}", it.label)),
            ("", left),
        ]
    };
    let shown = most(view.faults.len());
    let mut lines: Vec<Pieces> = view.faults.iter().take(shown).enumerate().map(line).collect();
    lines.extend(more(view.faults.len() - shown));
    lines
}

fn guards(view: &LiveView, width: usize) -> Vec<Pieces> {
    let mut sorted: Vec<&LiveGuard> = view.guards.iter().collect();
    sorted.sort_by(|a, b| b.rank().total_cmp(&a.rank()));
    let shown = most(sorted.len()).min((LINES - 7).saturating_sub(faults(view).len()));
    let name =
        sorted.iter().take(shown).map(|it| figure::columns(&it.condition)).max().unwrap_or(0);
    let name = name.min(width / 2);
    let line = |(index, it): (usize, &&LiveGuard)| {
        let full = (it.rank().max(0.0) * 10.0).round() as usize;
        let style = match it.rank() {
            c if c < 0.0 => DIM,
            c if c >= 0.8 => RED,
            c if c >= 0.5 => YELLOW,
            _ => GREEN,
        };
        let condition = figure::cut(&it.condition, name);
        let gap = " ".repeat(name - figure::columns(&condition));
        vec![
            (DIM, if index == 0 { "guards  " } else { "        " }.to_owned()),
            ("", format!("{condition}{gap}  ")),
            (style, format!("{}{}", "▰".repeat(full), "▱".repeat(10 - full))),
            ("", format!("  {}", it.value)),
        ]
    };
    sorted.iter().take(shown).enumerate().map(line).collect()
}

/// How many of a list are shown, so that there is room to say how many more there are.
const fn most(count: usize) -> usize {
    if count > SHOWN { SHOWN - 1 } else { count }
}

fn more(count: usize) -> Option<Pieces> {
    (count > 0).then(|| vec![(DIM, format!("        and {count} more"))])
}

/// The latest values as blocks, from nothing to the highest.
fn sparkline(values: &[f64], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(width)..];
    let most = shown.iter().copied().filter(|it| it.is_finite()).fold(0.0, f64::max);
    let block = |it: &f64| match most > 0.0 && it.is_finite() {
        true => BLOCKS[((it / most * 7.0).round() as usize).min(7)],
        false => BLOCKS[0],
    };
    shown.iter().map(block).collect()
}

fn time(it: Option<Duration>) -> String {
    it.map_or_else(|| figure::NONE.to_owned(), |it| Human(it).to_string())
}

fn clock(it: Duration) -> String {
    figure::clock(it.as_secs_f64())
}
