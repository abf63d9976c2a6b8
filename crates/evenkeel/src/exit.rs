//! Exit codes, which are part of the interface, and the failures that lead to them.

use std::process::ExitCode;

use evenkeel_model::outcome::Ending;

/// What the process ends with.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// Everything held.
    pub(crate) const OK: Self = Self(0);
    /// A verdict failed.
    pub(crate) const FAILED: Self = Self(1);
    /// The command or a document is wrong.
    pub(crate) const USAGE: Self = Self(2);
    /// It could not be run.
    pub(crate) const COULD_NOT_RUN: Self = Self(3);
    /// Something is still broken.
    pub(crate) const STOPPED: Self = Self(4);
    /// Somebody said no.
    pub(crate) const REFUSED: Self = Self(5);
    /// There is too little to tell.
    pub(crate) const INCONCLUSIVE: Self = Self(6);
    /// Our own mistake.
    pub(crate) const BUG: Self = Self(70);
    /// Somebody ended it.
    pub(crate) const INTERRUPTED: Self = Self(130);

    /// As the shell sees it.
    pub(crate) const fn code(self) -> u8 {
        self.0
    }
}

impl From<Ending> for Exit {
    fn from(ending: Ending) -> Self {
        Self(ending.exit_code())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Why a verb ended without doing what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// With which code.
    pub(crate) exit: Exit,
    /// What is wrong: lowercase, no full stop. Empty when everything has been said already.
    pub(crate) message: String,
    /// What to do about it, as a sentence.
    pub(crate) help: String,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: String::new() }
    }

    /// The command or a document is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::USAGE, message)
    }

    /// It could not be run.
    pub(crate) fn could_not_run(message: impl Into<String>) -> Self {
        Self::new(Exit::COULD_NOT_RUN, message)
    }

    /// Somebody said no.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::REFUSED, message)
    }

    /// Our own mistake.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(Exit::BUG, message)
    }

    /// With a sentence that says what to do.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }
}
