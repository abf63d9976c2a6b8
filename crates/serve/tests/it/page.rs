//! Objectives in a browser, as a server answers them: text here; what a browser makes of it is tested where the pages are drawn.

use std::sync::{Arc, Mutex};

use evenkeel_serve::Events;
use evenkeel_slo::Interval;
use evenkeel_slo::attribution::{Cause, Kind};

use crate::watch::{documents, now, until};
use crate::world::{World, settings};

const SLOS: &str = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec: {service: shop, objective: 90%, window: 1h, sli: {availability: {bad: bad_total, total: all_total}}}
---
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: mistaken}
spec: {service: shop, objective: 90%, window: 1h, sli: {raw: {errorRatio: 'sum by (job) (rate(all_total[$window]))'}}}
";

/// The number of a picture.
fn number(page: &str) -> u64 {
    let number = page.split_once("data-number=\"").unwrap().1.split('"').next().unwrap();
    number.parse().unwrap()
}

#[test]
fn objectives_have_an_overview_and_a_page_each_that_follow_the_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let config = "global: {evaluation_interval: 200ms}";
    let world = World::judging(folder.path(), config, documents(SLOS));
    let at = now();
    let grown: Vec<_> = (0..20)
        .flat_map(|it| {
            let (time, all) = (at - 1200 + it * 60, it as f64);
            let job = |job: &str, value| (time, format!("all_total,job={job}"), value);
            [job("a", all * 20.0), job("b", 0.0), (time, "bad_total".to_owned(), all)]
        })
        .collect();
    let samples: Vec<_> = grown.iter().map(|(at, name, it)| (*at, name.as_str(), *it)).collect();
    assert_eq!(world.write(&samples).status, 204);
    let page = until(|| world.get("/slo/available"), |it| it.body.contains("plot-course")).body;
    assert!(page.contains(">50<small>%"), "half of the budget is left: {page}");
    assert!(page.contains("since the first data of"), "a young window is drawn from its data on");
    let all = world.get("/");
    assert_eq!(all.status, 200);
    assert!(all.head.contains("frame-ancestors 'none'") && all.body.contains("connect-src 'self'"));
    assert!(all.body.contains("href=\"/slo/available\""), "{}", all.body);
    // What cannot be judged has no data, and its page says why.
    let wrong = world.get("/slo/mistaken").body;
    assert!(wrong.contains("Nothing was counted") && wrong.contains("one number is expected"));
    let next = world.get(&format!("/?after={}", number(&all.body)));
    assert!(number(&next.body) > number(&all.body));
    for (request, status) in
        [("GET /slo/nobody", 404), ("GET /slo/", 404), ("POST /", 405), ("GET /other", 404)]
    {
        assert_eq!(world.send(request, b"").status, status, "{request}");
    }
}

#[test]
fn a_page_knows_what_went_on_as_it_is_said_when_somebody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let said = Arc::new(Mutex::new(Ok(Vec::new())));
    let events = Arc::clone(&said);
    let mut settings = settings(folder.path(), "global: {evaluation_interval: 200ms}");
    settings.wanted.documents = Arc::new(documents(SLOS));
    settings.events = Some(Events::new(move |_| events.lock().unwrap().clone()));
    let world = World::of(settings, None);
    let at = now();
    let grown: Vec<_> = (0..20)
        .flat_map(|it| {
            [("all_total", 20), ("bad_total", 1)]
                .map(|(name, each)| (at - 1200 + it * 60, name, (it * each) as f64))
        })
        .collect();
    assert_eq!(world.write(&grown).status, 204);
    let page = until(|| world.get("/slo/available"), |it| it.body.contains("plot-course")).body;
    assert!(page.contains("No deploy, drill or incident is known of"), "{page}");
    let moment = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
    let time = Interval::new(moment(at - 900), moment(at - 300));
    *said.lock().unwrap() = Ok(vec![Cause { kind: Kind::Deploy, name: "v<42>".to_owned(), time }]);
    let page = until(|| world.get("/slo/available"), |it| it.body.contains("v&lt;42&gt;")).body;
    assert!(page.contains("deploy · "), "{page}");
    *said.lock().unwrap() = Err("events.jsonl:7:1: this is no event".to_owned());
    until(|| world.get("/slo/available"), |it| it.body.contains("events.jsonl:7:1"));
}

#[test]
fn without_objectives_the_overview_says_so() {
    let (world, _folder) = World::empty();
    let page = world.get("/");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("There are no objectives"), "{}", page.body);
}
