//! Ending faults: each is taken back, what it did is read, and what shows that it acted is returned.

use evenkeel_model::event::Evidence;

use super::{Active, FaultError, Faults};
use crate::kind::Past;
use crate::mend::{mend, mend_all};

impl Faults {
    /// Takes a fault back. Returns what shows that it acted, and what could not be taken back.
    pub async fn end(&mut self, index: usize) -> (Evidence, Option<String>) {
        let Some(mut active) = self.active.remove(&index) else {
            let summary = "it did not act".to_owned();
            return (Evidence { summary, ..Evidence::default() }, None);
        };
        let rounds = active.rounds.take();
        let last = match rounds.is_some() && active.deeds.is_empty() {
            // The last round was left out.
            true => None,
            false => Some(self.finish(index, &mut active).await),
        };
        self.journal.ended(index);
        let errors = active.errors;
        let evidence = match rounds {
            Some(it) => it.sum(last),
            None => last.unwrap_or_default(),
        };
        (evidence, (!errors.is_empty()).then(|| errors.join("; ")))
    }

    /// Takes back what acts of a fault at present.
    pub(super) async fn finish(&mut self, index: usize, active: &mut Active) -> Evidence {
        let mut errors = Vec::new();
        let mut did = Vec::new();
        for deed in std::mem::take(&mut active.deeds) {
            did.extend(deed.end(index, &mut self.proxy, &mut errors).await);
        }
        let Active { fault, hits, began, began_ticks, .. } = &*active;
        let past = Past { fault, hits, did: &did, began: *began, began_ticks: *began_ticks };
        let evidence = past.evidence();
        for (id, undo) in std::mem::take(&mut active.undos).into_iter().rev() {
            let mended = mend(&undo, self.secrets.get(&id)).await;
            match mended {
                Ok(mended) => self.journal.done(id, mended.name()),
                Err(error) => {
                    self.journal.failed(id, &error.to_string());
                    errors.push(error.to_string());
                }
            }
        }
        active.errors.extend(errors);
        evidence
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
}
