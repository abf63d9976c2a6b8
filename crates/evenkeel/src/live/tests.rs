//! The picture, from seconds of load as the load hand says them, on terminals of several sizes.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_drill::{Conductor, shell};
use evenkeel_model::document::{
    Call, Checks, Criterion, LoadTest, Route, Shape, Template, Threshold, Watch, WatchSource,
};
use evenkeel_model::library::plan_of_load;
use evenkeel_model::plan::RunHead;
use evenkeel_model::{Answer, Distribution, Entry, Event, Frame, Plan, Series};
use evenkeel_report::live::{LiveFault, LiveGuard, LiveView, draw, quiet_line};
use evenkeel_units::{Moment, Rate, Seed};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Style;

use super::scene::Scene;

fn route(name: &str) -> Route {
    let call = Call::Http {
        method: "GET".to_owned(),
        path: Template::literal("/"),
        headers: Vec::new(),
        body: None,
    };
    Route { name: name.to_owned(), weight: 1, call, checks: Checks::default(), extract: Vec::new() }
}

/// A spike of a minute on a shop of three routes, with limits and a watch.
fn plan() -> Plan {
    let rate = |it| Rate::per_second(it).unwrap();
    let second = Duration::from_secs;
    let mut load = LoadTest::new("spring-sale");
    load.routes = ["list", "product", "checkout"].map(route).to_vec();
    load.shape = Some(Shape::Spike {
        base: rate(100.0),
        peak: rate(400.0),
        lead: second(20),
        hold: second(20),
        tail: second(20),
    });
    load.success = ["p95 < 100ms", "error_rate < 5%", "throughput > 50/s"]
        .map(|it| Threshold::from(Criterion::parse(it).unwrap()))
        .to_vec();
    load.watch = vec![Watch {
        name: "shop".to_owned(),
        source: WatchSource::Host,
        every: second(1),
        limits: vec![("memory_bytes".to_owned(), 5e8)],
    }];
    plan_of_load(load, Seed(7))
}

/// A second of load: each route a third of it, slower under the spike, and some of it failing there.
fn frame(second: u64) -> Frame {
    let spike = (20..40).contains(&second);
    let (rate, millis) = if spike { (396, 40 + second * 4) } else { (99, 8 + second % 5) };
    let times = |count: u64, millis: u64| Distribution { micros: vec![(millis * 1_000, count)] };
    let mut series = Vec::new();
    for route in 0..3_usize {
        let slower = millis * (route as u64 + 1);
        let failed = if spike && route == 2 { 12 } else { 0 };
        let of = |answer, count, millis| Series {
            route,
            answer,
            response_micros: times(count, millis),
            service_micros: times(count, millis),
        };
        series.push(of(Answer::Ok, rate / 3 - failed, slower));
        if failed > 0 {
            series.push(of(Answer::Timeout, failed / 3, 1_000));
            series.push(of(Answer::Status, failed - failed / 3, 30));
        }
    }
    Frame {
        second,
        planned: rate,
        sent: rate,
        in_flight: if spike { 31 } else { 2 },
        waiting: if spike { 4 } else { 0 },
        connected: u64::from(second == 0) * 64,
        lag_micros: Distribution { micros: vec![(40, rate - 3), (180, 3)] },
        series,
        cpu_micros: rate * 90,
        threads: 1,
        ..Frame::default()
    }
}

/// The view after so many seconds.
fn seen(plan: &Plan, seconds: u64) -> LiveView {
    let head = RunHead {
        id: "spring-sale-1".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        version: "0".to_owned(),
    };
    let mut events =
        vec![(0, Event::Started { run: head, plan: Box::new(plan.clone()) }), (0, Event::Ready)];
    events.push((0, Event::LoadStarted));
    for second in 0..seconds {
        let values = BTreeMap::from([
            ("cpu_cores".to_owned(), if (20..40).contains(&second) { 1.7 } else { 0.4 }),
            ("memory_bytes".to_owned(), 3e8 + second as f64 * 6e6),
        ]);
        events.push((second + 1, Event::Watched { watch: 0, values, error: None }));
        events.push((second + 1, Event::Second { frame: frame(second) }));
    }
    let (mut scene, mut conductor) = (Scene::of(plan), Conductor::default());
    let mut view = scene.view();
    for (second, event) in events {
        let entry = Entry { at: Moment::at(Duration::from_secs(second)), event };
        conductor.on(entry.at, &entry.event);
        let seconds = match &entry.event {
            Event::Second { frame } => std::slice::from_ref(frame),
            _ => &[],
        };
        let seen = shell::Scene { entry: &entry, conductor: &conductor, seconds };
        let news = scene.see(seen, &mut view);
        view.news.extend(news);
    }
    view
}

