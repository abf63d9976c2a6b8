//! Labels: a fault in a few words.

use std::fmt;

use evenkeel_units::Human;

use super::{ClientType, Fault, Flaw, PartitionShape, PauseBy, PauseMode, RateBy};

impl fmt::Display for Fault {
    /// For people, short enough for a label in a chart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { delay, jitter } if jitter.is_zero() => {
                write!(f, "latency +{}", Human(*delay))
            }
            Self::Latency { delay, jitter } => {
                write!(f, "latency +{} ±{}", Human(*delay), Human(*jitter))
            }
            Self::Bandwidth { rate, by: RateBy::Tool } => write!(f, "bandwidth {rate}/s"),
            Self::Bandwidth { rate, by: RateBy::Htb } => write!(f, "bandwidth {rate}/s by htb"),
            Self::BlackHole => f.write_str("black hole"),
            Self::Refuse => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::HttpErrors { share, status, of } => write!(f, "HTTP {status} on {share}{of}"),
            Self::HttpAbort { share, of, .. } => write!(f, "HTTP abort on {share}{of}"),
            Self::HttpDelay { delay, share, of, .. } => {
                write!(f, "HTTP +{} on {share}{of}", Human(*delay))
            }
            Self::HttpChange { share, of, .. } => write!(f, "HTTP changed on {share}{of}"),
            Self::Tls { certificate: Flaw::Expired, .. } => f.write_str("TLS expired"),
            Self::Tls { certificate: Flaw::WrongName, .. } => f.write_str("TLS of a wrong name"),
            Self::Tls { certificate: Flaw::Untrusted, .. } => f.write_str("TLS untrusted"),
            Self::Loss { share } => write!(f, "loss {share}"),
            Self::Corrupt { share } => write!(f, "damage {share}"),
            Self::Reorder { share, delay } => {
                write!(f, "reorder {share} by {}", Human(*delay))
            }
            Self::Duplicate { share } => write!(f, "duplicates of {share}"),
            Self::Partition { nodes, shape, one_way } => {
                let way = if *one_way { ", one way" } else { "" };
                write!(f, "partition of {} nodes, {shape}{way}", nodes.len())
            }
            Self::Dns { names, answer } => match names.as_slice() {
                [one] => write!(f, "DNS {answer} for {one}"),
                more => write!(f, "DNS {answer} for {} names", more.len()),
            },
            Self::Kill { every: None } => f.write_str("kill"),
            Self::Kill { every: Some(it) } => write!(f, "kill every {}", Human(*it)),
            Self::Pause { by: PauseBy::Signal } => f.write_str("pause"),
            Self::Pause { by: PauseBy::Trace } => f.write_str("pause by trace"),
            Self::Restart { every: None } => f.write_str("restart"),
            Self::Restart { every: Some(it) } => write!(f, "restart every {}", Human(*it)),
            Self::Stop => f.write_str("stop"),
            Self::StopUnit { unit } => write!(f, "{unit} stopped"),
            Self::Cpu { load, cores: 0 } => write!(f, "CPU {load}"),
            Self::Cpu { load, cores } => write!(f, "CPU {load} of {cores} cores"),
            Self::Memory { amount } => write!(f, "memory {amount}"),
            Self::DiskFill { amount, .. } => write!(f, "disk fill {amount}"),
            Self::Inodes { free: 0, .. } => f.write_str("no inodes"),
            Self::Inodes { free, .. } => write!(f, "{free} inodes free"),
            Self::IoErrors { error, share, .. } => {
                write!(f, "{error} on {share} of file operations")
            }
            Self::IoLatency { delay, .. } => write!(f, "file operations +{}", Human(*delay)),
            Self::Pids { count } => write!(f, "{count} pids taken"),
            Self::FileDescriptors { limit } => write!(f, "at most {limit} file descriptors"),
            Self::IoThrottle(limits) => write!(f, "disks at most {limits}"),
            Self::ClockSkew { offset } => write!(f, "clock {offset}"),
            Self::PodDelete { every: None, .. } => f.write_str("pods deleted"),
            Self::PodDelete { every: Some(it), .. } => {
                write!(f, "pods deleted every {}", Human(*it))
            }
            Self::PodEvict => f.write_str("pods evicted"),
            Self::Scale { deployment, replicas, .. } => {
                write!(f, "{deployment} scaled to {replicas}")
            }
            Self::Cordon { node, .. } => write!(f, "{node} cordoned"),
            Self::TerminateBackends { share, .. } => write!(f, "{share} of the sessions ended"),
            Self::TakeConnections { free: 0 } => f.write_str("no connections free"),
            Self::TakeConnections { free } => write!(f, "{free} connections free"),
            Self::LockTable { table, .. } => write!(f, "{table} locked"),
            Self::KillClients { share, of: ClientType::Normal } => {
                write!(f, "{share} of the clients killed")
            }
            Self::KillClients { share, of } => {
                write!(f, "{share} of the {} clients killed", of.name())
            }
            Self::PauseClients { mode: PauseMode::All } => f.write_str("clients paused"),
            Self::PauseClients { mode: PauseMode::Write } => f.write_str("writing clients paused"),
            Self::Command { run, .. } => {
                let program = run.first().map_or("nothing", String::as_str);
                write!(f, "command {}", program.rsplit('/').next().unwrap_or(program))
            }
        }
    }
}

impl fmt::Display for PartitionShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Halves => "halves",
            Self::Bridge => "bridge",
            Self::Ring => "ring",
        })
    }
}
