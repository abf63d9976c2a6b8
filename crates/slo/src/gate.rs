//! Gate: whether a change may go out.
//!
//! It is open when enough of the budget is left, nothing burns fast, and no freeze stops this kind of change. Kinds that
//! are excepted (`security_patches`, `critical_bug_fixes`) go through a closed gate, and demand a reason, which is put on
//! record with what the gate would have said. Without data the gate is neither open nor closed, and says so.

use std::fmt;

use evenkeel_units::Ratio;
use jiff::Timestamp;

use crate::Share;
use crate::burn::Severity;
use crate::policy::Scope;
use crate::share::percent;

/// Letters that a reason may have.
pub const REASON_MAX: usize = 1_000;

/// What a gate asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// This much of the budget must be left, or more.
    pub minimum: Ratio,
    /// An alert at least so severe closes it; `None`: alerts are not asked.
    pub closed_by: Option<Severity>,
    /// Kinds of change that go through a closed gate, with a reason.
    pub exceptions: Vec<String>,
}

impl Default for Gate {
    /// A tenth must be left, and nobody be woken at the time; no exceptions.
    fn default() -> Self {
        Self {
            minimum: Ratio::percent(10),
            closed_by: Some(Severity::Page),
            exceptions: Vec::new(),
        }
    }
}

/// A change that wants to go out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What kind of change: `normal`, `security_patches`.
    pub kind: &'a str,
    /// Why it must, for an exception.
    pub reason: Option<&'a str>,
    /// Who asks.
    pub who: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// What is known at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// How much of the budget is left; `None` without data.
    pub left: Option<Share>,
    /// The alerts that fire: their rules, how severe they are, and the burn rate of their long window.
    pub firing: Vec<(&'a str, Severity, Option<Share>)>,
    /// The freezes that are on.
    pub freezes: Vec<&'a Scope>,
}

/// Why a gate is open or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Enough is left.
    Enough {
        /// So much.
        left: Share,
        /// So much must be.
        minimum: Ratio,
    },
    /// Not enough is left.
    TooLittle {
        /// So much.
        left: Share,
        /// So much must be.
        minimum: Ratio,
    },
    /// Nobody knows how much is left.
    NoData,
    /// The budget burns.
    Burning {
        /// The rule that fires.
        rule: String,
        /// How severe that is.
        severity: Severity,
        /// How fast it burns.
        burn: Option<Share>,
    },
    /// A policy has frozen this kind of change.
    Frozen {
        /// The scope of the freeze.
        scope: String,
        /// The kind of change.
        kind: String,
    },
    /// The kind of change is excepted.
    Excepted {
        /// The kind.
        kind: String,
        /// Why it must go out.
        reason: String,
    },
    /// The kind of change is excepted, and nobody says why it must go out.
    ReasonMissing {
        /// The kind.
        kind: String,
    },
}

impl Ground {
    const fn verdict(&self) -> Verdict {
        match self {
            Self::Enough { .. } | Self::Excepted { .. } => Verdict::Open,
            Self::TooLittle { .. }
            | Self::Burning { .. }
            | Self::Frozen { .. }
            | Self::ReasonMissing { .. } => Verdict::Closed,
            Self::NoData => Verdict::Inconclusive,
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enough { left, minimum } => {
                write!(f, "{} of the budget is left, and {minimum} must be", percent(*left))
            }
            Self::TooLittle { left, minimum } => {
                write!(f, "only {} of the budget is left, and {minimum} must be", percent(*left))
            }
            Self::NoData => f.write_str("there is no data to say how much of the budget is left"),
            Self::Burning { rule, severity, burn: Some(burn) } => {
                write!(f, "the budget burns at {burn}: `{rule}` fires ({})", severity.name())
            }
            Self::Burning { rule, severity, burn: None } => {
                write!(f, "`{rule}` fires ({})", severity.name())
            }
            Self::Frozen { scope, kind } => write!(f, "a freeze of {scope} stops `{kind}`"),
            Self::Excepted { kind, reason } => write!(f, "`{kind}` is excepted: {reason}"),
            Self::ReasonMissing { kind } => {
                write!(f, "`{kind}` is excepted, and demands a reason, which is missing")
            }
        }
    }
}

/// Whether it may go out.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It may.
    Open,
    /// Nobody can tell.
    Inconclusive,
    /// It may not.
    Closed,
}

/// What goes on record when a closed gate was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub who: Option<String>,
    /// The kind of change.
    pub kind: String,
    /// Why it had to go out.
    pub reason: String,
    /// What the gate would have said.
    pub overruled: Verdict,
    /// Why, in words and numbers.
    pub grounds: Vec<String>,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go out.
    pub verdict: Verdict,
    /// Why: everything that bears on it, not only the first thing.
    pub grounds: Vec<Ground>,
    /// What goes on record, of an exception.
    pub audit: Option<Audit>,
}

