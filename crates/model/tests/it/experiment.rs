//! From an experiment by itself to what will be done.

use std::time::Duration;

use evenkeel_model::document::{AllowFaults, When};
use evenkeel_model::plan::Plan;
use evenkeel_model::{Library, render};
use evenkeel_units::{Moment, Seed};

const PAUSE: &str = r#"
apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {name: worker-hangs}
spec:
  title: A worker hangs
  hypothesis: the queue drains without one worker
  steadyState:
    - tcp: {address: "127.0.0.1:7400", every: 100ms}
  target: {executable: worker}
  method:
    - pause: {at: 2s, duration: 3s}
  safety: {maxDuration: 10s, abort: ["error_rate > 50% for 2s"]}
  success: {recovery_time: "< 10s"}
"#;

const SERVICE: &str = r"
apiVersion: evenkeel.dev/v1
kind: Service
metadata: {name: shop}
spec:
  instances: {gateway-1: {port: 7401}, gateway-2: {port: 7402}}
  allowFaults: [kill]
";

fn planned(text: &str, name: &str) -> Result<Plan, String> {
    let (library, found) = Library::check([("it.yaml".to_owned(), text.into())]);
    assert!(found.iter().all(|it| !it.is_error()), "{}", render(&found, false));
    library.plan_experiment(name, Seed(7)).map_err(|it| render(&it, false))
}

#[test]
fn without_a_service_the_document_is_the_consent() {
    let plan = planned(PAUSE, "worker-hangs").unwrap();
    assert_eq!(
        (plan.service.name.as_str(), &plan.service.allow_faults),
        ("worker-hangs", &AllowFaults::All)
    );
    assert_eq!(plan.description.as_deref(), Some("A worker hangs"));
    assert_eq!((plan.load, plan.objectives.len(), plan.success.len()), (None, 0, 1));
    assert_eq!(plan.steady_state[0].every, Duration::from_millis(100));
}

#[test]
fn it_goes_on_after_its_last_fault_for_as_long_as_recovery_may_take() {
    let length = |text: &str| planned(text, "worker-hangs").unwrap().length().as_secs();
    assert_eq!(length(PAUSE), 2 + 3 + 5);
    assert_eq!(length(&PAUSE.replace("  success:", "  observe: 1m\n  success:")), 2 + 3 + 60);
    let kill = PAUSE.replace("pause: {at: 2s, duration: 3s}", "kill: {at: 2s}");
    assert_eq!(length(&kill), 2 + 30);
    let fault = &planned(&kill, "worker-hangs").unwrap().faults[0];
    assert_eq!(fault.to, Moment::at(Duration::from_secs(32)), "its recovery is awaited to the end");
}

#[test]
fn an_error_budget_is_a_question_before_anything_is_broken() {
    let budget =
        |least: &str| format!("{{url: \"http://127.0.0.1:9090\", query: left, min: {least}}}");
    let with =
        |budgets: &str| PAUSE.replace("safety: {", &format!("safety: {{errorBudget: {budgets}, "));
    let plan = planned(&with(&budget("25%")), "worker-hangs").unwrap();
    let [_, probe] = &plan.steady_state[..] else { panic!("{:?}", plan.steady_state) };
    assert_eq!(probe.kind.to_string(), "at least 25% of the error budget is left");
    assert_eq!(probe.when, [When::Before]);
    let two = format!("[{}, {}]", budget("10%"), budget("20%"));
    assert_eq!(planned(&with(&two), "worker-hangs").unwrap().steady_state.len(), 3);
}

