//! `failover`: how the members of a `load_balancer:` are, whom it calls, and what happens while somebody watches.

use std::fmt;
use std::sync::{Arc, Mutex};

use evenkeel_drill::shell::Signals;
use evenkeel_model::document::{Failback, LoadBalancer};
use evenkeel_probe::{Seen, failover};
use evenkeel_resilience::failover::{Event, Evidence, Snapshot, Stuck, Why};
use evenkeel_resilience::watch::Health;
use evenkeel_units::{Clock as _, Human, SystemClock, locked};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::documents::{gather, read, refuse_errors};
use crate::args::failover::FailoverArgs;
use crate::exit::{Exit, Failure};
use crate::screen::{self, Screen};

/// Asks each member once, and with `--watch` until somebody ends it.
pub(crate) async fn run(args: FailoverArgs, screen: &Screen) -> Result<Exit, Failure> {
    let found = read(gather(std::slice::from_ref(&args.file))?);
    refuse_errors(&found, screen)?;
    let all: Vec<_> = found.library.load_balancers().collect();
    let [document] = all.as_slice() else {
        let count = if all.is_empty() { "no" } else { "more than one" };
        let message = format!("there is {count} `load_balancer:` in {}", args.file.display());
        return Err(Failure::usage(message).help("docs/probe.md shows such a file"));
    };
    let now = Now::asked(document).await?;
    match (screen.is_json(), args.watch) {
        // An object a line, so that each is read as it comes.
        (true, true) => screen.print(&now.json().to_string())?,
        _ => screen.show(&now.json(), || now.text(screen.color))?,
    }
    match args.watch {
        true => watched(document, screen).await,
        false => Ok(exit(&now.foreseen)),
    }
}

/// Whether somebody who is called answers; if nobody was asked, nobody knows.
fn exit(it: &Snapshot) -> Exit {
    let is_well = it.members.iter().any(|it| it.is_active && it.health == Health::Healthy);
    let is_asked = it.members.iter().any(|it| it.passed_total + it.failed_total > 0);
    match (is_well, is_asked) {
        (true, _) => Exit::OK,
        (false, true) => Exit::FAILED,
        (false, false) => Exit::COULD_NOT_RUN,
    }
}

/// How members answer now, and what comes of it if they go on like that.
struct Now<'a> {
    document: &'a LoadBalancer,
    /// By the numbers of the members; `None` for one that has no check.
    seen: Vec<Option<Seen>>,
    /// The addresses of the members.
    addresses: Vec<String>,
    foreseen: Snapshot,
}

impl<'a> Now<'a> {
    async fn asked(document: &'a LoadBalancer) -> Result<Self, Failure> {
        let failover = failover::of(document).map_err(|it| Failure::bug(it.to_string()))?;
        let members = failover.members();
        let mut asked = JoinSet::new();
        for (nth, member) in members.iter().enumerate() {
            let ask = failover::ask(&member.value);
            asked.spawn(async move { (nth, ask.await) });
        }
        let mut seen = vec![None; members.len()];
        while let Some(answer) = asked.join_next().await {
            let (nth, answer) = answer.map_err(|it| Failure::bug(it.to_string()))?;
            seen[nth] = answer;
        }
        let answers: Vec<_> = seen.iter().map(|it| it.as_ref().map(|it| it.held)).collect();
        let foreseen = failover::foreseen(document, &answers);
        let foreseen = foreseen.map_err(|it| Failure::bug(it.to_string()))?;
        let addresses = members.iter().map(|it| it.value.authority()).collect();
        Ok(Self { document, seen, addresses, foreseen })
    }

    fn members(&self) -> impl Iterator<Item = (&str, &str, Option<&Seen>)> {
        let seen = self.seen.iter().map(Option::as_ref);
        let all = self.foreseen.members.iter().zip(&self.addresses).zip(seen);
        all.map(|((it, address), seen)| (&*it.name, address.as_str(), seen))
    }

    fn json(&self) -> Value {
        // With nobody left, calls go where they went.
        let is_lost = self.foreseen.stuck.is_some();
        let members =
            self.members().zip(&self.foreseen.members).map(|((name, address, seen), it)| {
                json!({
                    "name": name,
                    "address": address,
                    "healthy": seen.map(|it| it.held),
                    "detail": seen.map(|it| it.detail.as_str()),
                    "total_seconds": seen.map(|it| it.took.as_secs_f64()),
                    "called": it.is_active && (is_lost || it.health != Health::Unhealthy),
                })
            });
        json!({
            "healthy": exit(&self.foreseen) == Exit::OK,
            "members": members.collect::<Vec<_>>(),
            "outlook": self.outlook(),
            "fails_over_within_seconds": self.document.fails_over_within().map(|it| it.as_secs_f64()),
        })
    }

