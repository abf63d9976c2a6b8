//! The face of this crate: the faults of one drill, from the first link opened to the last thing mended.
//!
//! ```text
//! open ─ resolve ─ begin … end ─ begin … end ─ close
//!   │                │       │                   ╰ all undone, guardian dismissed, journal removed
//!   │                │       ╰ undone, read back, and what shows that it acted
//!   │                ╰ undo on disk, then the step
//!   ╰ links listen, guardian on its post
//! ```
//!
//! Beats to the guardian go out from the runtime that called `open`. On a single-threaded runtime, which
//! is what the shell of a drill uses, a loop that hangs stops beating, and the guardian mends.

mod end;
mod error;
mod locate;
mod rounds;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::time::Duration;

use evenkeel_model::document::{BlastRadius, Fault, Finder, Service};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::Seed;

use self::locate::{aim, locate};
use self::rounds::Rounds;
use crate::act::{self, ActError, Deed};
use crate::engine::off_the_loop;
use crate::guardian::{Guardian, GuardianError, Reexec};
use crate::halt::halted;
use crate::holder::Holder;
use crate::image::{Image, Secret};
use crate::journal::{self, Journal, Ledger};
use crate::kind::Hit;
use crate::mend::Mended;
use crate::plan::{MARK, Op, Plan, Step, Undo};
use crate::process::Process;
use crate::process::namespace::Place;
use crate::process::stat::{since_boot, ticks_since_boot};
use crate::proxy::Proxy;
use crate::status::Lease;
use crate::target::Resolved;

pub use self::error::FaultError;
pub use self::locate::{Preview, lacking, preview};

/// The faults of one drill. Everything is undone when it is closed, and by the guardian when it is lost.
#[derive(Debug)]
pub struct Faults {
    service: Service,
    seed: Seed,
    radius: BlastRadius,
    run: String,
    proxy: Proxy,
    journal: Journal,
    guardian: Guardian,
    holder: Reexec,
    active: BTreeMap<usize, Active>,
    /// What starting a process again needs beside the journal, by the number of its undo.
    secrets: BTreeMap<usize, Secret>,
}

/// A fault that acts.
#[derive(Debug)]
struct Active {
    fault: Fault,
    hits: Vec<Hit>,
    deeds: Vec<Deed>,
    undos: Vec<(usize, Undo)>,
    /// When it began, on the clock of start times.
    began: Duration,
    began_ticks: u64,
    /// What could not be taken back.
    errors: Vec<String>,
    /// When it acts again and again: what is above is of the round that acts.
    rounds: Option<Rounds>,
}

impl Active {
    fn of(planned: &PlannedFault, hits: Vec<Hit>) -> Self {
        Self {
            fault: planned.fault.clone(),
            hits,
            deeds: Vec::new(),
            undos: Vec::new(),
            began: since_boot(),
            began_ticks: ticks_since_boot(),
            errors: Vec::new(),
            rounds: Rounds::of(planned),
        }
    }

    /// Another round begins, once the one before is finished.
    fn begin(&mut self, hits: Vec<Hit>) {
        self.hits = hits;
        (self.began, self.began_ticks) = (since_boot(), ticks_since_boot());
    }
}

