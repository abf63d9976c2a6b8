//! Debian's `promtool`, which asks as it asks Prometheus.

use std::process::Command;

use crate::world::World;

fn promtool(world: &World, arguments: &[&str]) -> String {
    let url = format!("http://{}", world.address);
    let (verb, rest) = arguments.split_first().unwrap();
    let output = Command::new("promtool")
        .args(["query", verb])
        .args(rest.iter().take_while(|it| it.starts_with("--")))
        .arg(url)
        .args(rest.iter().skip_while(|it| it.starts_with("--")))
        .output()
        .expect("promtool is installed by `cargo xtask test`");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn promtool_asks_it_as_it_asks_prometheus() {
    let (world, _folder) = World::with(&[
        (1_700_000_000, "up,job=shop", 1.0),
        (1_700_000_060, "up,job=shop", 0.0),
        (1_700_000_060, "up,job=till", 1.0),
    ]);
    let instant = promtool(&world, &["instant", "--time=1700000060", "sum(up)"]);
    assert_eq!(instant, "{} => 1 @[1700000060]\n");
    let range = promtool(
        &world,
        &["range", "--start=1700000000", "--end=1700000060", "--step=1m", "up{job=\"shop\"}"],
    );
    assert_eq!(range, "up{job=\"shop\"} =>\n1 @[1700000000]\n0 @[1700000060]\n");
    let span = ["--start=1700000000", "--end=1700000060"];
    let series = promtool(&world, &["series", "--match=up", span[0], span[1]]);
    assert_eq!(series, "{__name__=\"up\", job=\"shop\"}\n{__name__=\"up\", job=\"till\"}\n");
    let labels = promtool(&world, &["labels", span[0], span[1], "job"]);
    assert_eq!(labels, "shop\ntill\n");
}
