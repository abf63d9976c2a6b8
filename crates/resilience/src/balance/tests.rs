//! Tests of the balancer: what it promises, one script each.

mod model;
mod shares;

use std::sync::Mutex;
use std::time::Duration;

use evenkeel_units::Ratio;

use super::*;

fn at(seconds: u64) -> Moment {
    Moment::at(Duration::from_secs(seconds))
}

fn named(names: &str) -> impl Iterator<Item = Member<char>> {
    names.chars().map(|it| Member::new(it, it))
}

/// At 0 s, with an endpoint for each letter.
fn balancer(policy: Policy, names: &str) -> Balancer<char> {
    let balancer = Balancer::seeded(policy, Seed(7)).unwrap();
    balancer.replace(at(0), named(names)).unwrap();
    balancer
}

fn rotating(names: &str) -> Balancer<char> {
    balancer(Policy::of(Strategy::RoundRobin), names)
}

/// Calls one after the other, each of which ends well at once.
fn called<T: Copy>(balancer: &Balancer<T>, now: Moment, times: usize) -> Vec<T> {
    let call = || {
        let ticket = balancer.admit(now, None)?;
        let value = *ticket.endpoint().value();
        balancer.record(now, ticket, Outcome::Success);
        Some(value)
    };
    (0..times).filter_map(|_| call()).collect()
}

/// Calls until the endpoint is called, which then fails.
fn fail(balancer: &Balancer<char>, now: Moment, name: char) {
    for _ in 0..100 {
        let ticket = balancer.admit(now, None).unwrap();
        if *ticket.endpoint().value() == name {
            return balancer.record(now, ticket, Outcome::Failure);
        }
        balancer.release(ticket);
    }
    panic!("{name} is not called");
}

fn text(of: Vec<char>) -> String {
    of.into_iter().collect()
}

/// A balancer that says what happens, in few words.
fn heard(policy: Policy, names: &str) -> (Balancer<char>, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&heard);
    let listener: Listener = Arc::new(move |event| {
        to.lock().unwrap().push(match event {
            Event::Ejected { at, endpoint, reason, until, times } => {
                format!("{at} {endpoint} ejected until {until} ({times}): {reason}")
            }
            Event::Readmitted { at, endpoint } => format!("{at} {endpoint} readmitted"),
            Event::Healthy { at, endpoint } => format!("{at} {endpoint} healthy"),
            Event::Unhealthy { at, endpoint } => format!("{at} {endpoint} unhealthy"),
            Event::PanicBegan { at, available, total } => format!("{at} panic {available}/{total}"),
            Event::PanicEnded { at, available, total } => format!("{at} calm {available}/{total}"),
        });
    });
    let balancer = Balancer::seeded(policy, Seed(7)).unwrap().listener(listener);
    balancer.replace(at(0), named(names)).unwrap();
    (balancer, heard)
}

fn said(heard: &Mutex<Vec<String>>) -> Vec<String> {
    mem::take(&mut heard.lock().unwrap())
}

#[test]
fn nobody_to_call_is_none_and_counted() {
    let balancer = rotating("");
    assert!(balancer.admit(at(1), None).is_none());
    let seen = balancer.snapshot(at(1));
    assert_eq!((seen.picks_total, seen.unavailable_total), (1, 1));
}

#[test]
fn a_rotation_passes_over_who_is_not_healthy_and_stays_even() {
    let balancer = rotating("abcd");
    assert_eq!(text(called(&balancer, at(1), 8)), "abcdabcd");
    balancer.endpoint("b").unwrap().set_healthy(false);
    let calls = text(called(&balancer, at(2), 300));
    assert!("acd".chars().all(|it| calls.matches(it).count() == 100), "{calls}");
    balancer.endpoint("b").unwrap().set_healthy(true);
    assert!(called(&balancer, at(3), 4).contains(&'b'));
}

#[test]
fn weights_are_spread_smoothly_as_by_nginx() {
    let balancer = rotating("");
    let members = [('a', 5), ('b', 1), ('c', 1)].map(|(it, of)| Member::new(it, it).weight(of));
    balancer.replace(at(0), members).unwrap();
    // The example of nginx's commit of 2012, "Upstream: smooth weighted round-robin balancing".
    assert_eq!(text(called(&balancer, at(1), 14)), "aabacaaaabacaa");
}

