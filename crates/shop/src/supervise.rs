//! Supervisor: starts the parts, starts a dead one again, and stops them all.
//!
//! ```text
//!  claim ports ─▶ make databases ─▶ start parts ─▶ all ready ─▶ "shop ready on …"
//!                                       ▲                           │ SIGTERM, SIGINT,
//!                       a second later  │                           ▼ standard input closed
//!                               part died         drain the balancer, close the parts' inputs,
//!                                                 wait, kill what is left
//! ```
//!
//! Each part's standard input is a pipe that nobody writes to. When this process dies, however
//! violently, the kernel closes it and the parts end by themselves.

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_health::{Drain, DrainPolicy};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::args::{PartName, ShopArgs, Via};
use crate::balancer::{Balancer, Trust};
use crate::client::{Pool, is_ready};
use crate::error::{ShopError, say, warn_operator};
use crate::part::{prepare, stdin_closed, told_by_signal};
use crate::ports::{GATEWAYS, Ports};
use crate::serve::serve;

/// How long a dead part stays down: what a process supervisor usually waits.
const RESTART_AFTER: Duration = Duration::from_secs(1);
/// How long all parts together may take to become ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long requests under way may take once the shop is told to stop.
const ENDS: DrainPolicy =
    DrainPolicy { delay: Duration::ZERO, grace: Duration::from_secs(2), reserve: Duration::ZERO };
/// How long a part may take to end before it is killed.
const STOP_MAX: Duration = Duration::from_secs(2);

/// Runs the shop until it is told to stop. Prints `shop ready on http://127.0.0.1:PORT` once it is.
pub async fn shop(args: ShopArgs) -> Result<(), ShopError> {
    let told = told_by_signal()?;
    let until_stdin_closes = args.until_stdin_closes;
    let stop = async move {
        match until_stdin_closes {
            false => told.await,
            true => tokio::select! { () = told => {}, () = stdin_closed() => {} },
        }
    };
    let (ports, listener) = Ports::claim(args.port)?;
    let port = ports.balancer();
    let listener = TcpListener::from_std(listener).map_err(|source| ShopError::Listen {
        port,
        part: "the balancer".to_owned(),
        source,
    })?;
    let data = DataFolder::make(args.data.as_deref())?;
    prepare(data.path()).await?;
    let crew = Crew::start(&args, ports, &data)?;
    let ended = run(&args, ports, listener, &crew.exits, stop).await;
    crew.stop().await;
    ended
}

async fn run(
    args: &ShopArgs,
    ports: Ports,
    listener: TcpListener,
    exits: &Exits,
    stop: impl Future<Output = ()>,
) -> Result<(), ShopError> {
    let mut stop = std::pin::pin!(stop);
    say(&format!("balancer http://127.0.0.1:{}", ports.balancer()));
    tokio::select! {
        ready = all_ready(ports) => ready?,
        early = exits.first() => return Err(early),
        () = &mut stop => return Ok(()),
    }
    exits.forgive();
    let trust = if args.fragile { Trust::Blind } else { Trust::Watchful };
    let addresses =
        (1..=GATEWAYS).map(|it| format!("127.0.0.1:{}", ports.of(PartName::Gateway, it)));
    let balancer = Arc::new(Balancer::new(addresses, trust)?);
    say(&format!("shop ready on http://127.0.0.1:{}", ports.balancer()));
    let drain = Drain::try_new(ENDS)?;
    let end = async {
        stop.await;
        drain.run(balancer.health()).await;
    };
    tokio::join!(serve(listener, Arc::clone(&balancer), &drain), end);
    Ok(())
}

/// Every part there is, and its instance.
fn crew_list() -> Vec<(PartName, u16)> {
    let gateways = (1..=GATEWAYS).map(|it| (PartName::Gateway, it));
    // Neighbours first: gateways are of little use before them.
    let neighbours = PartName::ALL.into_iter().filter(|it| *it != PartName::Gateway);
    neighbours.map(|it| (it, 1)).chain(gateways).collect()
}

fn label(name: PartName, instance: u16) -> String {
    match name {
        PartName::Gateway => format!("gateway-{instance}"),
        _ => name.to_string(),
    }
}

