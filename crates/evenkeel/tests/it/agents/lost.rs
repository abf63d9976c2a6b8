//! Agents that are lost while they send: named, and their share sent by the others where that is asked for.

use std::process::Child;
use std::time::Duration;

use super::{Agent, PATIENCE, Sink, begin, command, document, json, judged, routes};
use crate::world::{World, said, wait_until};

#[test]
fn an_agent_that_is_killed_is_named_and_the_others_go_on() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 5);
    let mut agents = [(); 3].map(|()| Agent::start(&world));
    let load = begin(&mut command(&world, &agents.each_ref(), &[&file]));
    assert!(wait_until(PATIENCE, || sink.count() > 400));
    agents[1].process.kill().unwrap();
    let output = load.wait_with_output().unwrap();
    let lost = &agents[1].address;
    judged(&output, 1);
    let text = said(&output);
    assert!(text.contains(&format!("An agent was lost: {lost} after ")), "{text}");
    assert!(text.contains("all agents stayed"), "{text}");
    let sent = routes(sink.take());
    // Two thirds of the rest were sent by the others.
    let sent = sent.0 + sent.1;
    assert!((1_400..1_990).contains(&sent), "{sent} of 2000");
    agents[1].process.wait().unwrap();
}

#[test]
fn a_summary_for_scripts_names_the_agent_through_which_a_run_failed() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 60);
    let agents = [Agent::start(&world), Agent::start(&world)];
    let load = begin(&mut command(&world, &agents.each_ref(), &[&file, "--output", "json"]));
    assert!(wait_until(PATIENCE, || sink.count() > 100));
    let [gone, other] = agents;
    let addresses = [gone.address.clone(), other.address.clone()];
    drop((gone, other));
    let output = load.wait_with_output().unwrap();
    let summary = json(&output);
    assert_eq!(output.status.code(), Some(3), "{summary:#}");
    let cause = summary["cause"].as_str().unwrap();
    for (number, address) in addresses.iter().enumerate() {
        assert!(cause.contains(address), "{cause}");
        assert!(summary["agents"][number]["lost"].is_string(), "{summary:#}");
    }
    assert!(cause.contains("very agent was lost"), "{cause}");
}

/// What the verdict says of a run in which others took over what an agent had to send: for how many seconds of its share there
/// was nobody, and how many arrivals those had.
fn was_handed_on(cause: &str, lost: &str, others: &str) -> (f64, u64) {
    let (_, rest) = cause.split_once(&format!("An agent was lost: {lost} after ")).expect(cause);
    let (second, rest) = rest.split_once(" s: ").expect(cause);
    let (_, rest) =
        rest.split_once(&format!(", its share was sent by {others} from ")).expect(cause);
    let (from, rest) = rest.split_once(" s on, and ").expect(cause);
    let (missed, _) = rest.split_once(" arrivals by nobody").expect(cause);
    let [second, from] = [second, from].map(|it| it.parse::<f64>().unwrap());
    assert!((4.0..=10.0).contains(&from), "{cause}");
    (from - second, missed.parse().unwrap())
}

/// Kills the agent called `a` in the middle of a load, which nobody goes on with; why that failed.
pub(super) fn a_is_killed(sink: &Sink, load: Child, a: &mut Agent) -> String {
    assert!(wait_until(PATIENCE, || sink.count() > 400));
    a.process.kill().unwrap();
    a.process.wait().unwrap();
    let output = load.wait_with_output().unwrap();
    judged(&output, 1);
    let cause = json(&output)["cause"].as_str().unwrap().to_owned();
    assert!(cause.starts_with("An agent was lost: a after "), "{cause}");
    cause
}

