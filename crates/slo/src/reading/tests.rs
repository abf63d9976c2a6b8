//! Documents that become objectives, policies and agreements, and those that do not.

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn zones(name: &str) -> Option<TimeZone> {
    (name == "UTC").then_some(TimeZone::UTC)
}

fn library(documents: &str) -> Library {
    let (library, wrong) = Library::read([("it.yaml".to_owned(), documents.into())]);
    assert!(wrong.is_empty(), "{wrong:?}");
    library
}

fn document(kind: &str, spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    format!("apiVersion: evenkeel.dev/v1\nkind: {kind}\nmetadata: {{name: it}}\nspec:\n  {spec}\n")
}

fn objective(more: &str) -> Result<Objective, ReadingError> {
    let spec = format!(
        "service: shop\nobjective: 99.9%\nsli: {{availability: {{bad: bad, total: all}}}}\n{more}"
    );
    let library = library(&document("SLO", &spec));
    Objective::of(library.slo("it").unwrap(), &library, zones)
}

#[test]
fn the_usual_windows_are_the_workbooks_and_careful_where_there_is_little_traffic() {
    let it = objective("").unwrap();
    let shown: Vec<_> =
        it.burn.iter().map(|it| (it.name.as_str(), it.factor.to_string())).collect();
    let expected = [("page 1h", "14.4"), ("page 6h", "6"), ("ticket 3d", "1")];
    assert_eq!(shown, expected.map(|(name, factor)| (name, factor.to_owned())));
    let low = it.burn[0].low_traffic.unwrap();
    assert_eq!((low.bad_min, low.short_min, low.plenty), (3, 3, 1_000));
    assert!((low.z - 1.96).abs() < 0.001, "{}", low.z);
    assert_eq!(it.alerting.unwrap().name, "ItBudgetBurns");
}

#[test]
fn the_usual_windows_go_with_that_of_the_objective_also_where_it_follows_the_calendar() {
    for (window, expected) in [
        ("7d", "page 1h24m at 6, ticket 16h48m at 1"),
        ("{calendar: day}", "page 1h at 6, ticket 2h24m at 1"),
        ("{calendar: month}", "page 1h at 14.4, page 6h at 6, ticket 3d at 1"),
        ("{calendar: quarter}", "page 3h at 14.4, page 18h at 6, ticket 9d at 1"),
    ] {
        let it = objective(&format!("window: {window}")).unwrap();
        let shown = |it: &Rule| format!("{} at {}", it.name, it.factor);
        assert_eq!(it.burn.iter().map(shown).collect::<Vec<_>>().join(", "), expected);
    }
}

#[test]
fn shares_of_the_budget_are_factors_of_its_window() {
    let alerting = "window: 7d\nalerting: {policy: {windows: [{severity: page, budget: 2%, long: 1h, for: 2m, labels: {team: a}}], lowTraffic: {minBad: 5, confidence: 99%}, hysteresis: 10%}}";
    let it = objective(alerting).unwrap();
    let [rule] = it.burn.try_into().unwrap();
    assert_eq!((rule.factor.to_string().as_str(), rule.short), ("3.36", Some(HOUR / 12)));
    assert_eq!((rule.pending, rule.clear), (Duration::from_mins(2), Ratio::percent(90)));
    let low = rule.low_traffic.unwrap();
    assert_eq!(low.bad_min, 5);
    assert!((low.z - 2.576).abs() < 0.001, "{}", low.z);
    assert_eq!(rule.labels.get("team").map(String::as_str), Some("a"));
}

#[test]
fn who_alerts_nobody_has_no_rules() {
    let it = objective("alerting: none").unwrap();
    assert_eq!((it.burn, it.alerting), (Vec::new(), None));
}

#[test]
fn what_is_excluded_does_not_count() {
    let it = objective(
        "exclusions: [{from: '2026-01-04T02:00', duration: 1h, rrule: FREQ=WEEKLY;BYDAY=SU}]",
    )
    .unwrap();
    let week = Interval::lasting("2026-01-05T00:00:00Z".parse().unwrap(), 24 * 7 * HOUR);
    let counted = it.counted_of(week);
    assert_eq!((counted.pieces(), counted.length()), (2, (24 * 7 - 1) * HOUR));
}

#[test]
fn a_zone_that_nobody_knows_is_said() {
    let wrong = objective("window: {calendar: month, timeZone: Europe/Paris}").unwrap_err();
    assert_eq!(wrong.to_string(), "`it`: there is no time zone `Europe/Paris`");
}

#[test]
fn the_closest_policy_counts() {
    let spec = |of: &str| format!("{of}\nthresholds: [{{remaining: 0%, actions: [freeze]}}]");
    let named = |name: &str, of: &str| {
        document("ErrorBudgetPolicy", &spec(of)).replace("name: it", &format!("name: {name}"))
    };
    let all = [
        named("all", "description: all"),
        named("service", "service: shop"),
        named("own", "objectives: [it]"),
        named("other", "objectives: [another]"),
    ];
    let slo = document(
        "SLO",
        "objective: 99%\nsli: {availability: {bad: bad, total: all}}\nservice: shop",
    );
    let of = |some: &[usize]| {
        let some: Vec<_> = some.iter().map(|it| all[*it].as_str()).collect();
        let library = library(&format!("{slo}---\n{}", some.join("---\n")));
        let it = Objective::of(library.slo("it").unwrap(), &library, zones).unwrap();
        budget_policy(library.error_budget_policies(), &it).map(|it| it.name.clone())
    };
    assert_eq!(of(&[0, 1, 2, 3]).as_deref(), Some("own"));
    assert_eq!(of(&[0, 1, 3]).as_deref(), Some("service"));
    assert_eq!(of(&[0, 3]).as_deref(), Some("all"));
    assert_eq!(of(&[3]), None);
}

#[test]
fn a_freeze_spares_what_it_says() {
    let spec = "thresholds: [{remaining: 25%, actions: [{freeze: {scope: features, spares: [security_patches]}}]}, {remaining: 0%, actions: [freeze]}]\ngate: {exceptions: [security_patches]}";
    let library = library(&document("ErrorBudgetPolicy", spec));
    let it = library.error_budget_policies().next().unwrap();
    let policy = policy(it).unwrap();
    let stops: Vec<_> = policy
        .levels()
        .iter()
        .map(|it| match &it.actions[0] {
            Action::Freeze { scope, .. } => {
                (scope.stops("normal"), scope.stops("security_patches"))
            }
            it => panic!("{it:?}"),
        })
        .collect();
    assert_eq!(stops, [(true, true), (true, false)]);
    let gate = Gate::from(it.gate.as_ref().unwrap());
    assert_eq!((gate.minimum, gate.closed_by), (Ratio::percent(10), Some(Severity::Page)));
}

#[test]
fn tiers_of_an_agreement_are_its_bands() {
    let spec = "slo: x\ncredits: [{below: 99%, credit: 10%}, {below: 95%, credit: 100%}]";
    let (library, _) = Library::read([("it.yaml".to_owned(), document("SLA", spec).into())]);
    let it = agreement(library.slas().next().unwrap()).unwrap();
    assert_eq!(it.credit_for(Share::of(97, 100)).credit, Ratio::percent(10));
    assert_eq!(it.credit_for(Share::of(1, 2)).credit, Ratio::ONE);
}
