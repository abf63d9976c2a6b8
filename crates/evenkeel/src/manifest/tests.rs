//! Manifest tests: what is told of probes, where, and that what is written has nothing wrong with it.

use evenkeel_model::yaml;
use proptest::prelude::*;

use super::*;

/// The probes of the usual manifests.
const USUAL: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: myapp
spec:
  containers:
  - name: app
    image: myapp:latest
    livenessProbe:
      httpGet: {path: /health/live, port: 8080}
      initialDelaySeconds: 30
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    readinessProbe:
      httpGet: {path: /health/ready, port: 8080}
      initialDelaySeconds: 5
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    startupProbe:
      httpGet: {path: /health/startup, port: 8080}
      initialDelaySeconds: 0
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 30
";

fn found(text: &str) -> Vec<Diagnostic> {
    let mut found = Findings::default();
    let roots = yaml::read("probes.yaml", text.as_bytes().to_vec(), &mut found).roots;
    assert!(is_kubernetes(&roots), "{text}");
    inspect(&roots, found)
}

/// Code, line and column of everything that is wrong.
fn places(text: &str) -> Vec<String> {
    found(text).iter().map(|it| format!("{} {}:{}", it.code, it.line, it.column)).collect()
}

/// A Deployment whose one container has these lines, in a pod that ends well.
fn container(lines: &str) -> String {
    let lines: String = lines.lines().map(|it| format!("          {it}\n")).collect();
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: shop}}\nspec:\n  template:\n    metadata:\n      \
         annotations: {{evenkeel.dev/drain-delay: 15s}}\n    spec:\n      containers:\n        - name: shop\n{lines}"
    )
}

/// What is wrong with it, by code, with the line of the container.
fn of_container(lines: &str) -> Vec<String> {
    found(&container(lines)).iter().map(|it| format!("{} {}", it.code, it.line - 10)).collect()
}

const READY: &str =
    "readinessProbe: {httpGet: {path: /health/ready, port: 8080}, periodSeconds: 5}\n";

#[test]
fn the_usual_manifest_lacks_a_word_about_its_end_and_nothing_else() {
    assert_eq!(places(USUAL), ["EK-W012 15:5"]);
    let annotated = USUAL.replace(
        "  name: myapp\n",
        "  name: myapp\n  annotations: {evenkeel.dev/drain-delay: 10s}\n",
    );
    assert_eq!(places(&annotated), [""; 0]);
    let hasty = annotated.replace("delay: 10s", "delay: 5s");
    assert_eq!(places(&hasty), ["EK-W013 19:22"]);
    assert!(
        found(&hasty)[0]
            .message
            .contains("for 10s after SIGTERM (5s x 2), and they are taken for 5s")
    );
}

#[test]
fn what_the_server_refuses_is_told_at_its_place() {
    for (lines, wanted) in [
        ("livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}", "EK-L034 1"),
        ("startupProbe: {tcpSocket: {port: 1}, successThreshold: 2}", "EK-L034 1"),
        ("livenessProbe: {periodSeconds: 5}", "EK-D004 1"),
        ("livenessProbe:\n  grpc: {service: live}", "EK-D004 2"),
        ("livenessProbe:\n  grpc: {port: web}", "EK-D005 2"),
        ("livenessProbe:\n  httpGet: {path: /}", "EK-D004 2"),
        ("livenessProbe:\n  httpGet: {port: 0}", "EK-D007 2"),
        ("livenessProbe:\n  httpGet: {port: 70000}", "EK-D007 2"),
        ("livenessProbe:\n  httpGet: {port: -1}", "EK-D007 2"),
        ("livenessProbe:\n  httpGet: {port: '80'}", "EK-L034 2"),
        ("livenessProbe:\n  tcpSocket: {port: Web}", "EK-L034 2"),
        ("livenessProbe:\n  tcpSocket: {port: web--1}", "EK-L034 2"),
        ("livenessProbe:\n  tcpSocket: {port: web-and-no-other}", "EK-L034 2"),
        ("livenessProbe:\n  httpGet: {port: 80, scheme: https}", "EK-D013 2"),
        ("livenessProbe:\n  httpGet: {port: 80}\n  tcpSocket: {port: 80}", "EK-D025 3"),
        ("livenessProbe:\n  httpget: {port: 80}", "EK-D003 2"),
        ("livenessProbe:\n  exec: {}", "EK-D004 2"),
        ("livenessProbe:\n  tcpSocket: {port: 80}\n  periodSeconds: 0", "EK-D007 3"),
        ("livenessProbe:\n  tcpSocket: {port: 80}\n  periodSeconds: 5s", "EK-D005 3"),
        ("livenessProbe: often", "EK-D005 1"),
    ] {
        assert_eq!(of_container(lines).last().map(String::as_str), Some(wanted), "{lines}");
    }
    let patient = format!("{READY}ports: [{{containerPort: 8080}}]");
    let patient =
        patient.replace("periodSeconds: 5", "periodSeconds: 5, terminationGracePeriodSeconds: 9");
    assert_eq!(of_container(&patient), ["EK-L034 1"]);
    let init = USUAL.replace("  containers:", "  initContainers:");
    assert_eq!(places(&init), ["EK-L034 9:5", "EK-L034 15:5", "EK-L034 21:5"]);
}