impl Faults {
    /// Opens the links, begins the undo journal, and puts the guardian on its post. Nothing is broken yet.
    /// `limit`: after this time the guardian mends everything, whatever happens.
    pub async fn open(
        service: &Service,
        run: &str,
        seed: Seed,
        state_dir: &Path,
        guardian: &Reexec,
        holder: Reexec,
        limit: Duration,
    ) -> Result<Self, FaultError> {
        let proxy = Proxy::start(&service.dependencies, seed)?;
        let failed = |error| FaultError::Journal { directory: state_dir.to_owned(), error };
        let mut journal = Journal::create(state_dir, run).map_err(failed)?;
        // Before anything is started: whatever carries our mark ends with us.
        let undo = Undo::KillMarked { mark: run.to_owned() };
        journal.undo("everything the run starts", &undo).map_err(failed)?;
        if let Some(process) = Process::own().filter(|_| !service.dependencies.is_empty()) {
            journal.undo("the links of the run", &Undo::EndStopped { process }).map_err(failed)?;
        }
        let guardian = match Guardian::spawn(guardian, &journal, limit).await {
            Ok(guardian) => guardian,
            Err(error) => {
                journal.remove().map_err(failed)?;
                return Err(error.into());
            }
        };
        Ok(Self {
            service: service.clone(),
            seed,
            radius: BlastRadius::default(),
            run: run.to_owned(),
            proxy,
            journal,
            guardian,
            holder,
            active: BTreeMap::new(),
            secrets: BTreeMap::new(),
        })
    }

    /// The same, with a blast radius that is looked at again whenever a fault begins: candidates that have ended or
    /// were stopped since the plan was permitted are not healthy.
    #[must_use]
    pub fn within(self, radius: BlastRadius) -> Self {
        Self { radius, ..self }
    }

    /// Whether faults may act at all: not while everything is halted. A halt that comes later ends the run.
    pub fn may_act(&self) -> Result<(), FaultError> {
        let halt = self.journal.path().parent().and_then(halted);
        halt.map_or(Ok(()), |it| Err(FaultError::Halted(it)))
    }

