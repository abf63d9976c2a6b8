//! What a `Service` is made of.

use std::collections::BTreeSet;

use super::safety::release;
use crate::decode::codec::{Any, Forms, Integer, List, Mapped, Named, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{call::file, length, name, process, prose, request};
use crate::document::{AllowFaults, Dependency, Fault, Finder, Instance, Labels, Service, Start};

pub(super) const SPEC: Object<Service> = Object { title: "Service", fields: service };

fn service(f: &mut Fields<'_>) -> Option<Service> {
    let description = f.optional("description", "For people.", prose());
    let sentence =
        "Where requests go: `scheme://host:port`, without a path. The scheme is the protocol.";
    let url = f.optional("url", sentence, request::base_url());
    let start = Object { title: "Start", fields: start };
    let sentence =
        "How a drill starts the service, when nobody else does. Stopped again at the end.";
    let start = f.optional("start", sentence, start);
    let sentence = "The processes that faults may be aimed at by name.";
    let instance = Object { title: "Instance", fields: instance };
    let instances = f.or_empty("instances", sentence, Named { key: name(), of: instance });
    let sentence =
        "The links that faults may be laid on: the drill listens, and forwards to the dependency.";
    let dependency = Object { title: "Dependency", fields: dependency };
    let dependencies = f.or_empty("dependencies", sentence, Named { key: name(), of: dependency });
    let sentence = "Which faults the owners of the service agree to. Default: none.";
    let allow_faults = f.or_empty("allowFaults", sentence, allow_faults());

    let sentence = "The weakest release class that a fault may have where this service runs.";
    let min_release = f.optional("minRelease", sentence, release());

    let instances = instances?.into_iter().map(|(name, it)| Instance { name, ..it }).collect();
    let dependencies: Vec<_> =
        dependencies?.into_iter().map(|(name, it)| Dependency { name, ..it }).collect();
    for (n, it) in dependencies.iter().enumerate() {
        if let Some(first) = dependencies.iter().take(n).find(|first| first.listen == it.listen) {
            let message = format!("{} is where `{}` listens already", it.listen, first.name);
            let help = "Give each dependency a port of its own.";
            f.refuse(&format!("dependencies/{}/listen", it.name), codes::AMBIGUOUS, message, help);
        }
    }
    let name = String::new();
    let allow_faults = allow_faults?;
    Some(Service {
        name,
        description,
        url,
        start,
        instances,
        dependencies,
        allow_faults,
        min_release,
    })
}

fn start(f: &mut Fields<'_>) -> Option<Start> {
    let sentence = "Program and arguments; never through a shell. The program `evenkeel` means the running binary.";
    let command = f.required("command", sentence, List { of: request::argument(), min: 1 });
    let sentence = "The folder in which it runs, from that of this document.";
    let folder = f.default("folder", sentence, file(), ".");
    let sentence = "URL that answers 2xx once the service can take requests.";
    let ready = f.required("ready", sentence, request::url());
    let timeout = f.default("timeout", "How long it may take to become ready.", length(), "30s");
    Some(Start { command: command?, folder: folder?, ready: ready?, timeout: timeout? })
}

/// The fields that say how a process is found.
pub(super) const FINDERS: [&str; 6] =
    ["pid", "executable", "port", "commandLine", "cgroup", "unit"];

/// One of the ways to find a process; `None` when there is none.
pub(super) fn finder_fields(f: &mut Fields<'_>) -> Option<Finder> {
    let reason = "Give the number of a process; 1 is the mother of all others.";
    let pid = Integer { min: 2, max: 4_194_304, reason };
    let pid = f.optional("pid", "The process with this number.", pid);
    let sentence = "Processes of this program, by its path or file name.";
    let executable = f.optional("executable", sentence, process::executable());
    let port = Integer { min: 1, max: 65_535, reason: "Ports are numbers from 1 to 65535." };
    let port = f.optional("port", "The process that listens on this TCP port.", port);
    let sentence = "Processes whose command line is this: the arguments with one blank in between, where `*` \
                    stands for any text, so that `*text*` is a part of it.";
    let command_line = f.optional("commandLine", sentence, process::command_line());
    let sentence =
        "Processes in this control group or one below it, by its path in `/proc/PID/cgroup`.";
    let cgroup = f.optional("cgroup", sentence, process::cgroup());
    let sentence = "Processes of this unit of systemd, by its whole name.";
    let unit = f.optional("unit", sentence, process::unit()).map(Finder::Unit);
    let pid = pid.map(|it| Finder::Pid(it as u32));
    let port = port.map(|it| Finder::Port(it as u16));
    pid.or(executable).or(port).or(command_line).or(cgroup).or(unit)
}

/// What a part belongs to.
pub(super) fn labels(f: &mut Fields<'_>, sentence: &'static str) -> Option<Labels> {
    let labels = f.or_empty("labels", sentence, Named { key: name(), of: name() })?;
    Some(labels.into_iter().collect())
}

/// What labels of parts are for.
const LABELS: &str = "What it belongs to, such as `zone: a`.";

fn instance(f: &mut Fields<'_>) -> Option<Instance> {
    let find = finder_fields(f);
    f.exactly_one(&FINDERS);
    let labels = labels(f, LABELS);
    Some(Instance { name: String::new(), find: find?, labels: labels? })
}

fn dependency(f: &mut Fields<'_>) -> Option<Dependency> {
    let sentence = "Where the proxy listens during a drill; loopback only. The service must call this address.";
    let listen = f.required("listen", sentence, request::loopback());
    let upstream =
        f.required("upstream", "`host:port` of the real dependency.", request::address());
    let (name, labels) = (String::new(), labels(f, LABELS));
    Some(Dependency { name, listen: listen?, upstream: upstream?, labels: labels? })
}

fn allow_faults() -> Forms<AllowFaults> {
    let words = [("none", AllowFaults::None), ("all", AllowFaults::All)];
    let word = super::words("`all`, `none` or a list of faults", &words);
    let kinds = Fault::KINDS.map(|it| (it, it.to_owned()));
    let kinds = List { of: super::words("a fault we know", &kinds), min: 0 };
    let only = |kinds: Vec<String>| match kinds.is_empty() {
        true => AllowFaults::None,
        false => AllowFaults::Only(BTreeSet::from_iter(kinds)),
    };
    let list: Any<AllowFaults> = Box::new(Mapped { of: kinds, into: only });
    Forms {
        expected: "`all`, `none` or a list of faults",
        scalar: Some(Box::new(word)),
        list: Some(list),
        map: None,
    }
}