#[test]
fn liveness_that_asks_what_readiness_asks_is_told_what_it_will_do() {
    let same = format!("{READY}livenessProbe: {{httpGet: {{path: /health/ready, port: 8080}}}}");
    assert_eq!(of_container(&same), ["EK-L037 2"]);
    let other = "readinessProbe: {httpGet: {path: /ping, port: 8080}, periodSeconds: 5}\n";
    let sooner =
        format!("{other}livenessProbe: {{httpGet: {{path: /ping, port: 8080}}, periodSeconds: 5}}");
    assert_eq!(of_container(&sooner), ["EK-L037 2"]);
    let later = format!(
        "{other}livenessProbe: {{httpGet: {{path: /ping, port: 8080}}, periodSeconds: 20}}"
    );
    assert_eq!(of_container(&later), ["EK-W010 2"]);
    let own = format!("{READY}livenessProbe: {{httpGet: {{path: /health/live, port: 8080}}}}");
    assert_eq!(of_container(&own), [""; 0]);
    let connects = "readinessProbe: {tcpSocket: {port: 1}, periodSeconds: 5}\nlivenessProbe: {tcpSocket: {port: 1}}";
    assert_eq!(of_container(connects), [""; 0]);
}

#[test]
fn ports_are_those_of_the_container() {
    let named = "ports: [{name: web, containerPort: 8080}]\nreadinessProbe:\n  periodSeconds: 5\n  httpGet: {port: ";
    assert_eq!(of_container(&format!("{named}web}}")), [""; 0]);
    assert_eq!(of_container(&format!("{named}8080}}")), [""; 0]);
    assert_eq!(of_container(&format!("{named}http}}")), ["EK-L035 4"]);
    // Not to list a port does not close it.
    assert_eq!(of_container(&format!("{named}8081}}")), ["EK-W017 4"]);
    // Without any port of the container a number is as good as said.
    assert_eq!(of_container("readinessProbe: {tcpSocket: {port: 1}, periodSeconds: 5}"), [""; 0]);
    assert_eq!(
        of_container("readinessProbe: {tcpSocket: {port: a}, periodSeconds: 5}"),
        ["EK-L035 1"]
    );
}

#[test]
fn what_a_probe_does_that_nobody_wants_is_told() {
    for (lines, wanted) in [
        ("startupProbe: {tcpSocket: {port: 1}, timeoutSeconds: 11}", "EK-W018 1"),
        ("startupProbe: {tcpSocket: {port: 1, host: example.com}}", "EK-L039 1"),
        ("startupProbe: {httpGet: {port: 1, host: 127.0.0.1}}", "EK-L039 1"),
        ("livenessProbe: {tcpSocket: {port: 1}, initialDelaySeconds: 60}", "EK-W011 1"),
        ("ports: [{containerPort: 80}]", "EK-W014 0"),
        ("startupProbe: {exec: {command: [/bin/sh, -c, x]}, timeoutSeconds: 5}", "EK-W015 1"),
        ("startupProbe: {exec: {command: [/probe]}}", "EK-W016 1"),
        ("startupProbe: {httpGet: {path: /actuator/health, port: 1}}", "EK-W016 1"),
    ] {
        assert_eq!(of_container(lines), [wanted], "{lines}");
    }
    let fine = "startupProbe: {httpGet: {path: /health, port: 1}, timeoutSeconds: 5}";
    assert_eq!(of_container(fine), [""; 0]);
    let on_node = container("startupProbe: {httpGet: {port: 1, host: 127.0.0.1}}")
        .replace("      containers", "      hostNetwork: true\n      containers");
    assert_eq!(places(&on_node), [""; 0]);
}

