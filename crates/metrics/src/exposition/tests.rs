//! What is read, what is refused and where, and that what is written is read back.

use proptest::prelude::*;

use super::*;

/// Everything a text says, as lines: samples with their labels, value and moment.
fn read(text: &str, format: Format) -> Result<Vec<String>, ExpositionError> {
    let mut parser = Parser::new(text, format);
    let mut said = Vec::new();
    while let Some(next) = parser.next() {
        said.push(match next? {
            Said::Type(metric, kind) => format!("type {metric} {}", kind.name()),
            Said::Help(metric, help) => format!("help {metric} {help:?}"),
            Said::Unit(metric, unit) => format!("unit {metric} {unit}"),
            Said::Sample(Sample { value, at, .. }) => {
                let labels: Vec<_> = parser
                    .labels()
                    .skip(1)
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let (_, metric) = parser.labels().next().unwrap();
                let at = at.map_or(String::new(), |it| format!(" @{it}"));
                format!("{metric}[{}] {value}{at}", labels.join(" "))
            }
        });
    }
    Ok(said)
}

fn refusal(text: &str, format: Format) -> String {
    read(text, format).unwrap_err().to_string()
}

#[test]
fn the_text_format_is_read() {
    let text = "# HELP http_requests_total All of\\nthem\\\\.\n# TYPE http_requests_total counter\n\
        http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
        \n# a comment, and one with no space:\n#HELP x\n\
        msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find:\\n\\\"FILE\\\"\"} 1.458255915e9\n\
        \tmetric_without_timestamp_and_labels\t12.47 \n\
        something_weird { problem = \"division by zero\" , } +Inf -3982045\n\
        spaced{} Nan\n{\"a.b\", \"c d\"=\"e\"} -1e-3\nlast{le=\"0.5\"}7";
    assert_eq!(
        read(text, Format::Text).unwrap(),
        [
            "help http_requests_total \"All of\\nthem\\\\.\"",
            "type http_requests_total counter",
            "http_requests_total[method=post code=200] 1027 @1395066363000",
            "msdos_file_access_time_seconds[path=C:\\DIR\\FILE.TXT error=Cannot find:\n\"FILE\"] 1458255915",
            "metric_without_timestamp_and_labels[] 12.47",
            "something_weird[problem=division by zero] inf @-3982045",
            "spaced[] NaN",
            "a.b[c d=e] -0.001",
            "last[le=0.5] 7",
        ]
    );
}

#[test]
fn openmetrics_is_read_and_exemplars_are_passed_over() {
    let text = "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n# HELP a_seconds Say \\\"a\\\".\n\
        a_seconds_bucket{le=\"1.0\"} 3 1.5 # {trace_id=\"KOO5S4vxi0o\"} 0.67\n\
        a_seconds_bucket{le=\"+Inf\"} 4 # {} 9.8 1520879607.789\n\
        a_seconds_count 4\n# TYPE b info\nb_info{v=\"1\"} 1 -0.5\n# EOF\n";
    assert_eq!(
        read(text, Format::OpenMetrics).unwrap(),
        [
            "type a_seconds histogram",
            "unit a_seconds seconds",
            "help a_seconds \"Say \\\"a\\\".\"",
            "a_seconds_bucket[le=1.0] 3 @1500",
            "a_seconds_bucket[le=+Inf] 4",
            "a_seconds_count[] 4",
            "type b info",
            "b_info[v=1] 1 @-500",
        ]
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, said) in [
        ("up 1\nup{job=shop} 1\n", "line 2, column 8: the value of a label is between quotes"),
        ("up{job=\"a} 1\n", "line 1, column 8: a text without its last quote"),
        ("é 1\n", "line 1, column 1: the name of a metric belongs here"),
        ("a{é=\"x\"} 1\n", "line 1, column 3: the name of a label belongs here"),
        ("a{b=\"é\" c=\"x\"} 1\n", "line 1, column 9: `,` or `}` belongs behind a label"),
        ("a{\"\"=\"x\"} 1\n", "line 1, column 3: a name is empty"),
        ("a{\"b\"} 1\n", "line 1, column 6: `=` belongs behind the name of a label"),
        ("{b=\"c\"} 1\n", "line 1, column 8: the name of the metric is missing"),
        ("a\n", "line 1, column 2: a space and a value belong here"),
        ("a 1_0\n", "line 1, column 3: `1_0` is no value of a sample"),
        ("a 0x1\n", "line 1, column 3: `0x1` is no value of a sample"),
        ("a 1e999\n", "line 1, column 3: `1e999` is no value of a sample"),
        ("a -nan\n", "line 1, column 3: `-nan` is no value of a sample"),
        ("a 1 1.5\n", "line 1, column 5: `1.5` is no moment"),
        ("a 1 2 3\n", "line 1, column 7: the line ends here"),
        ("a 1\r\n", "line 1, column 3: `1` is no value of a sample"),
        ("# TYPE a speed\n", "line 1, column 10: `speed` is no type of a metric"),
        ("# HELP 1a x\n", "line 1, column 8: the name of a metric belongs here"),
    ] {
        assert_eq!(refusal(text, Format::Text), said, "{text}");
    }
    for (text, said) in [
        ("a 1\n", "line 2, column 1: the text ends without `# EOF`"),
        ("a 1\n# EOF\na 2\n", "line 2, column 6: there is something behind `# EOF`"),
        ("a  1\n# EOF\n", "line 1, column 3: a space and a value belong here"),
        ("\n# EOF\n", "line 1, column 1: the name of a metric belongs here"),
        ("# so\n# EOF\n", "line 1, column 3: `HELP`, `TYPE`, `UNIT` or `EOF` belongs here"),
        ("# TYPE a untyped\n# EOF\n", "line 1, column 10: `untyped` is no type of a metric"),
        (
            "# UNIT a_bytes seconds\n# EOF\n",
            "line 1, column 16: `a_bytes` does not end with its unit, `_seconds`",
        ),
        ("a 1 # 5\n# EOF\n", "line 1, column 6: an exemplar is `# {…} VALUE`"),
    ] {
        assert_eq!(refusal(text, Format::OpenMetrics), said, "{text}");
    }
    let bytes = b"a 1\nb{c=\"\xff\"} 1\n";
    assert_eq!(
        Parser::utf8(bytes).unwrap_err().to_string(),
        "line 2, column 6: a byte that is not UTF-8"
    );
}

