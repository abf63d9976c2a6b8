//! Gather: ask many, take what came in time.

use crate::Error;

/// What became of one branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Branch<T, E> {
    /// It answered.
    Done(T),
    /// It failed.
    Failed(Error<E>),
    /// It had not ended when the time was over, and was dropped.
    Late,
    /// It had not ended when enough others had answered, and was dropped.
    Unneeded,
}

/// What came of all branches, in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<T, E> {
    branches: Vec<Branch<T, E>>,
}

impl<T, E> Gathered<T, E> {
    /// Each branch.
    pub fn branches(&self) -> &[Branch<T, E>] {
        &self.branches
    }

    /// Each branch, to keep.
    pub fn into_branches(self) -> Vec<Branch<T, E>> {
        self.branches
    }

    /// The answers that there are.
    pub fn answers(&self) -> impl Iterator<Item = &T> {
        self.branches.iter().filter_map(|it| match it {
            Branch::Done(answer) => Some(answer),
            _ => None,
        })
    }

    /// The answers that there are, to keep.
    pub fn into_answers(self) -> impl Iterator<Item = T> {
        self.branches.into_iter().filter_map(|it| match it {
            Branch::Done(answer) => Some(answer),
            _ => None,
        })
    }

    /// Whether every branch answered.
    pub fn is_complete(&self) -> bool {
        self.answers().count() == self.branches.len()
    }
}

#[cfg(feature = "tower")]
mod future {
    use std::mem;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use pin_project_lite::pin_project;

    use super::{Branch, Gathered};
    use crate::Error;
    use crate::time::now;
    use evenkeel_units::nanos;

    use crate::timer::{self, Scope, Timer};

    /// Asks all `branches` at once, for at most `time` from now, or until the deadline that stands around.
    ///
    /// A page that needs ten answers is as slow as the slowest and as broken as any of them. Where a part is better than nothing
    /// (results of shards, prices of suppliers, boxes of a page), this waits as long as there is time, or until
    /// [enough](Gather::enough) have answered, and says of each branch what became of it.
    ///
    /// All are polled by this task whenever it is woken, which suits tens of branches, not thousands. Each is in a box of its own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use evenkeel_resilience::{Error, deadline::{Branch, gather}};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let asked = [20, 900, 10].map(|millis| async move {
    ///     tokio::time::sleep(Duration::from_millis(millis)).await;
    ///     Ok::<_, Error<()>>(millis)
    /// });
    /// let gathered = gather(Duration::from_millis(100), asked).await;
    /// assert_eq!(gathered.branches(), [Branch::Done(20), Branch::Late, Branch::Done(10)]);
    /// # });
    /// ```
    pub fn gather<F, T, E>(time: Duration, branches: impl IntoIterator<Item = F>) -> Gather<F, T, E>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let branches: Vec<_> = branches.into_iter().map(|it| Under::Way(Box::pin(it))).collect();
        let until = nanos((now() + time).elapsed());
        Gather { until, enough: branches.len(), timer: Timer::new(), branches }
    }

    enum Under<F, T, E> {
        Way(Pin<Box<F>>),
        Ended(Branch<T, E>),
    }

    pin_project! {
        /// Many answers, or as many as came in time.
        #[must_use = "a future does nothing unless it is awaited"]
        pub struct Gather<F, T, E> {
            until: u64,
            enough: usize,
            branches: Vec<Under<F, T, E>>,
            timer: Timer,
        }
    }

    impl<F, T, E> Gather<F, T, E> {
        /// The same, but ended as soon as so many branches have answered.
        pub fn enough(self, answers: usize) -> Self {
            Self { enough: answers.min(self.branches.len()), ..self }
        }
    }

    impl<F, T, E> Future for Gather<F, T, E>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        type Output = Gathered<T, E>;

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Gathered<T, E>> {
            let this = self.project();
            if let Some(around) = timer::deadline() {
                *this.until = nanos(around.elapsed()).min(*this.until);
            }
            let mut fired = timer::fired(context.waker());
            loop {
                let scope = Scope::open(context.waker(), *this.until, u64::MAX, fired);
                let rest = poll_all(this.branches, *this.enough, context);
                let (wake, _) = scope.close();
                if let Some(rest) = rest {
                    return Poll::Ready(ended(this.branches, rest));
                }
                if fired >= *this.until {
                    return Poll::Ready(ended(this.branches, Rest::Late));
                }
                let until = wake.min(*this.until);
                fired = ready!(this.timer.poll(context, until));
            }
        }
    }

    /// What those that have not ended are, once the others suffice.
    #[derive(Copy, Clone)]
    enum Rest {
        Late,
        Unneeded,
    }

    fn poll_all<F, T, E>(
        branches: &mut [Under<F, T, E>],
        enough: usize,
        context: &mut Context<'_>,
    ) -> Option<Rest>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let (mut done, mut under_way) = (0, 0);
        for branch in branches {
            if let Under::Way(future) = branch
                && let Poll::Ready(result) = future.as_mut().poll(context)
            {
                *branch = Under::Ended(match result {
                    Ok(answer) => Branch::Done(answer),
                    Err(error) => Branch::Failed(error),
                });
            }
            match branch {
                Under::Way(_) => under_way += 1,
                Under::Ended(Branch::Done(_)) => done += 1,
                Under::Ended(_) => {}
            }
        }
        (done >= enough || under_way == 0).then_some(Rest::Unneeded)
    }

    fn ended<F, T, E>(branches: &mut Vec<Under<F, T, E>>, rest: Rest) -> Gathered<T, E> {
        let branches = mem::take(branches).into_iter().map(|it| match (it, rest) {
            (Under::Ended(branch), _) => branch,
            (Under::Way(_), Rest::Late) => Branch::Late,
            (Under::Way(_), Rest::Unneeded) => Branch::Unneeded,
        });
        Gathered { branches: branches.collect() }
    }
}

