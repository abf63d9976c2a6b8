//! What `kubectl` does to pods, deployments and nodes.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_model::document::{Cluster, Fault, Labels, Mode, Pods, Selector, Step, Target};

use super::super::kubernetes::{is_label, is_name};
use super::command::{Does, Ending};
use crate::notes::cut;

/// `kubectl delete pods -l …`, `scale`, `cordon`, `uncordon`, `drain`. The error says why nothing is written for it.
pub(super) fn kubectl(words: &[String]) -> Result<Does, String> {
    let (mut plain, mut namespace, mut cluster) = (Vec::new(), "default", Cluster::default());
    let (mut labels, mut replicas, mut grace) = (None, None, None);
    let mut unread = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            plain.push(word);
            continue;
        }
        let (option, joined) = word.split_once('=').map_or((word, None), |it| (it.0, Some(it.1)));
        let refused = || format!("`{}` chooses in a way that we do not", cut(word));
        let mut value = || joined.or_else(|| words.next()).ok_or_else(refused);
        match option {
            "-n" | "--namespace" => namespace = value()?,
            "--context" => cluster.context = Some(value()?.to_owned()),
            "--kubeconfig" => cluster.kubeconfig = Some(PathBuf::from(value()?)),
            "-l" | "--selector" => labels = Some(value()?),
            "--replicas" => replicas = value()?.parse().ok().filter(|it| *it <= 10_000),
            "--grace-period" => {
                grace = value()?.parse::<u32>().ok().map(|it| Duration::from_secs(it.into()));
            }
            "--now" => grace = Some(Duration::from_secs(1)),
            "--force"
            | "--wait"
            | "--ignore-daemonsets"
            | "--delete-emptydir-data"
            | "--ignore-not-found" => {
                unread.push((word.to_owned(), "it changes nothing here".to_owned()));
            }
            "--timeout" => {
                let what = format!("{word} {}", value()?);
                unread.push((what, "it changes nothing here".to_owned()));
            }
            _ => return Err(refused()),
        }
    }
    let is_odd = |it: &str| {
        !(1..=255).contains(&it.len()) || it.chars().any(|it| it.is_control() || it == '\'')
    };
    if cluster.context.as_deref().is_some_and(is_odd) {
        return Err("it names no context".to_owned());
    }
    let path_is_whole = cluster
        .kubeconfig
        .as_ref()
        .is_none_or(|it| it.is_absolute() && !it.to_string_lossy().contains('\0'));
    if !is_name(namespace) || !path_is_whole {
        return Err("it names no namespace, or no whole path of a kubeconfig".to_owned());
    }
    if cluster.context.is_none() {
        let why = "that of your kubeconfig is meant: write `context` to be sure".to_owned();
        unread.push(("the current context".to_owned(), why));
    }
    let lasting = |fault| Step { fault, target: None, at: Duration::ZERO, duration: None };
    let named = |it: &str| match is_name(it) {
        true => Ok(it.to_owned()),
        false => Err(format!("`{}` is no name", cut(it))),
    };
    let step = match (plain.as_slice(), labels) {
        (["delete", "pod" | "pods" | "po"], Some(text)) => {
            let labels = whole(text)?;
            let namespace = namespace.to_owned();
            let select = Selector::Pods(Pods { namespace, labels, cluster });
            let target = Some(Target { select, mode: Mode::All });
            Step { target, ..lasting(Fault::PodDelete { grace, every: None }) }
        }
        (["scale", what @ ..], None) if replicas.is_some() => {
            let deployment = match what {
                ["deployment" | "deployments" | "deploy", name] => named(name)?,
                [one] => match one.split_once('/') {
                    Some(("deployment" | "deployments" | "deploy", name)) => named(name)?,
                    _ => return Err("only deployments are scaled".to_owned()),
                },
                _ => return Err("only one deployment is scaled by a step".to_owned()),
            };
            let (namespace, replicas) = (namespace.to_owned(), replicas.unwrap_or_default());
            lasting(Fault::Scale { deployment, namespace, replicas, cluster })
        }
        (["uncordon", node], None) => return Ok(Does::Ends(vec![Ending::Node(named(node)?)])),
        (["cordon", node], None) => lasting(Fault::Cordon { node: named(node)?, cluster }),
        (["drain", node], None) => {
            let why = "the pods that are on it stay: write `podEvict` with their labels".to_owned();
            unread.push(("the drain".to_owned(), why));
            lasting(Fault::Cordon { node: named(node)?, cluster })
        }
        _ => {
            let why = "it breaks nothing that we know: write `podDelete`, `podEvict`, `scale` or `cordon`";
            return Err(why.to_owned());
        }
    };
    Ok(Does::Faults { faults: vec![step], unread })
}

/// All labels of a selector; one that says more is refused, because fewer words would hit more.
fn whole(text: &str) -> Result<Labels, String> {
    let label = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim_start_matches('=');
        (!key.ends_with('!') && is_label(key, value)).then(|| (key.to_owned(), value.to_owned()))
    };
    let labels: Option<Labels> = text.split(',').map(label).collect();
    labels.ok_or_else(|| format!("`{}` says more than labels, or none", cut(text)))
}