#[test]
fn the_end_must_fit_into_the_grace() {
    let graced = |grace: &str, hook: &str| {
        let pod = container(&format!("{READY}{hook}"));
        places(&pod.replace(
            "      containers",
            &format!("      terminationGracePeriodSeconds: {grace}\n      containers"),
        ))
    };
    assert_eq!(graced("30", ""), [""; 0]);
    assert_eq!(graced("17", ""), ["EK-L040 9:38"]);
    assert_eq!(graced("18", ""), [""; 0]);
    for hook in [
        "lifecycle: {preStop: {sleep: {seconds: 15}}}",
        "lifecycle: {preStop: {exec: {command: [sleep, '15']}}}",
        "lifecycle: {preStop: {exec: {command: [/bin/sh, -c, 'sleep 15; nginx -s quit']}}}",
    ] {
        assert_eq!(graced("32", hook), ["EK-L040 9:38"], "{hook}");
        assert_eq!(graced("33", hook), [""; 0], "{hook}");
    }
    // A hook that does something else takes as long as it takes.
    assert_eq!(graced("5", "lifecycle: {preStop: {httpGet: {path: /quit, port: 1}}}"), [""; 0]);
    let word = container(READY).replace("delay: 15s", "delay: a while");
    assert_eq!(places(&word), ["EK-D006 7:47", "EK-W012 11:11"]);
}

#[test]
fn pods_are_found_wherever_they_are() {
    let bad = "containers: [{name: a, startupProbe: {tcpSocket: {port: 1}, timeoutSeconds: 11}}]";
    for (kind, spec) in [
        ("v1, kind: Pod", format!("{{{bad}}}")),
        ("apps/v1, kind: StatefulSet", format!("{{template: {{spec: {{{bad}}}}}}}")),
        ("apps/v1, kind: DaemonSet", format!("{{template: {{spec: {{{bad}}}}}}}")),
        ("batch/v1, kind: Job", format!("{{template: {{spec: {{{bad}}}}}}}")),
        (
            "batch/v1, kind: CronJob",
            format!("{{jobTemplate: {{spec: {{template: {{spec: {{{bad}}}}}}}}}}}"),
        ),
    ] {
        let document = format!("{{apiVersion: {kind}, spec: {spec}}}");
        assert_eq!(found(&document).len(), 1, "{document}");
        let list = format!("{{apiVersion: v1, kind: List, items: [{document}, {document}]}}");
        assert_eq!(found(&list).len(), 2, "{list}");
        let several =
            format!("{{apiVersion: v1, kind: ConfigMap}}\n---\n{document}\n---\n{document}");
        assert_eq!(found(&several).len(), 2, "{several}");
    }
}

#[test]
fn jobs_and_sidecars_take_no_requests() {
    let job = "apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {containers: [{name: a, ports: [{containerPort: 1}]}]}}}";
    assert_eq!(places(job), [""; 0]);
    let sidecar = "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{name: a}]\n  initContainers:\n    \
                   - {name: proxy, restartPolicy: Always, ports: [{containerPort: 1}], startupProbe: {tcpSocket: {port: 1}}}";
    assert_eq!(places(sidecar), [""; 0]);
}

#[test]
fn documents_of_others_are_not_taken_for_theirs() {
    let is = |text: &str| {
        let mut found = Findings::default();
        is_kubernetes(&yaml::read("a", text.as_bytes().to_vec(), &mut found).roots)
    };
    assert!(!is(""));
    assert!(!is("groups: []"));
    assert!(!is("apiVersion: evenkeel.dev/v1\nkind: Drill"));
    assert!(!is("apiVersion: v1\nkind: Service\nspec: {url: 'http://a:1'}"));
    assert!(!is("apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos"));
    assert!(is("apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}"));
    assert!(is("apiVersion: networking.k8s.io/v1\nkind: Ingress"));
}

#[test]
fn what_is_written_says_what_it_adds_up_to() {
    let manifest = Manifest::try_new(Wish::of("shop")).unwrap();
    insta::assert_snapshot!(manifest.to_yaml());
    assert_eq!(manifest.drain_policy(), evenkeel_health::DrainPolicy::default());
}