#[cfg(feature = "tower")]
pub use future::{Gather, gather};

#[cfg(all(test, feature = "tower"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::TimeLimit;
    use crate::deadline::within;
    use crate::time::now;

    async fn answer(millis: u64, ok: bool) -> Result<u64, Error<()>> {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        if ok { Ok(millis) } else { Err(Error::Inner(())) }
    }

    #[tokio::test(start_paused = true)]
    async fn each_branch_says_what_became_of_it() {
        let since = now();
        let branches = [answer(30, true), answer(10, false), answer(500, true)];
        let gathered = gather(Duration::from_millis(100), branches).await;
        let failed = Branch::Failed(Error::Inner(()));
        assert_eq!(gathered.branches(), [Branch::Done(30), failed, Branch::Late]);
        assert!(!gathered.is_complete());
        assert_eq!(now() - since, Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_enough_have_answered() {
        let since = now();
        let branches = [answer(30, true), answer(10, false), answer(500, true), answer(20, true)];
        let gathered = gather(Duration::from_secs(100), branches).enough(2).await;
        assert_eq!(gathered.branches()[2], Branch::Unneeded);
        assert_eq!(gathered.into_answers().collect::<Vec<_>>(), [30, 20]);
        assert_eq!(now() - since, Duration::from_millis(30));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_all_have_and_at_once_when_there_are_none() {
        let since = now();
        let gathered = gather(Duration::from_secs(100), [answer(7, true), answer(9, true)]).await;
        assert!(gathered.is_complete());
        assert_eq!(now() - since, Duration::from_millis(9));
        let none: [std::future::Ready<Result<(), Error<()>>>; 0] = [];
        assert!(gather(Duration::from_secs(100), none).await.is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_around_it_leaves_what_there_is() {
        let since = now();
        let branches = [answer(30, true), answer(500, true)];
        let all = within(TimeLimit::Total, Duration::from_millis(60), async {
            Ok::<_, Error<()>>(gather(Duration::from_secs(9), branches).await)
        });
        // The limit itself and what is inside come due together: what there is wins.
        let gathered = all.await.unwrap();
        assert_eq!(gathered.branches(), [Branch::Done(30), Branch::Late]);
        assert_eq!(now() - since, Duration::from_millis(60));
    }

    #[tokio::test(start_paused = true)]
    async fn limits_of_branches_share_its_timer() {
        let branches = [30, 500].map(|millis| {
            within(TimeLimit::Attempt, Duration::from_millis(50), answer(millis, true))
        });
        let gathered = gather(Duration::from_secs(9), branches).await;
        let late = Branch::Failed(Error::Timeout(TimeLimit::Attempt));
        assert_eq!(gathered.branches(), [Branch::Done(30), late]);
    }
}