#[test]
fn failures_in_a_row_eject_for_longer_each_time_and_are_forgotten_slowly() {
    let policy =
        Policy { outliers: Some(Outliers::consecutive(2)), ..Policy::of(Strategy::RoundRobin) };
    let (balancer, heard) = heard(policy, "abc");
    fail(&balancer, at(1), 'a');
    assert_eq!(said(&heard), [""; 0]);
    fail(&balancer, at(1), 'a');
    assert_eq!(said(&heard), ["+1s a ejected until +31s (1): 2 calls failed in a row"]);
    assert!(!called(&balancer, at(30), 30).contains(&'a'));
    assert!(called(&balancer, at(31), 3).contains(&'a'));
    assert_eq!(said(&heard), ["+31s a readmitted"]);
    (0..2).for_each(|_| fail(&balancer, at(32), 'a'));
    assert_eq!(said(&heard), ["+32s a ejected until +1m32s (2): 2 calls failed in a row"]);
    // Two intervals in which it may be called.
    for now in [92, 103, 114] {
        balancer.tick(at(now));
    }
    said(&heard);
    (0..2).for_each(|_| fail(&balancer, at(115), 'a'));
    assert_eq!(said(&heard), ["+1m55s a ejected until +2m25s (1): 2 calls failed in a row"]);
    let seen = balancer.snapshot(at(115));
    assert_eq!((seen.endpoints[0].ejected_total, seen.available), (3, 2));
}

#[test]
fn a_success_in_between_or_an_ejection_forgives_earlier_failures() {
    let policy =
        Policy { outliers: Some(Outliers::consecutive(2)), ..Policy::of(Strategy::RoundRobin) };
    let (balancer, heard) = heard(policy, "ab");
    fail(&balancer, at(1), 'a');
    called(&balancer, at(1), 4);
    fail(&balancer, at(1), 'a');
    assert_eq!(said(&heard), [""; 0]);
    fail(&balancer, at(1), 'a');
    // Back again, one failure is one.
    fail(&balancer, at(31), 'a');
    assert_eq!(balancer.snapshot(at(31)).endpoints[0].streak, 1);
    assert_eq!(said(&heard).len(), 2);
}

#[test]
fn only_a_share_is_ejected_and_who_stays_is_ejected_when_there_is_room() {
    let policy = Policy {
        outliers: Some(Outliers::consecutive(1)),
        panic: Ratio::ZERO,
        ..Policy::of(Strategy::RoundRobin)
    };
    let balancer = balancer(policy, "abc");
    fail(&balancer, at(1), 'a');
    fail(&balancer, at(1), 'b');
    let seen = balancer.snapshot(at(1));
    assert_eq!((seen.available, seen.ejections_refused_total), (2, 1));
    balancer.tick(at(31));
    fail(&balancer, at(31), 'b');
    assert_eq!(text(called(&balancer, at(31), 2)).replace('c', "a"), "aa");
}

#[test]
fn the_only_endpoint_is_not_ejected() {
    let policy = Policy { outliers: Some(Outliers::consecutive(1)), ..Policy::default() };
    let balancer = balancer(policy, "a");
    (0..9).for_each(|_| fail(&balancer, at(1), 'a'));
    assert_eq!(balancer.snapshot(at(1)).available, 1);
}

#[test]
fn who_succeeds_less_often_than_the_others_is_ejected_at_the_end_of_the_interval() {
    let policy = Policy::of(Strategy::RoundRobin);
    let policy =
        Policy { outliers: Some(Outliers { consecutive: None, ..Outliers::default() }), ..policy };
    let (balancer, heard) = heard(policy, "abcde");
    for call in 0..1_000 {
        let ticket = balancer.admit(at(5), None).unwrap();
        let fails = *ticket.endpoint().value() == 'd' && call % 2 == 0;
        balancer.record(at(5), ticket, Outcome::from_ok(!fails));
    }
    balancer.tick(at(9));
    assert_eq!(said(&heard), [""; 0]);
    balancer.tick(at(10));
    let wanted =
        "+10s d ejected until +40s (1): 100 of 200 calls succeeded, and 90% of those of all";
    assert_eq!(said(&heard), [wanted]);
}

#[test]
fn below_the_panic_threshold_all_are_called_and_everybody_is_told() {
    let (balancer, heard) = heard(Policy::of(Strategy::RoundRobin), "abcd");
    for name in ["a", "b", "c"] {
        balancer.endpoint(name).unwrap().set_healthy(false);
    }
    let calls = text(called(&balancer, at(1), 4));
    assert!("abcd".chars().all(|it| calls.contains(it)), "{calls}");
    let wanted = ["+1s a unhealthy", "+1s b unhealthy", "+1s c unhealthy", "+1s panic 1/4"];
    assert_eq!(said(&heard), wanted);
    let seen = balancer.snapshot(at(1));
    assert_eq!((seen.is_panic, seen.panics_total, seen.panic_picks_total), (true, 1, 4));
    assert_eq!(
        balancer.explain(at(1), "a").unwrap().to_string(),
        "`a` is called all the same: it was said to be unhealthy; but only 1 of 4 may be called, so all are"
    );
    balancer.endpoint("a").unwrap().set_healthy(true);
    assert!(called(&balancer, at(2), 4).iter().all(|it| "ad".contains(*it)));
    assert_eq!(said(&heard), ["+2s a healthy", "+2s calm 2/4"]);
}

