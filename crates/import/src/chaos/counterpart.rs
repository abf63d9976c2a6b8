//! The one table of what other tools break, and what it is here.
//!
//! When a fault arrives, its line changes from [`Here::NotYet`] to the fault, and the importer of the tool reads
//! its parameters. What no line names is listed as unknown.

use evenkeel_model::document::Fault;
use evenkeel_units::Ratio;

/// What something is here.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Here {
    /// `latency` on a link.
    Latency,
    /// `bandwidth` on a link.
    Bandwidth,
    /// `blackHole` on a link.
    BlackHole,
    /// `refuse` on a link.
    Refuse,
    /// `kill`.
    Kill,
    /// `podDelete` of pods of a cluster.
    PodDelete,
    /// `loss` of packets.
    Loss,
    /// `corrupt` of packets.
    Corrupt,
    /// `duplicate` of packets.
    Duplicate,
    /// `reorder` of packets.
    Reorder,
    /// Faults of HTTP on a link: `httpAbort`.
    HttpAbort,
    /// `httpDelay` on a link.
    HttpDelay,
    /// `httpChange` on a link.
    HttpChange,
    /// `reset` on a link.
    Reset,
    /// `scale` of a deployment.
    Scale,
    /// `cordon` of a node.
    Cordon,
    /// `stop` and other faults of containers.
    Stop,
    /// A fault of a link that is a toxic there.
    Toxic,
    /// `stopUnit` on the host.
    StopUnit,
    /// `dns` on the host.
    Dns,
    /// `ioErrors` of a folder.
    IoErrors,
    /// `ioLatency` of a folder.
    IoLatency,
    /// `command` on the host.
    Command,
    /// `diskFill` on the host.
    DiskFill,
    /// `clockSkew` of processes.
    ClockSkew,
    /// `terminateBackends` of a database.
    TerminateBackends,
    /// `cpu` on the host.
    Cpu,
    /// `memory` on the host.
    Memory,
    /// There is no such fault yet; the words say which.
    NotYet(&'static str),
    /// It is no fault.
    NoFault(&'static str),
}

use Here::{
    Bandwidth, BlackHole, ClockSkew, Command, Cordon, Corrupt, Cpu, DiskFill, Dns, Duplicate,
    HttpAbort, HttpChange, HttpDelay, IoErrors, IoLatency, Kill, Latency, Loss, Memory, NoFault,
    NotYet, PodDelete, Refuse, Reorder, Reset, Scale, Stop, StopUnit, TerminateBackends, Toxic,
};

impl Here {
    /// What is done to a share of the packets, where that is all there is to say.
    pub(super) fn of_packets(self, share: Ratio) -> Option<Fault> {
        match self {
            Loss => Some(Fault::Loss { share }),
            Corrupt => Some(Fault::Corrupt { share }),
            Duplicate => Some(Fault::Duplicate { share }),
            _ => None,
        }
    }

    /// Why nothing is written for it; `None` when something is.
    pub(super) fn why_not(self) -> Option<String> {
        match self {
            NotYet(what) => Some(format!("there is no such fault yet: {what}")),
            NoFault(why) => Some(why.to_owned()),
            _ => None,
        }
    }
}

/// What is said of load on a disk.
const DISKS: &str = "load on a disk (`ioThrottle` makes it slow for the processes that you name)";

/// What is said of containers of a cluster.
const CONTAINERS: &str = "containers are told by what their engine says, which does not know the labels of pods: write `podDelete`, or on its node `kill` with `target: {container: {name}}`";

/// The words of each tool, as `tool/word` or `tool/group/word`; `*` at the end stands for anything.
const TABLE: &[(&str, Here)] = &[
    // chaos_experiments: by the field that only this experiment has
    ("experiments/instance_percentage", Kill),
    ("experiments/latency_ms", Latency),
    ("experiments/complete_outage", Refuse),
    ("experiments/timeout", BlackHole),
    ("experiments/connection_kill_percentage", TerminateBackends),
    // what several tools have
    (
        "network/everything",
        NotYet(
            "network faults of all traffic of a process or a host (write whom it talks to: a link, or `traffic`)",
        ),
    ),
    // Chaos Mesh
    ("mesh/NetworkChaos/delay", Latency),
    ("mesh/NetworkChaos/bandwidth", Bandwidth),
    ("mesh/NetworkChaos/rate", Bandwidth),
    ("mesh/NetworkChaos/partition", BlackHole),
    ("mesh/NetworkChaos/loss", Loss),
    ("mesh/NetworkChaos/duplicate", Duplicate),
    ("mesh/NetworkChaos/corrupt", Corrupt),
    ("mesh/NetworkChaos/reorder", Reorder),
    ("mesh/PodChaos/pod-kill", PodDelete),
    (
        "mesh/PodChaos/pod-failure",
        NotYet("pods that stay away (write `scale`, or `podDelete` with `every`)"),
    ),
    ("mesh/PodChaos/container-kill", NoFault(CONTAINERS)),
    ("mesh/StressChaos/cpu", Cpu),
    ("mesh/StressChaos/memory", Memory),
    ("mesh/PhysicalMachineChaos/stress-cpu", Cpu),
    ("mesh/PhysicalMachineChaos/stress-mem", Memory),
    ("mesh/PhysicalMachineChaos/process", Kill),
    ("mesh/PhysicalMachineChaos/network-delay", Latency),
    ("mesh/PhysicalMachineChaos/network-loss", Loss),
    ("mesh/PhysicalMachineChaos/network-corrupt", Corrupt),
    ("mesh/PhysicalMachineChaos/network-duplicate", Duplicate),
    ("mesh/PhysicalMachineChaos/network-bandwidth", Bandwidth),
    ("mesh/PhysicalMachineChaos/network-partition", BlackHole),
    ("mesh/PhysicalMachineChaos/network-dns", Dns),
    (
        "mesh/PhysicalMachineChaos/network-flood",
        NoFault("it is load: write a LoadTest, or `bandwidth` with what gets through beside it"),
    ),
    (
        "mesh/PhysicalMachineChaos/network-down",
        NotYet("interfaces that are down (write `blackHole` with whom it talks to as `traffic`)"),
    ),
    ("mesh/PhysicalMachineChaos/network-*", NotYet("network faults of a whole host")),
    ("mesh/PhysicalMachineChaos/disk-fill", DiskFill),
    ("mesh/PhysicalMachineChaos/disk-*", NotYet(DISKS)),
    (
        "mesh/PhysicalMachineChaos/file-*",
        NoFault(
            "it changes a file: write `command` with what does it, and what puts the file back as `undo`",
        ),
    ),
    ("mesh/PhysicalMachineChaos/clock", ClockSkew),
    ("mesh/PhysicalMachineChaos/http-abort", HttpAbort),
    ("mesh/PhysicalMachineChaos/http-delay", HttpDelay),
    (
        "mesh/PhysicalMachineChaos/http-config",
        NoFault(
            "its rules stand in a file of that machine: write each as `httpAbort`, `httpDelay` or `httpChange`",
        ),
    ),
    ("mesh/PhysicalMachineChaos/http-request", NoFault("requests are load: write a LoadTest")),
    (
        "mesh/PhysicalMachineChaos/redis-penetration",
        NoFault("questions for keys that are not there are load: write a LoadTest"),
    ),
    (
        "mesh/PhysicalMachineChaos/redis-restart",
        NoFault("it is a Sentinel: write `restart` with its process as the target"),
    ),
    (
        "mesh/PhysicalMachineChaos/redis-stop",
        NoFault("it is a Sentinel: write `stopUnit` with its unit, or `pause` with its process"),
    ),
    (
        "mesh/PhysicalMachineChaos/redis-*",
        NotYet("a Redis that forgets (there are `killClients` and `pauseClients`)"),
    ),
    ("mesh/PhysicalMachineChaos/kafka-*", NotYet("faults of a Kafka")),
    ("mesh/PhysicalMachineChaos/jvm-*", NotYet("faults inside of a Java machine")),
    ("mesh/PhysicalMachineChaos/vm", NotYet("virtual machines")),
    ("mesh/PhysicalMachineChaos/user_defined", Command),
    ("mesh/IOChaos/latency", IoLatency),
    ("mesh/IOChaos/fault", IoErrors),
    ("mesh/IOChaos/attrOverride", NotYet("files with other attributes")),
    ("mesh/IOChaos/mistake", NotYet("files with other bytes in them")),
    (
        "mesh/IoChaos",
        NoFault("it is of Chaos Mesh before 2.0: write it as an IOChaos of `latency` or `fault`"),
    ),
    ("mesh/TimeChaos", ClockSkew),
    ("mesh/BlockChaos", NotYet("slow block devices")),
    ("mesh/JVMChaos", NotYet("faults inside of a Java machine")),
    ("mesh/KernelChaos", NotYet("failures inside of the kernel")),
    ("mesh/AWSChaos", NotYet("machines of a cloud")),
    ("mesh/GCPChaos", NotYet("machines of a cloud")),
    ("mesh/AzureChaos", NotYet("machines of a cloud")),
    ("mesh/Workflow", NoFault("workflows are not read: write its templates as documents")),
    ("mesh/StatusCheck", NoFault("write it as a probe under `steadyState`")),
    // Litmus
    ("litmus/pod-network-latency", Latency),
    ("litmus/pod-network-partition", BlackHole),
    ("litmus/pod-network-loss", Loss),
    ("litmus/pod-network-corruption", Corrupt),
    ("litmus/pod-network-duplication", Duplicate),
    ("litmus/pod-network-rate-limit", Bandwidth),
    ("litmus/pod-cpu-hog", Cpu),
    ("litmus/pod-cpu-hog-exec", Cpu),
    ("litmus/node-cpu-hog", Cpu),
    ("litmus/pod-memory-hog", Memory),
    ("litmus/pod-memory-hog-exec", Memory),
    ("litmus/node-memory-hog", Memory),
    ("litmus/pod-delete", PodDelete),
    ("litmus/container-kill", NoFault(CONTAINERS)),
    (
        "litmus/cassandra-pod-delete",
        NoFault("write `podDelete` with the labels of the pods of Cassandra"),
    ),
    (
        "litmus/kafka-broker-pod-failure",
        NoFault("write `podDelete` with the labels of the pods of Kafka"),
    ),
    ("litmus/pod-autoscaler", Scale),
    ("litmus/pod-dns-error", Dns),
    ("litmus/pod-dns-spoof", Dns),
    ("litmus/pod-http-latency", HttpDelay),
    ("litmus/pod-http-reset-peer", Reset),
    ("litmus/pod-http-status-code", HttpChange),
    ("litmus/pod-http-modify-body", HttpChange),
    ("litmus/pod-http-modify-header", HttpChange),
    ("litmus/pod-io-stress", NotYet(DISKS)),
    ("litmus/pod-fio-stress", NotYet(DISKS)),
    ("litmus/node-io-stress", NotYet(DISKS)),
    ("litmus/k6-loadgen", NoFault("it is load: write a LoadTest")),
    ("litmus/disk-fill", DiskFill),
    ("litmus/disk-loss", NotYet("losing a disk")),
    ("litmus/node-drain", Cordon),
    ("litmus/node-taint", NotYet("taints of nodes (write `cordon`)")),
    ("litmus/node-*", NotYet("restarting of nodes")),
    ("litmus/redfish-node-restart", NotYet("restarting of nodes")),
    ("litmus/kubelet-service-kill", StopUnit),
    ("litmus/docker-service-kill", StopUnit),
    ("litmus/rds-*", NotYet("databases of a cloud")),
    ("litmus/ec2-*", NotYet("machines of a cloud")),
    ("litmus/ebs-*", NotYet("disks of a cloud")),
    ("litmus/aws-*", NotYet("machines of a cloud")),
    ("litmus/azure-*", NotYet("machines of a cloud")),
    ("litmus/gcp-*", NotYet("machines of a cloud")),
    ("litmus/vm-*", NotYet("machines of a cloud")),
    ("litmus/spring-boot-*", NotYet("faults inside of a Java machine")),
    // Chaos Toolkit: commands, and functions of its extensions
    ("toolkit/command/kill", Kill),
    ("toolkit/command/pkill", Kill),
    ("toolkit/command/killall", Kill),
    ("toolkit/command/stress", Cpu),
    ("toolkit/command/stress-ng", Cpu),
    ("toolkit/command/tc", NotYet("latency, loss and bandwidth of a whole interface")),
    (
        "toolkit/command/iptables",
        NoFault(
            "its rule stays until somebody removes it: write `blackHole`, `refuse` or `loss` with `traffic`",
        ),
    ),
    (
        "toolkit/command/ip6tables",
        NoFault(
            "its rule stays until somebody removes it: write `blackHole`, `refuse` or `loss` with `traffic`",
        ),
    ),
    (
        "toolkit/command/nft",
        NoFault(
            "its rule stays until somebody removes it: write `blackHole`, `refuse` or `loss` with `traffic`",
        ),
    ),
    ("toolkit/command/systemctl", StopUnit),
    ("toolkit/command/service", StopUnit),
    ("toolkit/command/docker", Stop),
    ("toolkit/command/podman", Stop),
    (
        "toolkit/command/pumba",
        NoFault(
            "write `kill`, `pause`, `stop`, or a fault of `traffic`, with its `container` as the target",
        ),
    ),
    ("toolkit/command/kubectl", PodDelete),
    (
        "toolkit/command/fallocate",
        NoFault("it fills a disk until somebody empties it: write `diskFill`"),
    ),
    ("toolkit/command/dd", NoFault("it fills a disk until somebody empties it: write `diskFill`")),
    (
        "toolkit/command/date",
        NotYet("the clock of a whole host (write `clockSkew` with its processes)"),
    ),
    (
        "toolkit/command/toxiproxy-cli",
        NoFault(
            "it lasts until somebody ends it; write `latency` or another fault of a link, with its `duration`",
        ),
    ),
    (
        "toolkit/command/*",
        NoFault("write its program and arguments as `command`, with an `undo` that takes it back"),
    ),
    ("toolkit/http", NoFault("calls are no faults; load tests send them")),
    ("toolkit/python/chaosk8s.pod.actions.terminate_pods", PodDelete),
    ("toolkit/python/chaosk8s.pod.actions.delete_pods", PodDelete),
    ("toolkit/python/chaosk8s.deployment.actions.scale_deployment", Scale),
    ("toolkit/python/chaosk8s.actions.scale_microservice", Scale),
    ("toolkit/python/chaosk8s.node.actions.cordon_node", Cordon),
    ("toolkit/python/chaosk8s.node.actions.uncordon_node", Cordon),
    ("toolkit/python/chaosk8s.node.actions.drain_nodes", Cordon),
    ("toolkit/python/chaosk8s.*", NoFault("write `podDelete`, `podEvict`, `scale` or `cordon`")),
    ("toolkit/python/chaosaws.*", NotYet("machines of a cloud")),
    ("toolkit/python/chaosazure.*", NotYet("machines of a cloud")),
    ("toolkit/python/chaosgce.*", NotYet("machines of a cloud")),
    ("toolkit/python/chaosgcp.*", NotYet("machines of a cloud")),
    ("toolkit/python/chaostoxi.proxy.actions.*", Toxic),
    ("toolkit/python/chaostoxi.toxic.actions.*", Toxic),
    ("toolkit/python/*", NoFault("functions of Python are not called")),
];

/// What a word of a tool is here; the first line that fits.
pub(super) fn counterpart(word: &str) -> Option<Here> {
    let fits = |pattern: &str| match pattern.split_once('*') {
        Some((before, after)) => {
            word.strip_prefix(before).is_some_and(|rest| rest.ends_with(after))
        }
        None => word == pattern,
    };
    TABLE.iter().find(|(pattern, _)| fits(pattern)).map(|(_, here)| *here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_is_meant() {
        assert_eq!(counterpart("litmus/node-cpu-hog"), Some(Cpu));
        assert_eq!(counterpart("litmus/node-restart"), Some(NotYet("restarting of nodes")));
        assert_eq!(counterpart("litmus/made-up"), None);
    }

    #[test]
    fn no_line_stands_where_an_earlier_one_takes_its_words() {
        for (n, (pattern, here)) in TABLE.iter().enumerate() {
            let word = pattern.replace('*', "x");
            assert_eq!(counterpart(&word), Some(*here), "line {n}: {pattern}");
        }
    }
}
