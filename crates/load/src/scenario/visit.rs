//! Visits: one iteration of one user.

use std::cell::Cell;
use std::time::Duration;

use evenkeel_model::document::RowOrder;
use evenkeel_units::{Choices, Clock, Moment, SystemClock};

use super::cookies::Cookies;
use super::program::{Condition, Op, Program, Slot};
use crate::engine::Slice;
use crate::template::{Template, Values};

/// After so many operations without a request, a visit yields: a loop without requests must not stop the load.
const OPS_MAX: u32 = 1_000;

/// How long it yields: many that do so must leave the load the processor.
const YIELD: Duration = Duration::from_millis(10);

/// A pause that is shorter is none: it takes longer to note it, and many would stop the load.
const PAUSE_MIN: Duration = Duration::from_micros(1);

/// Where a user is in its script.
#[derive(Default)]
pub(crate) struct Visit {
    pub(crate) script: u32,
    /// The user of the closed model; in the open model, nobody.
    pub(crate) user: Option<u32>,
    /// Its number: of the user, or of the arrival.
    number: u64,
    iteration: u64,
    at: usize,
    /// Whether it has come to a request.
    sent: bool,
    chance: Option<Choices>,
    /// How many random values it has drawn.
    drawn: Cell<u64>,
    variables: Vec<Option<Vec<u8>>>,
    rows: Vec<u32>,
    counters: Vec<u32>,
    cookies: Cookies,
    transactions: Vec<Transaction>,
}

/// A transaction that has begun.
struct Transaction {
    number: u32,
    began: Moment,
    thought: Duration,
}

/// What a visit does next.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this request.
    Send(u32),
    /// Nothing until then.
    Wait(Moment),
    /// It is over.
    Over,
}

/// Who a visit is of.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Who {
    /// The user of the closed model.
    pub(crate) user: Option<u32>,
    /// Number of the user, or of the arrival.
    pub(crate) number: u64,
    /// How many iterations the user has ended.
    pub(crate) iteration: u64,
}

/// Which rows a worker takes: of `workers`, every one takes its share.
#[derive(Debug)]
pub(crate) struct Turns {
    next: Vec<u64>,
    worker: u64,
    workers: u64,
    chance: Choices,
}

impl Turns {
    /// Those of a slice, of which the first `used` rows are not taken.
    pub(crate) fn new(program: &Program, slice: Slice, used: u64, chance: Choices) -> Self {
        let Slice { worker, workers } = slice;
        let first = slice.not_before(used) / workers;
        Self { next: vec![first; program.feeders.len()], worker, workers, chance }
    }

    /// The next row; `None` when all have been used up.
    fn take(&mut self, program: &Program, feeder: usize) -> Option<u32> {
        let n = self.next[feeder].saturating_mul(self.workers).saturating_add(self.worker);
        self.next[feeder] += 1;
        let rows = program.feeders[feeder].rows();
        let row = match program.order_of(feeder) {
            RowOrder::Sequential => n % rows,
            RowOrder::Random => self.chance.of(feeder as u64).below(n, rows),
            RowOrder::Unique if n < rows => n,
            RowOrder::Unique => return None,
        };
        Some(row as u32)
    }
}

impl Visit {
    /// Begins an iteration, in the memory of an earlier one. Says no when data has been used up.
    pub(crate) fn begin(
        &mut self,
        program: &Program,
        script: u32,
        who: Who,
        turns: &mut Turns,
    ) -> bool {
        let it = &program.scripts[script as usize];
        self.script = script;
        (self.user, self.number, self.iteration) = (who.user, who.number, who.iteration);
        self.at = 0;
        self.sent = false;
        self.chance = Some(turns.chance.of(who.number).of(who.iteration));
        self.drawn.set(0);
        self.variables.iter_mut().for_each(|it| *it = None);
        self.variables.resize(program.variables, None);
        self.counters.clear();
        self.counters.resize(it.counters, 0);
        self.cookies.clear();
        self.transactions.clear();
        self.rows.resize(program.feeders.len(), 0);
        it.feeders.iter().all(|feeder| {
            let row = turns.take(program, *feeder);
            self.rows[*feeder] = row.unwrap_or(0);
            row.is_some()
        })
    }

