//! The configuration, read again while the server goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evenkeel_serve::Wanted;
use serde_json::json;

use crate::watch::{now, until};
use crate::world::World;

fn job(name: &str, target: std::net::SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 100ms}}\nscrape_configs: [{{job_name: {name}, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
}

#[test]
fn what_is_no_longer_asked_ends_and_a_bad_file_leaves_everything_as_it_was() {
    let (target, _other) = World::empty();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, job("before", target.address)).unwrap();
    let world = World::reading(&folder.path().join("data"), &file);
    let jobs = || {
        let all = world.data("query?query=up");
        let all: Vec<_> = all["result"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["metric"]["job"].clone())
            .collect();
        all
    };
    until(jobs, |it| *it == [json!("before")]);

    std::fs::write(&file, "global: {scrape_intervall: 1s}").unwrap();
    let answer = world.send("POST /-/reload", b"");
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.starts_with("Everything is as it was: there is no field"),
        "{}",
        answer.body
    );
    assert_eq!(world.data("status/runtimeinfo")["reloadConfigSuccess"], json!(false));
    assert!(world.get("/metrics").body.contains("evenkeel_files_last_read_successful 0\n"));
    let shown = world.data("status/config")["yaml"].as_str().unwrap().to_owned();
    assert!(shown.contains("job_name: before"), "{shown}");
    assert_eq!(world.data("targets")["activeTargets"][0]["scrapePool"], json!("before"));

    std::fs::write(&file, job("after", target.address)).unwrap();
    let answer = world.send("POST /-/reload", b"");
    assert_eq!((answer.status, &*answer.body), (200, "The files are read.\n"));
    until(jobs, |it| *it == [json!("after")]);
    let targets =
        until(|| world.data("targets")["activeTargets"].clone(), |it| it[0]["health"] == "up");
    assert_eq!(
        (targets.as_array().unwrap().len(), &targets[0]["scrapePool"]),
        (1, &json!("after"))
    );
    assert_eq!(world.data("status/runtimeinfo")["reloadConfigSuccess"], json!(true));
    // Moments that are asked for here are whole seconds, and this one ended within one.
    assert!(world.ask("up{job=\"before\"}", now() + 1).is_empty());
}

#[test]
fn only_who_may_has_the_files_read_again() {
    let (world, _folder) = World::empty();
    assert_eq!(world.get("/-/reload").status, 405);
    assert_eq!(world.send("POST /-/reload\r\norigin: http://evil.example\r\n", b"").status, 403);
    let own = format!("POST /-/reload\r\norigin: http://localhost:{}\r\n", world.address.port());
    assert_eq!(world.send(&own, b"").status, 500);
    let answer = world.send("POST /-/reload", b"");
    assert!(answer.status == 500 && answer.body.contains("read once"), "{}", answer.body);
}

#[test]
fn files_are_read_by_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (inside, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let world = World::renewed_by(folder.path(), "", move || {
        seen.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        (0..1_000).for_each(|_| std::thread::yield_now());
        inside.fetch_sub(1, Ordering::SeqCst);
        Ok(Wanted::default())
    });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(world.send("POST /-/reload", b"").status, 200));
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
}
