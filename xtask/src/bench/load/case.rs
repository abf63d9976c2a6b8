//! Cases: what the generator is asked to do, with whom it is compared, and its bars.

use super::peer::Peer;

/// One load, and what must hold of it.
#[derive(Debug)]
pub(super) struct Case {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) site: Site,
    pub(super) model: Model,
    pub(super) connections: u32,
    /// Streams, or calls, of a connection at a time.
    pub(super) streams: u32,
    /// Who does the same in the same round, and how much of its processor time a request of ours may cost.
    pub(super) peers: &'static [(Peer, Option<f64>)],
    pub(super) bars: &'static [(Measure, f64)],
    pub(super) kind: Kind,
}

/// What is looked at.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a request costs.
    Cost,
    /// Whether the response times that are told are true.
    Truth,
    /// Whether memory stays where it is, for so many minutes.
    Memory { minutes: u32 },
}

/// Whom requests go to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Site {
    Plain,
    Large,
    /// Five steps that ask for JSON; peers ask for the plain page.
    Scenario,
    Secure,
    NginxSecure,
    H2c,
    NginxH2c,
    Grpc,
    Stall,
}

/// What decides when a request is sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// The answer to the one before.
    Users,
    /// A schedule.
    Rate { rate: u32, pace: Option<&'static str> },
}

/// What has a bar of its own.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    LagP50,
    LagP99,
    Memory,
    Growth,
    /// How far each percentile is from the truth.
    Error,
}

impl Site {
    pub(super) const fn is_http2(self) -> bool {
        matches!(self, Self::H2c | Self::NginxH2c)
    }

    pub(super) const fn is_secure(self) -> bool {
        matches!(self, Self::Secure | Self::NginxSecure)
    }
}

impl Case {
    /// The bar of a measure, where it has one.
    pub(super) fn bar(&self, measure: Measure) -> Option<f64> {
        self.bars.iter().find(|(it, _)| *it == measure).map(|(_, most)| *most)
    }

    /// Whether it is run when none is named.
    pub(super) const fn is_usual(&self) -> bool {
        !matches!(self.kind, Kind::Memory { .. })
    }
}

const MIB: f64 = 1_048_576.0;

const BASE: Case = Case {
    name: "",
    title: "",
    site: Site::Plain,
    model: Model::Users,
    connections: 64,
    streams: 1,
    peers: &[],
    bars: &[],
    kind: Kind::Cost,
};

const fn paced(rate: u32, pace: &'static str) -> Model {
    Model::Rate { rate, pace: Some(pace) }
}

/// At 10 ms of service, 512 connections are enough for 20,000/s and for what a stall leaves behind.
const fn truth(name: &'static str, title: &'static str, rate: u32) -> Case {
    Case {
        name,
        title,
        site: Site::Stall,
        model: Model::Rate { rate, pace: None },
        connections: 512,
        peers: &[(Peer::Oha, None)],
        bars: &[(Measure::Error, 0.01)],
        kind: Kind::Truth,
        ..BASE
    }
}

/// All there are.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "h1-128",
        title: "HTTP/1.1, 128 B, 64 connections",
        peers: &[(Peer::Wrk, Some(0.75)), (Peer::Oha, None), (Peer::H2load, None)],
        ..BASE
    },
    Case {
        name: "h1-16k",
        title: "HTTP/1.1, 16 KiB, 64 connections",
        site: Site::Large,
        peers: &[(Peer::Wrk, Some(0.70))],
        ..BASE
    },
    Case {
        name: "scenario",
        title: "scenario of five steps with feeder, extraction and checks; peers without any",
        site: Site::Scenario,
        peers: &[(Peer::Wrk, Some(0.80)), (Peer::Oha, Some(0.60))],
        ..BASE
    },
    Case {
        name: "https",
        title: "HTTPS, 128 B, 64 connections",
        site: Site::Secure,
        peers: &[(Peer::Wrk, Some(0.70))],
        ..BASE
    },
    Case {
        name: "https-nginx",
        title: "HTTPS, 128 B, 64 connections, nginx",
        site: Site::NginxSecure,
        peers: &[(Peer::Wrk, Some(0.80))],
        ..BASE
    },
    Case {
        name: "h2c",
        title: "HTTP/2 cleartext, 8 connections of 8 streams",
        site: Site::H2c,
        connections: 8,
        streams: 8,
        peers: &[(Peer::H2load, Some(0.50))],
        ..BASE
    },
    Case {
        name: "h2c-nginx",
        title: "HTTP/2 cleartext, 8 connections of 8 streams, nginx",
        site: Site::NginxH2c,
        connections: 8,
        streams: 8,
        peers: &[(Peer::H2load, Some(0.70))],
        ..BASE
    },
    Case {
        name: "grpc",
        title: "gRPC unary, 8 connections of 8 calls",
        site: Site::Grpc,
        connections: 8,
        streams: 8,
        peers: &[(Peer::Tonic, Some(0.60))],
        ..BASE
    },
    Case {
        name: "c10k",
        title: "HTTP/1.1, 128 B, 10,000 connections",
        connections: 10_000,
        peers: &[(Peer::Wrk, Some(0.60))],
        bars: &[(Measure::Memory, 60e6)],
        ..BASE
    },
    Case {
        name: "pace-precise-5k",
        title: "open model, 5,000/s, precise pacing",
        model: paced(5_000, "precise"),
        peers: &[(Peer::Oha, Some(2.7))],
        bars: &[(Measure::LagP50, 100e-6), (Measure::LagP99, 300e-6)],
        ..BASE
    },
    Case {
        name: "pace-coarse-5k",
        title: "open model, 5,000/s, coarse pacing",
        model: paced(5_000, "coarse"),
        peers: &[(Peer::Oha, Some(0.9))],
        ..BASE
    },
    Case {
        name: "rate-50k",
        title: "open model, 50,000/s, precise pacing",
        model: paced(50_000, "precise"),
        peers: &[(Peer::Oha, Some(1.3))],
        bars: &[(Measure::LagP50, 50e-6)],
        ..BASE
    },
    truth("truth-1k", "a stall at 1,000/s", 1_000),
    truth("truth-5k", "a stall at 5,000/s", 5_000),
    truth("truth-20k", "a stall at 20,000/s", 20_000),
    Case {
        name: "memory-full-rate",
        title: "HTTP/1.1 at full rate, for long",
        bars: &[(Measure::Growth, 2.0 * MIB)],
        kind: Kind::Memory { minutes: 10 },
        ..BASE
    },
    Case {
        name: "memory-5k",
        title: "open model, 5,000/s, for long",
        model: Model::Rate { rate: 5_000, pace: None },
        bars: &[(Measure::Growth, 2.0 * MIB)],
        kind: Kind::Memory { minutes: 60 },
        ..BASE
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_bar() {
        for (at, case) in CASES.iter().enumerate() {
            let bars = case.bars.len() + case.peers.iter().filter(|it| it.1.is_some()).count();
            assert!(bars > 0, "{} has no bar", case.name);
            assert!(CASES.iter().skip(at + 1).all(|it| it.name != case.name), "{}", case.name);
        }
    }
}
