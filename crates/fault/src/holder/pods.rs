//! Pods that are told to end, and how long it takes until as many are ready again.

use std::fmt;
use std::io;
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};
use crate::kubernetes::{Client, Cluster, ClusterError, Evicted, Pod, PodRef};

/// How often it is looked how many are ready.
const LOOK: Duration = Duration::from_millis(250);
/// A look that takes longer is left out. Less than what a holder may take to end.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How long the cluster may take to show that a pod ends.
const SHOWN_MAX: Duration = Duration::from_secs(5);

/// Tell pods to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pods {
    /// Where they are, and where access to it is kept.
    pub cluster: Cluster,
    /// Their namespace.
    pub namespace: String,
    /// What all candidates have in common.
    pub selector: String,
    /// Those that are hit.
    pub hit: Vec<PodRef>,
    /// How.
    pub ending: Ending,
}

/// How pods are told to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Whatever stands against it.
    Delete {
        /// Seconds that they have; `None`: what each says itself.
        grace: Option<u64>,
    },
    /// Unless a disruption budget stands against it.
    Evict,
}

impl Pods {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let client = self.cluster.client().map_err(io::Error::other)?.within(LOOK_MAX);
        let before = self.look(&client).map_err(io::Error::other)?;
        let before = before.iter().filter(|it| it.is_ready).count();
        let clock = SystemClock::start();
        let (mut told, mut refused) = (Vec::new(), 0);
        for pod in &self.hit {
            match self.tell(&client, pod).map_err(io::Error::other)? {
                Evicted::Told => told.push(pod),
                Evicted::Refused(_) => refused += 1,
                Evicted::Gone => {}
            }
        }
        let (mut ended, mut again, mut is_ready) = (0, None, false);
        loop {
            // A cluster that does not answer shows nobody; what has been seen stays.
            if let Ok(now) = self.look(&client) {
                let runs = |pod: &&&PodRef| now.iter().any(|it| it.is_running && it.it == ***pod);
                ended = ended.max(told.len() - told.iter().filter(runs).count());
                let ready = now.iter().filter(|it| it.is_ready).count();
                if ended > 0 && ended == told.len() && ready >= before {
                    again.get_or_insert_with(|| clock.now().elapsed().as_secs_f64());
                }
            }
            if !is_ready && (ended == told.len() || clock.now().elapsed() > SHOWN_MAX) {
                is_ready = true;
                life.ready()?;
            }
            if life.wait_for(LOOK)? {
                break;
            }
        }
        let mut counted = counters([
            ("pods_hit", self.hit.len() as f64),
            ("pods_ended", ended as f64),
            ("pods_refused", f64::from(refused)),
            ("pods_ready_before", before as f64),
        ]);
        counted.extend(again.map(|it| ("slowest_ready_again_seconds".to_owned(), it)));
        Ok(counted)
    }

    fn look(&self, client: &Client) -> Result<Vec<Pod>, ClusterError> {
        client.pods(&self.namespace, &self.selector)
    }

    fn tell(&self, client: &Client, pod: &PodRef) -> Result<Evicted, ClusterError> {
        match self.ending {
            Ending::Delete { grace } => client.delete(&self.namespace, pod, grace),
            Ending::Evict => client.evict(&self.namespace, pod),
        }
    }
}

impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.hit.iter().map(|it| it.name.as_str()).collect();
        let verb = match self.ending {
            Ending::Delete { .. } => "delete",
            Ending::Evict => "evict",
        };
        write!(f, "{verb} pods {} of {} at {}", names.join(", "), self.namespace, self.cluster)
    }
}
