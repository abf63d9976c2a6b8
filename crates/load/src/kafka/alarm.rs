//! Alarm: waking up when something is due. The timers of the runtime tick once a millisecond, which is too
//! coarse to send by.

use std::io;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe;

/// A timer of the operating system. To the runtime it is like a pipe that can be read when it is time.
pub(super) struct Alarm {
    timer: OwnedFd,
    ready: pipe::Receiver,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let ready = pipe::Receiver::from_owned_fd_unchecked(timer.try_clone()?)?;
        Ok(Self { timer, ready })
    }

    /// Comes back after this time, or a little earlier.
    pub(super) async fn after(&self, time: Duration) -> io::Result<()> {
        let Some(value) = Timespec::try_from(time).ok().filter(|_| !time.is_zero()) else {
            // The sockets get their turn all the same.
            tokio::task::yield_now().await;
            return Ok(());
        };
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.ready.readable().await?;
        match self.ready.try_read(&mut [0; 8]) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
