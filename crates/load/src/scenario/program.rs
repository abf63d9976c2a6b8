//! Programs: scenarios as flat lists of operations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::document::{
    self, LoadStep, LoadTest, Owner, Part, Reference, ResolveError, RowOrder,
};
use evenkeel_units::{Choices, Seed};

use super::feeder::{Feeder, FeederError};
use crate::template::Template;

/// Everything users can do.
pub(crate) struct Program {
    pub(crate) scripts: Vec<Script>,
    /// Sums of weights up to and with each script.
    weights: Vec<u64>,
    chance: Choices,
    pub(super) slots: Vec<Slot>,
    /// How many variables there are.
    pub(super) variables: usize,
    pub(super) feeders: Vec<Arc<Feeder>>,
}

/// What one kind of user does.
pub(crate) struct Script {
    pub(super) ops: Vec<Op>,
    /// The only request, when there is nothing else to it: then no visit is kept.
    pub(crate) bare: Option<u32>,
    pub(super) cookies: bool,
    pub(super) counters: usize,
    /// The feeders whose rows it uses.
    pub(super) feeders: Vec<usize>,
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Send a request.
    Send(u32),
    /// Wait.
    Think(Duration, Duration),
    /// Go on if a loop has been entered fewer times than this, else leave it.
    Enter { counter: usize, times: u32, exit: usize },
    /// Go on when a condition holds, else elsewhere; a loop that is left like this counts anew the next time.
    When { condition: Condition, otherwise: usize, counter: Option<usize> },
    /// Go elsewhere.
    Jump(usize),
    /// A transaction begins.
    Begin(u32),
    /// A transaction ends.
    End(u32),
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Exists(usize),
    Equal(Template, Template, bool),
    Chance(u64),
}

/// A value of the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Data { feeder: usize, column: usize },
    Var(usize),
    User,
    Iteration,
    Time,
    Uuid,
    Between(u64, u64),
}

/// Why scenarios cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error(transparent)]
    Feeder(#[from] FeederError),
    #[error("`${{data:{feeder}.{column}}}` names no column of the data: it has {known}")]
    Column { feeder: String, column: String, known: String },
    #[error(transparent)]
    Reference(#[from] ResolveError),
}

/// Compiles documents, and numbers what they name.
pub(crate) struct Compiler<'a> {
    test: &'a LoadTest,
    look_up: &'a dyn Fn(&Reference) -> Result<String, ResolveError>,
    slots: Vec<Slot>,
    variables: BTreeMap<String, usize>,
    feeders: Vec<Arc<Feeder>>,
    /// Which feeders each route uses.
    used: BTreeMap<u32, Vec<usize>>,
}

impl<'a> Compiler<'a> {
    /// Reads the data.
    pub(crate) fn new(
        test: &'a LoadTest,
        look_up: &'a dyn Fn(&Reference) -> Result<String, ResolveError>,
    ) -> Result<Self, ProgramError> {
        let feeders = test.feeders.iter().map(|it| Feeder::read(it).map(Arc::new));
        Ok(Self {
            test,
            look_up,
            slots: Vec::new(),
            variables: BTreeMap::new(),
            feeders: feeders.collect::<Result<_, _>>()?,
            used: BTreeMap::new(),
        })
    }

    /// The number of a variable.
    pub(crate) fn variable(&mut self, name: &str) -> u32 {
        let next = self.variables.len();
        *self.variables.entry(name.to_owned()).or_insert(next) as u32
    }

    /// A template of `route` (or of none), with references looked up and slots numbered.
    pub(crate) fn template(
        &mut self,
        template: &document::Template,
        route: Option<u32>,
    ) -> Result<Template, ProgramError> {
        let mut compiled = Template::default();
        for part in &template.parts {
            compiled = match part {
                Part::Literal(text) => compiled.then(text),
                Part::Reference(reference) => compiled.then((self.look_up)(reference)?),
                Part::Slot(slot) => {
                    let slot = self.slot(slot, route)?;
                    compiled.then_slot(slot)
                }
            };
        }
        Ok(compiled)
    }

    fn slot(&mut self, slot: &document::Slot, route: Option<u32>) -> Result<u32, ProgramError> {
        let slot = match slot {
            document::Slot::Data { feeder, column } => self.data(feeder, column, route)?,
            document::Slot::Var(name) => Slot::Var(self.variable(name) as usize),
            document::Slot::User => Slot::User,
            document::Slot::Iteration => Slot::Iteration,
            document::Slot::Time => Slot::Time,
            document::Slot::Uuid => Slot::Uuid,
            document::Slot::Between(from, to) => Slot::Between(*from, *to),
        };
        self.slots.push(slot);
        Ok(self.slots.len() as u32 - 1)
    }

    fn data(&mut self, name: &str, column: &str, route: Option<u32>) -> Result<Slot, ProgramError> {
        let feeder = self.test.feeders.iter().position(|it| it.name == name);
        let found = feeder.and_then(|it| Some((it, self.feeders[it].column(column)?)));
        let Some((feeder, column)) = found else {
            let known = feeder.map_or("no such data".to_owned(), |it| self.feeders[it].names());
            let (feeder, column) = (name.to_owned(), column.to_owned());
            return Err(ProgramError::Column { feeder, column, known });
        };
        if let Some(route) = route {
            let used = self.used.entry(route).or_default();
            if !used.contains(&feeder) {
                used.push(feeder);
            }
        }
        Ok(Slot::Data { feeder, column })
    }

