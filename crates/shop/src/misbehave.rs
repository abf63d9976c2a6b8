//! Misbehaviour on demand: slow, failing, leaking, as a sick service would be.
//!
//! Faults from outside (a proxy, a signal) show what a shop does about a sick neighbour; these make
//! the sickness itself, in the place where it would start. Health and metrics stay honest and quick:
//! a service whose health endpoint is as sick as the rest is the easy case.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use evenkeel_units::bytes::parse_bandwidth;
use evenkeel_units::{Bytes, Human, Ratio, UnitError, parse_duration};

use crate::args::{ArgError, PartName};
use crate::error::warn_operator;

/// One way to misbehave.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Every answer is this much late.
    Slow(Duration),
    /// This share of the answers is a 500.
    Fail(Ratio),
    /// This much memory a second is never given back.
    Leak(Bytes),
}

impl FromStr for Misbehaviour {
    type Err = ArgError;

    fn from_str(text: &str) -> Result<Self, ArgError> {
        let unit = |error: UnitError| ArgError::new(error.problem, error.help);
        match text.split_once(':') {
            Some(("slow", amount)) => parse_duration(amount).map(Self::Slow).map_err(unit),
            Some(("fail", amount)) => amount.parse().map(Self::Fail).map_err(unit),
            Some(("leak", amount)) => parse_bandwidth(amount).map(Self::Leak).map_err(unit),
            _ => Err(ArgError::new(
                format!("`{text}` is no known misbehaviour"),
                "write `slow:300ms`, `fail:20%` or `leak:1MiB/s`",
            )),
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(delay) => write!(f, "slow:{}", Human(*delay)),
            Self::Fail(share) => write!(f, "fail:{share}"),
            Self::Leak(amount) => write!(f, "leak:{amount}/s"),
        }
    }
}

/// Who misbehaves, and how.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PartMisbehaviour {
    /// Who.
    pub name: PartName,
    /// How.
    pub how: Misbehaviour,
}

impl FromStr for PartMisbehaviour {
    type Err = ArgError;

    fn from_str(text: &str) -> Result<Self, ArgError> {
        match text.split_once('=') {
            Some((name, how)) => Ok(Self { name: name.parse()?, how: how.parse()? }),
            None => Err(ArgError::new(
                format!("`{text}` does not say who misbehaves"),
                "write for example `payment=slow:300ms`",
            )),
        }
    }
}

/// The misbehaviours of one process, at work.
#[derive(Debug)]
pub(crate) struct Sickness {
    delay: Duration,
    share: Ratio,
    /// Billionths of a failure that are due; exact over any number of requests, without chance.
    due: Mutex<u64>,
}

impl Sickness {
    /// Puts `list` to work; leaks start at once.
    pub(crate) fn start(list: &[Misbehaviour]) -> Self {
        let mut it = Self { delay: Duration::ZERO, share: Ratio::ZERO, due: Mutex::default() };
        for how in list {
            match how {
                Misbehaviour::Slow(delay) => it.delay += *delay,
                Misbehaviour::Fail(share) => it.share = it.share.max(*share),
                Misbehaviour::Leak(amount) => {
                    tokio::spawn(leak(*amount));
                }
            }
        }
        it
    }

    /// Takes the time this answer should be late, then says whether it should fail.
    pub(crate) async fn strike(&self) -> bool {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.fails()
    }

    fn fails(&self) -> bool {
        const WHOLE: u64 = 1_000_000_000;
        let Ok(mut due) = self.due.lock() else { return false };
        *due += u64::from(self.share.billionths());
        let fails = *due >= WHOLE;
        if fails {
            *due -= WHOLE;
        }
        fails
    }
}

/// A leak that would take the whole machine with it teaches nothing.
const LEAK_MAX: u64 = 2 << 30;

async fn leak(a_second: Bytes) {
    const STEPS_A_SECOND: u64 = 10;
    let mut step = tokio::time::interval(Duration::from_millis(1000 / STEPS_A_SECOND));
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut leaked = 0;
    while leaked < LEAK_MAX {
        step.tick().await;
        let amount = (a_second.0 / STEPS_A_SECOND).min(LEAK_MAX);
        // Written to, or the kernel would never hand out the pages.
        kept.push(vec![1; amount as usize]);
        leaked += amount.max(1);
    }
    warn_operator(&format!("the leak has reached {} and stops there", Bytes(leaked)));
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_who_and_how_with_units() {
        for (text, name, how) in [
            (
                "payment=slow:300ms",
                PartName::Payment,
                Misbehaviour::Slow(Duration::from_millis(300)),
            ),
            ("inventory=fail:20%", PartName::Inventory, Misbehaviour::Fail(Ratio::percent(20))),
            (
                "recommendations=leak:1MiB/s",
                PartName::Recommendations,
                Misbehaviour::Leak(Bytes(1 << 20)),
            ),
        ] {
            let read: PartMisbehaviour = text.parse().unwrap();
            assert_eq!(read, PartMisbehaviour { name, how });
            assert_eq!(how.to_string().parse(), Ok(how), "what is passed to a part is read back");
        }
    }

    #[test]
    fn errors_name_the_fix() {
        for (text, fix) in [
            ("payment", "`payment=slow:300ms`"),
            ("payment=slow:300", "`300ms`"),
            ("payment=fail:20", "`20%`"),
            ("payment=leak:1MiB", "/s"),
            ("payment=crash:now", "`fail:20%`"),
            ("pay=slow:1s", "payment"),
        ] {
            let error = text.parse::<PartMisbehaviour>().unwrap_err();
            assert!(error.help.contains(fix), "{text}: {error}");
        }
    }

    #[test]
    fn a_failing_share_is_exact() {
        let sickness =
            Sickness { delay: Duration::ZERO, share: Ratio::percent(20), due: Mutex::default() };
        assert_eq!((0..1000).filter(|_| sickness.fails()).count(), 200);
    }
}