#[test]
fn a_nan_of_a_target_is_no_stale_marker() {
    let Some(Ok(Said::Sample(sample))) = Parser::new("a NaN", Format::Text).next() else {
        panic!()
    };
    assert!(sample.value.is_nan() && !evenkeel_series::is_stale(sample.value));
}

#[test]
fn the_form_is_known_by_what_the_target_says() {
    let of = |it| Format::of(Some(it));
    assert_eq!(of("application/openmetrics-text; version=1.0.0"), Some(Format::OpenMetrics));
    assert_eq!(of("text/plain; version=0.0.4"), Some(Format::Text));
    assert_eq!(of("text/html"), Some(Format::Text));
    assert_eq!(Format::of(None), Some(Format::Text));
    assert_eq!(of("application/vnd.google.protobuf; encoding=delimited"), None);
}

#[test]
fn a_value_is_written_so_that_it_is_read_back() {
    let mut writer = Writer::new(Format::OpenMetrics);
    writer.family("a", Kind::Info, "Say \"a\".");
    writer.sample("a_info", [("b", "c\"d\\e\nf")], f64::INFINITY, Some(-1_500));
    assert_eq!(
        writer.finish(),
        "# HELP a Say \\\"a\\\".\n# TYPE a info\na_info{b=\"c\\\"d\\\\e\\nf\"} +Inf -1.500\n# EOF\n"
    );
}

type Written = (String, Vec<(String, String)>, f64, Option<i64>);

fn samples() -> impl Strategy<Value = Vec<Written>> {
    let name = prop_oneof!["[a-z_:][a-z0-9_:]{0,6}", ".{1,6}"];
    let label = prop_oneof!["[a-z_][a-z0-9_]{0,6}", ".{1,6}"];
    let labels = prop::collection::vec((label, ".{0,8}"), 0..4);
    let value = prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(0.0)];
    let at = prop::option::of(-1_000_000_000_000_i64..4_000_000_000_000);
    prop::collection::vec((name, labels, value, at), 0..6)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(samples in samples(), help in ".{0,20}") {
        for format in [Format::Text, Format::OpenMetrics] {
            let mut writer = Writer::new(format);
            writer.family("m", Kind::Counter, &help);
            for (name, labels, value, at) in &samples {
                let labels = labels.iter().map(|(name, value)| (&**name, &**value));
                writer.sample(name, labels, *value, *at);
            }
            let text = writer.finish();
            let mut parser = Parser::new(&text, format);
            let said = parser.next().unwrap().unwrap();
            prop_assert_eq!(said, Said::Help("m".into(), help.clone().into()));
            prop_assert_eq!(parser.next().unwrap().unwrap(), Said::Type("m".into(), Kind::Counter));
            for (name, labels, value, at) in &samples {
                let Said::Sample(sample) = parser.next().unwrap().unwrap() else { panic!("{text}") };
                let mut read = parser.labels().map(|(name, value)| (name.into_owned(), value.into_owned()));
                prop_assert_eq!(&read.next().unwrap().1, name);
                prop_assert_eq!(&read.collect::<Vec<_>>(), labels);
                prop_assert!(sample.value.total_cmp(value).is_eq() || (sample.value.is_nan() && value.is_nan()));
                prop_assert_eq!(sample.at, *at);
            }
            prop_assert!(parser.next().is_none());
        }
    }

    #[test]
    fn noise_is_read_or_refused_but_never_a_panic(noise in ".{0,80}", lines in "([a#{}=\",\\\\ \n0-9.]|# TYPE |# EOF){0,60}") {
        for text in [&noise, &lines] {
            for format in [Format::Text, Format::OpenMetrics] {
                for said in Parser::new(text, format) {
                    drop(said);
                }
            }
        }
    }
}
