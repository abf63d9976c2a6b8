//! Oracle: what another breaker did, call by call, against what ours does.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use evenkeel_resilience::breaker::{
    Breaker, Outcome, Policy, Slow, Snapshot, State, Ticket, Trials, Wait, Window,
};
use evenkeel_units::{Moment, Ratio};
use flate2::read::GzDecoder;

/// What went as recorded, and what did not.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Open indices and traces without a difference.
    pub(crate) indices: usize,
    pub(crate) traces: usize,
    /// What differs, and where.
    pub(crate) failures: Vec<String>,
}

/// Replays all that a folder has.
pub(crate) fn replay(folder: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for name in ["open_index_2000.txt.gz", "open_index_minwin_2000.txt.gz"] {
        for (number, line) in text(&folder.join(name))?.lines().enumerate() {
            let at = || format!("{name}:{}", number + 1);
            match index(line).with_context(at)? {
                None => tally.indices += 1,
                Some(difference) => tally.failures.push(format!("{}: {difference}", at())),
            }
        }
    }
    let name = "clean_traces.txt.gz";
    let text = text(&folder.join(name))?;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, head)) = lines.next() {
        let mut trace = Trace::new(head).with_context(|| format!("{name}:{}", number + 1))?;
        let mut difference = None;
        while let Some((number, line)) = lines.next_if(|it| !it.1.starts_with("T ")) {
            let at = || format!("{name}:{}", number + 1);
            let found = trace.step(line).with_context(at)?;
            difference = difference.or(found.map(|it| format!("{}: {it}", at())));
        }
        match difference {
            None => tally.traces += 1,
            Some(difference) => tally.failures.push(difference),
        }
    }
    Ok(tally)
}

fn text(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text)?;
    Ok(text)
}

/// One sequence of outcomes. What differs, if anything.
fn index(line: &str) -> Result<Option<String>> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [window, min, percent, index, calls] = fields[..] else { bail!("not five fields") };
    let window: u32 = window.parse()?;
    let breaker = Breaker::seeded(
        Policy {
            failures: Some(Ratio::percent(percent.parse()?)),
            slow: None,
            window: Window::Calls(window),
            // As resilience4j has it: where more are wanted than the window has, a full one is enough.
            min_calls: min.parse::<u32>()?.min(window),
            ..Policy::default()
        },
        0,
    )?;
    let now = Moment::START;
    let mut opened = -1;
    for (number, call) in (0i64..).zip(calls.chars()) {
        let ticket = breaker.admit(now)?;
        breaker.record(now, ticket, Outcome::from_ok(call == '.'));
        if breaker.state() == State::Open {
            opened = number;
            break;
        }
    }
    let wanted: i64 = index.parse()?;
    Ok((opened != wanted).then(|| format!("opens at {opened} and not at {wanted}")))
}

struct Trace {
    breaker: Breaker,
    now: Moment,
    outstanding: VecDeque<Ticket>,
    state: State,
    /// Rejections before what the present numbers are of.
    rejected: u64,
}

impl Trace {
    fn new(head: &str) -> Result<Self> {
        let fields: Vec<_> = head.split_whitespace().collect();
        let ["T", _, kind, settings @ ..] = &fields[..] else { bail!("not the head of a trace") };
        let get = |name: &str| -> Result<u32> {
            let found = settings.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            Ok(found.with_context(|| format!("has no {name}"))?.parse()?)
        };
        let (size, min) = (get("win")?, get("min")?);
        let (window, min_calls) = match *kind {
            "count" => (Window::Calls(size), min.min(size)),
            "time" => (Window::Time { buckets: size, width: Duration::from_secs(1) }, min),
            kind => bail!("of no known kind: {kind}"),
        };
        let policy = Policy {
            consecutive: None,
            failures: Some(Ratio::percent(get("thr")?)),
            slow: Some(Slow {
                after: Duration::from_millis(100),
                share: Ratio::percent(get("slowthr")?),
                while_running: false,
            }),
            window,
            min_calls,
            wait: Wait::fixed(Duration::from_millis(get("wait")?.into())),
            trials: Trials {
                permits: get("perm")?,
                lease: Duration::from_hours(24),
                max_wait: None,
            },
        };
        Ok(Self {
            breaker: Breaker::seeded(policy, 0)?,
            now: Moment::START,
            outstanding: VecDeque::new(),
            state: State::Closed,
            rejected: 0,
        })
    }

    /// Does what a line says. What differs afterwards, if anything.
    fn step(&mut self, line: &str) -> Result<Option<String>> {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [operation, granted @ .., state, failed, slow, total, rejected] = &fields[..] else {
            bail!("has too few fields")
        };
        let mut asked = None;
        if let Some(millis) = operation.strip_prefix("adv") {
            self.now = self.now + Duration::from_millis(millis.parse()?);
        } else if *operation == "acq" {
            asked = self.breaker.admit(self.now).ok();
        } else {
            let oldest = self.outstanding.pop_front().context("ends a call that is not there")?;
            match (operation.strip_prefix("ok"), operation.strip_prefix("err")) {
                (Some(millis), _) => self.record(oldest, Outcome::Success, millis)?,
                (_, Some(millis)) => self.record(oldest, Outcome::Failure, millis)?,
                _ => {
                    ensure!(*operation == "rel", "of no known operation: {operation}");
                    self.breaker.release(oldest);
                }
            }
        }
        let snapshot = self.breaker.snapshot(self.now);
        if snapshot.state != self.state {
            self.state = snapshot.state;
            self.outstanding.clear();
            if matches!(self.state, State::HalfOpen | State::Closed) {
                self.rejected = snapshot.rejected_total;
            }
        }
        let was_granted = granted.first().map(|it| *it == "1");
        let found = (*operation == "acq").then_some(asked.is_some());
        self.outstanding.extend(asked);
        let numbers: [f64; 4] = [failed.parse()?, slow.parse()?, total.parse()?, rejected.parse()?];
        Ok(if found != was_granted {
            Some(format!("{operation}: granted {found:?} and not {was_granted:?}"))
        } else if name(snapshot.state) != *state {
            Some(format!("{operation}: {} and not {state}", name(snapshot.state)))
        } else {
            let ours = self.numbers(&snapshot);
            let is_same =
                ours.iter().zip(numbers).all(|(ours, theirs)| (ours - theirs).abs() < 1e-5);
            (!is_same).then(|| format!("{operation}: {ours:?} and not {numbers:?}"))
        })
    }

    fn record(&self, ticket: Ticket, outcome: Outcome, millis: &str) -> Result<()> {
        let took = Duration::from_millis(millis.parse()?);
        self.breaker.record_after(self.now, ticket, outcome, took);
        Ok(())
    }

    /// Failure rate and slow-call rate in percent, calls, rejections.
    fn numbers(&self, snapshot: &Snapshot) -> [f64; 4] {
        let percent = |rate: Option<f64>| rate.map_or(-1.0, |it| it * 100.0);
        [
            percent(snapshot.failure_rate()),
            percent(snapshot.slow_rate()),
            f64::from(snapshot.counts.total),
            (snapshot.rejected_total - self.rejected) as f64,
        ]
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::Open => "OPEN",
        State::HalfOpen => "HALF_OPEN",
        State::ForcedOpen => "FORCED_OPEN",
        State::Disabled => "DISABLED",
        State::MetricsOnly => "METRICS_ONLY",
    }
}
