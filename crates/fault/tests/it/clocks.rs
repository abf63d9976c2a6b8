//! The clock of a Redis is off for as long as the fault acts, and right after it, however that ends.

use evenkeel_model::document::Fault;
use rustix::time::{ClockId, clock_gettime};

use crate::aftermath::{Tool, journals, left_by};
use crate::redis::Server;
use crate::stage::{on_workers, open, service, state_dir, told, until};

/// Hosts that test are busy, and between two readings much else may run.
const NEAR: f64 = 5.0;

/// Ten minutes behind.
pub(crate) fn late() -> Fault {
    Fault::ClockSkew { offset: "-10m".parse().unwrap() }
}

impl Server {
    /// Whether its clock is off by so many seconds.
    fn is_off(&self, seconds: f64) -> bool {
        let now = clock_gettime(ClockId::Realtime);
        (self.time() - now.tv_sec as f64 - seconds).abs() < NEAR
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_runs_is_told_another_time_until_the_end() {
    let (server, state) = (Server::start().await, state_dir());
    let mut faults = open(&service(None, &[&server.process]), state.path()).await;
    assert!(server.is_off(0.0));
    faults.begin(0, &on_workers(late())).await.unwrap();
    assert!(server.is_off(-600.0));
    let twice = told(&faults.begin(1, &on_workers(late())).await.unwrap_err());
    assert!(twice.ends_with("is off already: another fault acts on it"), "{twice}");
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
    assert!(evidence.summary.starts_with("the clock of 1 process -10m for"), "{evidence:?}");
    assert!(server.is_off(0.0));
    faults.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardian_sets_a_clock_right_whose_tool_was_killed() {
    let (server, state) = (Server::start().await, state_dir());
    let mut tool = Tool::with("clock", &server.process, state.path());
    tool.until_broken();
    assert!(server.is_off(-600.0));
    tool.kill();
    until(|| server.is_off(0.0)).await;
    until(|| left_by(state.path()).is_empty() && journals(state.path()) == 0).await;
}