async fn all_ready(ports: Ports) -> Result<(), ShopError> {
    for (name, instance) in crew_list() {
        let pool = Pool::new(format!("127.0.0.1:{}", ports.of(name, instance)));
        let ready = async {
            while !is_ready(&pool).await.unwrap_or(false) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let part = label(name, instance);
        timeout(READY_MAX, ready)
            .await
            .map_err(|_| ShopError::NotReady { part, seconds: READY_MAX.as_secs() })?;
    }
    Ok(())
}

/// Where the databases are, and whether they go with the shop.
enum DataFolder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl DataFolder {
    fn make(asked: Option<&Path>) -> Result<Self, ShopError> {
        match asked {
            Some(path) => match std::fs::create_dir_all(path) {
                Ok(()) => Ok(Self::Kept(path.to_owned())),
                Err(source) => Err(ShopError::DataFolder { path: path.to_owned(), source }),
            },
            None => tempfile::Builder::new()
                .prefix("evenkeel-shop-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|source| ShopError::DataFolder { path: std::env::temp_dir(), source }),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// The parts, each kept alive by a task of its own.
struct Crew {
    keepers: JoinSet<()>,
    stop: watch::Sender<bool>,
    exits: Exits,
}

/// What is heard of parts that ended; the first is fatal until all have been ready once.
struct Exits {
    heard: tokio::sync::Mutex<mpsc::UnboundedReceiver<(String, ExitStatus)>>,
    fatal: watch::Sender<bool>,
}

impl Exits {
    async fn first(&self) -> ShopError {
        match self.heard.lock().await.recv().await {
            Some((part, status)) => ShopError::EndedEarly { part, status },
            None => std::future::pending().await,
        }
    }

    fn forgive(&self) {
        self.fatal.send_replace(false);
    }
}

impl Crew {
    fn start(args: &ShopArgs, ports: Ports, data: &DataFolder) -> Result<Self, ShopError> {
        let command = part_command(args)?;
        let (stop, stopped) = watch::channel(false);
        let (fatal, is_fatal) = watch::channel(true);
        let (tell, heard) = mpsc::unbounded_channel();
        let mut keepers = JoinSet::new();
        let neighbours = neighbours(args, ports)?;
        for (name, instance) in crew_list() {
            let mut arguments = command.clone();
            let port = ports.of(name, instance);
            arguments.extend(part_arguments(args, data, &neighbours, name, instance, port));
            let keeper = Keeper {
                label: label(name, instance),
                port,
                arguments,
                stopped: stopped.clone(),
                is_fatal: is_fatal.clone(),
                tell: tell.clone(),
            };
            let child = keeper.spawn()?;
            keepers.spawn(keeper.keep(child));
        }
        let exits = Exits { heard: tokio::sync::Mutex::new(heard), fatal };
        Ok(Self { keepers, stop, exits })
    }

    async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.keepers.join_next().await.is_some() {}
    }
}

fn part_command(args: &ShopArgs) -> Result<Vec<OsString>, ShopError> {
    if let Some(command) = &args.part_command {
        return Ok(command.clone());
    }
    let this = std::env::current_exe()
        .map_err(|source| ShopError::System { what: "this executable's path", source })?;
    Ok(vec![this.into_os_string(), "shop-part".into()])
}

/// Where the gateways find each neighbour.
fn neighbours(args: &ShopArgs, ports: Ports) -> Result<Vec<Via>, ShopError> {
    let names = [PartName::Inventory, PartName::Payment, PartName::Recommendations];
    let address = |name: PartName| {
        let mut given = args.via.iter().filter(|it| it.name == name);
        match (given.next(), given.next()) {
            (_, Some(_)) => Err(ShopError::ViaTwice { name: name.as_str() }),
            (Some(via), None) => Ok(via.clone()),
            (None, None) => Ok(Via { name, address: format!("127.0.0.1:{}", ports.of(name, 1)) }),
        }
    };
    names.into_iter().map(address).collect()
}

fn part_arguments(
    args: &ShopArgs,
    data: &DataFolder,
    neighbours: &[Via],
    name: PartName,
    instance: u16,
    port: u16,
) -> Vec<OsString> {
    let mut out: Vec<OsString> = vec![name.as_str().into()];
    let mut flag = |flag: &str, value: OsString| out.extend([flag.into(), value]);
    flag("--instance", instance.to_string().into());
    flag("--port", port.to_string().into());
    flag("--workers", args.workers.to_string().into());
    flag("--data", data.path().into());
    for it in args.misbehave.iter().filter(|it| it.name == name) {
        flag("--misbehave", it.how.to_string().into());
    }
    if name == PartName::Gateway {
        for via in neighbours {
            flag("--neighbour", via.to_string().into());
        }
    }
    if args.fragile {
        out.push("--fragile".into());
    }
    if matches!(data, DataFolder::Temporary(_)) {
        out.push("--data-is-temporary".into());
    }
    out
}

/// Keeps one part alive.
struct Keeper {
    label: String,
    port: u16,
    arguments: Vec<OsString>,
    stopped: watch::Receiver<bool>,
    is_fatal: watch::Receiver<bool>,
    tell: mpsc::UnboundedSender<(String, ExitStatus)>,
}

impl Keeper {
    fn spawn(&self) -> Result<Child, ShopError> {
        let Some((program, arguments)) = self.arguments.split_first() else {
            let source = std::io::Error::other("the part command is empty");
            return Err(ShopError::Spawn { part: self.label.clone(), source });
        };
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A group of its own: the terminal's Ctrl-C is for the supervisor, which drains first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ShopError::Spawn { part: self.label.clone(), source })?;
        let pid = child.id().unwrap_or_default();
        say(&format!("{} http://127.0.0.1:{} pid {pid}", self.label, self.port));
        Ok(child)
    }

    async fn keep(mut self, mut child: Child) {
        loop {
            // Taken out of the child, or waiting for it would close its input and end it.
            let input = child.stdin.take();
            let status = tokio::select! {
                status = child.wait() => status,
                () = raised(&mut self.stopped) => {
                    drop(input);
                    return end(child).await;
                }
            };
            let Ok(status) = status else { return };
            if *self.is_fatal.borrow() {
                // Nobody listens any more only when the shop is stopping anyway.
                self.tell.send((self.label.clone(), status)).unwrap_or_default();
                return;
            }
            warn_operator(&format!("{} ended ({status}); starting it again", self.label));
            child = loop {
                tokio::select! {
                    () = tokio::time::sleep(RESTART_AFTER) => {}
                    () = raised(&mut self.stopped) => return,
                }
                match self.spawn() {
                    Ok(child) => break child,
                    Err(error) => warn_operator(&format!("error: {error}")),
                }
            };
        }
    }
}

/// Ends when the flag is up, or when nobody is left to raise it.
async fn raised(flag: &mut watch::Receiver<bool>) {
    drop(flag.wait_for(|it| *it).await);
}

/// Ends a part whose input has been closed: waits a little, then insists.
async fn end(mut child: Child) {
    if timeout(STOP_MAX, child.wait()).await.is_err() {
        // Killing what has just ended by itself is no failure.
        child.kill().await.unwrap_or_default();
    }
}
