//! `chaos status`: which runs there are, what acts, and for how long yet.

use evenkeel_fault::halt::halted;
use evenkeel_fault::process::State;
use evenkeel_fault::{Process, Status, state_dir};
use evenkeel_units::Human;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Shows it, as the undo journals say and the processes are.
pub(crate) fn status(screen: &Screen) -> Result<Exit, Failure> {
    let place = state_dir();
    let runs = evenkeel_fault::status(&place).map_err(|error| {
        Failure::could_not_run(format!("cannot read {}: {error}", place.display()))
    })?;
    let halt = halted(&place);
    let value = json!({
        "halted": halt.as_ref().map(|it| json!({"why": it.why, "since": it.since})),
        "runs": runs.iter().map(json).collect::<Vec<_>>(),
    });
    screen.show(&value, || {
        let halt = halt.iter().map(|it| format!("{it}; `evenkeel chaos halt --lift` ends that"));
        let runs = runs.iter().map(lines);
        let all: Vec<_> = halt.chain(runs).collect();
        if all.is_empty() { "nothing acts".to_owned() } else { all.join("\n") }
    })?;
    Ok(Exit::OK)
}

fn json(it: &Status) -> Value {
    let who = |it: &Option<(Process, State)>| {
        it.as_ref().map(|(process, state)| json!({"pid": process.pid, "state": word(*state)}))
    };
    let leases = it.leases.iter().map(|it| {
        json!({
            "fault": it.fault,
            "release": it.release.letter(),
            "targets": it.targets,
            "seconds_left": it.left().as_secs_f64(),
        })
    });
    json!({
        "run": it.run,
        "is_alive": it.is_alive(),
        "tool": who(&it.tool),
        "guardian": who(&it.guardian),
        "faults": leases.collect::<Vec<_>>(),
        "to_undo": it.open,
        "not_understood": it.unreadable,
    })
}

const fn word(state: State) -> &'static str {
    match state {
        State::Running => "runs",
        State::Stopped => "stopped",
        State::Zombie | State::Gone => "gone",
    }
}

fn lines(it: &Status) -> String {
    let who = |role: &str, it: &Option<(Process, State)>| {
        it.as_ref().map(|(process, state)| format!("{role} {} {}", process.pid, word(*state)))
    };
    let who: Vec<_> =
        [who("tool", &it.tool), who("guardian", &it.guardian)].into_iter().flatten().collect();
    let mut lines = vec![format!("{}: {}", it.run, who.join(", "))];
    lines.extend(it.leases.iter().map(|it| {
        let targets = it.targets.join(", ");
        let left = Human(std::time::Duration::from_secs(it.left().as_secs()));
        format!("  acts     {} on {targets}; {left} left; release {}", it.fault, it.release)
    }));
    lines.extend(it.open.iter().map(|it| format!("  to undo  {it}")));
    if it.unreadable > 0 {
        lines.push(format!("  {} lines of its journal are not understood", it.unreadable));
    }
    if !it.is_alive() {
        lines.push("  left behind: `evenkeel chaos recover` mends it".to_owned());
    }
    lines.join("\n")
}
