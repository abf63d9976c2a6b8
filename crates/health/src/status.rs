//! Status: how a check stands, and what one run of it found.

use std::fmt;

/// How a check stands. What is worse comes later.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// All is well.
    Pass,
    /// It works, and somebody should look.
    Warn,
    /// Nobody has asked yet, or not for too long.
    Unknown,
    /// It does not work.
    Fail,
}

impl Status {
    /// Whether it works: it passes, with or without a warning.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Pass | Self::Warn)
    }

    /// The word for it in `application/health+json`; `unknown` is ours.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        }
    }
}

/// What one run of a check found.
///
/// A check need not name it: whatever turns into a finding will do, such as a `bool` or a `Result` of anything.
///
/// ```
/// use evenkeel_health::{Finding, Status};
///
/// assert_eq!(Finding::from(true).status(), Status::Pass);
/// assert_eq!(Finding::from(Err::<u32, _>("connection refused")).detail(), "connection refused");
/// let warm = Finding::warn("82% of the disk is taken").with_value(82.0, "percent");
/// assert_eq!(warm.value(), Some((82.0, "percent")));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    status: Status,
    detail: String,
    value: Option<(f64, &'static str)>,
}

impl Finding {
    /// Longest detail that is kept, in bytes: what a stranger's error says must not fill our answers.
    pub const DETAIL_MAX: usize = 512;

    /// All is well, and there is nothing to say about it.
    pub const fn pass() -> Self {
        Self { status: Status::Pass, detail: String::new(), value: None }
    }

    /// It works, and somebody should look: this is why.
    pub fn warn(why: impl fmt::Display) -> Self {
        Self { status: Status::Warn, detail: bounded(why.to_string()), value: None }
    }

    /// It does not work: this is why.
    pub fn fail(why: impl fmt::Display) -> Self {
        Self { status: Status::Fail, detail: bounded(why.to_string()), value: None }
    }

    /// The same with the number that was seen and its unit. A number that is none (NaN, infinite) is left out.
    pub fn with_value(mut self, value: f64, unit: &'static str) -> Self {
        self.value = value.is_finite().then_some((value, unit));
        self
    }

    /// The same with words for it.
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = bounded(detail.to_string());
        self
    }

    /// How it went: never [`Status::Unknown`].
    pub const fn status(&self) -> Status {
        self.status
    }

    /// What was seen, for people; empty where there is nothing to say.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The number that was seen, and its unit.
    pub const fn value(&self) -> Option<(f64, &'static str)> {
        self.value
    }
}

impl From<bool> for Finding {
    fn from(passed: bool) -> Self {
        if passed { Self::pass() } else { Self { status: Status::Fail, ..Self::pass() } }
    }
}

impl<T, E: fmt::Display> From<Result<T, E>> for Finding {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::pass(),
            Err(error) => Self::fail(error),
        }
    }
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(Finding::DETAIL_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_between_two_letters() {
        let finding = Finding::fail("ä".repeat(1_000));
        assert_eq!(finding.detail().len(), Finding::DETAIL_MAX);
        assert!(finding.detail().chars().all(|it| it == 'ä'));
        let odd = Finding::fail(format!("x{}", "ä".repeat(1_000)));
        assert_eq!(odd.detail().len(), Finding::DETAIL_MAX - 1);
    }

    #[test]
    fn a_number_that_is_none_is_left_out() {
        assert_eq!(Finding::pass().with_value(f64::NAN, "percent").value(), None);
    }
}