impl Gate {
    /// Decides about a change.
    pub fn decide(&self, request: Request<'_>, facts: &Facts<'_>) -> Decision {
        let grounds = self.grounds(request, facts);
        let verdict = grounds.iter().map(Ground::verdict).max().unwrap_or(Verdict::Inconclusive);
        let excepted = self.exceptions.iter().any(|it| it == request.kind);
        if !excepted || verdict == Verdict::Open {
            return Decision { verdict, grounds, audit: None };
        }
        let kind = request.kind.to_owned();
        let reason: String =
            request.reason.unwrap_or_default().trim().chars().take(REASON_MAX).collect();
        let said = grounds.iter().map(ToString::to_string).collect();
        let mut all = grounds;
        if reason.is_empty() {
            all.insert(0, Ground::ReasonMissing { kind });
            return Decision { verdict: Verdict::Closed, grounds: all, audit: None };
        }
        all.insert(0, Ground::Excepted { kind: kind.clone(), reason: reason.clone() });
        let who = request.who.map(ToOwned::to_owned);
        let audit = Audit { at: request.at, who, kind, reason, overruled: verdict, grounds: said };
        Decision { verdict: Verdict::Open, grounds: all, audit: Some(audit) }
    }

    fn grounds(&self, request: Request<'_>, facts: &Facts<'_>) -> Vec<Ground> {
        let minimum = self.minimum;
        let budget = match facts.left {
            None => Ground::NoData,
            Some(left) if left >= minimum.into() => Ground::Enough { left, minimum },
            Some(left) => Ground::TooLittle { left, minimum },
        };
        let closes = |severity| self.closed_by.is_some_and(|it| severity >= it);
        let burning = facts.firing.iter().filter(|(_, severity, _)| closes(*severity)).map(
            |&(rule, severity, burn)| Ground::Burning { rule: rule.to_owned(), severity, burn },
        );
        let frozen = facts
            .freezes
            .iter()
            .filter(|it| it.stops(request.kind))
            .map(|it| Ground::Frozen { scope: it.name.clone(), kind: request.kind.to_owned() });
        [budget].into_iter().chain(burning).chain(frozen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate { exceptions: vec!["security_patches".to_owned()], ..Gate::default() }
    }

    fn request<'a>(kind: &'a str, reason: Option<&'a str>) -> Request<'a> {
        Request { kind, reason, who: Some("ada"), at: Timestamp::UNIX_EPOCH }
    }

    fn facts(left: Option<Share>) -> Facts<'static> {
        Facts { left, ..Facts::default() }
    }

    fn said(decision: &Decision) -> Vec<String> {
        decision.grounds.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn it_is_open_with_exactly_the_minimum_left_and_closed_below() {
        let open = gate().decide(request("normal", None), &facts(Some(Share::of(10, 100))));
        assert_eq!(open.verdict, Verdict::Open);
        let closed =
            gate().decide(request("normal", None), &facts(Some(Share::of(9_999, 100_000))));
        assert_eq!(closed.verdict, Verdict::Closed);
        assert_eq!(said(&closed), ["only 9.999 % of the budget is left, and 10% must be"]);
    }

    #[test]
    fn no_data_is_neither_open_nor_closed() {
        let it = gate().decide(request("normal", None), &facts(None));
        assert_eq!(it.verdict, Verdict::Inconclusive);
        let burning = Facts { firing: vec![("fast", Severity::Page, None)], ..facts(None) };
        assert_eq!(gate().decide(request("normal", None), &burning).verdict, Verdict::Closed);
    }

    #[test]
    fn an_alert_closes_it_if_it_is_severe_enough() {
        let left = Some(Share::ONE);
        let burn = Some(Share::of(31, 2));
        let page = Facts { firing: vec![("fast", Severity::Page, burn)], ..facts(left) };
        let it = gate().decide(request("normal", None), &page);
        assert_eq!(it.verdict, Verdict::Closed);
        assert_eq!(said(&it)[1], "the budget burns at 15.5: `fast` fires (page)");
        let ticket = Facts { firing: vec![("slow", Severity::Ticket, burn)], ..facts(left) };
        assert_eq!(gate().decide(request("normal", None), &ticket).verdict, Verdict::Open);
    }

    #[test]
    fn a_freeze_closes_it_for_the_kinds_it_does_not_spare() {
        let scope = Scope { name: "risky".to_owned(), spares: vec!["config".to_owned()] };
        let frozen = Facts { freezes: vec![&scope], ..facts(Some(Share::ONE)) };
        assert_eq!(gate().decide(request("normal", None), &frozen).verdict, Verdict::Closed);
        assert_eq!(gate().decide(request("config", None), &frozen).verdict, Verdict::Open);
    }

    #[test]
    fn an_exception_needs_a_reason_and_goes_on_record() {
        let spent = facts(Some(Share::new(-1, 2)));
        for blank in [None, Some("  ")] {
            let it = gate().decide(request("security_patches", blank), &spent);
            assert_eq!((it.verdict, it.audit), (Verdict::Closed, None));
        }
        let it = gate().decide(request("security_patches", Some("a hole in TLS")), &spent);
        assert_eq!(it.verdict, Verdict::Open);
        let audit = it.audit.unwrap();
        assert_eq!((audit.overruled, audit.who.as_deref()), (Verdict::Closed, Some("ada")));
        assert_eq!(audit.grounds, ["only -50 % of the budget is left, and 10% must be"]);
    }

    #[test]
    fn an_exception_through_an_open_gate_needs_no_reason() {
        let it = gate().decide(request("security_patches", None), &facts(Some(Share::ONE)));
        assert_eq!((it.verdict, it.audit), (Verdict::Open, None));
    }

    #[test]
    fn a_kind_that_is_not_excepted_stays_outside_whatever_its_reason() {
        let it =
            gate().decide(request("feature", Some("the boss wants it")), &facts(Some(Share::ZERO)));
        assert_eq!(it.verdict, Verdict::Closed);
    }
}
