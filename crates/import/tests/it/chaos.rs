//! Every file of the corpus of chaos: what comes of it, what is left out, and that our own reader takes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use evenkeel_import::LeftOut;
use evenkeel_import::chaos::{Format, ImportError, import, to_yaml};
use evenkeel_model::document::{ChaosExperiment, Document, Fault, Parts, Selector};
use evenkeel_model::{Diagnostic, Library};
use evenkeel_units::Seed;

/// What our reader makes of the text.
pub(crate) fn read_back(yaml: &str) -> Vec<ChaosExperiment> {
    let files = [("imported.yaml".to_owned(), yaml.as_bytes().to_vec())];
    let (library, diagnostics) = Library::check(files);
    assert!(diagnostics.is_empty(), "{}\n{yaml}", evenkeel_model::render(&diagnostics, false));
    let experiments = library.items().iter().filter_map(|it| match it.document() {
        Document::ChaosExperiment(it) => Some(it.clone()),
        _ => None,
    });
    experiments.collect()
}

fn left_out(list: &[LeftOut]) -> String {
    list.iter().map(|it| format!("{}: {}: {}\n", it.place, it.what, it.why)).collect()
}

fn bytes(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/chaos").join(file);
    fs::read(path).expect("the corpus is there")
}

fn check(format: Format, file: &str) -> Vec<ChaosExperiment> {
    let imported = import(None, file, &bytes(file)).expect("the corpus can be imported");
    assert_eq!(import(Some(format), file, &bytes(file)).as_ref(), Ok(&imported), "as {format:?}");
    let yaml = imported.to_yaml();
    let shown = format!("{yaml}\n=== left out\n{}", left_out(&imported.left_out));
    insta::assert_snapshot!(file.replace(['/', '.'], "_"), shown);
    assert_eq!(read_back(&yaml), imported.experiments);
    for secret in ["s3cr3t", "hunter2"] {
        assert!(!shown.contains(secret), "{secret} was written down");
    }
    imported.experiments
}

#[test]
fn every_field_is_written_and_read_back() {
    let experiments = read_back(include_str!("../corpus/chaos/ours.yaml"));
    let kinds: BTreeSet<_> = experiments[0].method.iter().map(|it| it.fault.kind()).collect();
    assert_eq!(kinds, Fault::KINDS.into_iter().collect(), "a fault is missing in the corpus");
    assert_eq!(read_back(&to_yaml(&experiments)), experiments);
}

#[test]
fn maps_of_experiments_and_their_limits() {
    check(Format::Experiments, "seeds/chaos-experiments.yml");
}

#[test]
fn groups_of_a_chaos_monkey() {
    check(Format::ChaosMonkey, "seeds/chaosmonkey.yaml");
}

#[test]
fn documents_of_chaos_mesh() {
    check(Format::ChaosMesh, "seeds/chaos-mesh.yaml");
    check(Format::ChaosMesh, "mesh/network.yaml");
    check(Format::ChaosMesh, "mesh/http.yaml");
    check(Format::ChaosMesh, "mesh/files.yaml");
    check(Format::ChaosMesh, "mesh/machines.yaml");
    check(Format::ChaosMesh, "mesh/clocks.yaml");
}

#[test]
fn documents_of_others_beside_those_of_chaos_mesh() {
    let imported = import(None, "hosts.yaml", &bytes("mesh/hosts.yaml")).unwrap();
    let yaml = to_yaml(&imported.experiments);
    insta::assert_snapshot!(
        "mesh_hosts_yaml",
        format!("{yaml}\n=== left out\n{}", left_out(&imported.left_out))
    );
    assert_eq!(read_back(&yaml), imported.experiments);
}

#[test]
fn engines_of_litmus() {
    check(Format::Litmus, "litmus/engine.yaml");
    check(Format::Litmus, "litmus/http.yaml");
    check(Format::Litmus, "litmus/cluster.yaml");
    check(Format::Litmus, "seeds/pod-kill.yaml");
}

#[test]
fn experiments_of_chaos_toolkit() {
    check(Format::ChaosToolkit, "toolkit/experiment.json");
    check(Format::ChaosToolkit, "toolkit/experiment.yaml");
    check(Format::ChaosToolkit, "toolkit/kubernetes.yaml");
    check(Format::ChaosToolkit, "toolkit/toxiproxy.json");
}

