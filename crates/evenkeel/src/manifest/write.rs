//! Write: the probes of a service with `evenkeel-health`, as a patch of its workload, with what the numbers add up to.

use std::time::Duration;

use evenkeel_units::Human;

use super::DRAIN_DELAY;
use evenkeel_health::DrainPolicy;

/// How a kubelet asks.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Over {
    /// `/health/startup`, `/health/ready` and `/health/live`.
    #[default]
    Http,
    /// The names `startup`, `ready` and `live` of [`GrpcHealth`](evenkeel_health::GrpcHealth).
    Grpc,
}

/// What a service wants of its probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The name of the workload, and of its container.
    pub(crate) name: String,
    /// Deployment, StatefulSet or DaemonSet.
    pub(crate) kind: String,
    /// Where the probes are answered.
    pub(crate) port: u16,
    /// How they are asked.
    pub(crate) over: Over,
    /// How long a start may take before it is given up. 150 s, as in the usual manifests.
    pub(crate) starts_within: Duration,
    /// Within what time one that is not ready gets no more requests. 10 s: 5 s × 2.
    pub(crate) out_within: Duration,
    /// How long the longest request may take. 13 s: what the usual grace of 30 s leaves.
    pub(crate) longest_request: Duration,
    /// For how long it goes on to take requests after SIGTERM: [`DrainPolicy::delay`].
    pub(crate) drain_delay: Duration,
}

#[cfg(test)]
impl Wish {
    /// The defaults, for a Deployment of this name.
    pub(crate) fn of(name: impl Into<String>) -> Self {
        let DrainPolicy { delay, grace, reserve } = DrainPolicy::default();
        Self {
            name: name.into(),
            kind: "Deployment".to_owned(),
            port: 8080,
            over: Over::Http,
            starts_within: Duration::from_secs(150),
            out_within: Duration::from_secs(10),
            longest_request: grace.saturating_sub(delay + reserve),
            drain_delay: delay,
        }
    }
}

/// Why a wish cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WishError {
    /// It is written as it is, so it must be what Kubernetes takes.
    #[error(
        "`{0}` is no name: use 1 to 63 lowercase letters, digits and `-`, with a letter or digit at both ends"
    )]
    Name(String),
    /// A workload that takes requests.
    #[error("`{0}` is no workload that takes requests: use Deployment, StatefulSet or DaemonSet")]
    Kind(String),
    /// A kubelet counts in whole seconds, from one on; a day is more than any of this may take.
    #[error("`{name}` of {} is not between a second and a day", Human(*time))]
    Time {
        /// What it is for.
        name: &'static str,
        /// What was wished for.
        time: Duration,
    },
    /// A port.
    #[error("0 is no port: use one from 1 to 65535")]
    Port,
    /// Whoever goes by readiness would send requests to what takes none any more.
    #[error(
        "one that is not ready gets requests for {}, and goes on to take them for {} after SIGTERM: make the drain delay longer, or ask for a way out in less",
        Human(*out), Human(*delay)
    )]
    OutAfterDrain {
        /// Until it gets no more requests.
        out: Duration,
        /// For how long it takes them.
        delay: Duration,
    },
}

/// The numbers of a probe, in seconds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Times {
    period: u64,
    timeout: u64,
    failures: u64,
}

impl Times {
    /// The most patient one that notices within a time: a probe costs something, and one slow answer is no outage.
    const fn within(seconds: u64) -> Self {
        let period = match seconds {
            20.. => 10,
            10.. => 5,
            4.. => 2,
            _ => 1,
        };
        let failures = if seconds / period < 3 { seconds / period } else { 3 };
        // Answers come from memory; the rest is for a node that is busy.
        let timeout = if period < 3 { period } else { 3 };
        Self { period, timeout, failures }
    }

    const fn notices_after(self) -> u64 {
        self.period * self.failures
    }

    /// When it gets no answer at all.
    const fn notices_hanging_after(self) -> u64 {
        self.notices_after() + self.timeout
    }
}

/// Of liveness. A restart is the last resort, so it is slower than everything else: 10 s × 3, and 5 s for an answer.
const LIVENESS: Times = Times { period: 10, timeout: 5, failures: 3 };
/// How far apart a start is looked at: what is there is in use at most this much later.
const STARTUP_PERIOD: u64 = 5;

/// The probes of a workload, as a patch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    wish: Wish,
    startup: Times,
    readiness: Times,
    grace: u64,
}

