//! What comes, what does not, and which of them is counted when.

use super::*;
use evenkeel_model::document::{LoadTest, Shape};
use evenkeel_units::{Rate, Seed};

use crate::engine::Agenda;
use crate::kafka::{Access, Job};
use crate::order::{Order, Share};
use crate::scenario::Compiler;
use crate::schedule::Schedule;
use crate::target::Target;

/// Worker 0 of the two of this process, of four in all.
fn consumer(run: impl FnOnce(&mut Consumer, &Shelves, &mut Recorder)) {
    use evenkeel_model::document::{Call, Route, Template};
    let produce = Call::Produce { topic: "t".to_owned(), key: None, value: Template::literal("x") };
    let routes = vec![Route::of(produce), Route::of(Call::Consume { topic: "t".to_owned() })];
    let test = LoadTest { timeout: Duration::from_secs(2), ..LoadTest::of("test", routes) };
    let url = "kafka://127.0.0.1:1".to_owned();
    let rate = Rate::per_second(1.0).unwrap();
    let shapes = vec![Shape::Constant { rate, duration: Duration::from_secs(1) }];
    let order = Order { url, test, shapes, seed: Seed(1), share: Share::WHOLE };
    let mut compiler = Compiler::new(&order.test, &|_| Ok(String::new())).unwrap();
    let compiled = crate::route::compile(&order.test, &mut compiler, None).unwrap();
    let program = compiler.program(order.seed, |_| true).unwrap();
    let schedule = Schedule::of(&order.shapes).unwrap();
    let agenda = Agenda::new(&order.test, order.seed, program, schedule);
    let access = Access { tls: None, sasl: None };
    let target = Target::find(&order.url).unwrap();
    let Job { basis, shelves } = Job::new(target, access, compiled, agenda, &order, 2).unwrap();
    let slice = Slice { worker: 0, workers: 4 };
    shelves.join(&basis, slice);
    let link = Arc::new(Link::new(&basis));
    let (events, _) = tokio::sync::mpsc::channel(1);
    let mut consumer = Consumer::new(&basis, &link, &shelves, slice, &events);
    run(&mut consumer, &shelves, &mut Recorder::new(2, 0));
}

fn second(at: u64) -> Moment {
    Moment::at(Duration::from_secs(at))
}

fn record(consumer: &Consumer, offset: i64, due: Moment) -> RecordAndOffset {
    let Basis { load, process, .. } = *consumer.basis;
    let stamp = Stamp { load, process, due, sent: due, due_wall: 0 };
    let headers = BTreeMap::from([(HEADER.to_owned(), stamp.write())]);
    let timestamp = rskafka::chrono::DateTime::default();
    RecordAndOffset { record: Record { key: None, value: None, headers, timestamp }, offset }
}

fn outcomes(recorder: &mut Recorder) -> Vec<(Answer, u64)> {
    let frame = recorder.close(0, 0);
    assert_eq!((frame.planned, frame.missed), (frame.sent, 0));
    let series = frame.series.iter().filter(|it| it.route == 1);
    series.map(|it| (it.answer, it.response_micros.count())).collect()
}

#[test]
fn what_was_acknowledged_and_does_not_come_is_a_timeout_once() {
    consumer(|consumer, shelves, recorder| {
        let clock = SystemClock::start();
        for offset in [7, 8, 9] {
            shelves.acknowledged("t", 0, offset, second(1), second(1));
        }
        // Of other machines, and of topics that nobody follows.
        shelves.acknowledged("t", 2, 1, second(1), second(1));
        shelves.acknowledged("u", 0, 1, second(1), second(1));
        assert!(!consumer.is_over());
        let records = vec![record(consumer, 8, second(1))];
        let fetched = Fetched { topic: 0, place: 0, records, at: second(2) };
        consumer.fetched(fetched, clock, recorder);
        assert_eq!(outcomes(recorder), [(Answer::Ok, 1)]);
        consumer.look(recorder, second(3), false);
        assert_eq!(outcomes(recorder), [(Answer::Timeout, 2)]);
        let records = vec![record(consumer, 9, second(1))];
        consumer.fetched(Fetched { topic: 0, place: 0, records, at: second(4) }, clock, recorder);
        assert_eq!(outcomes(recorder), []);
        shelves.leave();
        assert!(consumer.is_over());
    });
}

#[test]
fn what_comes_before_its_acknowledgement_is_not_missed() {
    consumer(|consumer, shelves, recorder| {
        let first = ("t".to_owned(), 0);
        shelves.known().shelves.entry(first).or_default().fetched = Some((5, 5));
        let records = vec![record(consumer, 5, second(1)), record(consumer, 6, second(1))];
        let fetched = Fetched { topic: 0, place: 0, records, at: second(2) };
        consumer.fetched(fetched, SystemClock::start(), recorder);
        shelves.acknowledged("t", 0, 6, second(1), second(1));
        // From before the topic was followed: that one will not come.
        shelves.acknowledged("t", 0, 4, second(1), second(1));
        consumer.look(recorder, second(9), false);
        assert_eq!(outcomes(recorder), [(Answer::Ok, 2), (Answer::Timeout, 1)]);
    });
}
