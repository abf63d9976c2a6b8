//! Clients that are killed, and whether they come back.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::Duration;

use evenkeel_model::document::ClientType;
use evenkeel_units::{Clock, Ratio, Seed, SystemClock};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::connection::Connection;
use super::reply::{Malformed, Reply};
use super::{ANSWER_MAX, NAME};
use crate::holder::{Counters, Life, counters};
use crate::need::PlanError;

/// How often it is looked who came back.
const LOOK: Duration = Duration::from_millis(100);

/// Close a share of the connections of others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KillClients {
    /// Of those of the type, rounded down.
    pub share: Ratio,
    /// Whose.
    pub of: ClientType,
    /// Of the run.
    pub seed: Seed,
}

impl KillClients {
    pub(super) fn run(self, address: &Address, life: &Life) -> io::Result<Counters> {
        let mut session = Connection::open(address)?;
        let before = self.clients(&mut session)?;
        let chosen = self.pick(before.iter().copied().collect());
        if chosen.is_empty() {
            let message = format!(
                "{} of {} {} clients is none: shares are rounded down",
                self.share,
                before.len(),
                self.of.name()
            );
            return Err(io::Error::other(PlanError::Unfit(message)));
        }
        let clock = SystemClock::start();
        let mut killed = Vec::new();
        for id in chosen {
            // One that has gone meanwhile is not there to be killed: the server says how many it has.
            let said = session.ask(&["CLIENT", "KILL", "ID", &id.to_string(), "SKIPME", "yes"])?;
            killed.extend((said == Reply::Number(1)).then_some(id));
        }
        let mut gone = 0;
        while gone < killed.len() && clock.now().elapsed() < ANSWER_MAX {
            let now = self.clients(&mut session)?;
            gone = killed.iter().filter(|it| !now.contains(it)).count();
            if gone < killed.len() && life.wait_for(LOOK / 10)? {
                break;
            }
        }
        life.ready()?;
        let mut back = BTreeSet::<u64>::new();
        let mut back_after = None;
        let mut is_asked = false;
        loop {
            let is_over = life.wait_for(LOOK)?;
            if !is_asked && session.say(&self.list()).is_err() {
                break;
            }
            // A server that is not there any more shows nobody, and one that is paused is late; what has been seen stays.
            let Ok(heard) = session.hear(LOOK) else { break };
            is_asked = heard.is_none();
            if let Some(list) = heard {
                back.extend(others(list)?.difference(&before));
            }
            if gone > 0 && back.len() >= gone {
                back_after.get_or_insert_with(|| clock.now().elapsed().as_secs_f64());
            }
            if is_over {
                break;
            }
        }
        life.wait()?;
        let mut counted = counters([
            ("clients_matched", before.len() as f64),
            ("clients_killed", gone as f64),
            ("clients_back", back.len().min(gone) as f64),
        ]);
        counted.extend(back_after.map(|it| ("back_after_seconds".to_owned(), it)));
        Ok(counted)
    }

    fn list(&self) -> [&str; 4] {
        ["CLIENT", "LIST", "TYPE", self.of.name()]
    }

    fn clients(&self, session: &mut Connection) -> io::Result<BTreeSet<u64>> {
        others(session.ask(&self.list())?)
    }

    /// Picks by the seed.
    fn pick(&self, mut order: Vec<u64>) -> Vec<u64> {
        let (wanted, of) = (self.share.floor_of(order.len()), order.len());
        let mut rng = self.seed.stream("fault/clients");
        // The first steps of a Fisher-Yates shuffle.
        for place in 0..wanted {
            order.swap(place, rng.random_range(place..of));
        }
        order.truncate(wanted);
        order
    }
}

/// The numbers of those in a list, without ours. No number is given twice.
fn others(list: Reply) -> io::Result<BTreeSet<u64>> {
    match list {
        Reply::Text(list) => Ok(String::from_utf8_lossy(&list).lines().filter_map(other).collect()),
        _ => Err(io::Error::other(Malformed)),
    }
}

/// The number of a client that is none of ours, from its line `id=3 addr=… name=… …`. No name holds a blank.
fn other(line: &str) -> Option<u64> {
    let value = |name: &str| line.split(' ').find_map(|it| it.strip_prefix(name));
    value("id=")?.parse().ok().filter(|_| value("name=") != Some(NAME))
}

impl fmt::Display for KillClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kill {} of the {} clients", self.share, self.of.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_connections_are_not_among_the_others() {
        let line =
            |id: &str, name: &str| format!("id={id} addr=127.0.0.1:1 name={name} age=3 cmd=ping");
        assert_eq!(other(&line("3", "web")), Some(3));
        assert_eq!(other(&line("4", "")), Some(4));
        assert_eq!(other(&line("5", "evenkeel")), None);
        assert_eq!(other("addr=127.0.0.1:1"), None);
    }
}
