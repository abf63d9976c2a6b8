//! Load balancer: a pair as it stands in files that are in use elsewhere, and the failover that it describes.

use std::sync::Arc;

use super::{Failover, Member, Policy, PolicyError};
use crate::watch;

/// A pair as it stands in files that are in use elsewhere. With the feature `serde` it reads from any format that serde knows:
///
/// ```yaml
/// load_balancer:
///   primary:
///     host: primary.example.com
///     port: 8080
///     health_check: {endpoint: /health, interval: 5s, timeout: 2s, unhealthy_threshold: 3}
///   secondary: {host: secondary.example.com, port: 8080, enabled: false}
///   failover: {automatic: true, failback: manual}
/// ```
///
/// Who is not `enabled` takes over when those who are have failed; if both are, they are called in turn. Under `failover` may also stand
/// `failback: automatic`, with `failback_after` (a minute, if it is not said), and `hold`. A member without a `health_check` is not asked:
/// see [`Member::watch`].
///
/// ```
/// use evenkeel_resilience::failover::{Backend, LoadBalancer, Policy};
///
/// let pair = LoadBalancer {
///     primary: Backend::new("primary.example.com", 8080),
///     secondary: Backend::new("secondary.example.com", 8080),
///     failover: Policy::default(),
/// };
/// let failover = pair.failover()?;
/// assert_eq!(&*failover.snapshot().active, "primary");
/// assert_eq!(failover.members()[1].value.authority(), "secondary.example.com:8080");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct LoadBalancer {
    /// Who answers first.
    pub primary: Backend,
    /// Who takes over, or answers as well.
    pub secondary: Backend,
    /// When that is.
    #[cfg_attr(feature = "serde", serde(default, deserialize_with = "written::rules"))]
    pub failover: Policy,
}

/// A whole file of that form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Document {
    /// What it describes.
    pub load_balancer: LoadBalancer,
}

/// Somebody who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Backend {
    /// A name or an address.
    pub host: String,
    /// At which it listens.
    pub port: u16,
    /// Whether it is called from the beginning. If it is not said, the primary is, and the secondary is not.
    #[cfg_attr(feature = "serde", serde(default))]
    pub enabled: Option<bool>,
    /// How it is asked; `None` for one that nobody asks.
    #[cfg_attr(feature = "serde", serde(default))]
    pub health_check: Option<HealthCheck>,
}

/// How a backend is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "written::Check"))]
pub struct HealthCheck {
    /// The path that is asked for; whoever asks says in which protocol.
    pub endpoint: String,
    /// How often, how long, and what the answers mean.
    pub watch: watch::Policy,
}

impl Backend {
    /// At an address, where nobody asks it.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, enabled: None, health_check: None }
    }

    /// `host:port`, as in a URL.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl LoadBalancer {
    /// A failover over both, called `primary` and `secondary`, that nobody asks yet: see [`Failover::watch`].
    ///
    /// # Errors
    /// Of a watch or a policy that cannot be followed, or when nobody is enabled.
    pub fn failover(&self) -> Result<Failover<Backend>, PolicyError> {
        let (primary, secondary) =
            (self.primary.enabled.unwrap_or(true), self.secondary.enabled.unwrap_or(false));
        if !primary && !secondary {
            return Err(PolicyError::NobodyEnabled);
        }
        let member = |name: &str, backend: &Backend, is_enabled: bool| {
            Member::new(Arc::from(name), backend.clone())
                .rank(u16::from(!is_enabled))
                .watched(backend.health_check.as_ref().map(|it| it.watch))
        };
        let members = [
            member("primary", &self.primary, primary),
            member("secondary", &self.secondary, secondary),
        ];
        Failover::try_new(members, self.failover.clone())
    }
}