#[test]
fn a_wish_that_cannot_be_met_is_told_why() {
    let error = |wish: Wish| Manifest::try_new(wish).unwrap_err().to_string();
    let second = std::time::Duration::from_secs(1);
    assert!(error(Wish::of("Shop")).starts_with("`Shop` is no name"));
    assert!(error(Wish::of("a\n  b: c")).contains("is no name"));
    assert!(
        error(Wish { kind: "Job".to_owned(), ..Wish::of("a") }).starts_with("`Job` is no workload")
    );
    assert!(error(Wish { port: 0, ..Wish::of("a") }).starts_with("0 is no port"));
    let none = Wish { starts_within: second / 2, ..Wish::of("a") };
    assert_eq!(error(none), "`starts within` of 500ms is not between a second and a day");
    let late = Wish { out_within: second * 30, ..Wish::of("a") };
    assert!(error(late).starts_with(
        "one that is not ready gets requests for 30s, and goes on to take them for 15s"
    ));
}

/// The fields of the API that a patch of ours may have, as strict as its schema.
fn schema() -> serde_json::Value {
    let object = |properties: serde_json::Value| serde_json::json!({"type": "object", "additionalProperties": false, "properties": properties});
    let count = serde_json::json!({"type": "integer", "minimum": 1, "maximum": i32::MAX});
    let port = serde_json::json!({"type": "integer", "minimum": 1, "maximum": 65_535});
    let text = serde_json::json!({"type": "string"});
    let mut probe = object(serde_json::json!({
        "httpGet": object(serde_json::json!({"path": text, "port": port})),
        "grpc": object(serde_json::json!({"service": text, "port": port})),
        "periodSeconds": count, "timeoutSeconds": count, "failureThreshold": count,
    }));
    probe["oneOf"] = serde_json::json!([{"required": ["httpGet"]}, {"required": ["grpc"]}]);
    let container = object(serde_json::json!({
        "name": text,
        "ports": {"type": "array", "items": object(serde_json::json!({"containerPort": port}))},
        "startupProbe": probe, "readinessProbe": probe, "livenessProbe": probe,
    }));
    let spec = object(serde_json::json!({
        "terminationGracePeriodSeconds": count,
        "containers": {"type": "array", "minItems": 1, "items": container},
    }));
    let annotations = serde_json::json!({"type": "object", "additionalProperties": text});
    let metadata = object(serde_json::json!({"annotations": annotations}));
    let template = object(serde_json::json!({"metadata": metadata, "spec": spec}));
    object(serde_json::json!({
        "apiVersion": {"const": "apps/v1"}, "kind": text,
        "metadata": object(serde_json::json!({"name": text})),
        "spec": object(serde_json::json!({"template": template})),
    }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is wished for, what is written has nothing wrong with it, fits the schema, and keeps what was asked.
    #[test]
    fn what_is_written_is_what_we_would_ask_for(
        starts in 1_u64..3_600, out in 1_u64..120, request in 1_u64..900, delay in 1_u64..120, grpc: bool,
    ) {
        let seconds = std::time::Duration::from_secs;
        let wish = Wish {
            over: if grpc { Over::Grpc } else { Over::Http },
            starts_within: seconds(starts),
            out_within: seconds(out),
            longest_request: seconds(request),
            drain_delay: seconds(delay),
            ..Wish::of("shop")
        };
        let Ok(manifest) = Manifest::try_new(wish) else {
            prop_assert!(out > delay);
            return Ok(());
        };
        let text = manifest.to_yaml();
        prop_assert_eq!(found(&text), Vec::new(), "{}", text);
        let mut ignored = Findings::default();
        let root = yaml::read("a", text.clone().into_bytes(), &mut ignored).roots.remove(0);
        let json = root.to_json();
        prop_assert!(jsonschema::is_valid(&schema(), &json), "{}", text);
        prop_assert!(evenkeel_health::Drain::try_new(manifest.drain_policy()).is_ok());
        let container = &json["spec"]["template"]["spec"]["containers"][0];
        let after = |key: &str| {
            let count = |it: &str| container[key][it].as_u64().unwrap();
            count("periodSeconds") * count("failureThreshold")
        };
        prop_assert!(after("readinessProbe") <= out.min(delay));
        prop_assert!(after("startupProbe") >= starts && after("startupProbe") < starts + 5);
        let grace = json["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
        prop_assert_eq!(grace, Some(delay + request + 2));
    }

    /// No manifest is the end of us.
    #[test]
    fn any_probe_is_survived(probe in "[a-zA-Z0-9:{}, \\[\\]'\"-]{0,60}") {
        let text = container(&format!("livenessProbe: {{httpGet: {probe}}}\nreadinessProbe: {probe}"));
        let mut ignored = Findings::default();
        let roots = yaml::read("a", text.into_bytes(), &mut ignored).roots;
        inspect(&roots, ignored);
    }
}
