//! The pages of objectives as text: closed to the network, the same every time, and honest about what nobody knows.

use evenkeel_report::slo::{Served, file, overview, page};

use crate::fixture::objectives;

const SERVED: Served = Served { number: 7, every_seconds: 15 };

/// The part of a page from an anchor to the next section.
fn part<'a>(page: &'a str, id: &str) -> &'a str {
    let from = page.split_once(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}")).1;
    from.split("</section>").next().unwrap()
}

#[test]
fn a_page_is_the_same_every_time_and_refers_to_nothing_outside() {
    for (name, sheet) in objectives::all() {
        let page = file(std::slice::from_ref(&sheet));
        assert_eq!(page, file(std::slice::from_ref(&sheet)), "{name}");
        for outside in ["src=\"http", "href=\"http", "@import", "url(http", "connect-src"] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
        assert!(page.contains("content=\"default-src 'none'; script-src 'sha256-"), "{name}");
        let words = page.split(|c: char| !c.is_alphanumeric());
        assert!(!words.into_iter().any(|it| it == "NaN" || it == "inf"), "{name}");
        assert!(page.len() < 400_000, "{name}: {} bytes", page.len());
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let sheet = [objectives::hostile()];
    for page in [file(&sheet), page(&sheet[0], SERVED), overview(&sheet, SERVED)] {
        assert!(!page.contains("<img"), "an element was let through");
        assert!(!page.contains("href=\"javascript:"), "a script was let through as a link");
        assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
    }
}

#[test]
fn the_verdict_comes_first_and_names_what_took_most() {
    let page = file(&[objectives::at_risk()]);
    let place = |it: &str| page.find(it).unwrap_or_else(|| panic!("no {it}"));
    assert!(place("The error budget") < place("class=\"kpis\""));
    assert!(
        part(&page, "verdict").contains("INC-88 database failover"),
        "{}",
        part(&page, "verdict")
    );
    for (number, name) in ["deploy v412", "drill #41", "INC-88"].iter().enumerate() {
        let sign = format!("data-sign=\"{}\"", number + 1);
        assert!(part(&page, "course").contains(&sign) && part(&page, "course").contains(name));
        let number = format!("\">{}</span> ", number + 1);
        assert!(
            part(&page, "went").contains(&number),
            "the number of {name} is not where it is blamed"
        );
    }
    for load_line in
        ["50% · review risky changes", "25% · ticket shop-board", "10% · freeze all-changes"]
    {
        assert!(part(&page, "course").contains(load_line), "{load_line}");
    }
}

#[test]
fn what_is_spent_more_than_once_lies_below_nothing() {
    let page = file(&[objectives::exhausted()]);
    assert!(part(&page, "verdict").contains("exhausted"));
    assert!(part(&page, "course").contains("class=\"debt\" d=\"M"), "no debt is drawn");
    assert!(part(&page, "went").contains("no known cause"));
}

#[test]
fn what_has_one_name_and_happened_twice_is_blamed_apart() {
    let page = file(&[objectives::twice()]);
    let went = part(&page, "went");
    for number in ["\">1</span> v412", "\">2</span> v412"] {
        assert!(went.contains(number), "{number}: {went}");
    }
}

#[test]
fn hours_of_several_days_are_told_apart() {
    let page = file(&[objectives::of_two_days()]);
    let hours = part(&page, "hours");
    assert!(hours.contains("on 21 Nov 06:00 from"), "{hours}");
    assert!(hours.contains("<td class=\"r\">20 Nov 09:00</td>"), "{hours}");
}

#[test]
fn where_nothing_may_fail_what_failed_is_told_without_a_budget() {
    let page = file(&[objectives::everything()]);
    assert!(part(&page, "verdict").contains("of 100% over the last 7d, where nothing may fail."));
    let went = part(&page, "went");
    assert!(went.contains("v412") && went.contains("100%"), "{went}");
    assert!(!page.contains("Nothing was counted") && !page.contains("-inf"));
}

#[test]
fn no_data_looks_like_no_data() {
    let page = file(&[objectives::unknown()]);
    assert!(part(&page, "verdict").contains("Nothing was counted"));
    for wrong in ["100%<", "pill ok", "pill bad", "class=\"plot\"", "0×"] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    let gap = file(&[objectives::of_time()]);
    let line = part(&gap, "level").split("class=\"sli\" d=\"").nth(1).unwrap();
    let line = line.split('"').next().unwrap();
    assert_eq!(line.matches('M').count(), 2, "the line is broken where there is no data");
}

#[test]
fn several_objectives_are_one_file_with_an_overview_whose_links_lead_somewhere() {
    let sheets: Vec<_> = objectives::all().into_iter().map(|it| it.1).collect();
    let page = file(&sheets);
    for link in page.split("href=\"#").skip(1).map(|it| it.split('"').next().unwrap()) {
        assert_eq!(page.matches(&format!("id=\"{link}\"")).count(), 1, "{link}");
    }
    let mut ids: Vec<_> =
        page.split(" id=\"").skip(1).map(|it| it.split('"').next().unwrap()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|it| it[0] != it[1]), "an anchor is there twice");
    // The worst service first, and in it the worst objective.
    let place = |it: &str| page.find(&format!("{it}</a>")).unwrap();
    assert!(place("search-available") < place("checkout-available"));
    assert!(place("checkout-available") < place("login-available"));
}

#[test]
fn what_is_served_follows_and_leads_to_its_parts() {
    let sheets = [objectives::at_risk(), objectives::kept()];
    let all = overview(&sheets, SERVED);
    assert!(all.contains("data-number=\"7\"") && all.contains("connect-src 'self'"));
    assert!(all.contains("href=\"/slo/checkout-available\""));
    assert!(page(&sheets[0], SERVED).contains("<a href=\"/\">Objectives</a>"));
    let hostile = [objectives::hostile()];
    assert!(overview(&hostile, SERVED).contains("href=\"/slo/%3Cimg%20src%3Dx"));
}
