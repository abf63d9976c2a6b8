//! Lock: what several threads share, taken whatever became of the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes what is shared, and waits until it can be had. For what is whole after every step: then a panic of whoever had it before
/// is a fault to be told, and no reason for everybody else to fail.
pub fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_had_after_a_panic_of_another() {
        let shared = Mutex::new(1);
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                *locked(&shared) = 2;
                let _held = locked(&shared);
                panic!("as it is meant to");
            });
            assert!(panics.join().is_err());
        });
        assert_eq!(*locked(&shared), 2);
    }
}
