//! Marks and words for how something ended. Never colour alone: each has a sign and a word.

use evenkeel_model::outcome::{CheckKind, CheckResult, Ending};

/// How good it is, for colours.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As hoped.
    Good,
    /// To be acted on before it is bad.
    Warn,
    /// Nobody can tell: to be looked at.
    Doubt,
    /// Not as it has to be.
    Bad,
    /// Neither.
    Plain,
}

/// Tone of an ending.
pub(crate) const fn ending(it: Ending) -> Tone {
    match it {
        Ending::Pass => Tone::Good,
        Ending::Fail | Ending::Aborted => Tone::Bad,
        Ending::CouldNotRun | Ending::Refused | Ending::Inconclusive | Ending::Interrupted => {
            Tone::Doubt
        }
    }
}

/// Tone of a check.
pub(crate) const fn check(it: CheckResult) -> Tone {
    match it {
        CheckResult::Pass => Tone::Good,
        CheckResult::Fail => Tone::Bad,
        CheckResult::Inconclusive => Tone::Doubt,
        CheckResult::Info => Tone::Plain,
    }
}

/// Word for the result of a check.
pub(crate) const fn word(it: CheckResult) -> &'static str {
    match it {
        CheckResult::Pass => "pass",
        CheckResult::Fail => "fail",
        CheckResult::Inconclusive => "unclear",
        CheckResult::Info => "info",
    }
}

/// What a kind of check is called, in order of how much it weighs with a reader.
pub(crate) const fn kind(it: CheckKind) -> &'static str {
    match it {
        CheckKind::Objective => "objective",
        CheckKind::Success => "success criterion",
        CheckKind::SteadyState => "steady state",
        CheckKind::Regression => "regression",
        CheckKind::Load => "planned load",
        CheckKind::Trend => "drift",
        CheckKind::Watch => "watched",
        CheckKind::Evidence => "evidence",
        CheckKind::Undo => "undo",
    }
}

impl Tone {
    /// The sign that stands for it in text.
    pub(crate) const fn sign(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Warn => '!',
            Self::Bad => '✗',
            Self::Doubt => '?',
            Self::Plain => '·',
        }
    }

    /// The class that stands for it in the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warn | Self::Doubt => "warn",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }

    /// The colour that stands for it on a terminal.
    pub(crate) const fn ansi(self) -> &'static str {
        match self {
            Self::Good => "\u{1b}[32m",
            Self::Warn | Self::Doubt => "\u{1b}[33m",
            Self::Bad => "\u{1b}[31m",
            Self::Plain => "\u{1b}[2m",
        }
    }
}
