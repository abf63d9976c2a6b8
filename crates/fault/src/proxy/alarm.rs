//! An alarm that rings when it should: a timer of the kernel, instead of the runtime's wheel, whose
//! spokes are a millisecond apart and which always rings on the spoke after.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Opened when first needed: a connection without a fault on it costs no descriptor.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<AsyncFd<OwnedFd>>);

impl Alarm {
    /// Waits until then; for ever without a moment. Giving up waiting is harmless.
    pub(crate) async fn until(&mut self, then: Option<Instant>) {
        let Some(then) = then else { return std::future::pending().await };
        // Without a descriptor to spare, the wheel has to do.
        if self.ring(then).await.is_err() {
            tokio::time::sleep_until(then).await;
        }
    }

    async fn ring(&mut self, then: Instant) -> io::Result<()> {
        if self.0.is_none() {
            self.0 = Some(open()?);
        }
        let Some(timer) = &self.0 else { return Ok(()) };
        let left = then.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let value = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = timer.readable().await?;
            // Readiness may be left over from an earlier ring; only the kernel knows.
            let read = |it: &AsyncFd<OwnedFd>| Ok(rustix::io::read(it.get_ref(), &mut [0u8; 8])?);
            if let Ok(read) = ready.try_io(read) {
                return read.map(|_| ());
            }
        }
    }
}

#[expect(deprecated, reason = "it asks for a descriptor that stays the same, as an owned one does")]
fn open() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)
}
