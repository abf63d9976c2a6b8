//! `slo import`: objectives of other tools, and what `check` makes of them.

use crate::world::{World, said};

const SLOTH: &str = "\
version: prometheus/v1
service: shop
labels: {team: payments}
slos:
  - name: requests
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(http_requests_total{code=~\"5..\"}[{{.window}}]))
        total_query: sum(rate(http_requests_total[{{.window}}]))
    plugins: {chain: [{id: sloth.dev/core/debug/v1}]}
    alerting: {name: ShopFails, ticket_alert: {disable: true}}
";

#[test]
fn what_is_imported_can_be_checked() {
    let world = World::new();
    world.write("sloth.yaml", SLOTH);
    let output = world.run(&["slo", "import", "sloth.yaml", "-o", "slos.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("left out: the plugin `sloth.dev/core/debug/v1`"),
        "{}",
        said(&output)
    );
    let output = world.run(&["check", "slos.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("2 documents in 1 file: no errors"), "{}", said(&output));
}

#[test]
fn what_says_nothing_of_objectives_is_a_usage_error_that_says_why() {
    let world = World::new();
    for (text, why) in [
        ("kind: Pod", "it does not say which tool it is of"),
        ("groups: []", "these are rules of Prometheus"),
        (
            "apiVersion: slo/v1\nkind: ServiceLevelObjective\nspec: {objective: 99.9, sli: {type: latency, threshold: 1s, percentile: 95}}",
            "promises two things",
        ),
    ] {
        world.write("it.yaml", text);
        let output = world.run(&["slo", "import", "it.yaml"]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}