#[test]
fn plans_of_a_game_day() {
    check(Format::GameDay, "seeds/gameday.md");
}

#[test]
fn a_file_of_which_nothing_carries_over_is_an_error_with_the_list() {
    let text = String::from_utf8(bytes("seeds/pod-kill.yaml")).unwrap();
    let text = text.replace("pod-delete", "container-kill");
    let error = import(None, "pod-kill.yaml", text.as_bytes()).unwrap_err();
    let ImportError::Nothing(list) = error else { panic!("{error}") };
    insta::assert_snapshot!("nothing", left_out(&list));
}

/// A drill of one experiment, with a service that has whatever the experiment is aimed at.
fn drill(experiment: &ChaosExperiment) -> String {
    let (mut service, mut instances, mut dependencies) = ("any", "", String::new());
    for (n, step) in experiment.method.iter().enumerate() {
        match step.target.as_ref().map(|it| &it.select) {
            Some(Selector::Instances(Parts { service: of, .. })) => {
                service = of.as_deref().unwrap_or(service);
                instances = "\n  instances: {a: {port: 1}, b: {port: 2}, c: {port: 3}, d: {port: 4}, e: {port: 5}}";
            }
            Some(Selector::Dependency(Parts { service: of, pattern: name, .. })) => {
                service = of.as_deref().unwrap_or(service);
                let port = 9_000 + n;
                if dependencies.contains(&format!("\n    {name}: ")) {
                    continue;
                }
                dependencies.push_str(&format!(
                    "\n    {name}: {{listen: \"127.0.0.1:{port}\", upstream: \"{name}.example:80\"}}"
                ));
            }
            Some(
                Selector::Process(_)
                | Selector::Container(_)
                | Selector::Inside { .. }
                | Selector::Pods(_)
                | Selector::Traffic(_)
                | Selector::Postgres(_)
                | Selector::Redis(_),
            )
            | None => {}
        }
    }
    if !dependencies.is_empty() {
        dependencies.insert_str(0, "\n  dependencies:");
    }
    let name = &experiment.name;
    let head = "apiVersion: evenkeel.dev/v1\nkind";
    let constant = "{constant: {rate: 50/s, duration: 2h}}";
    format!(
        "---\n{head}: Service\nmetadata: {{name: {service}}}\nspec:\n  url: http://127.0.0.1:80\n  \
         allowFaults: all{instances}{dependencies}\n\
         ---\n{head}: LoadTest\nmetadata: {{name: load}}\nspec: {{service: {service}, routes: [{{path: /}}]}}\n\
         ---\n{head}: Drill\nmetadata: {{name: drill}}\nspec:\n  service: {service}\n  load: load\n  duration: 6h\n  \
         phases:\n    - {{name: fault, shape: {constant}, chaos: [{name}]}}\n    \
         - {{name: after, role: recovery, shape: {constant}}}\n  success: {{error_rate: \"< 50%\"}}\n"
    )
}

#[test]
fn what_is_written_can_be_planned_once_its_services_are_there() {
    let files = [
        "seeds/chaos-experiments.yml",
        "seeds/chaosmonkey.yaml",
        "seeds/chaos-mesh.yaml",
        "seeds/gameday.md",
        "mesh/network.yaml",
        "mesh/hosts.yaml",
        "mesh/http.yaml",
        "mesh/files.yaml",
        "mesh/machines.yaml",
        "mesh/clocks.yaml",
        "litmus/engine.yaml",
        "litmus/http.yaml",
        "litmus/cluster.yaml",
        "toolkit/experiment.json",
        "toolkit/experiment.yaml",
        "toolkit/kubernetes.yaml",
        "toolkit/toxiproxy.json",
    ];
    for file in files {
        for experiment in import(None, file, &bytes(file)).unwrap().experiments {
            let text = to_yaml(std::slice::from_ref(&experiment)) + &drill(&experiment);
            let (library, diagnostics) =
                Library::check([("drill.yaml".to_owned(), text.clone().into_bytes())]);
            assert!(
                diagnostics.is_empty(),
                "{}\n{text}",
                evenkeel_model::render(&diagnostics, false)
            );
            let plan = library.plan("drill", Seed(7)).expect("it can be planned");
            assert_eq!(plan.faults.len(), experiment.method.len(), "{file}: {text}");
        }
    }
}