/// The picture as text.
fn picture(view: &LiveView, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|it| draw(view, it.area(), it.buffer_mut(), false)).unwrap();
    let text = terminal.backend().to_string();
    let rows = text.lines().map(|it| it.trim_matches('"').trim_end());
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn eighty_columns_show_charts_limits_routes_and_what_is_watched() {
    insta::assert_snapshot!(picture(&seen(&plan(), 34), 80, 24));
}

#[test]
fn a_large_terminal_has_everything_beside_each_other() {
    insta::assert_snapshot!(picture(&seen(&plan(), 34), 200, 50));
}

#[test]
fn forty_columns_are_legible() {
    insta::assert_snapshot!(picture(&seen(&plan(), 34), 40, 24));
}

#[test]
fn without_a_terminal_one_line_says_the_same() {
    insta::assert_snapshot!(quiet_line(&seen(&plan(), 34)), @"0:34 of 1:00 · spike · 384/s of 396/s · p50 344ms p99 516ms · errors 3.03%");
}

#[test]
fn faults_and_guards_are_shown_with_how_near_they_are() {
    let mut view = seen(&plan(), 34);
    let fault = |label: &str, remaining| LiveFault { label: label.to_owned(), remaining };
    view.faults = vec![
        fault("latency +800ms · payment", Some(Duration::from_secs(6))),
        fault("kill · gateway-*", None),
    ];
    let guard = |condition: &str, value: &str, closeness| LiveGuard {
        condition: condition.to_owned(),
        value: value.to_owned(),
        closeness,
    };
    view.guards = vec![
        guard("availability < 50%", "no data", None),
        guard("error_rate > 10% for 3s", "5.12%", Some(0.512)),
    ];
    let picture = picture(&view, 80, 60);
    for line in [
        "faults   ● latency +800ms · payment  0:06 left",
        "         ● kill · gateway-* (acted)",
        "guards   error_rate > 10% for 3s  ▰▰▰▰▰▱▱▱▱▱  5.12%",
        "         availability < 50%       ▱▱▱▱▱▱▱▱▱▱  no data",
    ] {
        assert!(picture.contains(line), "{line}\n{picture}");
    }
    assert!(quiet_line(&view).ends_with("near error_rate > 10% for 3s (now 5.12%)"));
}

#[test]
fn no_size_and_no_text_breaks_the_picture() {
    let mut hostile = seen(&plan(), 34);
    hostile.name = "結帳 \u{1b}[2J".repeat(60);
    hostile.phase = "\u{7}誤り\n".repeat(9);
    hostile.checks[0].measured = "遅延 ✓ \u{1b}]0;x\u{7}".repeat(9);
    hostile.routes.iter_mut().for_each(|it| it.name = "e\u{301}\r\n".repeat(40));
    hostile.routes = (0..30).flat_map(|_| hostile.routes.clone()).collect();
    hostile.watches[0].points.iter_mut().for_each(|it| it.value = f64::NAN);
    hostile.seconds[3].p99_seconds = Some(f64::INFINITY);
    hostile.planned = vec![f64::NAN; 200];
    hostile.news = vec!["\u{9b}31m news".to_owned(); 50];
    for view in [LiveView::default(), hostile] {
        for width in [1, 2, 9, 16, 40, 71, 72, 140, 300] {
            for height in [1, 2, 8, 12, 24, 80] {
                let text = picture(&view, width, height);
                assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
                let control = |c: char| c.is_control() && c != '\n';
                assert!(!text.contains(control), "{width}×{height}: {text:?}");
            }
        }
    }
}

#[test]
fn lists_without_room_say_how_much_they_leave_out() {
    let mut view = seen(&plan(), 34);
    view.routes = (0..9).flat_map(|_| view.routes.clone()).collect();
    let text = picture(&view, 80, 24);
    assert!(text.contains("more"), "{text}");
    assert!(text.contains("✗ broken") && text.contains("memory bytes"), "{text}");
}

#[test]
fn without_colours_no_cell_has_a_style() {
    let view = seen(&plan(), 34);
    for color in [false, true] {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|it| draw(&view, it.area(), it.buffer_mut(), color)).unwrap();
        let styled = |it: &ratatui::buffer::Cell| it.style() != Style::reset();
        let buffer = terminal.backend().buffer();
        let plain = ratatui::buffer::Cell::default().style();
        assert_eq!(buffer.content.iter().any(|it| it.style() != plain && styled(it)), color);
    }
}
