//! Exact: rules that say what is true, to the number of events, and alerts that are those of the engine.

use std::time::Duration;

use evenkeel_slo::burn::catalogue;

use crate::definition::fare;
use crate::{bursts, shop, truth};

#[test]
fn exact_rules_are_as_defined_and_every_wrong_one_is_found() {
    let subject = shop::subject(catalogue::workbook(Duration::from_hours(720)));
    let fared = fare(&subject, &bursts::all(&subject)).unwrap();
    assert!(fared.wrong.is_empty(), "{}", fared.wrong.join("\n"));
    assert!(fared.mutants > 180, "{}", fared.mutants);
    assert!(fared.survivors.is_empty(), "{}", fared.survivors.join("\n"));
}

#[test]
fn the_errors_of_a_month_are_those_that_there_were() {
    let [night, day, burst] = truth::months().try_into().unwrap();
    for month in [&night, &day, &burst] {
        let found = truth::ratios(month).unwrap();
        assert_eq!(found.judged(), Ok(()), "{}: {found}", month.name);
    }
    // The mean of ratios weighs an hour of the night as one of the day.
    let by_sloth = |month| truth::ratios(month).map(|it| it.sloth / it.truth).unwrap();
    assert!(by_sloth(&night) > 40.0 && by_sloth(&day) < 0.6);
}
