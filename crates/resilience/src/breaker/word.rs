//! Word: state, generation and permits of a circuit, in one number that is read and written at once.

/// What a circuit does with calls.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Calls go through, and are judged.
    Closed = 0,
    /// Calls go through and are counted, but open nothing: somebody said so.
    MetricsOnly = 1,
    /// Calls go through and are not counted: somebody said so.
    Disabled = 2,
    /// Calls are rejected until a wait is over.
    Open = 3,
    /// A few calls are tried.
    HalfOpen = 4,
    /// Calls are rejected until somebody says otherwise.
    ForcedOpen = 5,
}

impl State {
    /// As in metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::MetricsOnly => "metrics_only",
            Self::Disabled => "disabled",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
        }
    }
}

/// In the highest 8 bits whether calls are timed, and whether the window is spotless; state in 8, generation in 32, permits in 16.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    const TIMED: u64 = 1 << 56;
    const SPOTLESS: u64 = 1 << 57;

    pub(super) const fn closed(is_timed: bool) -> Self {
        Self(0).timed(is_timed)
    }

    pub(super) const fn of(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn state(self) -> State {
        match (self.0 >> 48) as u8 {
            0 => State::Closed,
            1 => State::MetricsOnly,
            2 => State::Disabled,
            3 => State::Open,
            4 => State::HalfOpen,
            _ => State::ForcedOpen,
        }
    }

    /// Whether calls go through and are counted.
    pub(super) const fn counts(self) -> bool {
        (self.0 >> 48) as u8 <= State::MetricsOnly as u8
    }

    /// Whether no call goes through until some time has passed.
    pub(super) fn is_shut(self) -> bool {
        matches!(self.state(), State::Open | State::HalfOpen) && self.permits() == 0
    }

    /// Whether the policy asks when calls begin and end.
    pub(super) const fn is_timed(self) -> bool {
        self.0 & Self::TIMED != 0
    }

    /// Whether a call that goes well changes nothing but what was counted since the beginning.
    pub(super) const fn is_spotless(self) -> bool {
        self.0 & Self::SPOTLESS != 0
    }

    /// Counts the changes of state, so that calls of an earlier one can be told apart. After 4 billion it begins again.
    pub(super) const fn generation(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// While half-open: how many calls may still be tried.
    pub(super) const fn permits(self) -> u16 {
        self.0 as u16
    }

    pub(super) const fn with_permits(self, permits: u16) -> Self {
        Self(self.0 & !0xFFFF | permits as u64)
    }

    pub(super) const fn timed(self, is_timed: bool) -> Self {
        Self(if is_timed { self.0 | Self::TIMED } else { self.0 & !Self::TIMED })
    }

    pub(super) const fn spotless(self, is_spotless: bool) -> Self {
        Self(if is_spotless { self.0 | Self::SPOTLESS } else { self.0 & !Self::SPOTLESS })
    }

    /// The word after a change of state.
    pub(super) const fn next(self, state: State, permits: u16) -> Self {
        let generation = self.generation().wrapping_add(1) as u64;
        let timed = self.0 & Self::TIMED;
        Self(timed | (state as u64) << 48 | generation << 16 | permits as u64)
    }
}
