//! Ending faults: each is taken back, what it did is read, and what shows that it acted is returned.

use std::time::Duration;

use evenkeel_model::document::{Fault, Finder};
use evenkeel_model::event::Evidence;
use evenkeel_units::Ratio;

use super::{Active, FaultError, Faults};
use crate::act::{Deed, Used, refuses};
use crate::kind::{
    Hit, Killed, Paused, Restarted, cpu_evidence, kill_evidence, link_evidence, memory_evidence,
    pause_evidence, refuse_evidence, restart_evidence,
};
use crate::mend::{mend, mend_all};
use crate::process::stat::{since_boot, ticks};
use crate::process::{State, find};
use crate::proxy::Toxic;

impl Faults {
    /// Takes a fault back. Returns what shows that it acted, and what could not be taken back.
    pub async fn end(&mut self, index: usize) -> (Evidence, Option<String>) {
        let Some(mut active) = self.active.remove(&index) else {
            let summary = "it did not act".to_owned();
            return (Evidence { summary, ..Evidence::default() }, None);
        };
        let mut errors = Vec::new();
        let deeds = std::mem::take(&mut active.deeds);
        let evidence = self.undo(index, &active, deeds, &mut errors).await;
        for (id, undo) in active.undos.iter().rev() {
            let mended = mend(undo, self.secrets.get(id)).await;
            let written = match mended {
                Ok(mended) => self.write(|it| it.done(*id, mended.name())),
                Err(error) => {
                    errors.push(error.to_string());
                    self.write(|it| it.failed(*id, &error.to_string()))
                }
            };
            errors.extend(written.err().map(|it| it.to_string()));
        }
        let written = self.write(|it| it.ended(index));
        errors.extend(written.err().map(|it| it.to_string()));
        (evidence, (!errors.is_empty()).then(|| errors.join("; ")))
    }

    /// Takes every fault back that acts, the last one first.
    pub async fn end_all(&mut self) -> Vec<(usize, Evidence, Option<String>)> {
        let mut all = Vec::new();
        while let Some(index) = self.active.keys().next_back().copied() {
            let (evidence, error) = self.end(index).await;
            all.push((index, evidence, error));
        }
        all
    }

    /// Takes everything back, ends whatever the run started, dismisses the guardian and removes the
    /// journal. When something is still broken, the guardian stays and goes on trying.
    pub async fn close(mut self) -> Result<(), FaultError> {
        // Their errors are in the journal, which is worked through next.
        drop(self.end_all().await);
        let directory = self.journal.path().to_owned();
        let failed = |error| FaultError::Journal { directory: directory.clone(), error };
        let secret = |it| self.secrets.get(&it);
        let count = mend_all(&mut self.journal, secret, |_, _| ()).await.map_err(failed)?;
        if count > 0 {
            return Err(FaultError::NotMended { count, journal: directory });
        }
        let Self { guardian, journal, .. } = self;
        guardian.dismiss().await.map_err(failed)?;
        journal.remove().map_err(failed)
    }

    async fn undo(
        &mut self,
        index: usize,
        active: &Active,
        deeds: Vec<Deed>,
        errors: &mut Vec<String>,
    ) -> Evidence {
        let mut evidence = Evidence::default();
        let mut paused = Vec::new();
        let mut restarted: Vec<Restarted> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Laid { link, toxic, counts, refused } => {
                    evidence = match toxic {
                        Toxic::Refuse => {
                            let still = refused && refuses(&self.proxy, &link).await;
                            refuse_evidence(&counts, still)
                        }
                        _ => link_evidence(&toxic, &counts),
                    };
                    let lifted = self.proxy.lift(&link, index).await;
                    errors.extend(lifted.err().map(|it| it.to_string()));
                }
                Deed::Stopped { process, since } => paused.push(Paused {
                    held: process.state() == State::Stopped,
                    time: since_boot().saturating_sub(since),
                }),
                Deed::Restarting(work) => match work.await {
                    Ok(it) => restarted.push(it),
                    Err(error) => errors.push(format!("the restart was cut short: {error}")),
                },
                Deed::Burning(burner) => {
                    let (used, ended) = burner.end().await;
                    errors.extend(ended.err().map(|it| format!("the burner: {it}")));
                    evidence = burnt(&active.fault, used);
                }
                Deed::Killed => {}
            }
        }
        errors.extend(restarted.iter().filter_map(|it| it.error.clone()));
        match active.fault {
            Fault::Pause => pause_evidence(&paused),
            Fault::Restart => restart_evidence(&restarted),
            Fault::Kill => {
                kill_evidence(&active.hits.iter().map(|it| killed(it, active)).collect::<Vec<_>>())
            }
            _ => evidence,
        }
    }
}

fn burnt(fault: &Fault, used: Used) -> Evidence {
    match *fault {
        Fault::Cpu { load, cores } => {
            let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let cores = if cores == 0 { all } else { all.min(cores as usize) };
            cpu_evidence((load, cores), used.cpu, used.time)
        }
        Fault::Memory { amount } => memory_evidence(amount, used.resident),
        _ => cpu_evidence((Ratio::ZERO, 1), used.cpu, used.time),
    }
}

/// Whoever took the place of a target shows by its start time how long that took: nobody had to watch.
fn killed(hit: &Hit, active: &Active) -> Killed {
    let gone = hit.family.iter().all(|it| !it.is_alive());
    let finder = hit.finder.as_ref().filter(|it| !matches!(it, Finder::Pid(_)));
    let found = finder.and_then(|it| find(it).ok()).unwrap_or_default();
    let after = found.iter().map(|it| it.start_time).filter(|it| *it >= active.began_ticks).min();
    let back_after =
        after.map(|it| ticks(it).saturating_sub(active.began).max(Duration::from_millis(1)));
    Killed { name: hit.name.clone(), gone, back_after }
}
