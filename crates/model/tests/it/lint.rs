//! What is wrong between documents.

use super::findings;

/// A drill of the shop that is right, in pieces that a test can replace.
pub(crate) const RIGHT: &str = r#"apiVersion: evenkeel.dev/v1
kind: Service
metadata: {name: shop}
spec:
  url: http://127.0.0.1:7400
  instances: {gateway-1: {port: 7401}, gateway-2: {port: 7402}, gateway-3: {port: 7403}}
  dependencies:
    payment: {listen: "127.0.0.1:7451", upstream: "127.0.0.1:7411"}
  allowFaults: [latency, kill]
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: fast}
spec: {service: shop, route: list, sli: {percentile: {quantile: p99, threshold: 1s}}}
---
apiVersion: evenkeel.dev/v1
kind: LoadTest
metadata: {name: shoppers}
spec: {service: shop, routes: [{name: list, path: /}]}
---
apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {name: slow}
spec:
  target: {dependency: payment}
  method:
    - latency: {delay: 800ms, at: 2s, duration: 8s}
    - kill: {target: {instances: gateway-*, mode: one}, at: 12s}
  safety:
    maxDuration: 1m
    blastRadius: {maxInstances: 34%, minHealthy: 2}
    abort: ["error_rate > 50% for 5s"]
---
apiVersion: evenkeel.dev/v1
kind: Drill
metadata: {name: it}
spec:
  service: shop
  objectives: [fast]
  load: shoppers
  duration: 30s
  phases:
    - {name: faults, shape: {constant: {rate: 100/s, duration: 20s}}, chaos: [slow]}
    - {role: recovery, shape: {constant: {rate: 100/s, duration: 10s}}}
  success: {recovery_time: "< 10s"}
"#;

/// What is found when one piece is another.
pub(crate) fn with(changes: &[(&str, &str)]) -> String {
    let mut text = RIGHT.to_owned();
    for (before, after) in changes {
        assert!(text.contains(before), "{before}");
        text = text.replace(before, after);
    }
    findings(&text)
}

#[test]
fn what_is_right_is_clean() {
    assert_eq!(with(&[]), "");
}