#[test]
fn without_a_panic_threshold_nobody_unhealthy_is_called() {
    let policy = Policy { panic: Ratio::ZERO, ..Policy::default() };
    let balancer = balancer(policy, "ab");
    balancer.endpoints().iter().for_each(|it| it.set_healthy(false));
    assert!(balancer.admit(at(1), None).is_none());
    assert_eq!(
        balancer.explain(at(1), "a").unwrap().to_string(),
        "`a` is not called: it was said to be unhealthy"
    );
}

#[test]
fn a_call_under_way_on_an_endpoint_that_is_removed_ends_as_any_other() {
    let policy = Policy { outliers: Some(Outliers::consecutive(1)), ..Policy::default() };
    let (balancer, heard) = heard(policy, "a");
    let ticket = balancer.admit(at(1), None).unwrap();
    let endpoint = balancer.remove(at(1), "a").unwrap();
    assert!(balancer.admit(at(1), None).is_none());
    assert_eq!(endpoint.in_flight(), 1);
    balancer.record(at(2), ticket, Outcome::Failure);
    endpoint.set_healthy(false);
    balancer.tick(at(3));
    assert_eq!((endpoint.in_flight(), said(&heard)), (0, Vec::new()));
    assert!(balancer.explain(at(3), "a").is_none());
}

#[test]
fn discovery_keeps_what_is_known_of_an_endpoint_and_insertion_forgets_it() {
    let policy =
        Policy { outliers: Some(Outliers::consecutive(1)), ..Policy::of(Strategy::RoundRobin) };
    let balancer = balancer(policy, "abc");
    fail(&balancer, at(1), 'a');
    balancer.replace(at(2), named("dcba").map(|it| it.weight(3))).unwrap();
    let seen = balancer.snapshot(at(2));
    let seen: Vec<_> =
        seen.endpoints.iter().map(|it| (&*it.name, it.weight, it.is_called)).collect();
    assert_eq!(seen, [("d", 3, true), ("c", 3, true), ("b", 3, true), ("a", 3, false)]);
    balancer.insert(at(2), Member::new("a", 'A')).unwrap();
    assert!(called(&balancer, at(2), 20).contains(&'A'));
}

#[test]
fn what_cannot_be_taken_changes_nothing_and_says_why() {
    let balancer = rotating("ab");
    let said = |it: Result<(), MemberError>| it.unwrap_err().to_string();
    let twice = said(balancer.replace(at(1), named("cdc")));
    assert_eq!(twice, "there are two endpoints `c`: give each a name of its own");
    let weight = said(balancer.insert(at(1), Member::new("c", 'c').weight(0)).map(drop));
    assert!(weight.starts_with("`c` has weight 0: write 1 to 10000"), "{weight}");
    let many = (0..4_097).map(|it| Member::new(it.to_string(), 'x'));
    assert!(said(balancer.replace(at(1), many)).contains("4097 endpoints are more than 4096"));
    assert_eq!(text(called(&balancer, at(1), 2)), "ab");
}

#[test]
fn a_new_policy_holds_from_the_next_pick_on_and_ejections_stay_unless_they_are_off() {
    let policy =
        Policy { outliers: Some(Outliers::consecutive(1)), ..Policy::of(Strategy::RoundRobin) };
    let balancer = balancer(policy.clone(), "abc");
    fail(&balancer, at(1), 'a');
    let hash = Policy { strategy: Strategy::consistent_hash(), ..policy };
    balancer.reload(at(2), hash.clone()).unwrap();
    let owner = |key| balancer.admit(at(2), Some(key)).map(|it| *it.endpoint().value());
    assert!((0..50).all(|it| owner(it) == owner(it) && owner(it) != Some('a')));
    balancer.reload(at(3), Policy { outliers: None, ..hash.clone() }).unwrap();
    assert_eq!(balancer.snapshot(at(3)).available, 3);
    let bad = Policy { outliers: Some(Outliers::consecutive(0)), ..hash };
    assert!(balancer.reload(at(4), bad).is_err());
    assert_eq!(balancer.policy().outliers, None);
}

