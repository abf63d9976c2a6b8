//! The page as text: one file, closed to the network, and nothing from outside becomes markup.

use evenkeel_model::document::Criterion;
use evenkeel_report::html;

use crate::fixture;

#[test]
fn the_page_is_the_same_every_time() {
    assert_eq!(html::render(&fixture::failing()), html::render(&fixture::failing()));
}

#[test]
fn the_page_refers_to_nothing_outside_itself() {
    for (name, outcome) in fixture::all() {
        let page = html::render(&outcome);
        for outside in ["src=\"http", "href=\"http", "@import", "url(http", "url(\"http"] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let page = html::render(&fixture::hostile());
    assert!(!page.contains("<img"), "an element was let through");
    assert!(!page.contains("href=\"javascript:"), "a script was let through as a link");
    // The script and the readouts, each ended once.
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
}

#[test]
fn the_policy_forbids_everything_but_the_page_itself() {
    let page = html::render(&fixture::could_not_run());
    assert!(page.contains("content=\"default-src 'none'; script-src 'sha256-"), "no policy");
    assert!(
        !page.contains(" onclick") && !page.contains(" onload"),
        "handlers do not pass the policy"
    );
}

#[test]
fn what_is_not_known_is_a_dash_and_never_a_nan() {
    for (name, outcome) in fixture::all() {
        let page = html::render(&outcome);
        assert!(
            page.split(|c: char| !c.is_alphanumeric()).all(|it| it != "NaN" && it != "inf"),
            "{name}"
        );
    }
}

#[test]
fn ninety_minutes_stay_a_small_page() {
    let page = html::render(&fixture::long());
    assert!(page.len() < 300_000, "{} bytes", page.len());
}

/// The text of an element with an anchor, up to the next section.
fn part(page: &str, id: &str) -> String {
    let from = page.split_once(&format!("id=\"{id}\"")).unwrap().1;
    from.split("</section>").next().unwrap().to_owned()
}

#[test]
fn charts_of_a_run_that_was_cut_short_share_one_axis_of_time() {
    let page = html::render(&fixture::aborted());
    let heat = part(&page, "heatmap");
    // The last of 40 columns ends at 40 of 110 seconds, and so do the ticks say.
    let paths = heat.split(" d=\"").skip(1).filter_map(|it| it.split('"').next());
    let cells = paths.filter(|it| it.contains('h')).flat_map(|it| it.split('M').skip(1));
    let ends = cells.map(|it| {
        let (from, rest) = (it.split([' ', 'h']).next().unwrap(), it.split('h').nth(1).unwrap());
        let width = rest.split('v').next().unwrap();
        from.parse::<f64>().unwrap() + width.parse::<f64>().unwrap()
    });
    let end = ends.fold(0.0, f64::max);
    assert!((end - 1000.0 * 40.0 / 110.0).abs() < 1.0, "{end}");
    let ticks = |id| -> Vec<String> {
        let card = part(&page, id);
        card.split("class=\"xt")
            .skip(1)
            .map(|it| it.split("</span>").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ticks("heatmap"), ticks("latency"));
    assert!(ticks("heatmap").iter().any(|it| it.ends_with("1:50") || it.ends_with("1:40")));
}

#[test]
fn a_limit_beyond_the_picture_is_not_drawn_at_its_edge() {
    let rules = |page: &str, id| part(page, id).matches("class=\"rule bad\"").count();
    let mut outcome = fixture::passing();
    outcome.plan.objectives.clear();
    for (limit, of_heatmap) in [("p99 < 100ms", 1), ("p99 < 50s", 0)] {
        outcome.plan.success = vec![Criterion::parse(limit).unwrap().into()];
        let page = html::render(&outcome);
        assert_eq!((rules(&page, "latency"), rules(&page, "heatmap")), (1, of_heatmap), "{limit}");
    }
}

#[test]
fn no_data_looks_like_no_data() {
    let page = html::render(&fixture::refused());
    for wrong in ["never", "nothing shows", "100%<", "within budget", "pill ok", "pill bad", ">0/s"]
    {
        assert!(!page.contains(wrong), "{wrong}");
    }
    assert_eq!(page.matches("not begun</span>").count(), 3);
    assert!(part(&page, "budgets").contains("no data</span>"));
    assert!(part(&page, "safety").contains("no data</span>"));
}

#[test]
fn what_nobody_saw_is_not_held_against_the_service() {
    let page = html::render(&fixture::aborted());
    assert!(part(&page, "faults").contains("not observed"));
    assert!(!page.contains("not in this run") && !page.contains("never</"), "an accusation");
}

#[test]
fn a_run_without_data_shows_its_verdict_and_no_empty_charts() {
    let page = html::render(&fixture::could_not_run());
    assert!(page.contains("shop did not become ready within 30s"));
    assert!(!page.contains("class=\"plot\""));
}

#[test]
fn an_experiment_without_load_shows_its_faults_and_its_probes_and_nothing_of_a_load() {
    let page = html::render(&fixture::alone());
    for wanted in ["Answers of the probes", "Answer times", "Time to detect", "did not hold"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    for of_load in
        ["Throughput", "planned", "Send lag", "Budget", "Load took", "Routes", "Latency", "Phases"]
    {
        assert!(!page.contains(&format!(">{of_load}")), "{of_load}");
    }
    let place = |id: &str| page.find(&format!("id=\"{id}\"")).unwrap();
    assert!(place("faults") < place("load") && place("load") < place("checks"));
}
