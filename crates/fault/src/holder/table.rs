//! A table of nft that the kernel removes with the process that owns it.
//!
//! The `nft` program is given one transaction and is then kept waiting for the next, which never comes. When its pipe
//! closes it ends, and its table with it; nobody else can remove the table meanwhile, not even by flushing everything.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use super::{Counters, Life};

/// How often it is looked whether the table is there.
const LOOK: Duration = Duration::from_millis(5);
/// How long `nft` may take to bring it about.
const MAX: Duration = Duration::from_secs(10);

/// Keep up a table of nft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The program, by its absolute path.
    pub program: PathBuf,
    /// Name of the table, in the family `inet`.
    pub name: String,
    /// Its chains and rules. Those that are counted have a comment.
    pub body: String,
}

impl Table {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let mut owner = Command::new(&self.program)
            .arg("-i")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let done = self.keep_up(&mut owner, life);
        // Its end is the end of the table.
        drop(owner.stdin.take());
        let mut said = String::new();
        if let Some(mut it) = owner.stderr.take() {
            it.read_to_string(&mut said)?;
        }
        owner.wait()?;
        // It also tells what it thinks of the terminal, which it has none of; only a table that is not there is an error.
        let told = said.lines().find(|it| it.starts_with("Error"));
        done.map_err(|error| told.map_or(error, |it| io::Error::other(format!("nft: {it}"))))
    }

    fn keep_up(&self, owner: &mut Child, life: &Life) -> io::Result<Counters> {
        let Self { name, body, .. } = self;
        let pipe = owner.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(pipe, "add table inet {name} {{ flags owner; {body}}}")?;
        pipe.flush()?;
        let clock = SystemClock::start();
        while self.read()?.is_none() {
            if clock.now().elapsed() >= MAX {
                return Err(io::Error::other("nft did not bring its table about"));
            }
            if life.wait_for(LOOK)? {
                return Ok(Counters::new());
            }
        }
        life.ready()?;
        life.wait()?;
        self.read()?.ok_or_else(|| io::Error::other(format!("the table {name} was gone")))
    }

    /// What was counted by rules with a comment; `None` when there is no such table.
    fn read(&self) -> io::Result<Option<Counters>> {
        let listed = Command::new(&self.program)
            .args(["list", "table", "inet", &self.name])
            .stdin(Stdio::null())
            .output()?;
        let listing = String::from_utf8_lossy(&listed.stdout);
        Ok(listed.status.success().then(|| counted(&listing)))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, name, body } = self;
        write!(f, "{} -i: add table inet {name} {{ flags owner; {body}}}", program.display())
    }
}

/// Adds up packets and bytes of the rules of a listing, by their comments. As text: what `nft` 1.0.6 prints as JSON of
/// a table with an owner is not always JSON.
fn counted(listing: &str) -> Counters {
    let mut sums = Counters::new();
    for line in listing.lines() {
        let mut words = line.split_ascii_whitespace().skip_while(|it| *it != "counter").skip(1);
        let comment = line.rsplit_once("comment \"").and_then(|(_, it)| it.strip_suffix('"'));
        let Some(comment) = comment else { continue };
        while let (Some(unit @ ("packets" | "bytes")), Some(number)) = (words.next(), words.next())
        {
            let number: f64 = number.parse().unwrap_or_default();
            *sums.entry(format!("{comment}_{unit}")).or_default() += number;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holder::counters;

    #[test]
    fn counters_are_added_up_by_their_comments() {
        let listing = r#"
table inet evenkeel_x {
	flags owner
	chain hit {
		counter packets 10 bytes 600 comment "seen"
		numgen random mod 100 < 20 counter packets 1 bytes 60 drop comment "acted"
		meta l4proto tcp counter packets 2 bytes 120 reject with tcp reset comment "acted"
		tcp dport 22 return
	}
}"#;
        let sums = counters([
            ("acted_bytes", 180.0),
            ("acted_packets", 3.0),
            ("seen_bytes", 600.0),
            ("seen_packets", 10.0),
        ]);
        assert_eq!(counted(listing), sums);
    }
}
