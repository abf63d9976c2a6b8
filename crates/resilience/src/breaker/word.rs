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

/// Whether calls are timed in the highest bits, state in 8, generation in 32, permits in 16.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) state: State,
    /// Whether the policy asks when calls begin and end.
    pub(super) is_timed: bool,
    /// Counts the changes of state, so that calls of an earlier one can be told apart. After 4 billion it begins again.
    pub(super) generation: u32,
    /// While half-open: how many calls may still be tried.
    pub(super) permits: u16,
}

impl Word {
    pub(super) const fn closed(is_timed: bool) -> Self {
        Self { state: State::Closed, is_timed, generation: 0, permits: 0 }
    }

    pub(super) const fn pack(self) -> u64 {
        (self.is_timed as u64) << 56
            | (self.state as u64) << 48
            | (self.generation as u64) << 16
            | self.permits as u64
    }

    pub(super) const fn unpack(bits: u64) -> Self {
        let state = match (bits >> 48) as u8 {
            0 => State::Closed,
            1 => State::MetricsOnly,
            2 => State::Disabled,
            3 => State::Open,
            4 => State::HalfOpen,
            _ => State::ForcedOpen,
        };
        let is_timed = bits >> 56 != 0;
        Self { state, is_timed, generation: (bits >> 16) as u32, permits: bits as u16 }
    }

    /// The word after a change of state.
    pub(super) const fn next(self, state: State, permits: u16) -> Self {
        Self { state, generation: self.generation.wrapping_add(1), permits, ..self }
    }
}
