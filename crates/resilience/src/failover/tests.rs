//! Tests of the failover, told the time.

use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::watch;

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

fn pair(policy: Policy) -> Failover<()> {
    Failover::active_passive([("primary", ()), ("secondary", ())], policy).unwrap()
}

fn three(policy: Policy) -> Failover<()> {
    Failover::active_passive([("a", ()), ("b", ()), ("c", ())], policy).unwrap()
}

/// Members that one probe makes healthy or not.
fn hasty(names: &[(&'static str, u16)], policy: Policy) -> Failover<()> {
    let watch =
        watch::Policy { unhealthy_threshold: 1, healthy_threshold: 1, ..Default::default() };
    let member = |(name, rank): &(&'static str, u16)| {
        Member::new(*name, ()).rank(*rank).watched(Some(watch))
    };
    Failover::try_new(names.iter().map(member), policy).unwrap()
}

fn active<M>(failover: &Failover<M>, now: u64) -> String {
    failover.pick(at(now)).member().name.to_string()
}

fn fail<M>(failover: &Failover<M>, seconds: impl IntoIterator<Item = u64>, member: usize) {
    seconds.into_iter().for_each(|it| failover.probed(at(it), member, false));
}

fn pass<M>(failover: &Failover<M>, seconds: impl IntoIterator<Item = u64>, member: usize) {
    seconds.into_iter().for_each(|it| failover.probed(at(it), member, true));
}

/// The same with what is told, in words.
fn told<M>(failover: Failover<M>) -> (Failover<M>, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&heard);
    let listener = move |it: &Event| to.lock().unwrap().push(it.to_string());
    (failover.listener(Arc::new(listener)), heard)
}

#[test]
fn the_first_member_is_active_until_it_fails_and_stays_away_when_it_is_back() {
    let (failover, heard) = told(pair(Policy::default()));
    pass(&failover, [0], 0);
    fail(&failover, [5, 10], 0);
    assert_eq!(active(&failover, 10), "primary");
    fail(&failover, [15], 0);
    assert_eq!(active(&failover, 15), "secondary");
    pass(&failover, [20, 25], 0);
    assert_eq!(active(&failover, 100_000), "secondary");
    let heard = heard.lock().unwrap();
    assert_eq!(
        *heard,
        [
            "primary is healthy",
            "primary is unhealthy",
            "failed over from primary to secondary",
            "primary is healthy"
        ]
    );
}

#[test]
fn an_operator_fails_back_and_is_told_why_not() {
    let failover = pair(Policy::default());
    let said = |now| failover.failback(at(now)).unwrap_err().to_string();
    assert_eq!(said(0), "primary is active already");
    fail(&failover, [5, 10, 15], 0);
    assert_eq!(said(16), "primary is unhealthy since +15s: wait until it is healthy, or force it");
    assert_eq!(active(&failover, 16), "secondary");
    pass(&failover, [20], 0);
    assert!(failover.failback(at(21)).is_err());
    pass(&failover, [25], 0);
    let switch = failover.failback(at(26)).unwrap();
    assert_eq!((switch.epoch, switch.why), (2, Why::Failback));
    assert_eq!(switch.to_string(), "failed back from secondary to primary");
    assert_eq!(active(&failover, 26), "primary");
    let seen = failover.snapshot();
    assert_eq!((seen.failovers_total, seen.failbacks_total, seen.by_hand_total), (1, 1, 0));
}

#[test]
fn the_first_standby_that_is_healthy_takes_over_before_one_of_which_nothing_is_known() {
    let failover = three(Policy::default());
    pass(&failover, [0], 2);
    fail(&failover, [5, 10, 15], 0);
    assert_eq!(active(&failover, 15), "c");
    let failover = three(Policy::default());
    fail(&failover, [5, 10, 15], 1);
    fail(&failover, [5, 10, 15], 0);
    assert_eq!(active(&failover, 15), "c");
}

#[test]
fn with_nobody_left_calls_stay_and_the_first_that_heals_takes_over() {
    let (failover, heard) = told(pair(Policy::default()));
    fail(&failover, [5, 10, 15], 1);
    fail(&failover, [5, 10, 15, 20], 0);
    assert_eq!(active(&failover, 20), "primary");
    assert_eq!(failover.snapshot().stuck, Some(Stuck::NobodyLeft));
    let stuck = "primary is unhealthy, and nobody is left to take over";
    assert_eq!(heard.lock().unwrap().iter().filter(|it| *it == stuck).count(), 1);
    pass(&failover, [25, 30], 1);
    assert_eq!(active(&failover, 30), "secondary");
    assert_eq!(failover.snapshot().stuck, None);
}

#[test]
fn the_next_automatic_change_comes_after_the_hold_and_needs_nobody_to_tell() {
    let hold = Duration::from_mins(1);
    let failover = hasty(&[("a", 0), ("b", 1)], Policy { hold, ..Policy::default() });
    fail(&failover, [5], 0);
    assert_eq!(active(&failover, 5), "b");
    pass(&failover, [6], 0);
    fail(&failover, [7], 1);
    assert_eq!(active(&failover, 64), "b");
    assert_eq!(failover.snapshot().later, Some(at(65)));
    assert!(
        failover
            .explain(at(60))
            .to_string()
            .ends_with("changes in 5s, if nothing happens until then")
    );
    assert_eq!(active(&failover, 65), "a");
}

#[test]
fn the_first_failover_waits_for_nothing() {
    let hold = Duration::from_hours(1);
    let failover = hasty(&[("a", 0), ("b", 1)], Policy { hold, ..Policy::default() });
    fail(&failover, [1], 0);
    assert_eq!(active(&failover, 1), "b");
}

#[test]
fn automatic_failback_comes_when_the_better_one_was_healthy_for_long_enough() {
    let failback = Failback::Automatic { after: Duration::from_mins(1) };
    let failover = hasty(&[("a", 0), ("b", 1)], Policy { failback, ..Policy::default() });
    fail(&failover, [5], 0);
    pass(&failover, [20], 0);
    fail(&failover, [70], 0);
    pass(&failover, [80], 0);
    assert_eq!(active(&failover, 139), "b");
    assert_eq!(active(&failover, 140), "a");
    assert_eq!(failover.snapshot().last.unwrap().why, Why::Healed);
}

#[test]
fn automatic_failback_leaves_alone_what_an_operator_chose() {
    let failback = Failback::Automatic { after: Duration::from_secs(1) };
    let failover = hasty(&[("a", 0), ("b", 1)], Policy { failback, ..Policy::default() });
    pass(&failover, [0], 0);
    pass(&failover, [0], 1);
    failover.switch_to(at(1), "b").unwrap();
    assert_eq!(active(&failover, 1_000), "b");
    fail(&failover, [1_001], 1);
    assert_eq!(active(&failover, 1_001), "a");
}

#[test]
fn an_explanation_promises_no_way_back_that_the_policy_does_not_take() {
    let failback = Failback::Automatic { after: Duration::from_secs(1) };
    let failover = pair(Policy { failback, ..Policy::default() });
    let said = |now| failover.explain(at(now)).to_string();
    fail(&failover, [5, 10, 15], 0);
    assert!(said(15).ends_with("goes back to primary when that was healthy for 1s"));
    failover.force_to(at(16), "primary").unwrap();
    failover.switch_to(at(17), "secondary").unwrap();
    assert!(said(18).ends_with("failback is by hand, and would go to primary"), "{}", said(18));
    let both = Failover::active_active([("a", ()), ("b", ())], Policy::default()).unwrap();
    assert!(both.explain(at(0)).to_string().ends_with("nobody stands by"));
}

#[test]
fn without_automatic_failover_an_operator_is_asked_once_and_decides() {
    let (failover, heard) = told(pair(Policy { automatic: false, ..Policy::default() }));
    fail(&failover, [5, 10, 15, 20, 25], 0);
    assert_eq!(active(&failover, 25), "primary");
    let asked = "primary is unhealthy, and waits for an operator to switch";
    assert_eq!(heard.lock().unwrap().iter().filter(|it| *it == asked).count(), 1);
    assert_eq!(
        failover.switch_to(at(26), "nobody"),
        Err(Refused::Nobody { name: "nobody".into() })
    );
    failover.switch_to(at(26), "secondary").unwrap();
    assert_eq!(active(&failover, 26), "secondary");
}

#[test]
fn who_knows_better_forces_and_it_is_left_again_when_it_fails_anew() {
    let failover = pair(Policy::default());
    fail(&failover, [5, 10, 15], 0);
    pass(&failover, [16], 1);
    assert!(failover.switch_to(at(20), "primary").is_err());
    failover.force_to(at(20), "primary").unwrap();
    assert_eq!(active(&failover, 20), "primary");
    fail(&failover, [25, 30], 0);
    assert_eq!(active(&failover, 30), "primary");
    fail(&failover, [35], 0);
    assert_eq!(active(&failover, 35), "secondary");
}

#[test]
fn calls_in_a_row_that_cannot_reach_a_member_shorten_detection() {
    let failover = pair(Policy::default());
    pass(&failover, [0], 0);
    let refuse = |times: u32| (0..times).for_each(|_| failover.refused(at(1), 0));
    refuse(2);
    failover.reached(0);
    refuse(2);
    assert_eq!(active(&failover, 1), "primary");
    refuse(1);
    assert_eq!(active(&failover, 1), "secondary");
    assert_eq!(failover.snapshot().members[0].refused_total, 5);
    // Calls that were on their way tell nothing new.
    refuse(10);
    assert_eq!(failover.snapshot().epoch, 1);
    failover.refused(at(1), 99);
    failover.reached(99);
}

#[test]
fn a_probe_that_passes_forgives_refusals_and_force_forgives_probes_that_failed() {
    let failover = pair(Policy::default());
    (0..2).for_each(|_| failover.refused(at(1), 0));
    pass(&failover, [2], 0);
    (0..2).for_each(|_| failover.refused(at(3), 0));
    assert_eq!(active(&failover, 3), "primary");
    let failover = pair(Policy::default());
    fail(&failover, [5, 10], 0);
    failover.force_to(at(11), "primary").unwrap();
    fail(&failover, [15, 20], 0);
    assert_eq!(active(&failover, 20), "primary");
}

#[test]
fn what_refusals_said_of_a_member_that_nobody_asks_is_forgotten_after_the_hold() {
    let members = || [("a", 0), ("b", 1)].map(|(it, rank)| Member::new(it, ()).rank(rank));
    let failover =
        Failover::try_new(members().map(|it| it.watched(None)), Policy::default()).unwrap();
    let refuse = |now, member| (0..3).for_each(|_| failover.refused(at(now), member));
    refuse(1, 0);
    assert_eq!(active(&failover, 1), "b");
    refuse(5, 1);
    assert_eq!(active(&failover, 11), "b");
    assert_eq!(active(&failover, 12), "a");
    // A member that is asked stays unhealthy until a probe says otherwise.
    let failover = Failover::try_new(members(), Policy::default()).unwrap();
    (0..3).for_each(|_| failover.refused(at(1), 0));
    failover.pick(at(1_000));
    assert_eq!(failover.snapshot().members[0].health, watch::Health::Unhealthy);
}

#[test]
fn members_of_one_rank_take_turns_without_those_that_are_unhealthy() {
    let names = [("a", 0), ("b", 0), ("c", 0), ("standby", 1)];
    let failover = hasty(&names, Policy::default());
    let turns = |now| (0..6).map(|_| active(&failover, now)).collect::<String>();
    assert_eq!(turns(0), "abcabc");
    fail(&failover, [1], 1);
    assert_eq!(turns(1), "acacac");
    fail(&failover, [2], 0);
    assert_eq!(turns(2), "cccccc");
    fail(&failover, [3], 2);
    assert_eq!(active(&failover, 3), "standby");
    let seen = failover.snapshot();
    let last = seen.last.unwrap();
    assert_eq!(last.to_string(), "failed over from a, b, c to standby");
    assert_eq!(seen.members[2].picked_total, 2 + 3 + 6);
}

#[test]
fn all_members_of_a_rank_are_called_when_all_are_unhealthy_and_nobody_is_left() {
    let failover = hasty(&[("a", 0), ("b", 0)], Policy::default());
    fail(&failover, [1], 0);
    fail(&failover, [1], 1);
    let turns: String = (0..4).map(|_| active(&failover, 1)).collect();
    assert!(turns == "abab" || turns == "baba", "{turns}");
}

#[test]
fn with_nobody_left_calls_are_refused_where_the_policy_says_so() {
    let refuse = Policy { when_lost: WhenLost::Refuse, ..Policy::default() };
    let failover = hasty(&[("a", 0), ("b", 0)], refuse);
    fail(&failover, [1], 0);
    assert!(!failover.pick(at(1)).is_refused());
    fail(&failover, [2], 1);
    let before = failover.snapshot().members;
    assert!(failover.pick(at(2)).is_refused());
    assert_eq!(failover.snapshot().members, before, "no call was sent");
    failover.reload(at(3), Policy::default()).unwrap();
    assert!(!failover.pick(at(3)).is_refused());
}

#[test]
fn a_new_policy_keeps_who_is_active_and_how_members_are() {
    let failover = pair(Policy { automatic: false, ..Policy::default() });
    fail(&failover, [5, 10, 15], 0);
    failover.reload(at(16), Policy::default()).unwrap();
    assert_eq!(active(&failover, 16), "secondary");
    assert!(failover.reload(at(17), Policy { refusals: Some(0), ..Policy::default() }).is_err());
}

#[test]
fn what_cannot_be_says_why() {
    let said = |members: &[&'static str], policy| {
        let members = members.iter().map(|it| (*it, ()));
        Failover::active_active(members, policy).unwrap_err().to_string()
    };
    let policy = Policy::default;
    assert_eq!(
        said(&[], policy()),
        "there is no member to call: give one at least, and two for there to be a choice"
    );
    assert_eq!(said(&["a", "a"], policy()), "two members are called `a`: rename one of them");
    assert!(said(&[""], policy()).starts_with("a member has no name"));
    let failback = Failback::Automatic { after: Duration::from_secs(1) };
    let never = Policy { automatic: false, failback, ..policy() };
    assert!(said(&["a"], never).starts_with("`failback` is automatic and failover is not"));
    let long = Policy { hold: Duration::from_hours(200), ..policy() };
    assert_eq!(
        said(&["a"], long),
        "`hold` is 8d8h: write 7d at most, or leave the change to an operator"
    );
    let watch = watch::Policy { timeout: Duration::ZERO, ..watch::Policy::default() };
    let member = Member::new("a", ()).watched(Some(watch));
    let error = Failover::try_new([member], policy()).unwrap_err();
    assert!(error.to_string().starts_with("the watch of `a`: `timeout` is 0"));
}

/// The same rules, with everything on file and nothing kept up to date.
struct Naive {
    hold: u64,
    after: Option<u64>,
    healthy: Vec<(bool, u64)>,
    active: usize,
    last: Option<(u64, bool)>,
}

impl Naive {
    fn settle(&mut self, now: u64) {
        let held = match self.last {
            Some((at, true)) => at + self.hold,
            _ => 0,
        };
        let by_itself = matches!(self.last, Some((_, true)));
        let next = match self.healthy[self.active].0 {
            false => self.healthy.iter().position(|it| it.0),
            true => self.after.filter(|_| by_itself).and_then(|after| {
                let ready = |it: &(bool, u64)| it.0 && it.1 + after <= now;
                self.healthy[..self.active].iter().position(ready)
            }),
        };
        if let Some(next) = next.filter(|_| now >= held) {
            (self.active, self.last) = (next, Some((now, true)));
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_a_naive_list_of_rules_says(
        steps in proptest::collection::vec((0_usize..4, 0_usize..3, any::<bool>()), 1..200),
        hold in 0_u64..30,
        after in proptest::option::of(0_u64..30),
    ) {
        let failback = match after {
            Some(after) => Failback::Automatic { after: Duration::from_secs(after) },
            None => Failback::Manual,
        };
        let hold_for = Duration::from_secs(hold);
        let policy = Policy { failback, hold: hold_for, ..Policy::default() };
        let failover = hasty(&[("0", 0), ("1", 1), ("2", 2)], policy);
        (0..3).for_each(|it| failover.probed(at(0), it, true));
        let mut naive = Naive { hold, after, healthy: vec![(true, 0); 3], active: 0, last: None };
        let mut epoch = 0;
        for (now, (what, member, passes)) in (1..).zip(steps) {
            naive.settle(now);
            failover.pick(at(now));
            if what == 0 {
                let before = naive.active;
                if before != member && naive.healthy[member].0 {
                    (naive.active, naive.last) = (member, Some((now, false)));
                    prop_assert!(failover.switch_to(at(now), &member.to_string()).is_ok());
                } else {
                    prop_assert!(failover.switch_to(at(now), &member.to_string()).is_err());
                }
            } else {
                if naive.healthy[member].0 != passes {
                    naive.healthy[member] = (passes, now);
                }
                failover.probed(at(now), member, passes);
            }
            naive.settle(now);
            let pick = failover.pick(at(now));
            prop_assert_eq!(pick.index(), naive.active);
            prop_assert!(pick.epoch() >= epoch);
            epoch = pick.epoch();
        }
    }
}