fn mistakes(name: &str, text: &str) -> String {
    match import(None, name, text.as_bytes()) {
        Err(ImportError::Wrong(list)) => {
            let line = |it: &Diagnostic| {
                format!("{}:{}:{}: {}: {}\n", it.file, it.line, it.column, it.message, it.help)
            };
            list.iter().map(line).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_mistake_of_a_file_is_told_with_line_and_column() {
    let all = [
        mistakes(
            "mesh.yaml",
            "apiVersion: chaos-mesh.org/v1alpha1\nkind: NetworkChaos\nmetadata: {name: a}\nspec:\n  action: delay\n  \
             selector: []\n  delay: {latency: soon}\n  duration: 40 days\n\
             ---\napiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {name: b}\nspec: {action: pod-tickle}\n",
        ),
        mistakes(
            "experiments.yaml",
            "chaos_experiments:\n  a:\n    config: {instance_percentage: 120}\n    success_criteria: {availability: many}\n\
             safety_settings:\n  blast_radius_limits: {restricted_hours: [\"25:00-06:00\"]}\n",
        ),
        mistakes("comma.json", "{\n  \"title\": \"a\",\n  \"method\": [,]\n}\n"),
        mistakes("bracket.yaml", "chaosmonkey:\n  enabled: [true\n"),
        mistakes(
            "activities.json",
            "{\"title\": \"a\", \"method\": [{\"ref\": \"b\"}, {\"name\": \"c\"}]}",
        ),
    ];
    insta::assert_snapshot!("mistakes", all.concat());
}

#[test]
fn mistakes_of_what_a_fault_is_given_are_told_with_line_and_column() {
    let mesh = |kind: &str, spec: &str| {
        format!(
            "---\napiVersion: chaos-mesh.org/v1alpha1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
        )
    };
    let machine = |action: &str, parameters: &str| {
        let spec = format!("{{action: {action}, address: [a], {action}: {parameters}}}");
        mesh("PhysicalMachineChaos", &spec)
    };
    let documents = [
        mesh("IOChaos", "{action: fault, errno: EIO, percent: 150}"),
        mesh("IOChaos", "{action: latency, volumePath: data, delay: [1]}"),
        mesh("IOChaos", "{action: latency, volumePath: /data}"),
        mesh("IOChaos", "{volumePath: /data}"),
        mesh("IOChaos", "{action: latency, volumePath: /data, delay: 1s, methods: [[read]]}"),
        mesh("DNSChaos", "{action: tickle}"),
        mesh("DNSChaos", "{action: error, patterns: {a: b}}"),
        mesh("DNSChaos", "[]"),
        mesh("HTTPChaos", "{target: Both, abort: true}"),
        mesh("PhysicalMachineChaos", "{action: network-loss}"),
        mesh("PhysicalMachineChaos", "{action: network}"),
        machine("network-delay", "{ip-address: 10.0.0.256}"),
        machine("network-loss", "[percent]"),
        machine("network-partition", "{ip-address: 10.0.0.1, direction: up}"),
        machine("network-bandwidth", "{rate: fast, ip-address: 10.0.0.1}"),
        machine("network-dns", "{dns-ip: 1.2.3.4}"),
        machine("network-dns", "{dns-ip: a, dns-domain-name: b}"),
        machine("http-delay", "{target: Request, port: http}"),
        machine("http-abort", "{port: 80}"),
        machine("process", "{signal: 9}"),
        machine("disk-fill", "{path: /a/b, size: much}"),
        machine("user_defined", "{recoverCmd: a}"),
    ];
    let engine = "apiVersion: litmuschaos.io/v1alpha1\nkind: ChaosEngine\nmetadata: {name: a}\nspec:\n  appinfo: {applabel: app=a}\n  experiments:\n";
    let experiment = |name: &str, key: &str, value: &str| {
        format!(
            "  - {{name: {name}, spec: {{components: {{env: [{{name: {key}, value: '{value}'}}]}}}}}}\n"
        )
    };
    let experiments = [
        experiment("pod-http-latency", "LATENCY", "slow"),
        experiment("pod-http-latency", "TOXICITY", "101"),
        experiment("pod-http-status-code", "STATUS_CODE", "99"),
        experiment("pod-http-modify-header", "HEADERS_MAP", "[1]"),
        experiment("pod-dns-spoof", "SPOOF_MAP", "a=b"),
        experiment("pod-autoscaler", "REPLICA_COUNT", "-1"),
        experiment("pod-network-partition", "POLICY_TYPES", "some"),
        "  - {name: pod-delete, spec: []}\n".to_owned(),
    ];
    let action = |module: &str, function: &str, arguments: &str| {
        format!(
            "- type: action\n  name: a\n  provider: {{type: python, module: {module}, func: {function}, arguments: {arguments}}}\n"
        )
    };
    let actions = [
        action("chaosk8s.deployment.actions", "scale_deployment", "{replicas: 1}"),
        action("chaosk8s.deployment.actions", "scale_deployment", "{name: a}"),
        action("chaosk8s.deployment.actions", "scale_deployment", "{name: a, replicas: few}"),
        action("chaosk8s.pod.actions", "terminate_pods", "{label_selector: a=b, qty: -1}"),
        action("chaosk8s.pod.actions", "terminate_pods", "[a]"),
        action("chaostoxi.toxic.actions", "create_latency_toxic", "{latency: 5}"),
        action("chaostoxi.toxic.actions", "create_latency_toxic", "{for_proxy: a, latency: x}"),
    ];
    let all = [
        mistakes("mesh.yaml", &documents.concat()),
        mistakes("litmus.yaml", &format!("{engine}{}", experiments.concat())),
        mistakes("toolkit.yaml", &format!("title: a\nmethod:\n{}", actions.concat())),
    ];
    insta::assert_snapshot!("mistakes_of_parameters", all.concat());
}

#[test]
fn a_file_may_have_empty_documents_and_those_of_others_in_between() {
    let document = "apiVersion: chaos-mesh.org/v1alpha1\nkind: DNSChaos\nmetadata: {name: a}\nspec: {action: error, duration: 5s}\n";
    let text = format!(
        "---\n---\n{document}---\n# nothing\n---\nkind: Pod\n---\n[a]\n---\n{document}---\n"
    );
    let imported = import(None, "x", text.as_bytes()).unwrap();
    let names: Vec<_> = imported.experiments.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["a", "a-2"]);
    let left = left_out(&imported.left_out);
    for said in ["x:10:1: a Pod", "x:12:1: a document"] {
        assert!(left.contains(said), "{left}");
    }
}

#[test]
fn no_key_of_a_seed_is_passed_over_in_silence() {
    for file in ["seeds/chaos-experiments.yml", "seeds/chaosmonkey.yaml"] {
        let text = String::from_utf8(bytes(file)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let key = line.trim_start();
            let is_key = key.contains(':') && !key.starts_with(['#', '-']);
            if !is_key {
                continue;
            }
            let indent = " ".repeat(line.len() - key.len());
            let mut more = lines.clone();
            let added = format!("{indent}zebra: 1");
            more.insert(n, &added);
            let told = match import(None, file, more.join("\n").as_bytes()) {
                Ok(imported) => left_out(&imported.left_out),
                Err(ImportError::Wrong(list)) => evenkeel_model::render(&list, false),
                Err(other) => panic!("{other}"),
            };
            assert!(told.contains("zebra"), "{file}:{}\n{told}", n + 1);
        }
    }
}

#[test]
fn json_that_is_no_yaml_is_read_without_places() {
    let text = r#"{"title": "a\ud83d\ude00b", "method": [], "tags": ["x"]}"#;
    let ImportError::Nothing(list) = import(None, "a.json", text.as_bytes()).unwrap_err() else {
        panic!("there is nothing in it")
    };
    assert!(list.iter().all(|it| it.place == "a.json"), "{list:?}");
    assert!(left_out(&list).contains("`tags`"), "{list:?}");
}

#[test]
fn a_program_is_refused_as_one() {
    for text in [
        "import gremlin\n\n# CPU attack\ngremlin.attack.cpu(length=60)\n",
        "# Monkey\nfrom typing import List\n",
    ] {
        assert_eq!(import(None, "x", text.as_bytes()).unwrap_err(), ImportError::Program, "{text}");
    }
}

#[test]
fn what_is_of_no_tool_is_refused() {
    for text in ["", "a: 1", "apiVersion: v1\nkind: Pod\n", "attacks: []", "# A day\n"] {
        let error = import(None, "x", text.as_bytes()).unwrap_err();
        assert_eq!(error, ImportError::Unknown, "{text}");
    }
}