    /// A variable for the environment of whatever the run starts. What carries it ends with the run, also
    /// children that leave the process group; `close` kills what is left of it, so end politely before.
    pub fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.run)
    }

    /// Takes charge of a process group that the run started: the guardian kills it when we are gone.
    pub fn adopt(&mut self, leader: u32) -> Result<(), FaultError> {
        let process = Process::of(leader);
        let leads = |it: &Process| it.stat().is_some_and(|it| it.group == leader);
        // Ours would be killed with everything in it.
        let process = process.filter(leads).filter(|it| it.pid != std::process::id());
        let Some(process) = process else {
            return Err(FaultError::NotLeading { pid: leader });
        };
        let undo = Undo::KillGroup { leader: process, pgid: leader };
        self.write(|it| it.undo("a service that the run started", &undo))?;
        Ok(())
    }

    /// Where a link listens.
    pub fn address(&self, dependency: &str) -> Option<std::net::SocketAddr> {
        self.proxy.address(dependency)
    }

    /// Who would be hit by every fault of the plan, now. Everybody named has to run.
    pub async fn resolve(&self, plan: &evenkeel_model::Plan) -> Result<Vec<Resolved>, FaultError> {
        let (service, faults, seed) = (self.service.clone(), plan.faults.clone(), self.seed);
        let resolve = move |fault| {
            let located = locate(&service, &fault, seed)?;
            located.must_run()?;
            Ok(located.resolved)
        };
        off_the_loop(move || faults.into_iter().map(resolve).collect()).await
    }

    /// Brings a fault about. Returns what it hit, and what ends it. An error means that it
    /// has been taken back as far as it had come.
    pub async fn begin(&mut self, index: usize, fault: &PlannedFault) -> Result<Lease, FaultError> {
        self.begin_unless(index, fault, std::future::pending()).await
    }

    /// The same, given up as soon as `stop` resolves: what took long to bring about must not keep others from being
    /// taken back.
    pub async fn begin_unless(
        &mut self,
        index: usize,
        fault: &PlannedFault,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Lease, FaultError> {
        let label = &fault.label;
        if self.active.contains_key(&index) {
            return Err(FaultError::Twice { label: label.clone() });
        }
        let (hits, plan) = self.aim_at(index, fault, self.seed).await?;
        let lease = Lease {
            fault: label.clone(),
            release: plan.release,
            targets: hits.iter().map(Hit::to_string).collect(),
            until: since_boot() + (fault.to - fault.from),
        };
        self.write(|it| it.acts(index, &lease))?;
        let mut active = Active::of(fault, hits);
        let done = self.carry_out(index, plan, label, &mut active, pin!(stop)).await;
        self.active.insert(index, active);
        if let Err(error) = done {
            // What could not be taken back stays in the journal, and `close` tries again.
            let (_, _) = self.end(index).await;
            return Err(error);
        }
        Ok(lease)
    }

    /// Who is hit now, and what will be done to them, if that may be.
    async fn aim_at(
        &self,
        index: usize,
        fault: &PlannedFault,
        seed: Seed,
    ) -> Result<(Vec<Hit>, Plan), FaultError> {
        if self.guardian.is_lost() {
            return Err(GuardianError::Lost.into());
        }
        self.may_act()?;
        let (service, fault, mark) = (self.service.clone(), fault.clone(), self.mark_of(index));
        let BlastRadius { min_healthy, max_instances, .. } = self.radius;
        let aimed = move || {
            let located = locate(&service, &fault, seed)?;
            located.must_run()?;
            if let Some(least) = min_healthy {
                located.must_leave(least)?;
            }
            if let Some(most) = max_instances.filter(|_| fault.fault.every().is_some()) {
                located.must_spare(most)?;
            }
            let hits = located.hits;
            let plan = aim(&fault, &mark, seed, &hits).plan();
            let label = || fault.label.clone();
            Ok((hits, plan.map_err(|error| FaultError::Plan { label: label(), error })?))
        };
        off_the_loop(aimed).await
    }

    fn mark_of(&self, index: usize) -> String {
        format!("{}/{index}", self.run)
    }

    async fn carry_out(
        &mut self,
        index: usize,
        plan: Plan,
        label: &str,
        active: &mut Active,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), FaultError> {
        let mark = self.mark_of(index);
        for step in plan.steps {
            // A program, a unit and a child of ours may take long, and end with whoever waits for them. What goes on
            // without us, such as a request to an engine, is waited for.
            let takes_long = matches!(step.apply, Op::Run(_) | Op::StopUnit(_) | Op::Hold { .. });
            let applied = self.apply(index, step, label, active, &mark);
            match takes_long {
                false => applied.await?,
                true => tokio::select! {
                    done = applied => done?,
                    () = &mut stop => {
                        return Err(FaultError::GivenUp { label: label.to_owned() });
                    }
                },
            }
        }
        Ok(())
    }

    async fn apply(
        &mut self,
        index: usize,
        step: Step,
        label: &str,
        active: &mut Active,
        mark: &str,
    ) -> Result<(), FaultError> {
        let mut id = None;
        if step.undo != Undo::None {
            let written = self.write(|it| it.undo(label, &step.undo))?;
            // Written first, looked for second: of two runs at once, one at least sees the other.
            if let Some((thing, run)) = self.taken(written, &step.undo)? {
                self.journal.done(written, "not begun");
                return Err(FaultError::Taken { label: label.to_owned(), thing, run });
            }
            active.undos.push((written, step.undo));
            id = Some(written);
            // A guardian that took us for dead meanwhile has mended what was not yet done, and left.
            tokio::task::yield_now().await;
            if self.guardian.is_lost() {
                return Err(GuardianError::Lost.into());
            }
        }
        // A program outlives a tool that is killed, and what it does then nobody would undo: it is ended before that.
        let amid = step.apply.amid(mark).map(|mark| Undo::KillMarked { mark });
        let is_amid = amid.is_some();
        if let Some(undo) = amid {
            active.undos.push((self.write(|it| it.undo(label, &undo))?, undo));
        }
        let deed = match step.apply {
            Op::Lay { link, toxic, limit } => {
                act::lay(&mut self.proxy, link, index, toxic, limit).await
            }
            Op::Stop { process } => act::stop(process).await,
            Op::Kill { process } => act::kill(process).await,
            Op::Restart { process } => self.restart(process, id, active).await,
            Op::LimitFiles { process, limit, before } => act::limit_files(process, limit, before),
            Op::Throttle(it) => act::throttle(it),
            Op::Skew(it) => act::skew(it).await,
            Op::Run(argv) => act::run(argv, mark).await,
            Op::StopUnit(unit) => act::stop_unit(unit, mark).await,
            Op::Shape(discipline) => act::shape(discipline, mark).await,
            Op::Set(change) => act::set(change).await,
            Op::Container { verb, run } => act::on_container(verb, run).await,
            Op::Hold { work, limit } => {
                let held = Holder::start(&self.holder, work, mark, limit).await;
                held.map(Box::new).map(Deed::Held).map_err(ActError::from)
            }
        };
        let deed = deed.map_err(|error| FaultError::Act { label: label.to_owned(), error })?;
        active.deeds.push(deed);
        // It is done; what it has left running ends with the run.
        if is_amid && let Some((id, _)) = active.undos.pop() {
            self.journal.done(id, Mended::WasFine.name());
        }
        Ok(())
    }

    async fn restart(
        &mut self,
        process: Process,
        id: Option<usize>,
        active: &Active,
    ) -> Result<Deed, ActError> {
        let image = Image::of(&process);
        let image = image.map_err(|error| ActError::Image { process: process.clone(), error })?;
        if let Some(id) = id {
            // Without the guardian's copy a kill of ours amid the restart would lose the environment.
            let kept = self.guardian.keep(id, &image.secret).await;
            let lost = |error| ActError::Image { process: process.clone(), error };
            kept.map_err(|error| lost(io::Error::other(error)))?;
            self.secrets.insert(id, image.secret.clone());
        }
        let hit = active.hits.iter().find(|it| it.family.first() == Some(&process));
        let (family, finder) = hit.map_or_else(
            || (Vec::new(), Finder::Pid(process.pid)),
            |it| {
                let finder = it.finder.clone();
                (it.family.clone(), finder.unwrap_or(Finder::Pid(process.pid)))
            },
        );
        act::restart(process, family, image, finder)
    }

    /// Ends when the guardian is gone; then nothing may be broken any more, and all has to be mended.
    pub fn guardian_lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.guardian.lost()
    }

    /// CPU time that the links have used.
    pub fn proxy_cpu_time(&self) -> Duration {
        self.proxy.cpu_time()
    }

    /// What an undo would put back, when another one is to do so already, and whose that is.
    fn taken(&self, id: usize, undo: &Undo) -> Result<Option<(String, String)>, FaultError> {
        let Some(thing) = undo.puts_back() else { return Ok(None) };
        let own = self.journal.path();
        let failed = |error| FaultError::Journal { directory: own.to_owned(), error };
        let here = Place::here();
        for path in journal::list(own.parent().unwrap_or(Path::new("/"))).map_err(failed)? {
            let is_own = path == own;
            // One that cannot be read, or has just gone, holds nothing that could be told.
            let ledger = if is_own { self.journal.read() } else { Ledger::of(&path) };
            let Ok(ledger) = ledger else { continue };
            let is_meant = |other: &Undo| {
                let same_place =
                    other.depends_on().iter().all(|it| ledger.place.shares(&here, *it));
                same_place && other.puts_back().as_ref() == Some(&thing)
            };
            let mut open = ledger.open.iter().filter(|(other, _)| !(is_own && **other == id));
            if open.any(|(_, (_, other))| is_meant(other)) {
                return Ok(Some((thing, journal::name(&path))));
            }
        }
        Ok(None)
    }

    fn write<T>(
        &mut self,
        what: impl FnOnce(&mut Journal) -> io::Result<T>,
    ) -> Result<T, FaultError> {
        let directory = self.journal.path().parent().unwrap_or(Path::new("/")).to_owned();
        what(&mut self.journal).map_err(|error| FaultError::Journal { directory, error })
    }
}
