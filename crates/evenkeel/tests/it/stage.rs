//! Everything that faults break, started once and broken again and again.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::cluster::Api;
use crate::dockerd::{self, engine};
use crate::group::Group;
use crate::host::{Victim, host, settings};
use crate::server::{Postgres, Redis};
use crate::systemd;
use crate::world::World;

/// Whether the table can be had, and so a connection; it does not wait for either.
const LOOK: &str = "begin; lock table orders in access exclusive mode nowait; rollback";

/// A host of the test's own, with what is there to be broken.
pub(crate) struct Stage(Option<Servers>);

impl Stage {
    /// Without any server.
    pub(crate) const fn bare() -> Self {
        Self(None)
    }

    /// With all of them. An engine of containers takes some seconds to come up.
    pub(crate) fn with_servers(and_containers: bool) -> Self {
        Self(Some(Servers::start(and_containers)))
    }

    /// Puts what is here for the words in capitals. A victim may be in a control group from now on.
    pub(crate) fn fill(&self, parameters: &str, world: &World, victim: &Victim) -> String {
        let mut words = vec![
            ("PID", victim.id().to_string()),
            ("FOLDER", world.folder().display().to_string()),
        ];
        if let Self(Some(servers)) = self {
            servers.group.add(victim.id());
            words.extend(servers.words());
        }
        words.into_iter().fold(parameters.to_owned(), |it, (word, value)| it.replace(word, &value))
    }

    /// What can be compared with how it was before.
    pub(crate) fn listing(&self, victim: &Victim) -> Listing {
        (host(), victim.limits(), self.0.as_ref().map(Servers::listing))
    }

    /// Whether everybody does what they are there for.
    pub(crate) fn is_well(&self) -> bool {
        self.0.as_ref().is_none_or(Servers::are_well)
    }
}

/// The host, the limits of the victim, and what is set on others.
pub(crate) type Listing = (([String; 4], String), String, Option<[String; 2]>);

/// Servers, a cluster, a unit, a control group, a small file system, and a process that somebody looks after.
struct Servers {
    postgres: Postgres,
    redis: Redis,
    api: Api,
    group: Group,
    small: TempDir,
    _kept: Kept,
    container: Option<Container>,
}

impl Servers {
    /// A file system is mounted, and systemd seems to run.
    fn start(and_containers: bool) -> Self {
        let (postgres, small) = (Postgres::start(), tempfile::tempdir().unwrap());
        assert!(postgres.psql("create table orders (id int)").status.success());
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "nr_inodes=50", "none"]).arg(small.path());
        assert!(mount.status().unwrap().success());
        let container = and_containers.then(Container::start);
        systemd::play();
        let (redis, api, group) = (Redis::start(6379), Api::start(), Group::new("endings"));
        Self { postgres, redis, api, group, small, _kept: Kept::start(), container }
    }

    fn words(&self) -> [(&'static str, String); 6] {
        let engine = self.container.as_ref().map(|it| it.engine.clone()).unwrap_or_default();
        [
            ("GROUP", self.group.path.clone()),
            ("SMALL", self.small.path().display().to_string()),
            ("POSTGRES", self.postgres.url()),
            ("REDIS", self.redis.url()),
            ("CONFIG", self.api.kubeconfig().display().to_string()),
            ("ENGINE", engine),
        ]
    }

    fn listing(&self) -> [String; 2] {
        let container = self.container.as_ref().map(Container::listing);
        [settings(&self.group.folder), container.unwrap_or_default()]
    }

    fn are_well(&self) -> bool {
        let node = self.api.state().node.clone();
        let has_none = |it: &Value| it.as_object().is_none_or(Map::is_empty);
        self.postgres.psql(LOOK).status.success()
            && self.redis.answers()
            && self.redis.is_on_time()
            && tempfile::tempfile_in(self.small.path()).is_ok()
            && systemd::runs()
            && self.api.replicas() == 3
            && has_none(&node["spec"])
            && has_none(&node["metadata"]["annotations"])
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // Its folder could not be removed while something is mounted there.
        let status = Command::new("umount").arg(self.small.path()).status();
        assert!(status.unwrap().success());
    }
}

/// A `sleep 601` in a group of its own, and a shell that starts it again whenever it ends.
struct Kept(Child);

impl Kept {
    fn start() -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "while :; do sleep 601; done"]).process_group(0);
        Self(
            shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
        )
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.0.id().cast_signed()).unwrap();
        kill_process_group(group, Signal::KILL).unwrap();
        self.0.wait().unwrap();
    }
}

/// One of a real engine.
struct Container {
    victim: dockerd::Victim,
    engine: String,
}

impl Container {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let engine = engine().await.display().to_string();
            Self { victim: dockerd::Victim::start("ending-1").await, engine }
        })
    }

    /// Whether it runs, and what is laid in its network.
    fn listing(&self) -> String {
        let (pid, status) = (self.victim.pid().to_string(), self.victim.status());
        let mut inside = Command::new("nsenter");
        inside.args(["--net", "--target", &pid, "nft", "--stateless", "list", "ruleset"]);
        let rules = inside.output().unwrap();
        format!("{status}: {} {}", rules.status, String::from_utf8_lossy(&rules.stdout))
    }
}
