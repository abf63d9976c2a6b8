//! Failover: threads that find the active member unhealthy, and an operator, at the same time.

use std::sync::Mutex;
use std::time::Duration;

use evenkeel_resilience::failover::{Event, Failover, Member, Policy, Switch, Why};
use evenkeel_resilience::watch;
use evenkeel_units::Moment;
use loom::sync::Arc;
use loom::thread;

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

type Switches = std::sync::Arc<Mutex<Vec<Switch>>>;

/// Three members that one probe makes healthy or not, and what is told of changes.
fn three() -> (Arc<Failover<()>>, Switches) {
    let watch =
        watch::Policy { unhealthy_threshold: 1, healthy_threshold: 1, ..Default::default() };
    let member = |(rank, name): (u16, &str)| Member::new(name, ()).rank(rank).watched(Some(watch));
    let members = (0..).zip(["a", "b", "c"]).map(member);
    let policy = Policy { hold: Duration::ZERO, refusals: Some(1), ..Policy::default() };
    let switches = Switches::default();
    let to = std::sync::Arc::clone(&switches);
    let listener = move |it: &Event| {
        if let Event::Switched(it) = it {
            to.lock().unwrap().push(it.clone());
        }
    };
    let failover = Failover::try_new(members, policy).unwrap();
    (Arc::new(failover.listener(std::sync::Arc::new(listener))), switches)
}

/// Every change has an epoch of its own, and leaves what the one before it made active.
fn in_one_line(switches: &Switches) -> Vec<Switch> {
    let mut all = switches.lock().unwrap().clone();
    all.sort_by_key(|it| it.epoch);
    let mut active = "a".to_owned();
    for (epoch, it) in (1..).zip(&all) {
        assert_eq!((it.epoch, &*it.from), (epoch, active.as_str()));
        assert_ne!(it.from, it.to);
        active = it.to.to_string();
    }
    all
}

#[test]
fn of_two_who_find_the_active_unhealthy_one_makes_the_change() {
    loom::model(|| {
        let (failover, switches) = three();
        let spawn = |work: fn(&Failover<()>)| {
            let its = Arc::clone(&failover);
            thread::spawn(move || work(&its))
        };
        let one = spawn(|it| it.refused(at(1), 0));
        let other = spawn(|it| it.probed(at(1), 0, false));
        let before = failover.pick(at(1));
        let (seen, epoch) = (before.member().name.to_string(), before.epoch());
        assert!((seen.as_str(), epoch) == ("a", 0) || (seen.as_str(), epoch) == ("b", 1));
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(in_one_line(&switches).len(), 1);
        assert_eq!(&*failover.pick(at(1)).member().name, "b");
    });
}

#[test]
fn changes_of_probes_and_of_an_operator_come_one_after_the_other() {
    loom::model(|| {
        let (failover, switches) = three();
        failover.probed(at(0), 0, false);
        failover.probed(at(1), 0, true);
        let spawn = |work: fn(&Failover<()>)| {
            let its = Arc::clone(&failover);
            thread::spawn(move || work(&its))
        };
        let fails = spawn(|it| it.probed(at(2), 1, false));
        let first_fails = spawn(|it| it.probed(at(2), 0, false));
        let operator = failover.failback(at(2));
        fails.join().unwrap();
        first_fails.join().unwrap();
        let all = in_one_line(&switches);
        let asked = all.iter().filter(|it| it.why == Why::Failback).count();
        assert_eq!(asked, usize::from(operator.is_ok()));
        // Whoever came first: both are unhealthy, and so the third is active.
        assert_eq!(&*failover.pick(at(2)).member().name, "c");
        assert_eq!(failover.snapshot().epoch as usize, all.len());
    });
}
