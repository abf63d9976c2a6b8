//! Files with `load_balancer:` are read as they stand.

use std::time::Duration;

use evenkeel_model::document::{Failback, LoadBalancer};

use super::{check, findings};

const PAIR: &str = "\
# Configuration for Active-Passive setup
load_balancer:
  primary:
    host: primary.example.com
    port: 8080
    health_check:
      endpoint: /health
      interval: 5s
      timeout: 2s
      unhealthy_threshold: 3

  secondary:
    host: secondary.example.com
    port: 8080
    enabled: false  # Only activated on primary failure

  failover:
    automatic: true
    failback: manual  # Require manual intervention to fail back
";

fn read(text: &str) -> LoadBalancer {
    let (library, found) = check(text);
    assert!(found.iter().all(|it| !it.is_error()), "{found:?}");
    library.load_balancers().next().unwrap().clone()
}

#[test]
fn a_pair_is_read_as_it_stands() {
    let it = read(PAIR);
    assert_eq!(it.name, "primary.example.com:8080");
    assert_eq!((it.primary.enabled, it.secondary.enabled), (true, false));
    let asked = it.primary.health_check.as_ref().unwrap();
    assert_eq!((asked.endpoint.as_str(), asked.interval.as_secs()), ("/health", 5));
    assert_eq!((asked.unhealthy_threshold, asked.healthy_threshold), (3, 2));
    assert_eq!((it.failover.automatic, it.failover.failback), (true, Failback::Manual));
    assert_eq!(it.fails_over_within(), Some(Duration::from_secs(17)));
}

#[test]
fn a_standby_that_nobody_asks_is_warned_of() {
    insta::assert_snapshot!(findings(PAIR), @"EK-W007 12:3 nobody asks `secondary` how it is, so that a failover goes there blindly | Give it a `health_check`, too, unless it starts only when it is needed.");
    let asked = PAIR
        .replace("    enabled: false", "    health_check: {endpoint: /health}\n    enabled: false");
    assert_eq!(findings(&asked), "");
}

#[test]
fn what_is_left_out_is_as_it_is_usual() {
    let text = "load_balancer:\n  primary: {host: a, port: 1}\n  secondary: {host: b, port: 1}\n";
    let it = read(text);
    assert_eq!((it.primary.enabled, it.secondary.enabled), (true, false));
    assert_eq!((it.failover.automatic, it.failover.failback), (true, Failback::Manual));
    assert_eq!(it.failover.hold, Duration::from_secs(10));
    assert_eq!(it.fails_over_within(), None, "nobody asks the primary");
    let both = text.replace("host: b", "enabled: true, host: b");
    assert!(read(&both).backends().iter().all(|it| it.1.enabled));
    let automatic = format!("{text}  failover: {{failback: automatic, failback_after: 5m}}\n");
    let after = Duration::from_mins(5);
    assert_eq!(read(&automatic).failover.failback, Failback::Automatic { after });
}

#[test]
fn every_mistake_is_found_at_its_place_in_one_run() {
    let wrong = PAIR
        .replace("host: primary.example.com", "host: primary.example.com:80")
        .replace("interval: 5s", "interval: 5")
        .replace("timeout: 2s", "timout: 2s")
        .replace("unhealthy_threshold: 3", "unhealthy_threshold: 0")
        .replace("    host: secondary.example.com\n", "")
        .replace("failback: manual", "failback: manuel")
        + "replicas: 2\n";
    insta::assert_snapshot!(findings(&wrong), @r#"
    EK-D027 4:11 `primary.example.com:80` is not a host | Write a name or an address alone, such as `primary.example.com` or `[::1]`.
    EK-D006 8:17 `5` has no unit | Write a number with its unit (ns, us, ms, s, m, h, d), such as `5ms` or `5s`.
    EK-D003 9:7 unknown field `timout` | Did you mean `timeout`?
    EK-D007 10:28 `0` is not a whole number between 1 and 1000 | So many answers in a row count.
    EK-D004 12:3 the field `host` is missing | Give the name or the address of the host, such as `primary.example.com`.
    EK-D013 18:15 `manuel` is not `manual` or `automatic` | Did you mean `manual`?
    EK-D003 19:1 `replicas` beside `load_balancer` | Only `load_balancer` is read here; put the rest elsewhere.
    "#);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let slow = PAIR.replace("timeout: 2s", "timeout: 20s");
    insta::assert_snapshot!(findings(&slow), @"EK-D007 9:16 longer than the interval, so that questions would pile up | Ask less often, or wait less for an answer.");
    let same = PAIR.replace("secondary.example.com", "primary.example.com");
    insta::assert_snapshot!(findings(&same), @"EK-D043 13:11 primary.example.com:8080 is the primary already | Who takes over has an address of its own, and fails alone.");
    let nobody = PAIR
        .replace("    port: 8080\n    health", "    port: 8080\n    enabled: false\n    health");
    insta::assert_snapshot!(findings(&nobody), @"EK-D043 6:14 nobody is enabled | Let one of them be `enabled: true`, as nobody else could fail.");
    let never = PAIR
        .replace("automatic: true", "automatic: false")
        .replace("failback: manual", "failback: automatic");
    insta::assert_snapshot!(findings(&never), @"EK-D043 19:15 failback is automatic, and failover is not | Write `automatic: true`, or `failback: manual`.");
    let idle = PAIR.replace("failback: manual", "failback_after: 30s");
    insta::assert_snapshot!(findings(&idle), @"EK-D043 19:21 `failback_after` beside a failback by hand | Write `failback: automatic`, or leave it out.");
}
