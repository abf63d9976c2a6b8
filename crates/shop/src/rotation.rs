//! Rotation: which instance gets the next request.
//!
//! ```text
//!          connection refused, or 2 failures in a row
//!     in ────────────────────────────────────────────▶ out
//!      ▲                                                │
//!      └────────── its readiness check succeeds ────────┘
//! ```
//!
//! If every instance is out, all are asked: when nobody looks healthy, the judge is as likely to be
//! wrong as the instances, and an answer may still come.

/// What became of a request to an instance, or of a readiness check.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answered.
    Answered,
    /// It did not answer in time, or hung up.
    Failed,
    /// Nobody listens there.
    Refused,
}

/// Instances, by their place in the list, and whether each is asked.
#[derive(Debug)]
pub(crate) struct Rotation {
    instances: Vec<Instance>,
    next: usize,
    trust: Trust,
}

#[derive(Clone, Debug)]
struct Instance {
    is_in: bool,
    failures: u32,
}

/// Whether signs are heeded.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Plain round robin, whatever happens.
    Blind,
    /// Failing instances are left out.
    Watchful,
}

/// Failures in a row that take an instance out.
const FAILURES_MAX: u32 = 2;

impl Rotation {
    /// All of `count` instances in.
    pub(crate) fn new(count: usize, trust: Trust) -> Self {
        Self { instances: vec![Instance { is_in: true, failures: 0 }; count], next: 0, trust }
    }

    /// The next instance, other than those `tried` for this request; `None` when all were.
    pub(crate) fn pick(&mut self, tried: &[usize]) -> Option<usize> {
        let count = self.instances.len();
        let order = (0..count).map(|step| (self.next + step) % count);
        let untried: Vec<_> = order.filter(|it| !tried.contains(it)).collect();
        let chosen = untried.iter().find(|it| self.instances[**it].is_in).or(untried.first())?;
        self.next = (chosen + 1) % count;
        Some(*chosen)
    }

    /// Takes a request's outcome into account; true when it took the instance out.
    pub(crate) fn request_went(&mut self, instance: usize, sign: Sign) -> bool {
        let trust = self.trust;
        let Some(it) = self.instances.get_mut(instance) else { return false };
        match sign {
            // Answers do not bring it back: one may have been under way when it went out.
            Sign::Answered => it.failures = 0,
            Sign::Failed => it.failures += 1,
            Sign::Refused => it.failures = FAILURES_MAX,
        }
        let leaves = trust == Trust::Watchful && it.is_in && it.failures >= FAILURES_MAX;
        it.is_in &= !leaves;
        leaves
    }

    /// Takes a readiness check into account; true when it took the instance out.
    pub(crate) fn check_went(&mut self, instance: usize, sign: Sign) -> bool {
        if sign == Sign::Answered
            && let Some(it) = self.instances.get_mut(instance)
        {
            *it = Instance { is_in: true, failures: 0 };
        }
        self.request_went(instance, sign)
    }

    /// How many instances are in.
    pub(crate) fn in_count(&self) -> usize {
        self.instances.iter().filter(|it| it.is_in).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(rotation: &mut Rotation, count: usize) -> Vec<usize> {
        (0..count).map(|_| rotation.pick(&[]).unwrap()).collect()
    }

    #[test]
    fn a_refused_connection_takes_an_instance_out_until_a_check_succeeds() {
        let mut rotation = Rotation::new(3, Trust::Watchful);
        assert!(rotation.request_went(1, Sign::Refused));
        assert_eq!(picks(&mut rotation, 4), [0, 2, 0, 2]);
        assert!(!rotation.request_went(1, Sign::Answered));
        assert_eq!(rotation.in_count(), 2, "a late answer does not bring it back");
        rotation.check_went(1, Sign::Answered);
        assert_eq!(picks(&mut rotation, 3), [0, 1, 2]);
    }

    #[test]
    fn one_failure_is_forgiven_and_two_in_a_row_are_not() {
        let mut rotation = Rotation::new(2, Trust::Watchful);
        assert!(!rotation.request_went(0, Sign::Failed));
        rotation.request_went(0, Sign::Answered);
        assert!(!rotation.request_went(0, Sign::Failed));
        assert!(rotation.request_went(0, Sign::Failed));
    }

    #[test]
    fn when_all_are_out_all_are_asked() {
        let mut rotation = Rotation::new(3, Trust::Watchful);
        for instance in 0..3 {
            rotation.request_went(instance, Sign::Refused);
        }
        assert_eq!(picks(&mut rotation, 3), [0, 1, 2]);
    }

    #[test]
    fn a_blind_rotation_heeds_nothing() {
        let mut rotation = Rotation::new(2, Trust::Blind);
        assert!(!rotation.request_went(0, Sign::Refused));
        assert_eq!(picks(&mut rotation, 4), [0, 1, 0, 1]);
    }

    #[test]
    fn a_request_never_meets_the_same_instance_twice() {
        let mut rotation = Rotation::new(3, Trust::Watchful);
        rotation.request_went(2, Sign::Refused);
        assert_eq!(rotation.pick(&[0, 1]), Some(2));
        assert_eq!(rotation.pick(&[0, 1, 2]), None);
    }
}
