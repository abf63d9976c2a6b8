//! Generator: what sends the load: threads of this process, or a fleet of other machines; or nothing does, and time
//! passes. Either way it becomes the same events.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_load::fleet::{self, Assembled, Fleet};
use evenkeel_load::{Handle, Order, Prepared, Said};
use evenkeel_model::Event;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{Reference, ResolveError};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

/// A load that is ready to be sent.
#[derive(Debug)]
pub(crate) enum Ready {
    Own(Prepared),
    Fleet(Assembled),
    /// Nothing is sent for so long.
    Nothing(Duration),
}

/// A load that is being sent.
#[derive(Debug)]
pub(crate) enum Load {
    Own(Handle),
    Fleet(fleet::Handle),
    /// Told to end before its time.
    Nothing(Arc<Notify>),
}

/// Makes an order ready, here or on every machine of the fleet. It may take many seconds.
pub(crate) fn prepare(order: Order, fleet: Option<&Fleet>) -> Result<Ready, String> {
    match fleet {
        None => {
            evenkeel_load::prepare(order, look_up).map(Ready::Own).map_err(|it| in_one_line(&it))
        }
        Some(fleet) => fleet.assemble(&order).map(Ready::Fleet).map_err(|it| in_one_line(&it)),
    }
}

impl Ready {
    /// Sends it, and says how it goes.
    pub(crate) fn start(self, say: UnboundedSender<Event>) -> Result<Load, String> {
        // Nobody listens any more once the run is over.
        let tell = move |event| drop(say.send(event));
        match self {
            Self::Own(prepared) => {
                let handle = prepared.start(move |said| {
                    tell(match said {
                        Said::Started => Event::LoadStarted,
                        Said::Second(frame) => Event::Second { frame },
                        Said::Ended { error } => Event::LoadEnded { error },
                    });
                });
                handle.map(Load::Own).map_err(|it| it.to_string())
            }
            Self::Fleet(assembled) => {
                for member in assembled.members() {
                    tell(Event::AgentJoined {
                        agent: member.address.clone(),
                        name: member.name.clone(),
                        round_trip_seconds: member.round_trip.as_secs_f64(),
                    });
                }
                let handle = assembled.start(move |event| {
                    tell(match event {
                        fleet::Event::Started => Event::LoadStarted,
                        fleet::Event::Second(frame) => Event::Second { frame },
                        fleet::Event::Part { agent, frame } => {
                            Event::AgentSecond { agent: agent.address, frame }
                        }
                        fleet::Event::Lost { agent, second, reason } => {
                            Event::AgentLost { agent: agent.address, second, reason }
                        }
                        fleet::Event::HandedOn { agent, by, from, missed } => {
                            Event::ShareHandedOn {
                                agent: agent.address,
                                by: by.into_iter().map(|it| it.address).collect(),
                                from,
                                missed,
                            }
                        }
                        fleet::Event::Ended { error } => Event::LoadEnded { error },
                    });
                });
                Ok(Load::Fleet(handle))
            }
            Self::Nothing(length) => {
                let end = Arc::new(Notify::new());
                let ended = Arc::clone(&end);
                tell(Event::LoadStarted);
                tokio::spawn(async move {
                    // Nothing was under way, so nothing is waited for.
                    drop(tokio::time::timeout(length, ended.notified()).await);
                    tell(Event::LoadEnded { error: None });
                });
                Ok(Load::Nothing(end))
            }
        }
    }
}

impl Load {
    /// Sends nothing new. Returns at once.
    pub(crate) fn stop(&self) {
        match self {
            Self::Own(it) => it.stop(),
            Self::Fleet(it) => it.stop(),
            Self::Nothing(end) => end.notify_one(),
        }
    }

    /// Processor time of sending, wherever it was.
    pub(crate) fn cpu_time(&self) -> Duration {
        match self {
            Self::Own(it) => it.cpu_time(),
            Self::Fleet(it) => it.cpu_time(),
            Self::Nothing(_) => Duration::ZERO,
        }
    }

    /// The part of it that this process spent.
    pub(crate) fn own_cpu_time(&self) -> Duration {
        match self {
            Self::Own(it) => it.cpu_time(),
            Self::Fleet(_) | Self::Nothing(_) => Duration::ZERO,
        }
    }
}

/// Looks a reference up on this machine: a variable of the environment, or a file.
///
/// # Errors
/// When it is not there, or cannot be read.
pub fn look_up(reference: &Reference) -> Result<String, ResolveError> {
    let found = match reference {
        Reference::Env(name) => std::env::var(name).map_err(|it| it.to_string()),
        Reference::File(file) => std::fs::read_to_string(file.path())
            .map(|it| it.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|it| it.to_string()),
    };
    found.map_err(|reason| ResolveError::new(reference, reason))
}
