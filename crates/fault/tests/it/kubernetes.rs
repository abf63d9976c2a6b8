//! Pods, deployments and nodes of a cluster are broken over its API, and what was set is put back.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use evenkeel_fault::{preview, recover};
use evenkeel_model::document::{BlastRadius, Fault, Mode, Target};
use evenkeel_model::plan::PlannedFault;
use serde_json::json;

use crate::cluster::{Api, TOKEN};
use crate::stage::{fault, open, service, state_dir, until};

fn on_pods(api: &Api, it: Fault, mode: Mode) -> PlannedFault {
    let target = Some(Target { select: api.pods(), mode });
    PlannedFault { target, ..fault(it, None) }
}

fn delete(grace: u64) -> Fault {
    Fault::PodDelete { grace: Some(Duration::from_secs(grace)), every: None }
}

fn scale(api: &Api, replicas: u32) -> Fault {
    let (deployment, namespace) = ("api".to_owned(), "shop".to_owned());
    Fault::Scale { deployment, namespace, replicas, cluster: api.cluster() }
}

fn cordon(api: &Api) -> Fault {
    Fault::Cordon { node: "worker-1".to_owned(), cluster: api.cluster() }
}

#[tokio::test]
async fn pods_are_deleted_and_it_is_seen_when_as_many_are_ready_again() {
    let (api, state) = (Api::start(), state_dir());
    let before = api.names();
    let mut faults = open(&service(None, &[]), state.path()).await;
    for (index, grace) in [30, 0].into_iter().enumerate() {
        let lists = api.state().lists;
        faults.begin(index, &on_pods(&api, delete(grace), Mode::Count(2))).await.unwrap();
        until(|| api.state().lists >= lists + 6).await;
        let (evidence, error) = faults.end(index).await;
        assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
        assert!(
            evidence.summary.starts_with("2 of 2 pods deleted, 3 ready again after "),
            "{evidence:?}"
        );
        assert!(evidence.counters.contains_key("slowest_ready_again_seconds"));
    }
    let after = api.names();
    assert!(
        after.len() == 3 && after.iter().filter(|it| before.contains(it)).count() <= 1,
        "{after:?}"
    );
    faults.close().await.unwrap();
}

#[tokio::test]
async fn what_a_disruption_budget_refuses_is_told() {
    let (api, state) = (Api::start(), state_dir());
    api.state().budget = 2;
    let mut faults = open(&service(None, &[]), state.path()).await;
    for (index, expected) in [
        (0, "1 of 2 pods evicted, 1 refused by a disruption budget, "),
        (1, "0 of 2 pods evicted, 2 refused"),
    ] {
        faults.begin(index, &on_pods(&api, Fault::PodEvict, Mode::Count(2))).await.unwrap();
        let (evidence, error) = faults.end(index).await;
        assert_eq!((evidence.acted, error), (index == 0, None), "{evidence:?}");
        assert!(evidence.summary.starts_with(expected), "{evidence:?}");
        api.state().budget = 3;
    }
    faults.close().await.unwrap();
}

#[tokio::test]
async fn the_blast_radius_counts_pods_that_are_ready() {
    let (api, state) = (Api::start(), state_dir());
    let faults = open(&service(None, &[]), state.path()).await;
    let mut faults = faults.within(BlastRadius { min_healthy: Some(2), ..BlastRadius::default() });
    let error = faults.begin(0, &on_pods(&api, delete(0), Mode::Count(2))).await.unwrap_err();
    assert!(error.to_string().ends_with("would leave 1 of 3 well, and minHealthy is 2"), "{error}");
    faults.begin(0, &on_pods(&api, delete(0), Mode::One)).await.unwrap();
    faults.close().await.unwrap();
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_without_a_secret() {
    let (api, state) = (Api::start(), state_dir());
    let mut faults = open(&service(None, &[]), state.path()).await;
    let in_words = |error: &dyn std::error::Error| format!("{error}: {}", error.source().unwrap());
    api.state().forbidden = Some("GET");
    let error = faults.begin(0, &on_pods(&api, delete(0), Mode::One)).await.unwrap_err();
    assert!(
        in_words(&error).contains("does not let us: the account cannot do this"),
        "{}",
        in_words(&error)
    );
    api.state().forbidden = Some("DELETE");
    let error = faults.begin(0, &on_pods(&api, delete(0), Mode::One)).await.unwrap_err();
    assert!(in_words(&error).contains("the account cannot do this"), "{}", in_words(&error));
    api.state().forbidden = None;
    let text = std::fs::read_to_string(api.kubeconfig()).unwrap();
    std::fs::write(api.kubeconfig(), text.replace(TOKEN, "another-s3cret")).unwrap();
    let error = in_words(&faults.begin(0, &on_pods(&api, delete(0), Mode::One)).await.unwrap_err());
    assert!(error.contains("Unauthorized") && !error.contains("s3cret"), "{error}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn what_was_set_is_put_back_although_others_come_in_between() {
    let (api, state) = (Api::start(), state_dir());
    let mut faults = open(&service(None, &[]), state.path()).await;
    api.state().interfering = 2;
    faults.begin(0, &fault(scale(&api, 1), None)).await.unwrap();
    faults.begin(1, &fault(cordon(&api), None)).await.unwrap();
    assert_eq!(
        (api.replicas(), api.state().node["spec"]["unschedulable"].clone()),
        (1, json!(true))
    );
    let journal = std::fs::read_dir(state.path()).unwrap().next().unwrap().unwrap().path();
    let journal = std::fs::read_to_string(journal).unwrap();
    assert!(journal.contains("put_back") && !journal.contains(TOKEN), "{journal}");
    api.state().interfering = 2;
    for index in [1, 0] {
        let (evidence, error) = faults.end(index).await;
        assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
    }
    assert_eq!(api.replicas(), 3);
    let node = api.state().node.clone();
    assert_eq!((&node["spec"], &node["metadata"]["annotations"]), (&json!({}), &json!({})));
    faults.close().await.unwrap();
}

#[tokio::test]
async fn what_others_have_set_or_made_anew_is_left_alone() {
    let (api, state) = (Api::start(), state_dir());
    let mut faults = open(&service(None, &[]), state.path()).await;
    faults.begin(0, &fault(scale(&api, 1), None)).await.unwrap();
    api.state().scale["spec"]["replicas"] = json!(5);
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error, api.replicas()), (false, None, 5), "{evidence:?}");
    faults.begin(1, &fault(scale(&api, 1), None)).await.unwrap();
    api.state().scale["metadata"]["uid"] = json!("another");
    let (evidence, error) = faults.end(1).await;
    assert_eq!((evidence.acted, error, api.replicas()), (false, None, 1), "{evidence:?}");
    api.state().node["spec"]["unschedulable"] = json!(true);
    let error = faults.begin(2, &fault(cordon(&api), None)).await.unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "node worker-1 is cordoned already"
    );
    faults.close().await.unwrap();
}

