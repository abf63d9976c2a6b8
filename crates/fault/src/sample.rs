//! A small service and its faults, for tests.

use std::time::Duration;

use evenkeel_model::Plan;
use evenkeel_model::document::{
    AllowFaults, Dependency, Fault, Finder, Instance, Labels, LoadTest, RegressionLimits, Safety,
    Service, Target,
};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Moment, Seed};

pub(crate) fn service(instances: &[&str]) -> Service {
    Service {
        name: "shop".to_owned(),
        description: None,
        url: None,
        start: None,
        instances: instances
            .iter()
            .zip(7401..)
            .map(|(name, port)| Instance {
                name: (*name).to_owned(),
                find: Finder::Port(port),
                labels: Labels::new(),
            })
            .collect(),
        dependencies: vec![Dependency {
            name: "payment".to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            upstream: "127.0.0.1:9".to_owned(),
            labels: Labels::new(),
        }],
        allow_faults: AllowFaults::All,
        min_release: None,
    }
}

pub(crate) fn fault(fault: Fault, target: Option<Target>) -> PlannedFault {
    PlannedFault {
        label: format!("{} · sample", fault.kind()),
        experiment: "sample".to_owned(),
        fault,
        target,
        from: Moment::at(Duration::from_secs(10)),
        to: Moment::at(Duration::from_secs(20)),
    }
}

pub(crate) fn plan(service: Service, faults: Vec<PlannedFault>) -> Plan {
    Plan {
        drill: "sample".to_owned(),
        description: None,
        hypothesis: None,
        service,
        objectives: Vec::new(),
        load: Some(LoadTest::new("sample")),
        phases: Vec::new(),
        faults,
        steady_state: Vec::new(),
        safety: Safety::default(),
        success: Vec::new(),
        regression: RegressionLimits::default(),
        seed: Seed(7),
        schedule: None,
        monkey: None,
    }
}