impl Manifest {
    /// Works out the numbers.
    ///
    /// # Errors
    /// What cannot be met, with what to do instead.
    pub(crate) fn try_new(wish: Wish) -> Result<Self, WishError> {
        let is_word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
        let name = wish.name.as_bytes();
        let is_name = name.len() <= 63
            && name.iter().all(|it| is_word(*it) || *it == b'-')
            && [name.first(), name.last()].iter().all(|it| it.is_some_and(|it| is_word(*it)));
        if !is_name {
            return Err(WishError::Name(wish.name.chars().take(80).collect()));
        }
        if !matches!(wish.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
            return Err(WishError::Kind(wish.kind.chars().take(80).collect()));
        }
        if wish.port == 0 {
            return Err(WishError::Port);
        }
        let times = [
            ("starts within", wish.starts_within),
            ("out within", wish.out_within),
            ("longest request", wish.longest_request),
            ("drain delay", wish.drain_delay),
        ];
        let is_time = |it: Duration| (1..=86_400).contains(&it.as_secs());
        if let Some((name, time)) = times.into_iter().find(|(_, it)| !is_time(*it)) {
            return Err(WishError::Time { name, time });
        }
        let readiness = Times::within(wish.out_within.as_secs());
        let out = Duration::from_secs(readiness.notices_after());
        if out > wish.drain_delay {
            return Err(WishError::OutAfterDrain { out, delay: wish.drain_delay });
        }
        let startup = Times {
            period: STARTUP_PERIOD,
            timeout: 3,
            failures: up(wish.starts_within).div_ceil(STARTUP_PERIOD),
        };
        let reserve = DrainPolicy::default().reserve;
        let grace = up(wish.drain_delay + wish.longest_request + reserve);
        Ok(Self { wish, startup, readiness, grace })
    }

    #[cfg(test)]
    /// How the service must end, so that it is what the manifest says.
    pub(crate) fn drain_policy(&self) -> DrainPolicy {
        let grace = Duration::from_secs(self.grace);
        DrainPolicy { delay: self.wish.drain_delay, grace, ..DrainPolicy::default() }
    }

    /// As YAML, with comments.
    pub(crate) fn to_yaml(&self) -> String {
        let Wish { name, kind, port, drain_delay, longest_request, .. } = &self.wish;
        let Self { startup, readiness, grace, .. } = self;
        let (delay, request) = (Human(*drain_delay), Human(*longest_request));
        let reserve = Human(DrainPolicy::default().reserve);
        let lower = kind.to_lowercase();
        let mut yaml = format!(
            "\
# A patch: `kubectl patch {lower} {name} --patch-file FILE`, or under `patches` of a kustomization.
apiVersion: apps/v1
kind: {kind}
metadata:
  name: {name}
spec:
  template:
    metadata:
      annotations:
        # It goes on to take requests for so long after SIGTERM: `delay` of its DrainPolicy.
        {DRAIN_DELAY}: {delay}
    spec:
      # {delay} of going on, {request} for the longest request, {reserve} to end: `grace` of its DrainPolicy.
      terminationGracePeriodSeconds: {grace}
      containers:
        - name: {name}
          ports:
            - containerPort: {port}
"
        );
        let starts = startup.notices_after();
        yaml.push_str(&format!(
            "          # Is there within {starts}s, or is restarted; nothing else is asked before.\n"
        ));
        self.probe("startupProbe", "startup", *startup, &mut yaml);
        let (out, hanging) = (readiness.notices_after(), readiness.notices_hanging_after());
        let back = readiness.period;
        yaml.push_str(&format!(
            "          # Gets no more requests {out}s after it says so, {hanging}s when it says nothing; is back within {back}s.\n"
        ));
        self.probe("readinessProbe", "ready", *readiness, &mut yaml);
        let (dead, hanging) = (LIVENESS.notices_after(), LIVENESS.notices_hanging_after());
        yaml.push_str(&format!(
            "          # Is restarted {dead}s after it says that only this helps, {hanging}s when it says nothing. No dependency is asked.\n"
        ));
        self.probe("livenessProbe", "live", LIVENESS, &mut yaml);
        yaml
    }

    fn probe(&self, key: &str, word: &str, times: Times, yaml: &mut String) {
        let port = self.wish.port;
        let asks = match self.wish.over {
            Over::Http => format!("httpGet: {{path: /health/{word}, port: {port}}}"),
            Over::Grpc => format!("grpc: {{service: {word}, port: {port}}}"),
        };
        let Times { period, timeout, failures } = times;
        yaml.push_str(&format!(
            "          {key}:
            {asks}
            periodSeconds: {period}
            timeoutSeconds: {timeout}
            failureThreshold: {failures}
"
        ));
    }
}

/// Whole seconds, none too few.
fn up(it: Duration) -> u64 {
    it.as_secs() + u64::from(it.subsec_nanos() > 0)
}
