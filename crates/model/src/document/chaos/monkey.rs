//! Monkey: an experiment that is left to chance, within groups that opted in or out.
//!
//! ```yaml
//! schedule: "0 10 * * Mon-Fri"
//! monkey: {probability: 10%, optIn: ["web-*"], optOut: [web-canary]}
//! ```
//!
//! A group goes by name: a Service, one of its instances or dependencies, a label of these (`zone=a`), or what a target
//! names by itself (a program, `port 5432`; this host is `host`). Working hours are the `allowedHours` of `safety`, as those of every experiment.

use evenkeel_units::{Ratio, Seed};
use serde::{Deserialize, Serialize};

use super::{Labels, fits};

/// Chance and groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monkey {
    /// The share of the runs that break anything.
    pub probability: Ratio,
    /// Names, where `*` stands for anything; only these are hit. Empty: all.
    pub opt_in: Vec<String>,
    /// Likewise; these are never hit, whatever else is said.
    pub opt_out: Vec<String>,
}

impl Monkey {
    /// Whether the run with this seed breaks anything.
    pub fn draws(&self, seed: Seed) -> bool {
        let whole = u64::from(Ratio::ONE.billionths());
        seed.choices("monkey").below(0, whole) < u64::from(self.probability.billionths())
    }

    /// Whether a part of a service may be hit.
    pub fn takes_part(&self, service: &str, name: &str, labels: &Labels) -> bool {
        let labels: Vec<String> = labels.iter().map(|(key, it)| format!("{key}={it}")).collect();
        let names: Vec<&str> =
            [service, name].into_iter().chain(labels.iter().map(String::as_str)).collect();
        self.takes(&names)
    }

    /// Whether something that goes by these names may be hit.
    pub fn takes(&self, names: &[&str]) -> bool {
        let any = |patterns: &[String]| {
            patterns.iter().any(|pattern| names.iter().any(|it| fits(pattern, it)))
        };
        (self.opt_in.is_empty() || any(&self.opt_in)) && !any(&self.opt_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monkey(percent: u32, opt_in: &[&str], opt_out: &[&str]) -> Monkey {
        let owned = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        Monkey {
            probability: Ratio::percent(percent),
            opt_in: owned(opt_in),
            opt_out: owned(opt_out),
        }
    }

    #[test]
    fn a_share_of_the_runs_breaks_something_and_a_seed_always_the_same() {
        let rare = monkey(10, &[], &[]);
        let drawn = (0..10_000).filter(|seed| rare.draws(Seed(*seed))).count();
        assert!((900..1_100).contains(&drawn), "{drawn}");
        assert_eq!(rare.draws(Seed(7)), rare.draws(Seed(7)));
        assert!((0..1_000).all(|seed| monkey(100, &[], &[]).draws(Seed(seed))));
    }

    #[test]
    fn whoever_opted_out_is_spared_also_when_opted_in() {
        let both = monkey(100, &["web*"], &["web-canary"]);
        assert!(both.takes(&["web"]) && both.takes(&["shop", "web-1"]));
        assert!(!both.takes(&["web", "web-canary"]) && !both.takes(&["database"]));
        assert!(monkey(100, &[], &["database"]).takes(&["anything"]));
        assert!(!monkey(100, &["web"], &[]).takes(&[]));
        let labels = Labels::from([("zone".to_owned(), "a".to_owned())]);
        assert!(!monkey(100, &["web"], &["zone=a"]).takes_part("web", "web-1", &labels));
        assert!(monkey(100, &["zone=*"], &["zone=b"]).takes_part("web", "web-1", &labels));
    }
}
