//! `chaos`: what can be broken, what acts, ending it, and mending what a crash left behind.

pub(crate) mod approve;
pub(crate) mod halt;
pub(crate) mod import;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod status;
mod timetable;

use std::path::Path;

use evenkeel_fault::{Recovered, kind, state_dir};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Mends what runs that were killed have left behind; exit code 4 when something is still broken, and
/// 5 when a run is alive, which is left alone.
pub(crate) async fn recover(screen: &Screen) -> Result<Exit, Failure> {
    let recovered = mended(&state_dir()).await?;
    let value: Vec<_> = recovered.iter().map(json).collect();
    screen.show(&value, || {
        if recovered.is_empty() {
            return "nothing was left behind".to_owned();
        }
        recovered.iter().map(lines).collect::<Vec<_>>().join("\n")
    })?;
    let is_broken = recovered.iter().any(|it| !it.failed.is_empty());
    Ok(match recovered.iter().any(|it| it.is_alive) {
        _ if is_broken => Exit::STOPPED,
        true => Exit::REFUSED,
        false => Exit::OK,
    })
}

fn json(it: &Recovered) -> Value {
    let failed = it
        .failed
        .iter()
        .map(|it| json!({"what": it.what, "error": it.error, "by_hand": it.by_hand}));
    json!({
        "run": it.run,
        "is_alive": it.is_alive,
        "undone": it.undone,
        "was_fine": it.was_fine,
        "failed": failed.collect::<Vec<_>>(),
    })
}

fn lines(recovered: &Recovered) -> String {
    let Recovered { run, is_alive, undone, was_fine, failed } = recovered;
    if *is_alive {
        return format!("{run}: is alive, nothing touched; `evenkeel chaos halt` ends it");
    }
    let mut lines = vec![format!(
        "{run}: {} undone, {} fine already, {} failed",
        undone.len(),
        was_fine.len(),
        failed.len()
    )];
    lines.extend(undone.iter().map(|it| format!("  undone  {it}")));
    lines.extend(failed.iter().map(|it| {
        let by_hand = it.by_hand.as_ref().map_or(String::new(), |it| format!("; by hand: {it}"));
        format!("  FAILED  {}: {}{by_hand}", it.what, it.error)
    }));
    lines.join("\n")
}

/// Mends what earlier runs left behind before another breaks anything.
pub(crate) async fn mend_first(state_dir: &Path, screen: &Screen) -> Result<(), Failure> {
    let recovered = mended(state_dir).await?;
    for it in recovered.iter().filter(|it| !it.undone.is_empty() || !it.failed.is_empty()) {
        screen.say(&format!("left behind by an earlier run, {}", lines(it)));
    }
    if recovered.iter().any(|it| !it.failed.is_empty()) {
        return Err(Failure::could_not_run("what an earlier run broke is still broken")
            .help("mend it by hand as said above; `evenkeel chaos recover` tries again"));
    }
    Ok(())
}

async fn mended(state_dir: &Path) -> Result<Vec<Recovered>, Failure> {
    evenkeel_fault::recover(state_dir).await.map_err(|error| {
        Failure::could_not_run(format!("cannot read {}: {error}", state_dir.display()))
    })
}

/// Lists the faults.
pub(crate) fn faults(screen: &Screen) -> Result<Exit, Failure> {
    let value: Vec<_> = kind::KINDS
        .iter()
        .map(|it| json!({"name": it.name, "release": it.release.to_string(), "needs": it.needs, "about": it.about}))
        .collect();
    screen.show(&value, || {
        let width = kind::KINDS.iter().map(|it| it.name.len()).max().unwrap_or_default() + 2;
        let line = |it: &&kind::Kind| {
            let example = it.about.lines().next().unwrap_or_default();
            let (name, release, needs) = (it.name, it.release, it.needs);
            format!("{name:width$}{example}\n{:width$}{release}; needs {needs}", "")
        };
        kind::KINDS.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::OK)
}
