//! Clocks of a program that asks in every way there is, and of its children.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};

use super::*;

/// Prints `time`, `gettimeofday`, CLOCK_REALTIME and CLOCK_MONOTONIC for each line it reads. At `fork` a child of its
/// goes on with it, at `orphan` one whose parent has ended.
const PROGRAM: &str = r#"
    use Time::HiRes qw(clock_gettime CLOCK_REALTIME CLOCK_MONOTONIC);
    $| = 1;
    while (<STDIN>) {
        if (/fork/ && fork) { wait; exit }
        if (/orphan/ && fork) { exit }
        print join(" ", $$, time, Time::HiRes::time, clock_gettime(CLOCK_REALTIME), clock_gettime(CLOCK_MONOTONIC)), "\n";
    }
"#;

/// Hosts that test are busy, and between two readings much else may run.
const NEAR: f64 = 5.0;

struct Victim {
    child: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

impl Victim {
    fn start() -> Self {
        let mut command = Command::new("perl");
        let piped = command.args(["-e", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let asks = child.stdin.take();
        let says = BufReader::new(child.stdout.take().unwrap());
        let mut victim = Self { child, asks, says };
        // Past its own start, which asks for the time as well.
        assert!(victim.off("now").iter().all(|it| it.abs() < NEAR));
        victim
    }

    fn process(&self) -> Process {
        Process::of(self.child.id()).unwrap()
    }

    /// How far each of its clocks is off, in seconds.
    fn off(&mut self, how: &str) -> [f64; 4] {
        let now = |clock| {
            let it = clock_gettime(clock);
            it.tv_sec as f64 + it.tv_nsec as f64 / 1e9
        };
        writeln!(self.asks.as_ref().unwrap(), "{how}").unwrap();
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        let said: Vec<f64> = line.split_whitespace().map(|it| it.parse().unwrap()).collect();
        let [_, time, of_day, real, monotonic] = said[..] else { unreachable!("{line}") };
        let (true_time, since) = (now(ClockId::Realtime), now(ClockId::Monotonic));
        [time - true_time, of_day - true_time, real - true_time, monotonic - since]
    }

    fn skew(&self, offset: &str) -> Skew {
        let (processes, offset) = (vec![self.process()], offset.parse().unwrap());
        let mark = u64::from(self.child.id());
        Skew { processes, offset, mark, limit: Duration::from_mins(5) }
    }

    fn code(&self) -> Vec<u8> {
        let vdso = Vdso::own().unwrap();
        let at = vdso::place(self.child.id()).unwrap().unwrap().start;
        vdso::read(self.child.id(), at, vdso.loaded).unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Whoever reads its questions by now ends with them.
        self.asks = None;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn assert_off(off: [f64; 4], seconds: f64) {
    let [day @ .., monotonic] = off;
    assert!(day.iter().all(|it| (it - seconds).abs() < NEAR), "{off:?}, not {seconds}");
    assert!(monotonic.abs() < NEAR, "{off:?}");
}

#[test]
fn each_way_to_ask_for_the_time_of_day_is_off_and_other_clocks_are_not() {
    let mut victim = Victim::start();
    let before = victim.code();
    for (offset, seconds) in [("-10m", -600.0), ("2d", 172_800.0), ("-1000999999us", -1001.0)] {
        let skew = victim.skew(offset);
        skew.must_fit().unwrap();
        skew.apply().unwrap();
        assert_off(victim.off("now"), seconds);
        assert_eq!(skew.held(), 1);
        assert!(skew.undo().unwrap());
        assert_off(victim.off("now"), 0.0);
        assert_eq!((skew.held(), skew.undo().unwrap()), (0, false));
        assert!(victim.code() == before);
    }
}

#[test]
fn nanoseconds_of_a_time_are_never_out_of_bounds() {
    let mut victim = Victim::start();
    let skew = victim.skew("-1ns");
    skew.apply().unwrap();
    // A fraction out of bounds would show as a time that jumps by a second.
    let mut last = 0.0;
    for _ in 0..200 {
        let [_, of_day, real, _] = victim.off("now");
        assert!(of_day.abs() < NEAR && real.abs() < NEAR);
        let now = clock_gettime(ClockId::Realtime);
        let told = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9 + real;
        assert!(told >= last - 0.5, "{told} after {last}");
        last = told;
    }
    assert!(skew.undo().unwrap());
}

#[test]
fn children_have_the_same_clock_and_are_set_right_even_when_their_parent_is_gone() {
    for how in ["fork", "orphan"] {
        let mut victim = Victim::start();
        let skew = victim.skew("1h");
        skew.apply().unwrap();
        assert_off(victim.off(how), 3600.0);
        assert!(skew.undo().unwrap());
        assert_off(victim.off("now"), 0.0);
    }
}

#[test]
fn the_offset_ends_by_itself_at_its_time() {
    let mut victim = Victim::start();
    let ours = Ours::new().unwrap();
    let until = clock_gettime(ClockId::Realtime).tv_sec - 1;
    let settings = Settings { mark: 7, offset: (-600, 0), until };
    ours.stub(&victim.process(), &settings).unwrap();
    assert_off(victim.off("now"), 0.0);
}

#[test]
fn a_clock_that_is_set_is_refused_and_only_who_set_it_sets_it_right() {
    let mut victim = Victim::start();
    let skew = victim.skew("-1h");
    skew.apply().unwrap();
    let other = Skew { mark: skew.mark + 1, ..skew.clone() };
    let refused = other.must_fit().unwrap_err().to_string();
    assert!(refused.ends_with("is off already: another fault acts on it"), "{refused}");
    let failed = other.apply().unwrap_err();
    assert!(failed.error.to_string().contains("changed by somebody else"), "{}", failed.error);
    assert!(!other.undo().unwrap());
    assert_off(victim.off("now"), -3600.0);
    assert!(skew.undo().unwrap());
}

#[test]
fn what_was_written_in_part_is_set_right() {
    let mut victim = Victim::start();
    let (skew, process) = (victim.skew("-1h"), victim.process());
    let ours = Ours::new().unwrap();
    let settings = Settings { mark: skew.mark, offset: (-3600, 0), until: i64::MAX };
    // As if we had been killed after the first function.
    let part = Ours { words: [ours.words[0]; 3], ..Ours::new().unwrap() };
    part.stub(&process, &settings).unwrap();
    let off = victim.off("now");
    assert!((off[2] + 3600.0).abs() < NEAR, "{off:?}");
    assert!(matches!(ours.look(process.pid).unwrap(), Look::Stubbed { whole: false, .. }));
    assert!(skew.undo().unwrap());
    assert_off(victim.off("now"), 0.0);
}

#[test]
fn who_was_stopped_by_others_stays_so_and_who_is_gone_is_let_be() {
    let mut victim = Victim::start();
    let process = victim.process();
    process.signal(Signal::STOP).unwrap();
    let until_stopped = |process: &Process| {
        while process.state() != crate::process::State::Stopped {
            pause(BETWEEN);
        }
    };
    until_stopped(&process);
    let skew = victim.skew("-1h");
    skew.apply().unwrap();
    until_stopped(&process);
    process.signal(Signal::CONT).unwrap();
    assert_off(victim.off("now"), -3600.0);
    drop(victim);
    assert!(!skew.undo().unwrap());
    assert!(skew.apply().is_err());
}

/// Two threads that do nothing but ask, and signals that interrupt them.
const BUSY: &str = r#"
    use threads; use Time::HiRes qw(setitimer ITIMER_REAL);
    $| = 1;
    $SIG{ALRM} = sub {};
    threads->create(sub { Time::HiRes::time while 1 })->detach;
    setitimer(ITIMER_REAL, 0.001, 0.001);
    print "busy\n";
    Time::HiRes::time while 1
"#;

#[test]
fn a_program_that_asks_all_the_time_goes_on_through_many_changes() {
    let mut child = Command::new("perl").args(["-e", BUSY]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let processes = vec![Process::of(child.id()).unwrap()];
    let limit = Duration::from_mins(5);
    let skew = Skew { processes, offset: "1h".parse().unwrap(), mark: 3, limit };
    for _ in 0..10 {
        skew.apply().unwrap();
        assert!(skew.undo().unwrap());
    }
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}