#[test]
fn names_of_nothing_are_found_with_the_nearest() {
    insta::assert_snapshot!(with(&[("service: shop\n  objectives: [fast]", "service: shopp\n  objectives: [fats]")]), @r"
    EK-L001 38:12 there is no Service called `shopp` | Did you mean `shop`?
    EK-L001 39:16 there is no SLO called `fats` | Did you mean `fast`?
    ");
    insta::assert_snapshot!(with(&[("load: shoppers", "load: banana"), ("chaos: [slow]", "chaos: [slows]")]), @r"
    EK-L001 40:9 there is no LoadTest called `banana` | There are shoppers.
    EK-L001 43:79 there is no ChaosExperiment called `slows` | Did you mean `slow`?
    ");
}

#[test]
fn documents_of_another_service_do_not_fit() {
    let other =
        "---\napiVersion: evenkeel.dev/v1\nkind: Service\nmetadata: {name: other}\nspec: {}\n";
    let text = RIGHT.replace("spec: {service: shop, route", "spec: {service: other, route");
    let text = text
        .replace("target: {dependency: payment}", "target: {service: other, dependency: payment}");
    insta::assert_snapshot!(findings(&format!("{text}{other}")), @r"
    EK-L018 25:21 `payment` is of the service `other` | The drill is about `shop`, and only what belongs to it may be broken.
    EK-L018 39:16 the objective `fast` is about the service `other` | The drill is about `shop`; name that one, or none.
    EK-L018 40:9 the load goes to the service `other` | The drill is about `shop`; name that one, or none.
    EK-W001 49:18 no drill uses the Service `other` | Refer to it from a drill, or remove it.
    ");
}

#[test]
fn phases_fit_into_the_drill() {
    insta::assert_snapshot!(with(&[("duration: 30s", "duration: 29s")]), @r"EK-L002 41:13 the phases take 30s in all, longer than the drill's 29s | Shorten the phases, or write `duration: 30s`.");
    insta::assert_snapshot!(with(&[("duration: 30s", "duration: 15s")]), @r"EK-L002 41:13 the phase `faults` takes 20s, longer than the drill's 15s | Shorten the phases, or write `duration: 30s`.");
}

#[test]
fn faults_stay_within_their_phase() {
    insta::assert_snapshot!(with(&[("at: 2s, duration: 8s", "at: 13s, duration: 8s")]), @r"EK-L003 27:50 the fault ends 21s into the phase `faults` of 20s | Move or shorten the fault, or lengthen the phase.");
    insta::assert_snapshot!(with(&[("at: 12s", "at: 20s")]), @r"EK-L003 28:61 the fault begins 20s into the phase `faults` of 20s | Move or shorten the fault, or lengthen the phase.");
}

#[test]
fn faults_do_not_outlive_their_limit() {
    insta::assert_snapshot!(with(&[("maxDuration: 1m", "maxDuration: 5s")]), @r"EK-L004 27:49 8s is longer than `maxDuration` of 5s | Shorten the fault, or raise `safety.maxDuration`.");
    let strict = "duration: 30s\n  safety: {maxDuration: 7s}\n";
    insta::assert_snapshot!(with(&[("duration: 30s\n", strict)]), @r"EK-L004 27:49 8s is longer than the drill's `maxDuration` of 7s | Shorten the fault, or raise `safety.maxDuration`.");
}

#[test]
fn a_percentile_needs_ten_requests_beyond_it() {
    assert_eq!(with(&[("rate: 100/s", "rate: 34/s")]), "");
    insta::assert_snapshot!(with(&[("rate: 100/s", "rate: 33/s")]), @r"EK-L005 39:16 p99 of about 990 requests: 9.9 of them lie beyond it | Send at least 1000 requests, or judge a lower percentile.");
    let success = "success: {p99.9: \"< 2s\", recovery_time: \"< 10s\"}";
    insta::assert_snapshot!(with(&[("success: {recovery_time: \"< 10s\"}", success)]), @r"EK-L005 45:20 p99.9 of about 3000 requests: 3.0 of them lie beyond it | Send at least 10000 requests, or judge a lower percentile.");
}

#[test]
fn only_agreed_faults_on_suitable_targets_that_exist() {
    insta::assert_snapshot!(with(&[("[latency, kill]", "[latency]")]), @r"EK-L006 28:7 the service `shop` does not allow `kill` | If its owners agree, add `kill` to its `allowFaults`.");
    insta::assert_snapshot!(with(&[("target: {dependency: payment}", "target: {instances: gateway-1}")]), @r"EK-L007 25:3 `latency` acts on a link or traffic, and its target is none | Aim it at a `dependency`, such as `target: {dependency: payment}`. Aim it at `traffic`, such as `target: {traffic: {port: 5432}}`.");
    insta::assert_snapshot!(with(&[("  target: {dependency: payment}\n", "")]), @r"EK-L007 26:7 `latency` has no target | Aim it at a `dependency`, such as `target: {dependency: payment}`. Aim it at `traffic`, such as `target: {traffic: {port: 5432}}`.");
    insta::assert_snapshot!(with(&[("target: {dependency: payment}", "target: {dependency: paymnt}")]), @r"EK-L008 25:24 `shop` has no dependency `paymnt` | Did you mean `payment`?");
    insta::assert_snapshot!(with(&[("instances: gateway-*", "instances: gatway-*")]), @r"EK-L008 28:34 `shop` has no instance `gatway-*` | `shop` has gateway-1, gateway-2, gateway-3.");
    insta::assert_snapshot!(with(&[("instances: gateway-*", "instances: gateway-*, labels: {zone: a}")]), @r"EK-L008 28:45 `shop` has no instance `gateway-* (zone=a)` | Of their labels, gateway-1 has none, gateway-2 has none, gateway-3 has none.");
}

#[test]
fn the_blast_radius_can_be_met() {
    insta::assert_snapshot!(with(&[("maxInstances: 34%", "maxInstances: 30%")]), @r"EK-L009 28:51 1 of 3 instances would be hit, and `maxInstances: 30%` is none of them | Shares are rounded down; hit fewer, or write `maxInstances: 34%`.");
    insta::assert_snapshot!(with(&[("mode: one", "mode: 10%")]), @r"EK-L009 28:51 the target hits none of 3 instances | Shares are rounded down; write a larger one, or a number such as `mode: one`.");
    insta::assert_snapshot!(with(&[("mode: one", "mode: 2"), ("34%", "100%")]), @r"EK-L009 28:51 1 of 3 instances would stay untouched, and `minHealthy` is 2 | Hit fewer, run more instances, or lower `minHealthy`.");
}

#[test]
fn something_stops_what_is_broken() {
    insta::assert_snapshot!(with(&[("    abort: [\"error_rate > 50% for 5s\"]\n", "")]), @r#"EK-L010 35:18 there are faults, and no condition that stops them | Add `safety: {abort: ["error_rate > 50% for 5s"]}`."#);
    let abort = "duration: 30s\n  safety: {abort: [\"availability < 50%\"]}\n";
    let moved = [("    abort: [\"error_rate > 50% for 5s\"]\n", ""), ("duration: 30s\n", abort)];
    assert_eq!(with(&moved), "");
}

#[test]
fn what_is_judged_is_sent_somewhere() {
    insta::assert_snapshot!(with(&[("route: list", "route: lst")]), @r"EK-L011 39:16 `fast` counts the route `lst`, which is not sent | Did you mean `list`?");
    insta::assert_snapshot!(with(&[("  url: http://127.0.0.1:7400\n", "")]), @r"EK-L012 39:9 nothing says where the requests of `shoppers` go | Give the load or the service a `url`, such as `http://127.0.0.1:8080`.");
}

#[test]
fn faults_on_one_link_come_one_after_the_other() {
    let two = "- latency: {delay: 800ms, at: 2s, duration: 8s}\n    - latency: {delay: 1s, at: 9s, duration: 2s}";
    insta::assert_snapshot!(with(&[("- latency: {delay: 800ms, at: 2s, duration: 8s}", two)]), @r"EK-L013 28:32 `latency` begins while `latency +800ms` still acts on `payment` | Let one end before the next begins.");
    assert_eq!(
        with(&[(
            "- latency: {delay: 800ms, at: 2s, duration: 8s}",
            &two.replace("at: 9s", "at: 10s")
        )]),
        ""
    );
}

#[test]
fn faults_on_one_unit_come_one_after_the_other() {
    let stop = |at: &str| format!("- stopUnit: {{unit: nginx.service, at: {at}, duration: 8s}}");
    let two = format!("{}\n    {}", stop("2s"), stop("9s"));
    let found = with(&[("- latency: {delay: 800ms, at: 2s, duration: 8s}", &two)]);
    insta::assert_snapshot!(found.lines().last().unwrap(), @"EK-L013 28:43 `stopUnit` begins while `nginx.service stopped` still acts on the unit `nginx.service` | Let one end before the next begins.");
}

#[test]
fn hours_have_a_zone_and_leave_some() {
    insta::assert_snapshot!(with(&[("maxDuration: 1m", "timeZone: Europe/Pari")]), @r"EK-L014 30:15 `Europe/Pari` is not a time zone | Write a name of the IANA data base, such as `Europe/Paris` or `UTC`.");
    insta::assert_snapshot!(with(&[("maxDuration: 1m", "allowedHours: [\"09:00-10:00\"]\n    restrictedHours: [\"08:00-12:00\"]")]), @r"EK-L017 31:5 there is no minute in which faults may act | Shorten `restrictedHours`, or add to `allowedHours`.");
    let both = [
        ("maxDuration: 1m", "allowedHours: [\"09:00-10:00\"]\n    timeZone: Europe/Paris"),
        ("duration: 30s\n", "duration: 30s\n  safety: {restrictedHours: [\"12:00-13:00\"]}\n"),
    ];
    insta::assert_snapshot!(with(&both), @r"EK-L017 31:15 hours in `Europe/Paris`, and others of the same drill in `UTC` | Write all hours of a drill and its experiments in one time zone.");
}

#[test]
fn a_recovery_time_needs_faults_and_a_phase_after_them() {
    insta::assert_snapshot!(with(&[("role: recovery, ", "")]), @r"EK-L015 45:28 a recovery time, and no recovery phase after the faults | Add a last phase with `role: recovery`, long enough for the limit.");
    insta::assert_snapshot!(with(&[(", chaos: [slow]", "")]), @r"
    EK-W001 23:18 no drill uses the ChaosExperiment `slow` | Refer to it from a drill, or remove it.
    EK-L019 45:28 `recovery_time` in a drill without faults | Give a phase `chaos`, or leave the condition away.
    ");
}

#[test]
fn something_is_sent_and_something_judges() {
    let phases = RIGHT.find("  phases:").unwrap();
    let text = RIGHT.get(..phases).unwrap().replace("  objectives: [fast]\n", "");
    insta::assert_snapshot!(findings(&text), @r#"
    EK-W001 13:18 no drill uses the SLO `fast` | Refer to it from a drill, or remove it.
    EK-W001 23:18 no drill uses the ChaosExperiment `slow` | Refer to it from a drill, or remove it.
    EK-L020 36:18 nothing says what the drill is judged by | Give `objectives`, or `success` such as `error_rate: "< 1%"`.
    EK-L016 39:9 nothing says how many requests to send | Give the drill `phases`, or its load test a `shape`.
    "#);
}

#[test]
fn conditions_stand_where_they_can_be_judged() {
    insta::assert_snapshot!(with(&[("\"< 10s\"", "\"< 10s for 5s\"")]), @r"EK-L021 45:28 `for` in a condition that is judged once | Leave `for …` away, or write the condition under `safety.abort`.");
    insta::assert_snapshot!(with(&[("error_rate > 50% for 5s", "recovery_time > 5s")]), @r"EK-L022 32:13 `recovery_time` is known only after the drill | Watch `error_rate`, `availability` or a response time; judge this one under `success`.");
}

#[test]
fn every_user_has_a_connection() {
    let shape = "constant: {rate: 100/s, duration: 20s}";
    let users = |n: u32| format!("users: {{users: {n}, duration: 20s}}");
    assert_eq!(with(&[(shape, &users(64))]), "");
    insta::assert_snapshot!(with(&[(shape, &users(100))]), @r"EK-W002 18:18 100 users share 64 connections | Raise `connections` of `shoppers` to at least 100.");
    let given = ("service: shop, routes", "service: shop, connections: 10, routes");
    insta::assert_snapshot!(with(&[(shape, &users(64)), given]), @r"EK-W002 19:36 64 users share 10 connections | Raise `connections` of `shoppers` to at least 64.");
    let owned = ("service: shop, routes", "service: shop, http2: true, connection: user, routes");
    insta::assert_snapshot!(with(&[(shape, &users(100)), owned]), @r"EK-W002 18:18 100 users want a connection each, of 64 | Raise `connections` of `shoppers` to at least 100.");
}