    fn text(&self, color: bool) -> String {
        let width = self.addresses.iter().map(String::len).max().unwrap_or_default();
        let line = |(name, address, seen): (&str, &str, Option<&Seen>)| {
            let (word, paint, detail) = match seen {
                Some(it) if it.held => ("healthy", "32", it.detail.as_str()),
                Some(it) => ("UNHEALTHY", "31", it.detail.as_str()),
                None => ("NOT ASKED", "33", "it has no `health_check`"),
            };
            let word = screen::verdict(word, paint, color);
            format!("{word}  {name:<9}  {address:<width$}  {detail}\n")
        };
        let lines: String = self.members().map(line).collect();
        format!("{lines}{}\n", self.outlook())
    }

    /// Whom it calls, and what would change that.
    fn outlook(&self) -> String {
        let Snapshot { active, first, last, stuck, members, .. } = &self.foreseen;
        let within = self.document.fails_over_within();
        if let Some(stuck) = stuck {
            let why = match stuck {
                Stuck::NobodyLeft => "nobody is left to take over",
                Stuck::ByHand => "another takes over when an operator says so",
            };
            return format!("if this lasts, calls go to {active} all the same: {why}");
        }
        let Some(switch) = last else {
            let (called, lost): (Vec<_>, Vec<_>) = members
                .iter()
                .filter(|it| it.is_active)
                .map(|it| (&*it.name, it.health == Health::Unhealthy))
                .partition(|it| !it.1);
            let [called, lost] = [called, lost]
                .map(|it| it.into_iter().map(|it| it.0).collect::<Vec<_>>().join(" and "));
            return match (lost.is_empty(), within) {
                (false, _) => format!("if this lasts, calls go to {called}, and not to {lost}"),
                (true, Some(within)) => {
                    format!(
                        "calls go to {called}; when that fails, to another within {}",
                        Human(within)
                    )
                }
                (true, None) => format!("calls go to {called}"),
            };
        };
        let is_known = members.iter().any(|it| it.is_active && it.health == Health::Healthy);
        let blindly = if is_known { "" } else { ", which nobody asks" };
        let within = within.map(|it| format!(" within {}", Human(it))).unwrap_or_default();
        let back = match self.document.failover.failback {
            Failback::Manual => "an operator says so".to_owned(),
            Failback::Automatic { after } => format!("that was healthy for {}", Human(after)),
        };
        let from = &switch.from;
        format!(
            "if this lasts, calls go from {from} to {active}{within}{blindly}, and back to {first} when {back}"
        )
    }
}

/// Goes on asking as the document says, and tells what changes.
async fn watched(document: &LoadBalancer, screen: &Screen) -> Result<Exit, Failure> {
    let mut signals = Signals::new()
        .map_err(|error| Failure::could_not_run(format!("cannot watch for signals: {error}")))?;
    let failover = failover::of(document).map_err(|it| Failure::bug(it.to_string()))?;
    let names: Vec<_> = failover.members().iter().map(|it| Arc::clone(&it.name)).collect();
    let last: Arc<Mutex<Vec<String>>> = Arc::new(Mutex::new(vec![String::new(); names.len()]));
    let (told, to) = (Arc::clone(&last), screen.clone());
    let listener = move |event: &Event| {
        let detail = match event {
            Event::Health { member, evidence: Evidence::Probes, .. } => {
                let nth = names.iter().position(|it| it == member);
                nth.and_then(|it| locked(&told).get(it).cloned())
            }
            _ => None,
        };
        // Who does not read any more is told when the command ends.
        drop(to.print(&Line { event, detail }.shown(to.is_json())));
    };
    let failover = Arc::new(failover.listener(Arc::new(listener)));
    let asked = failover::watch(&failover, move |nth, seen| {
        if let Some(it) = locked(&last).get_mut(nth) {
            it.clone_from(&seen.detail);
        }
    });
    signals.next().await;
    drop(asked);
    Ok(exit(&failover.snapshot()))
}

/// What happened, and what was seen of it.
struct Line<'a> {
    event: &'a Event,
    detail: Option<String>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event.fmt(to)?;
        match &self.detail {
            Some(detail) => write!(to, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Line<'_> {
    fn shown(&self, is_json: bool) -> String {
        let at = format!("{:.3}", SystemClock::start().wall());
        if !is_json {
            return format!("{at}  {self}");
        }
        let mut value = json!({"at": at, "text": self.to_string()});
        let more = match self.event {
            Event::Health { member, health, .. } => {
                json!({"event": "health", "member": &**member, "health": health.name(), "detail": self.detail})
            }
            Event::Switched(it) => {
                let why = match it.why {
                    Why::Failover => "failover",
                    Why::Healed => "healed",
                    Why::Failback | Why::Told | Why::Forced => "operator",
                };
                json!({"event": "switched", "from": &*it.from, "to": &*it.to, "why": why})
            }
            Event::Stuck { active, why, .. } => {
                let why = match why {
                    Stuck::NobodyLeft => "nobody_left",
                    Stuck::ByHand => "by_hand",
                };
                json!({"event": "stuck", "active": &**active, "why": why})
            }
            _ => json!({}),
        };
        if let (Value::Object(to), Value::Object(more)) = (&mut value, more) {
            to.extend(more);
        }
        value.to_string()
    }
}