/// Kills one of three agents, called so, while it sends its share of nine seconds; the others send it, and none of it twice.
pub(super) fn one_is_killed(sink: &Sink, load: Child, gone: &mut Agent, others: &str) {
    assert!(wait_until(PATIENCE, || sink.count() > 200));
    gone.process.kill().unwrap();
    gone.process.wait().unwrap();
    let output = load.wait_with_output().unwrap();
    let summary = json(&output);
    let (seconds, by_nobody) =
        was_handed_on(summary["cause"].as_str().unwrap(), &gone.address, others);
    let [planned, sent, missed] =
        ["planned", "sent", "missed"].map(|it| summary[it].as_u64().unwrap());
    assert_eq!((planned, sent + missed), (3_600, 3_600), "{summary:#}");
    // A third of 400/s; the verdict rounds the seconds.
    assert!((by_nobody as f64 - seconds * 400.0 / 3.0).abs() < 10.0, "{summary:#}");
    // No item is asked for twice. What was sent and not heard of any more counts as sent by nobody; and what was under way on
    // eight connections may never have arrived.
    let (lists, items) = routes(sink.take());
    let arrived = (lists + items) as u64;
    assert!((sent - 8..=sent + by_nobody).contains(&arrived), "{arrived} arrived: {summary:#}");
    // More than one of a hundred was missed: the run failed by that, and not by the loss.
    judged(&output, 1);
    assert!(!summary["cause"].as_str().unwrap().contains("ll agents stayed"), "{summary:#}");
}

/// What a load is run with.
pub(super) const HANDED_ON: [&str; 4] = ["--on-lost-agent", "redistribute", "--output", "json"];

#[test]
fn the_share_of_an_agent_that_is_killed_is_sent_by_the_others() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let file = document(&world, sink.address, 9);
    let mut agents = [(); 3].map(|()| Agent::start(&world));
    let load = begin(command(&world, &agents.each_ref(), &[&file]).args(HANDED_ON));
    let others = format!("{}, {}", agents[0].address, agents[2].address);
    one_is_killed(&sink, load, &mut agents[1], &others);
}

#[test]
fn users_of_an_agent_that_is_killed_come_anew_with_the_others() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let mut agents = [(); 2].map(|()| Agent::start(&world));
    let text = format!(
        "apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {{name: fleet}}
spec:
  url: http://{}
  shape: {{users: {{users: 8, duration: 10s, thinkTime: 100ms}}}}
  connections: 8
  scenarios:
    - name: one
      steps:
        - {{name: it, path: '/${{run:user}}'}}
",
        sink.address
    );
    let file = world.write("load.yaml", &text).display().to_string();
    let load = begin(command(&world, &agents.each_ref(), &[&file]).args(HANDED_ON));
    assert!(wait_until(PATIENCE, || sink.count() > 100));
    agents[0].process.kill().unwrap();
    agents[0].process.wait().unwrap();
    // What the dead one had sent before; then nothing of its users comes for a while.
    let pause = || wait_until(Duration::from_secs(1), || false);
    pause();
    sink.take();
    let output = load.wait_with_output().unwrap();
    let cause = json(&output)["cause"].as_str().unwrap().to_owned();
    assert_eq!(was_handed_on(&cause, &agents[0].address, &agents[1].address).1, 0);
    judged(&output, 0);
    let paths = sink.take();
    assert_eq!(paths.len(), 8, "{paths:?}");
    assert!(paths.values().all(|it| *it > 10), "{paths:?}");
}

#[test]
fn what_cannot_be_handed_on_is_refused_before_anything_is_sent() {
    let world = World::new();
    let sink = Sink::start("127.0.0.1:0");
    let agent = Agent::start(&world);
    let url = format!("http://{}/", sink.address);
    let more = [&*url, "--users", "2", "--requests", "50", "--on-lost-agent", "redistribute"];
    let load = command(&world, &[&agent], &more).output().unwrap();
    assert_eq!((load.status.code(), sink.count()), (Some(3), 0), "{}", said(&load));
    assert!(said(&load).contains("how many of their iterations"), "{}", said(&load));
}
