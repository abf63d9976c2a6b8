//! Statuses: which answers of a server are bad, where all that is known of them is a status.
//!
//! An objective is a promise to users, and a request that no server could have answered well is none of its breaches: 404
//! is the right answer to a wrong question. So what is bad is 5xx, and 429 where turning users away is a failure too. A load
//! test, which sends what it knows to be right, counts every unexpected status as bad (see [`count`](crate::count)); what
//! got no answer is bad for both.

use evenkeel_series::matcher::Operation;
use evenkeel_series::{Matcher, MatcherError};

/// Which statuses of HTTP are bad.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Statuses {
    /// Whether a user who was turned away (429) counts.
    pub turned_away: bool,
    /// Whether every wrong request (4xx) counts.
    pub wrong_requests: bool,
}

impl Statuses {
    /// Whether an answer is bad. What is no status, such as 0 for no answer, is.
    pub const fn is_bad(self, status: u16) -> bool {
        match status {
            100..=399 => false,
            429 => self.turned_away || self.wrong_requests,
            400..=499 => self.wrong_requests,
            _ => true,
        }
    }

    /// The same as a pattern on a whole label, in which a status may be written as its class (`5xx`).
    pub const fn pattern(self) -> &'static str {
        match (self.turned_away, self.wrong_requests) {
            (false, false) => "5..",
            (true, false) => "5..|429",
            (_, true) => "[45]..",
        }
    }

    /// The condition on `label` that bad answers meet.
    pub fn matcher(self, label: &str) -> Result<Matcher, MatcherError> {
        Matcher::new(label, Operation::Matches, self.pattern())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_request_is_no_failure_of_the_server_unless_it_is_said_so() {
        let default = Statuses::default();
        let bad = [200, 302, 404, 429, 500, 503, 0].map(|it| default.is_bad(it));
        assert_eq!(bad, [false, false, false, false, true, true, true]);
    }

    #[test]
    fn pattern_and_judgement_agree() {
        for (turned_away, wrong_requests) in
            [(false, false), (true, false), (false, true), (true, true)]
        {
            let it = Statuses { turned_away, wrong_requests };
            let matcher = it.matcher("code").unwrap();
            for status in 100..600 {
                assert_eq!(
                    matcher.is_met_by(&status.to_string()),
                    it.is_bad(status),
                    "{status} {it:?}"
                );
            }
        }
    }
}