/// The fields as they are written.
#[cfg(feature = "serde")]
mod written {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer};

    use super::HealthCheck;
    use crate::failover::{Failback, Policy};
    use crate::watch;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Check {
        endpoint: String,
        #[serde(default = "interval", deserialize_with = "crate::text::duration")]
        interval: Duration,
        #[serde(default = "timeout", deserialize_with = "crate::text::duration")]
        timeout: Duration,
        #[serde(default = "unhealthy_threshold")]
        unhealthy_threshold: u32,
        #[serde(default = "healthy_threshold")]
        healthy_threshold: u32,
    }

    fn interval() -> Duration {
        watch::Policy::default().interval
    }

    fn timeout() -> Duration {
        watch::Policy::default().timeout
    }

    fn unhealthy_threshold() -> u32 {
        watch::Policy::default().unhealthy_threshold
    }

    fn healthy_threshold() -> u32 {
        watch::Policy::default().healthy_threshold
    }

    impl From<Check> for HealthCheck {
        fn from(written: Check) -> Self {
            let Check { endpoint, interval, timeout, unhealthy_threshold, healthy_threshold } =
                written;
            let watch = watch::Policy { interval, timeout, unhealthy_threshold, healthy_threshold };
            Self { endpoint, watch }
        }
    }

    #[derive(Copy, Clone, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Manual,
        Automatic,
    }

    #[derive(Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Rules {
        automatic: bool,
        failback: Word,
        #[serde(deserialize_with = "crate::text::duration_option")]
        failback_after: Option<Duration>,
        #[serde(deserialize_with = "crate::text::duration")]
        hold: Duration,
    }

    impl Default for Rules {
        fn default() -> Self {
            let Policy { automatic, hold, .. } = Policy::default();
            Self { automatic, failback: Word::Manual, failback_after: None, hold }
        }
    }

    pub(super) fn rules<'de, D: Deserializer<'de>>(from: D) -> Result<Policy, D::Error> {
        let Rules { automatic, failback, failback_after, hold } = Rules::deserialize(from)?;
        let failback = match (failback, failback_after) {
            (Word::Manual, None) => Failback::Manual,
            (Word::Manual, Some(_)) => {
                let message = "`failback_after` beside a failback by hand: write `failback: automatic`, or leave it out";
                return Err(D::Error::custom(message));
            }
            (Word::Automatic, after) => {
                Failback::Automatic { after: after.unwrap_or(Duration::from_mins(1)) }
            }
        };
        Ok(Policy { automatic, failback, hold, ..Policy::default() })
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::failover::Failback;

    fn pair() -> Value {
        json!({"load_balancer": {
            "primary": {"host": "primary.example.com", "port": 8080, "health_check": {
                "endpoint": "/health", "interval": "5s", "timeout": "2s", "unhealthy_threshold": 3,
            }},
            "secondary": {"host": "secondary.example.com", "port": 8080, "enabled": false},
            "failover": {"automatic": true, "failback": "manual"},
        }})
    }

    fn read(value: Value) -> Result<LoadBalancer, String> {
        let document = serde_json::from_value::<Document>(value);
        document.map(|it| it.load_balancer).map_err(|it| it.to_string())
    }

    #[test]
    fn a_pair_reads_as_it_stands_and_is_a_failover() {
        let pair = read(pair()).unwrap();
        assert_eq!(pair.failover, Policy::default());
        let check = pair.primary.health_check.as_ref().unwrap();
        assert_eq!((check.endpoint.as_str(), check.watch), ("/health", watch::Policy::default()));
        let failover = pair.failover().unwrap();
        let ranks: Vec<_> = failover.members().iter().map(|it| (it.rank, it.watch)).collect();
        assert_eq!(ranks, [(0, Some(watch::Policy::default())), (1, None)]);
    }

    #[test]
    fn both_enabled_are_called_in_turn() {
        let mut both = pair();
        both["load_balancer"]["secondary"]["enabled"] = json!(true);
        assert_eq!(
            &*read(both).unwrap().failover().unwrap().snapshot().active,
            "primary, secondary"
        );
    }

    #[test]
    fn a_pair_of_which_nobody_is_enabled_is_no_failover() {
        let mut nobody = pair();
        nobody["load_balancer"]["primary"]["enabled"] = json!(false);
        let said = read(nobody.clone()).unwrap().failover().unwrap_err().to_string();
        assert!(said.starts_with("nobody is `enabled`"), "{said}");
        nobody["load_balancer"]["secondary"]["enabled"] = json!(true);
        assert_eq!(&*read(nobody).unwrap().failover().unwrap().snapshot().active, "secondary");
    }

    #[test]
    fn failback_by_itself_comes_after_a_minute_or_as_it_is_said() {
        let mut back = pair();
        back["load_balancer"]["failover"]["failback"] = json!("automatic");
        let after = |value| read(value).unwrap().failover.failback;
        let minutes = |it| Failback::Automatic { after: Duration::from_mins(it) };
        assert_eq!(after(back.clone()), minutes(1));
        back["load_balancer"]["failover"]["failback_after"] = json!("5m");
        assert_eq!(after(back.clone()), minutes(5));
        back["load_balancer"]["failover"]["failback"] = json!("manual");
        assert!(read(back).unwrap_err().contains("`failback_after` beside a failback by hand"));
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        let mut unknown = pair();
        unknown["load_balancer"]["primary"]["health_check"]["timout"] = json!("2s");
        assert!(read(unknown).unwrap_err().contains("unknown field `timout`"));
        let mut bare = pair();
        bare["load_balancer"]["primary"]["health_check"]["timeout"] = json!(2);
        assert!(read(bare).unwrap_err().contains("a duration with its unit"));
    }

    #[test]
    fn policies_read_by_their_own_fields() {
        let policy = json!({"failback": {"automatic": {"after": "2m"}}, "hold": "1s", "when_lost": "refuse"});
        let policy: Policy = serde_json::from_value(policy).unwrap();
        let after = Duration::from_mins(2);
        assert_eq!(policy.failback, Failback::Automatic { after });
        assert_eq!((policy.hold, policy.refusals), (Duration::from_secs(1), Some(3)));
        let watch: watch::Policy =
            serde_json::from_value(json!({"interval": "1s", "timeout": "1s"})).unwrap();
        assert_eq!(watch.detects_within(), Duration::from_secs(4));
    }
}
