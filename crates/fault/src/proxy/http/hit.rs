//! What is done to exchanges, and which of them it hits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_model::document::{Amid, AnswerChange, Fault, HeaderChange, Requests, fits};
use evenkeel_units::Ratio;
use evenkeel_units::duration::seconds;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::head::Asked;
use crate::proxy::Counts;
use crate::proxy::toxic::{Laid, Toxic, Toxics};

/// What is done to a share of the exchanges of HTTP on a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Http {
    /// The share.
    pub share: Ratio,
    /// Of which requests.
    #[serde(rename = "match")]
    pub of: Requests,
    /// What.
    pub act: Act,
}

impl Http {
    /// What a fault does; `None` for faults of other things.
    pub(crate) fn of(fault: &Fault) -> Option<Self> {
        let (share, of, act) = match fault.clone() {
            Fault::HttpErrors { share, status, of } => (share, of, Act::Answer { status }),
            Fault::HttpAbort { share, amid, of } => (share, of, Act::Abort { amid }),
            Fault::HttpDelay { delay, jitter, share, of } => {
                (share, of, Act::Delay { delay, jitter })
            }
            Fault::HttpChange { request, response, share, of } => {
                (share, of, Act::Change { request, response })
            }
            _ => return None,
        };
        Some(Self { share, of, act })
    }

    /// The fault that does it.
    pub(crate) fn as_fault(&self) -> Fault {
        let Self { share, of, act } = self.clone();
        match act {
            Act::Answer { status } => Fault::HttpErrors { share, status, of },
            Act::Abort { amid } => Fault::HttpAbort { share, amid, of },
            Act::Delay { delay, jitter } => Fault::HttpDelay { delay, jitter, share, of },
            Act::Change { request, response } => Fault::HttpChange { request, response, share, of },
        }
    }

    pub(crate) const fn delays(&self) -> bool {
        matches!(self.act, Act::Delay { .. })
    }
}

/// What is done to an exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// The link answers it.
    Answer {
        /// With this status.
        status: u16,
    },
    /// The connection is closed.
    Abort {
        /// Where.
        amid: Amid,
    },
    /// Its answer is late.
    Delay {
        /// By this much.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
        /// More or less, evenly; never by less than nothing.
        #[serde(rename = "jitter_seconds", with = "seconds")]
        jitter: Duration,
    },
    /// It is not what was sent.
    Change {
        /// What becomes of the request.
        request: HeaderChange,
        /// What becomes of the answer.
        response: AnswerChange,
    },
}

/// What hits one exchange, for as long as that lies on the link.
#[derive(Debug)]
pub(super) struct Hit {
    id: usize,
    pub(super) counts: Arc<Counts>,
    /// How late the answer is.
    pub(super) late: Duration,
}

impl Hit {
    /// All that hits a request. Those that `may` not be hit are seen all the same.
    pub(super) fn all(toxics: &Toxics, asked: &Asked, may: bool) -> Vec<Self> {
        let hit = |(id, laid, http): (usize, &Laid, &Http)| {
            laid.counts.requests.fetch_add(1, Ordering::Relaxed);
            if !is_meant(&http.of, asked) {
                return None;
            }
            laid.counts.matched.fetch_add(1, Ordering::Relaxed);
            let mut chance = laid.chance();
            let is_hit = chance.random::<f64>() < http.share.get();
            let late = match http.act {
                Act::Delay { delay, jitter } => {
                    let spread = jitter.as_secs_f64() * (2.0 * chance.random::<f64>() - 1.0);
                    Duration::try_from_secs_f64(delay.as_secs_f64() + spread).unwrap_or_default()
                }
                _ => Duration::ZERO,
            };
            (is_hit && may).then(|| Self { id, counts: laid.counts.clone(), late })
        };
        all(toxics).filter_map(hit).collect()
    }

    /// What is done; `None` once it does not lie on the link any more.
    pub(super) fn act<'a>(&self, toxics: &'a Toxics) -> Option<&'a Act> {
        let laid = toxics.0.get(&self.id).filter(|it| Arc::ptr_eq(&it.counts, &self.counts))?;
        match &laid.placed.toxic {
            Toxic::Http(http) => Some(&http.act),
            _ => None,
        }
    }

    /// It was done to a request.
    pub(super) fn count(&self) {
        self.counts.hit.fetch_add(1, Ordering::Relaxed);
    }
}

/// Says that a connection could not be followed, once to each that would have to; `told` are those that know.
pub(super) fn tell_foreign(toxics: &Toxics, told: &mut Vec<usize>) {
    for (id, laid, _) in all(toxics) {
        if !told.contains(&id) {
            told.push(id);
            laid.counts.foreign.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn all(toxics: &Toxics) -> impl Iterator<Item = (usize, &Laid, &Http)> {
    toxics.0.iter().filter_map(|(id, laid)| match &laid.placed.toxic {
        Toxic::Http(http) => Some((*id, laid, &**http)),
        _ => None,
    })
}

fn is_meant(of: &Requests, asked: &Asked) -> bool {
    let Requests { method, path, headers } = of;
    method.as_ref().is_none_or(|it| *it == asked.method)
        && path.as_ref().is_none_or(|it| fits(it, &asked.path))
        && headers
            .iter()
            .all(|(name, pattern)| asked.lines.said(name).any(|value| fits(pattern, &value)))
}