#[test]
fn who_reloads_more_often_than_the_interval_puts_off_no_judgement() {
    let share = FailureShare { min_calls: 4, min_endpoints: 1, ..FailureShare::default() };
    let outliers =
        Outliers { consecutive: None, failure_share: Some(share), ..Outliers::default() };
    let policy = Policy { outliers: Some(outliers), ..Policy::of(Strategy::RoundRobin) };
    let (balancer, heard) = heard(policy.clone(), "ab");
    (0..4).for_each(|_| fail(&balancer, at(1), 'a'));
    (2..12).for_each(|now| balancer.reload(at(now), policy.clone()).unwrap());
    let wanted = "+10s a ejected until +40s (1): 4 of 4 calls failed";
    assert_eq!(said(&heard), [wanted]);
    // Who is put aside comes back when nobody is any more, and what ends meanwhile is judged by nobody.
    balancer.reload(at(12), Policy { outliers: None, ..policy.clone() }).unwrap();
    assert_eq!(said(&heard), ["+12s a readmitted"]);
    (0..4).for_each(|_| fail(&balancer, at(20), 'a'));
    balancer.reload(at(30), policy).unwrap();
    balancer.tick(at(40));
    assert_eq!(said(&heard), [""; 0]);
}

#[test]
fn who_refuses_calls_itself_is_put_aside_until_it_admits_them_also_in_a_panic() {
    let (balancer, heard) = heard(Policy::of(Strategy::LeastConnections), "abc");
    let refuse = |now, name, seconds| {
        let ticket = Balancer::begin(at(now), balancer.endpoint(name).unwrap());
        balancer.refused(at(now), ticket, Duration::from_secs(seconds));
    };
    refuse(1, "a", 5);
    refuse(1, "a", 50);
    refuse(1, "b", 9);
    assert_eq!(balancer.snapshot(at(1)).endpoints[0].ejections, 0);
    assert_eq!(
        balancer.explain(at(1), "a").unwrap().to_string(),
        "`a` is not called: it is put aside for 5s more, because its own circuit is open"
    );
    // A third of them is left, and to call the others is in vain.
    assert_eq!(text(called(&balancer, at(5), 30)), "c".repeat(30));
    assert!(!called(&balancer, at(6), 30).contains(&'b'));
    let wanted = [
        "+1s a ejected until +6s (0): its own circuit is open",
        "+1s b ejected until +10s (0): its own circuit is open",
        "+1s panic 1/3",
        "+6s a readmitted",
        "+6s calm 2/3",
    ];
    assert_eq!(said(&heard), wanted);
    let trial = Balancer::begin(at(7), balancer.endpoint("a").unwrap());
    for name in ["a", "c"] {
        refuse(7, name, 60);
    }
    assert!(balancer.admit(at(7), None).is_none());
    // One that answers a call admits them again.
    balancer.record(at(8), trial, Outcome::Success);
    assert_eq!(text(called(&balancer, at(8), 3)), "aaa");
    assert!(called(&balancer, at(10), 30).contains(&'b'));
}

#[test]
fn a_pick_gives_itself_back_and_a_cancelled_one_says_how_long_it_took() {
    let balancer = balancer(Policy::default(), "a");
    let endpoint = balancer.endpoint("a").unwrap();
    let clock = std::cell::Cell::new(at(1));
    let ask = || Pick::ask(&balancer, || clock.get(), None).unwrap();
    ask().success();
    let cancelled = ask();
    assert_eq!((endpoint.in_flight(), cancelled.endpoint().name()), (1, "a"));
    clock.set(at(9));
    drop(cancelled);
    ask().end(None);
    let panics = std::panic::AssertUnwindSafe(|| {
        let _pick = ask();
        panic!("while a call is under way");
    });
    assert!(std::panic::catch_unwind(panics).is_err());
    let seen = &balancer.snapshot(at(9)).endpoints[0];
    let counts =
        [seen.succeeded_total, seen.cancelled_total, seen.ignored_total, seen.failed_total];
    assert_eq!((seen.in_flight, counts), (0, [1; 4]));
    assert_eq!(seen.latency.map(|it| it.as_secs()), Some(8));
}

#[test]
fn an_explanation_says_what_is_known_of_who_is_called() {
    let policy = Policy {
        slow_start: Some(SlowStart::over(Duration::from_secs(10))),
        ..Policy::of(Strategy::RoundRobin)
    };
    let balancer = balancer(policy, "a");
    let said = |now| balancer.explain(at(now), "a").unwrap().to_string();
    assert_eq!(
        said(5),
        "`a` is called, 0 calls are under way; it warms up, and 0.50 of its weight of 1 counts so far; \
         it has not answered so far"
    );
    let ticket = balancer.admit(at(8), None).unwrap();
    balancer.record(at(10), ticket, Outcome::Success);
    fail(&balancer, at(10), 'a');
    let wanted =
        "`a` is called, 0 calls are under way; it is taken to need 2s; the last call failed";
    assert_eq!(said(10), wanted);
}