    /// Goes on to the next request, pause or end. Transactions that end are told to `ended`.
    pub(crate) fn next(
        &mut self,
        program: &Program,
        now: Moment,
        clock: &SystemClock,
        mut ended: impl FnMut(u32, Duration),
    ) -> Next {
        let ops = &program.scripts[self.script as usize].ops;
        for _ in 0..OPS_MAX {
            let Some(op) = ops.get(self.at) else { return Next::Over };
            self.at += 1;
            match op {
                Op::Send(route) => {
                    self.sent = true;
                    return Next::Send(*route);
                }
                Op::Think(from, to) => {
                    let range = to.saturating_sub(*from).as_nanos() as u64;
                    let pause = *from + Duration::from_nanos(self.draw(range.saturating_add(1)));
                    if pause < PAUSE_MIN {
                        continue;
                    }
                    self.transactions.iter_mut().for_each(|it| it.thought += pause);
                    return Next::Wait(now + pause);
                }
                Op::Enter { counter, times, exit } => {
                    let count = &mut self.counters[*counter];
                    if *count < *times {
                        *count += 1;
                    } else {
                        *count = 0;
                        self.at = *exit;
                    }
                }
                Op::When { condition, otherwise, counter } => {
                    if !self.holds(program, condition, clock) {
                        counter.iter().for_each(|it| self.counters[*it] = 0);
                        self.at = *otherwise;
                    }
                }
                Op::Jump(to) => self.at = *to,
                Op::Begin(number) => {
                    let (number, thought) = (*number, Duration::ZERO);
                    self.transactions.push(Transaction { number, began: now, thought });
                }
                Op::End(number) => {
                    if let Some(it) = self.transactions.pop_if(|it| it.number == *number) {
                        ended(*number, (now - it.began).saturating_sub(it.thought));
                    }
                }
            }
        }
        Next::Wait(now + YIELD)
    }

    /// Whether it has come to any request.
    pub(crate) const fn has_sent(&self) -> bool {
        self.sent
    }

    /// The transactions that are under way, when the visit fails: each number and how long it took.
    pub(crate) fn broken_off(&mut self, now: Moment) -> impl Iterator<Item = (u32, Duration)> {
        let time = move |it: Transaction| (it.number, (now - it.began).saturating_sub(it.thought));
        self.transactions.drain(..).map(time)
    }

    /// Keeps a value.
    pub(crate) fn keep(&mut self, variable: u32, value: &[u8]) {
        if let Some(kept) = self.variables.get_mut(variable as usize) {
            let kept = kept.get_or_insert_default();
            kept.clear();
            kept.extend_from_slice(value);
        }
    }

    /// Takes the value of a `set-cookie`.
    pub(crate) fn set_cookie(&mut self, program: &Program, value: &[u8]) {
        if program.scripts[self.script as usize].cookies {
            self.cookies.set(value);
        }
    }

    /// A random number below `limit`.
    fn draw(&self, limit: u64) -> u64 {
        let n = self.drawn.get();
        self.drawn.set(n + 1);
        self.chance.map_or(0, |it| it.below(n, limit))
    }

    fn holds(&self, program: &Program, condition: &Condition, clock: &SystemClock) -> bool {
        let text = |template: &Template| {
            let mut text = Vec::new();
            template.render(&Filled { program, visit: self, clock }, &mut text);
            text
        };
        match condition {
            Condition::Exists(variable) => self.variables[*variable].is_some(),
            Condition::Equal(a, b, equal) => (text(a) == text(b)) == *equal,
            Condition::Chance(billionths) => self.draw(1_000_000_000) < *billionths,
        }
    }
}

/// The values of a visit at a moment.
pub(crate) struct Filled<'a> {
    pub(crate) program: &'a Program,
    pub(crate) visit: &'a Visit,
    /// For those that want to know the time.
    pub(crate) clock: &'a SystemClock,
}

impl Values for Filled<'_> {
    fn put(&self, slot: u32, out: &mut Vec<u8>) {
        let Self { program, visit, clock } = self;
        match &program.slots[slot as usize] {
            Slot::Data { feeder, column } => {
                let cell = program.feeders[*feeder].cell(visit.rows[*feeder], *column);
                out.extend_from_slice(cell.as_bytes());
            }
            Slot::Var(variable) => {
                out.extend_from_slice(visit.variables[*variable].as_deref().unwrap_or_default());
            }
            Slot::User => put_number(visit.number, out),
            Slot::Iteration => put_number(visit.iteration, out),
            Slot::Time => {
                let millis = clock.wall().as_millisecond();
                out.extend_from_slice(millis.to_string().as_bytes());
            }
            Slot::Uuid => put_uuid([visit.draw(u64::MAX), visit.draw(u64::MAX)], out),
            Slot::Between(from, to) => {
                put_number(from + visit.draw((to - from).saturating_add(1)), out);
            }
        }
    }

    fn cookie(&self) -> Option<&[u8]> {
        self.visit.cookies.header()
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let begin = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[begin..].reverse();
}

/// A UUID of version 4 (RFC 9562).
fn put_uuid([high, low]: [u64; 2], out: &mut Vec<u8>) {
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let text = format!("{high:016x}{low:016x}");
    for (n, digits) in [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().enumerate() {
        if n > 0 {
            out.push(b'-');
        }
        out.extend_from_slice(&text.as_bytes()[digits]);
    }
}