/// Not a test by itself: the tool that [`a_tool_that_is_killed_leaves_nothing`] kills.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "how the other test hears")]
async fn the_tool_that_scales() {
    let (Ok(config), Ok(state)) = (std::env::var("SCALES_BY"), std::env::var("SCALES_IN")) else {
        return;
    };
    let mut faults = open(&service(None, &[]), state.as_ref()).await;
    let cluster =
        evenkeel_model::document::Cluster { kubeconfig: Some(config.into()), context: None };
    let (deployment, namespace) = ("api".to_owned(), "shop".to_owned());
    let it = Fault::Scale { deployment, namespace, replicas: 0, cluster };
    faults.begin(0, &fault(it, None)).await.unwrap();
    println!("\nbroken");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_tool_that_is_killed_leaves_nothing() {
    let (api, state) = (Api::start(), state_dir());
    let mut tool = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kubernetes::the_tool_that_scales", "--nocapture"])
        .env("SCALES_BY", api.kubeconfig())
        .env("SCALES_IN", state.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(tool.stdout.take().unwrap());
    assert!(said.lines().any(|it| it.unwrap() == "broken"));
    assert_eq!(api.replicas(), 0);
    tool.kill().unwrap();
    tool.wait().unwrap();
    until(|| api.replicas() == 3 && state.path().read_dir().unwrap().next().is_none()).await;
}

#[tokio::test]
async fn what_is_in_a_cluster_is_put_back_after_a_reboot_and_processes_are_gone() {
    let (api, state) = (Api::start(), state_dir());
    api.state().scale["spec"]["replicas"] = json!(0);
    let access = json!({"config": {"files": [api.kubeconfig()], "context": "test"}});
    let cluster = json!({"server": format!("http://{}", api.address), "access": access});
    let setting =
        json!({"replicas": {"namespace": "shop", "deployment": "api", "before": 3, "ours": 0}});
    let change = json!({"cluster": cluster, "uid": "deployment-uid", "setting": setting});
    let process = json!({"pid": std::process::id(), "start_time": 1, "name": "it"});
    let lines = [
        json!({"head": {"run": "left", "boot": "another", "tool": null}}),
        json!({"undo": {"id": 0, "fault": "x", "undo": {"put_back": change}}}),
        json!({"undo": {"id": 1, "fault": "y", "undo": {"continue": {"process": process}}}}),
    ];
    let text: String = lines.iter().map(|it| format!("{it}\n")).collect();
    std::fs::write(state.path().join("left.undo.jsonl"), text).unwrap();
    let recovered = recover(state.path()).await.unwrap();
    let expected =
        format!("scale deployment shop/api to 3, if it still has 0, at http://{}", api.address);
    assert_eq!((&recovered[0].undone, api.replicas()), (&vec![expected], 3));
    assert_eq!(recovered[0].was_fine.len(), 1, "{recovered:?}");
    assert!(state.path().read_dir().unwrap().next().is_none());
}

#[test]
fn a_dry_run_names_the_pods_and_the_cluster() {
    let api = Api::start();
    let planned = on_pods(&api, delete(0), Mode::All);
    let mut plan = evenkeel_model::Plan {
        service: service(None, &[]),
        faults: vec![planned],
        ..crate::processes::empty_plan()
    };
    let text = preview(&plan).unwrap()[0].to_string();
    let names = api.names().join(", ");
    assert!(
        text.contains(&format!("delete pods {names} of shop at http://{}", api.address)),
        "{text}"
    );
    plan.faults = vec![fault(scale(&api, 0), None)];
    let text = preview(&plan).unwrap()[0].to_string();
    assert!(text.contains("scale deployment shop/api from 3 to 0"), "{text}");
    assert_eq!((api.names().join(", "), api.replicas()), (names, 3));
}
