//! Load from several agents in this process, of which one is lost.

use std::sync::mpsc;
use std::thread::JoinHandle;

use evenkeel_load::Order;
use evenkeel_load::fleet::{Agent, Event, Fleet, Meeting, OnLoss, Token};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const TOKEN: &str = "0123456789abcdef-of-a-test";

/// An agent on a thread of its own.
struct Served {
    address: String,
    leave: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn start() -> Self {
        let (say, heard) = mpsc::channel();
        let (leave, left) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let token = Token::new(TOKEN).unwrap();
                let name = "it".to_owned();
                let agent = Agent::new(token, name, |_| Ok(String::new()), |_| {});
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                say.send(listener.local_addr().unwrap().to_string()).unwrap();
                tokio::select! {
                    ended = agent.listen(listener) => ended.unwrap(),
                    _ = left => {}
                }
            });
        });
        let address = heard.recv().unwrap();
        Self { address, leave: Some(leave), thread: Some(thread) }
    }

    fn leave(&mut self) {
        drop(self.leave.take());
        self.thread.take().into_iter().for_each(|it| it.join().unwrap());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Sends an order from two agents, of which the second leaves after two seconds; says what happened.
pub(crate) fn with_a_loss(order: &Order) -> Vec<Event> {
    let mut agents = [(); 2].map(|()| Served::start());
    let addresses = agents.iter().map(|it| it.address.clone()).collect();
    let fleet = Fleet::new(Meeting::Call(addresses), Token::new(TOKEN).unwrap()).unwrap();
    let assembled = fleet.on_loss(OnLoss::Redistribute).assemble(order).unwrap();
    let (say, heard) = mpsc::channel();
    let handle = assembled.start(move |it| say.send(it).unwrap_or_default());
    let mut events = Vec::new();
    for event in heard {
        if matches!(&event, Event::Second(frame) if frame.second == 1) {
            agents[1].leave();
        }
        events.push(event);
    }
    handle.join();
    events
}