    /// The program; routes have been compiled by now, and `is_plain` says which of them are always the same
    /// and give nothing to later steps.
    pub(crate) fn program(
        mut self,
        seed: Seed,
        is_plain: impl Fn(u32) -> bool,
    ) -> Result<Program, ProgramError> {
        let mut scripts = Vec::new();
        let mut weights = Vec::new();
        let mut sum = 0;
        // Who has a connection of its own is somebody.
        let shared = self.test.sending.connection == Owner::Shared;
        if self.test.scenarios.is_empty() {
            for (n, route) in self.test.routes.iter().enumerate() {
                let feeders = self.used.get(&(n as u32)).cloned().unwrap_or_default();
                let bare = (shared && is_plain(n as u32)).then_some(n as u32);
                let ops = vec![Op::Send(n as u32)];
                scripts.push(Script { ops, bare, cookies: false, counters: 0, feeders });
                sum += u64::from(route.weight);
                weights.push(sum);
            }
        }
        for scenario in &self.test.scenarios {
            let mut script = Draft::default();
            self.steps(&scenario.steps, &mut script)?;
            sum += u64::from(scenario.weight);
            weights.push(sum);
            let Draft { ops, counters, feeders } = script;
            scripts.push(Script { ops, bare: None, cookies: scenario.cookies, counters, feeders });
        }
        Ok(Program {
            scripts,
            weights,
            chance: seed.choices("load/scripts"),
            slots: self.slots,
            variables: self.variables.len(),
            feeders: self.feeders,
        })
    }

    fn steps(&mut self, steps: &[LoadStep], to: &mut Draft) -> Result<(), ProgramError> {
        steps.iter().try_for_each(|it| self.step(it, to))
    }

    fn step(&mut self, step: &LoadStep, to: &mut Draft) -> Result<(), ProgramError> {
        match step {
            // That goes on in the background, whoever is where.
            LoadStep::Request(route) if self.test.routes[*route].call.is_followed() => {}
            LoadStep::Request(route) => {
                let route = *route as u32;
                to.ops.push(Op::Send(route));
                to.feed(self.used.get(&route).into_iter().flatten());
            }
            LoadStep::Think { from, to: longest } => to.ops.push(Op::Think(*from, *longest)),
            LoadStep::Repeat { times, steps } => {
                let (head, counter) = (to.ops.len(), to.counter());
                to.ops.push(Op::Enter { counter, times: *times, exit: 0 });
                self.steps(steps, to)?;
                to.ops.push(Op::Jump(head));
                to.ops[head] = Op::Enter { counter, times: *times, exit: to.ops.len() };
            }
            LoadStep::While { condition, at_most, steps } => {
                let (head, counter) = (to.ops.len(), to.counter());
                let condition = self.condition(condition, to)?;
                to.ops.push(Op::Enter { counter, times: *at_most, exit: 0 });
                to.ops.push(Op::Jump(0));
                self.steps(steps, to)?;
                to.ops.push(Op::Jump(head));
                let exit = to.ops.len();
                to.ops[head] = Op::Enter { counter, times: *at_most, exit };
                to.ops[head + 1] = Op::When { condition, otherwise: exit, counter: Some(counter) };
            }
            LoadStep::If { condition, then, otherwise } => {
                let head = to.ops.len();
                let condition = self.condition(condition, to)?;
                to.ops.push(Op::Jump(0));
                self.steps(then, to)?;
                let jump = to.ops.len();
                to.ops.push(Op::Jump(0));
                to.ops[head] = Op::When { condition, otherwise: to.ops.len(), counter: None };
                self.steps(otherwise, to)?;
                to.ops[jump] = Op::Jump(to.ops.len());
            }
            LoadStep::Transaction { transaction, steps } => {
                to.ops.push(Op::Begin(*transaction as u32));
                self.steps(steps, to)?;
                to.ops.push(Op::End(*transaction as u32));
            }
        }
        Ok(())
    }

    fn condition(
        &mut self,
        condition: &document::Condition,
        to: &mut Draft,
    ) -> Result<Condition, ProgramError> {
        let mut both = |a: &document::Template, b: &document::Template, equal| {
            for slot in a.slots().chain(b.slots()) {
                if let document::Slot::Data { feeder, .. } = slot {
                    let known = self.test.feeders.iter().position(|it| it.name == *feeder);
                    to.feed(known.iter());
                }
            }
            let (a, b) = (self.template(a, None)?, self.template(b, None)?);
            Ok::<_, ProgramError>(Condition::Equal(a, b, equal))
        };
        Ok(match condition {
            document::Condition::Exists(name) => Condition::Exists(self.variable(name) as usize),
            document::Condition::Equal(a, b) => both(a, b, true)?,
            document::Condition::Different(a, b) => both(a, b, false)?,
            document::Condition::Chance(share) => Condition::Chance(u64::from(share.billionths())),
        })
    }
}

/// A script that is being written.
#[derive(Default)]
struct Draft {
    ops: Vec<Op>,
    counters: usize,
    feeders: Vec<usize>,
}

impl Draft {
    fn counter(&mut self) -> usize {
        self.counters += 1;
        self.counters - 1
    }

    fn feed<'f>(&mut self, feeders: impl Iterator<Item = &'f usize>) {
        for feeder in feeders {
            if !self.feeders.contains(feeder) {
                self.feeders.push(*feeder);
            }
        }
    }
}

impl Program {
    /// What arrival `n` does.
    pub(crate) fn choose(&self, n: u64) -> u32 {
        if let [_] = self.weights.as_slice() {
            return 0;
        }
        let at = self.chance.below(n, self.weights.last().copied().unwrap_or(0));
        self.weights.partition_point(|it| *it <= at) as u32
    }

    /// Whether anything could ever be chosen.
    pub(crate) fn is_empty(&self) -> bool {
        self.weights.last().is_none_or(|it| *it == 0)
    }

    /// The feeder's order, for whoever takes rows of it.
    pub(super) fn order_of(&self, feeder: usize) -> RowOrder {
        self.feeders[feeder].order
    }
}