#[test]
fn what_is_wrong_with_a_question_of_metrics_is_said_with_its_place() {
    let wrong = r#"
apiVersion: evenkeel.dev/v1
kind: ChaosExperiment
metadata: {name: worker-hangs}
spec:
  steadyState:
    - promql: {url: "127.0.0.1:9090", query: "", value: "= 1", when: [before, sometimes]}
    - promql: {url: "http://127.0.0.1:9090", query: up, when: []}
  target: {executable: worker}
  method: [{pause: {duration: 3s}}]
  safety: {errorBudget: {url: "http://127.0.0.1:9090", query: left, min: 2}, abort: ["error_rate > 50%"]}
"#;
    let (_, found) = Library::check([("it.yaml".to_owned(), wrong.into())]);
    let said = render(&found, false);
    for part in [
        "EK-D027]: `127.0.0.1:9090` is not a URL we can call\n --> it.yaml:7:21",
        "EK-D007]: the text is empty\n --> it.yaml:7:46",
        "EK-D024]: `= 1` is no comparison with a number\n --> it.yaml:7:57",
        "EK-D013]: `sometimes` is not `before`, `during` or `after`\n --> it.yaml:7:79",
        "EK-D004]: the field `value` is missing\n --> it.yaml:8:7",
        "EK-D005]: the list is empty\n --> it.yaml:8:57",
        "EK-D006]: `2` has no percent sign\n  --> it.yaml:11:74",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn what_the_owners_of_the_only_service_allow_holds() {
    let text = format!("{SERVICE}---{PAUSE}");
    let refused = planned(&text, "worker-hangs").unwrap_err();
    assert!(refused.contains("the service `shop` does not allow `pause`"), "{refused}");
    let allowed = planned(&text.replace("[kill]", "[pause]"), "worker-hangs").unwrap();
    assert_eq!(allowed.service.name, "shop");
}

#[test]
fn targets_of_a_service_need_one() {
    let part = PAUSE.replace("{executable: worker}", "{instances: gateway-*}");
    let refused = planned(&part, "worker-hangs").unwrap_err();
    assert!(refused.contains("nothing says of which service `gateway-*` is"), "{refused}");
    let other = SERVICE.replace("name: shop", "name: bank");
    let two = format!("{SERVICE}---{other}---{part}").replace("[kill]", "all");
    let refused = planned(&two, "worker-hangs").unwrap_err();
    assert!(refused.contains("Name it: `service: shop`. There are shop, bank."), "{refused}");
    let named = two.replace("{instances: gateway-*}", "{service: bank, instances: gateway-*}");
    assert_eq!(planned(&named, "worker-hangs").unwrap().service.name, "bank");
    let nobody = two.replace("{instances: gateway-*}", "{service: bakn, instances: gateway-*}");
    let refused = planned(&nobody, "worker-hangs").unwrap_err();
    assert!(refused.contains("Did you mean `bank`?"), "{refused}");
}

#[test]
fn what_stops_it_is_its_own_to_say() {
    // The drill that uses it may have a condition; by itself it needs one.
    let text = PAUSE
        .replace(", abort: [\"error_rate > 50% for 2s\"]", "")
        .replace("success: {recovery_time: \"< 10s\"}", "success: {error_rate: \"< 90%\"}");
    let drill = "---
apiVersion: evenkeel.dev/v1
kind: Drill
metadata: {name: it}
spec:
  service: {allowFaults: all}
  load: {url: \"http://a:80\", routes: [{path: /}]}
  phases: [{name: load, shape: {constant: {rate: 100/s, duration: 30s}}, chaos: [worker-hangs]}]
  safety: {abort: [\"error_rate > 50%\"]}
  success: {error_rate: \"< 5%\"}
";
    let refused = planned(&format!("{text}{drill}"), "worker-hangs").unwrap_err();
    assert!(refused.contains("no condition that stops them"), "{refused}");
}

#[test]
fn the_blast_radius_is_judged_before_anything_runs() {
    let kill = PAUSE
        .replace("pause: {at: 2s, duration: 3s}", "kill: {at: 2s}")
        .replace("{executable: worker}", "{instances: gateway-*, mode: all}")
        .replace("maxDuration: 10s", "blastRadius: {minHealthy: 1}");
    let refused = planned(&format!("{SERVICE}---{kill}"), "worker-hangs").unwrap_err();
    assert!(refused.contains("0 of 2 instances would stay untouched"), "{refused}");
}

#[test]
fn the_canonical_text_of_a_plan_does_not_depend_on_its_seed() {
    let plan = planned(PAUSE, "worker-hangs").unwrap();
    let other = Plan { seed: Seed(8), ..plan.clone() };
    assert_eq!(plan.canonical(), other.canonical());
    let longer = planned(&PAUSE.replace("3s}", "4s}"), "worker-hangs").unwrap();
    assert_ne!(plan.canonical(), longer.canonical());
}

#[test]
fn a_journal_from_before_experiments_ran_alone_is_read() {
    let plan = planned(PAUSE, "worker-hangs").unwrap();
    let mut old = serde_json::to_value(&plan).unwrap();
    old.as_object_mut().unwrap().remove("load");
    assert_eq!(serde_json::from_value::<Plan>(old).unwrap(), plan);
}

#[test]
fn times_are_in_the_zone_of_its_hours() {
    let text = PAUSE
        .replace("maxDuration: 10s,", "maxDuration: 10s, timeZone: Asia/Tokyo,")
        .replace("  success:", "  schedule: \"0 9 * * Mon-Fri\"\n  success:");
    let schedule = planned(&text, "worker-hangs").unwrap().schedule.unwrap();
    assert_eq!(schedule.to_string(), "0 9 * * Mon-Fri Asia/Tokyo");
    let own = text.replace("Mon-Fri\"", "Mon-Fri UTC\"");
    let schedule = planned(&own, "worker-hangs").unwrap().schedule.unwrap();
    assert_eq!(schedule.to_string(), "0 9 * * Mon-Fri UTC");
}

#[test]
fn times_at_which_nothing_may_act_are_a_mistake() {
    let found = |times: &str| {
        let text = PAUSE
            .replace(
                "maxDuration: 10s,",
                "maxDuration: 10s, allowedHours: [\"Mon-Fri 09:00-17:00\"],",
            )
            .replace("  success:", &format!("  schedule: \"{times}\"\n  success:"));
        super::findings(&text)
    };
    assert_eq!(
        found("0 20 * * *"),
        "EK-L017 14:13 at none of the times of `0 20 * * *` may faults act | Move them into \
         `allowedHours`, and out of `restrictedHours`."
    );
    for times in ["0 14 * * *", "0 14 * * Sat,Mon", "*/5 * * * *", "@every 24h", "* 20 * * *"] {
        assert_eq!(found(times), "", "{times}");
    }
}

#[test]
fn a_monkey_hits_only_who_opted_in() {
    let kill = |monkey: &str| {
        let experiment = PAUSE
            .replace("target: {executable: worker}", &format!("monkey: {{{monkey}}}"))
            .replace("pause: {at: 2s, duration: 3s}", "kill: {target: {instances: \"*\"}}");
        planned(&format!("{experiment}---{SERVICE}"), "worker-hangs")
    };
    let left = |monkey: &str| -> Vec<String> {
        let plan = kill(monkey).unwrap();
        plan.service.instances.into_iter().map(|it| it.name).collect()
    };
    assert_eq!(left("probability: 10%"), ["gateway-1", "gateway-2"]);
    assert_eq!(left("probability: 10%, optIn: [shop]"), ["gateway-1", "gateway-2"]);
    assert_eq!(left("probability: 10%, optIn: [shop], optOut: [\"*-1\"]"), ["gateway-2"]);
    assert_eq!(left("probability: 10%, optIn: [gateway-1]"), ["gateway-1"]);
    for spared in ["optIn: [web]", "optOut: [shop]", "optOut: [\"gateway-*\"]"] {
        let error = kill(&format!("probability: 10%, {spared}")).unwrap_err();
        assert!(error.contains("`kill` could hit nobody: `*` did not opt in"), "{error}");
    }
}

#[test]
fn an_approval_holds_whatever_chance_says() {
    let text = PAUSE.replace("  success:", "  monkey: {probability: 50%}\n  success:");
    let plan = planned(&text, "worker-hangs").unwrap();
    let drawn = |seed| Plan { seed: Seed(seed), ..plan.clone() };
    assert!((0..20).any(|it| drawn(it).is_drawn()) && (0..20).any(|it| !drawn(it).is_drawn()));
    assert!((0..20).all(|it| drawn(it).canonical() == plan.canonical()));
}
