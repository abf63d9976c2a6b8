//! The stable names of findings. Names stay when messages get better; a number is never used twice.
//!
//! `EK-D…`: a document cannot be read. `EK-L…`: documents do not fit together. `EK-W…`: advice.

/// The stable name of a kind of finding.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    name: &'static str,
    explanation: &'static str,
    in_schema: bool,
}

impl Code {
    const fn new(name: &'static str, explanation: &'static str) -> Self {
        Self { name, explanation, in_schema: false }
    }

    /// Of a finding that the JSON Schema makes as well.
    const fn of_schema(name: &'static str, explanation: &'static str) -> Self {
        Self { name, explanation, in_schema: true }
    }

    /// Such as `EK-D003`.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Why it is a finding, and what to do.
    pub const fn explanation(self) -> &'static str {
        self.explanation
    }

    /// Whether every finding of this code is one of the JSON Schema, too.
    pub const fn in_schema(self) -> bool {
        self.in_schema
    }
}

/// What `evenkeel explain` says about a code; `None` when there is no such code.
pub fn explain(code: &str) -> Option<&'static str> {
    codes::ALL.iter().find(|it| it.name.eq_ignore_ascii_case(code)).map(|it| it.explanation)
}

macro_rules! codes {
    ($($constant:ident = $make:ident($name:literal, $explanation:literal);)*) => {
        /// Every code there is.
        pub mod codes {
            use super::Code;

            $(#[doc = $explanation] pub const $constant: Code = Code::$make($name, $explanation);)*

            /// In the order of their names.
            pub const ALL: &[Code] = &[$($constant),*];
        }
    };
}

codes! {
    NOT_UTF8 = new("EK-D001", "The file is not UTF-8 text. The place is that of the first byte that is not. Save the file as UTF-8 in your editor.");
    SYNTAX = new("EK-D002", "The text is not YAML 1.2. The place is where the reader noticed; the mistake is there or just above: an indentation, a bracket or a quote. Reading goes on at the next `---`.");
    UNKNOWN_FIELD = of_schema("EK-D003", "A field that nobody reads is more often a typo than a wish, so it is an error. Field names are in camelCase, as in `maxDuration`.");
    MISSING_FIELD = of_schema("EK-D004", "A field that has no default is missing.");
    TYPE = of_schema("EK-D005", "A value is of another sort than its field wants: a list where a map belongs, or a number where a text belongs. A text that looks like a number, a boolean or nothing must be quoted.");
    UNIT = of_schema("EK-D006", "Every quantity carries its unit: durations `250ms` or `1m30s`, rates `800/s`, shares `99.9%`, amounts `64KiB`, bandwidths `1MiB/s`, hours `18:00-06:00`.");
    RANGE = new("EK-D007", "The value is well formed but cannot be meant; the message says why.");
    KIND = of_schema("EK-D008", "The kind of a document is one of Service, SLO, AlertPolicy, ErrorBudgetPolicy, SLA, LoadTest, ChaosExperiment, Drill, GameDay and Resilience.");
    API_VERSION = of_schema("EK-D009", "Every document begins with `apiVersion: evenkeel.dev/v1`, so that later versions can tell which words it means.");
    NAME = of_schema("EK-D010", "Names are labels as RFC 1123 has them: 1 to 63 lowercase letters, digits and `-`, with a letter or digit at both ends. They become names of folders and of metrics.");
    DUPLICATE_NAME = new("EK-D011", "Two documents of one kind have one name, so a reference to it could mean either.");
    ONE_KEY = of_schema("EK-D012", "The map has exactly one key, which says what kind of thing it is, as in `latency: {delay: 200ms}`. Two things in a list are two items, each with its own `-`.");
    CHOICE = of_schema("EK-D013", "The word is none of those that may stand here.");
    DUPLICATE_KEY = new("EK-D014", "A key is given twice in one map; which value is meant cannot be known.");
    TOO_LARGE = new("EK-D015", "Files larger than 8 MiB are refused before they are read, so that no file can exhaust memory.");
    TOO_DEEP = new("EK-D016", "Lists and maps may be nested 64 levels deep, so that no file can exhaust the stack.");
    TOO_MANY = new("EK-D017", "A file may have 1,024 documents and 1,000,000 values, with aliases expanded, a list 1,000 items, so that no file can exhaust memory.");
    ANCHOR = new("EK-D018", "An alias `*name` repeats the value with the anchor `&name` above it in the same document, and cannot stand inside of it. Tags (`!name`) have no meaning here.");
    NOTHING = new("EK-D019", "The file has no document in it.");
    LOOPBACK = new("EK-D020", "The proxy through which a dependency is called listens on this host alone (127.0.0.1 or ::1): what breaks a link must not be reachable from elsewhere.");
    JITTER = new("EK-D021", "Jitter is the largest deviation from the delay. Larger than the delay it would ask for answers before their requests.");
    REQUEST = new("EK-D022", "A part of a request could not be sent as HTTP, or would change its framing: methods are uppercase words, paths begin with `/` and have no spaces, header names are tokens, header values have no line breaks.");
    REFERENCE = of_schema("EK-D023", "Secrets are not written into documents but referred to: `${env:NAME}` is an environment variable, `${file:PATH}` the content of a file. `$${` stands for a plain `${`.");
    CONDITION = of_schema("EK-D024", "A condition is a figure, a comparison and a limit with its unit, such as `p95 < 500ms` or `error_rate > 10% for 3s`.");
    EXCLUSIVE = of_schema("EK-D025", "Of these fields, exactly one says what is meant.");
    AMBIGUOUS = new("EK-D026", "Two parts of one document have one name, so reports could not tell them apart.");
    ADDRESS = of_schema("EK-D027", "The address is not one that can be called: base URLs are `http://host:port` without a path, other URLs `http://host:port/path`, and addresses `host:port`.");
    TOO_MANY_FINDINGS = new("EK-D028", "The file has more mistakes than are worth showing. Mend some and check again.");
    UNREADABLE = new("EK-D029", "The operating system did not let us read the file.");
    REGEX = new("EK-D030", "The regular expression cannot be read, or would take too much memory. The form is that of the crate `regex`: like Perl's, without look-around and back references, so that no answer can make it slow.");
    JSON_PATH = new("EK-D031", "A path to one value in a JSON body begins with `$`, followed by `.name`, `[\"name\"]` or `[0]` for each step, such as `$.items[0].id`. Wildcards and filters have many answers where one is wanted.");
    UNKNOWN_VALUE = new("EK-D032", "A placeholder asks for a value that nothing gives: `${data:FEEDER.COLUMN}` needs the feeder under `data`, and `${var:NAME}` a step of the same scenario that extracts it.");
    PAYLOAD = new("EK-D033", "The payload is not written in the encoding it is said to be in.");
    TRACE = new("EK-D034", "A recorded trace is a file that begins with `seconds,rate`, has a column `at`, is one moment a line, or is the access log of a server. Moments are seconds or RFC 3339.");
    SCHEDULE = new("EK-D035", "Times at which an experiment runs are five fields as cron has them (minute, hour, day of the month, month, day of the week), with a time zone of the IANA data base behind them or in that of `safety`; a word for such fields (@hourly, @daily, @weekly, @monthly, @yearly); or `@every` with a duration.");
    QUERY = new("EK-D036", "What is counted on series is either counters, by a selector such as `http_requests_total{code=~\"5..\"}`, whose increases are added up; or a query in PromQL in which `$window` stands for the range, since one objective is asked over many windows.");
    MOMENT = new("EK-D037", "A moment is a date and a time, such as `2026-03-01T02:00`, with its offset (`Z`, `+01:00`) or with a `timeZone` beside it.");
    RECURRENCE = new("EK-D038", "When something recurs is said as RFC 5545 has it: `FREQ=WEEKLY;BYDAY=SU`. `from` is the first time, so that its hour and minute need not be said again.");
    UNSUPPORTED = new("EK-D039", "A field of a `prometheus.yml` that is known and not supported. Without it something else would be collected than the file says, so it is refused and not left out; the message says what to do instead.");
    EXPRESSION = new("EK-D040", "The query of a rule of Prometheus is no PromQL, or says something that is neither a vector nor a number. The place is that of the query; where in it the mistake is stands in the message.");
    TEMPLATE = new("EK-D041", "Labels and annotations of alerts are texts with `{{ $labels.job }}`, `{{ $value }}` and functions such as `humanize` in them. Of the templates of Go, conditions, loops and queries are not supported.");
    RULE = new("EK-D042", "A rule of Prometheus records series under the name of a metric (`record`), or makes alerts (`alert`), and has the fields of the one or of the other.");
    MEMBERS = new("EK-D043", "A `load_balancer:` has a primary and a secondary that fail alone: at addresses of their own, one of them enabled at least. Who is not enabled takes over when those who are have failed. It goes back by itself (`failback: automatic`, after `failback_after` of health) only where it went by itself.");
    PATRONI = new("EK-D044", "The times of Patroni have to fit: `loop_wait` and twice `retry_timeout` are `ttl` at most, as a leader tries for so long to renew its lock before it steps down.");
    POLICY = new("EK-D047", "The fields of a policy of resilience contradict each other, or ask for what cannot be. The message names the field, as it stands in the library `evenkeel-resilience`, and says what to write instead.");
    NO_POLICY = new("EK-D048", "A pattern without a policy, as in `retry:` with nothing behind it, may be meant as one with the defaults or as none. Write `{}` for the defaults, or take the line out.");
    STACK = new("EK-D049", "Policies of one service contradict each other around one call: a limit of time that another always reaches first, waits that outlast it, attempts that do not fit in. The patterns stand in the order of the library's pipeline.");

    MISSING = new("EK-L001", "A document refers to another that is in none of the files given. Give the file that has it, or mend the name.");
    TOO_LONG = new("EK-L002", "The phases of the drill take longer than its `duration` allows.");
    OUTSIDE_PHASE = new("EK-L003", "A fault begins or ends after the phase it belongs to. Its times count from the start of the phase.");
    OUTLIVES_LIMIT = new("EK-L004", "A fault lasts longer than `safety.maxDuration` allows; the guardian would take it back too early and the drill would prove nothing.");
    FEW_SAMPLES = new("EK-L005", "A percentile needs answers beyond it to mean anything. We ask for ten: expected requests x (1 - q) >= 10, so 1,000 requests for p99 and 10,000 for p99.9. With fewer, the figure is one unlucky request.");
    NOT_ALLOWED = new("EK-L006", "The owners of the service did not agree to this kind of fault. `allowFaults` of the service lists those they agree to; by default there are none.");
    UNSUITABLE_TARGET = new("EK-L007", "Faults of links (latency, bandwidth, blackHole, refuse, reset, and those of HTTP) need a target with `dependency`; faults of processes (kill, pause, restart) need one with `instances`, `pid`, `executable` or `port`.");
    NO_SUCH_TARGET = new("EK-L008", "The target names a dependency that the service does not have, or a pattern that matches none of its instances.");
    BLAST_RADIUS = new("EK-L009", "The fault could never act within the blast radius: it would hit nothing, or more than the limit allows. Percentages never round above the limit: 30% of 3 instances is none.");
    NO_ABORT = new("EK-L010", "The drill breaks something and has no condition that stops it when too much breaks. Give `safety.abort`, such as `error_rate > 50% for 5s`.");
    NO_SUCH_ROUTE = new("EK-L011", "The objective counts requests of a route that the load does not send, so it would judge nothing.");
    NO_ADDRESS = new("EK-L012", "The load does not say where to send requests: give it a `url`, or name a service that has one.");
    OVERLAP = new("EK-L013", "Two faults act on one link, folder, unit or object at one time. What the service would see is neither of them, and no effect could be told from the other.");
    TIME_ZONE = new("EK-L014", "Not the name of a time zone of the IANA data base, such as `Europe/Paris` or `UTC`.");
    NO_RECOVERY = new("EK-L015", "A recovery time is asked for, and no phase comes after the faults or the spike in which it could be seen. Add a phase with `role: recovery`, or a `tail` to the spike.");
    NO_SHAPE = new("EK-L016", "Neither the drill has phases nor its load test a shape, so nothing says how many requests to send.");
    HOURS = new("EK-L017", "The hours of the drill and of its experiments are given in different time zones, or leave no minute of the day, or no time of the schedule, in which faults may act.");
    OTHER_SERVICE = new("EK-L018", "The drill is about one service, and this is about another.");
    NO_FAULT = new("EK-L019", "Recovery and detection times are counted from faults, and the drill has none.");
    NO_OBJECTIVE = new("EK-L020", "The drill has neither objectives nor success criteria, so nothing could fail.");
    SUSTAINED = new("EK-L021", "`for` belongs to conditions that are watched while a drill runs. A success criterion is judged once, over the whole run.");
    NOT_WATCHABLE = new("EK-L022", "The figure is known only after the drill, so nothing can be aborted by it.");
    TOO_MANY_FAULTS = new("EK-L023", "A drill may have 1,000 faults. The effect of more could not be told apart, and no file may ask us for work without end.");

    NO_SUCH_PHASE = new("EK-L024", "A criterion counts only the requests of one phase, and the load has none of that name. The phases of a shape are listed by `evenkeel load plan`; a spike has `before`, `spike` and `after`.");
    OTHER_PROTOCOL = new("EK-L025", "The scheme of the URL is the protocol, and the request is one of another: `path` is of http and https, `grpc` of grpc and grpcs, `message` of ws, wss, tcp, tls and udp, `produce` and `consume` of kafka, `query` of dns.");
    NO_STAIRCASE = new("EK-L026", "Where a service breaks down is seen when load grows step by step: in the shapes `step` (rates) and `scale` (users).");
    OUTLIVES_TIMEOUT = new("EK-L027", "The messages of a stream are sent one after the other for as long as the load waits for its answer, or longer, so that no call could be whole. Give a longer `timeout`, a shorter `every`, or fewer messages.");
    PLANNED = new("EK-L028", "The timeline of a game day says what is planned when, in order, within one day.");
    NOT_OF_REQUESTS = new("EK-L029", "A drill counts the requests of its load. What is measured on time series alone (`ratio`, `gauge`, `freshness`, `raw`, `composite`) it cannot judge; use `availability`, `latency`, `percentile`, `errorRate` or `throughput`, which say beside it where the same is counted on series.");
    TWO_PROMISES = new("EK-L030", "The description promises one share within a time, and the objective another. \"95% within 300ms\" is the objective 95%; a percentile is no second figure beside it. Two promises are two SLOs.");
    OF_ITSELF = new("EK-L031", "A composite objective is made of others. One that is, by whatever way, made of itself has no value.");
    MIXED_RATES = new("EK-L032", "A share divides one count by another. Counters that are named by a selector are counted by their increase over the window; `rate()` is that divided by the seconds of the window, so that a share of both is wrong by as much.");
    PROMQL = new("EK-L033", "A query of an objective is no PromQL, or says something else than was meant: a ratio of two `rate()` without `sum` divides each series by itself and is always 1, and `histogram_quantile` wants the rate of buckets with their label `le`.");
    PROBE_REFUSED = new("EK-L034", "The API server of Kubernetes refuses the probe: `successThreshold` of liveness and startup is 1, readiness has no `terminationGracePeriodSeconds` of its own, init containers that run to their end have no probes, and a port is a number without quotes or a name of at most 15 lowercase letters, digits and `-`.");
    PROBE_PORT = new("EK-L035", "A probe asks at a port by a name that none of the container's `ports` has. The kubelet finds no number for it, so each probe fails.");
    RULE_QUERY = new("EK-L036", "A query of a rule of Prometheus is no PromQL, or says something else than was meant: a ratio of two `rate()` without `sum` divides each series by itself and is always 1, and `histogram_quantile` wants the rate of buckets with their label `le`.");
    LIVENESS_AS_READINESS = new("EK-L037", "Failing liveness kills the container, failing readiness only takes it out. One that asks for liveness what readiness asks, no later, is killed whenever a dependency is away, on all instances at once; and no restart brings a database back.");
    PROBE_HOST = new("EK-L039", "A probe with `host` asks that host and not the pod, so it says nothing of the container. The kubelet asks the pod's address when `host` is left out. `127.0.0.1` is that of the node: it makes sense with `hostNetwork: true` alone.");
    SHORT_GRACE = new("EK-L040", "`terminationGracePeriodSeconds` counts from the moment the pod is to end: the `preStop` hook, the time for which the service goes on to take requests, what is under way, and the end itself must all fit. What does not is killed.");

    UNUSED = new("EK-W001", "No drill uses the document. Check that the drill refers to it by the right name.");
    FEW_CONNECTIONS = new("EK-W002", "Each user of the closed model holds a connection while it waits for its answer. With more users than `connections`, some wait for a connection instead, and the load is that of fewer users.");
    NOT_TRACKED = new("EK-W003", "The figure is of the target's side, and nothing says where it is to be read. Under `watch`, name a process, this host, or a query.");
    NOT_JUDGED = new("EK-W004", "A wish that has no figure, and so could be neither kept nor broken. It is named so that nobody takes its silence for a pass.");
    BURN_WINDOW = new("EK-W005", "An alert fires when the share of bad events is above its factor times what the objective leaves. Where that is more than all events it never fires; below a burn rate of 1 it fires although the budget lasts; and a window longer than the objective's looks at what is forgotten.");
    LOOSE_OBJECTIVE = new("EK-W006", "The agreement owes credit although the objective is kept, so nobody would be warned in time.");
    NOT_WATCHED = new("EK-W007", "A member of a load balancer has no `health_check`. If it answers, nobody notices that it failed; if it waits, a failover goes there blindly, and a standby that nobody asks has often been broken for weeks. Only one that starts when it is needed (a cold standby) cannot be asked.");
    SLOW_FAILOVER = new("EK-W008", "The lock of a leader that vanishes lasts for up to `ttl`, and a member that does not hear of its end looks after `loop_wait`: so long may it take until another runs for its place, before it is promoted. That is more than the game day allows, so that the day would fail for a reason that can be read here.");
    SHARED_PROBE = new("EK-W010", "Liveness asks what readiness asks, only with more patience. Where the answer depends on anything outside of the container, an outage there that lasts longer ends in restarts everywhere at once.");
    NO_STARTUP_PROBE = new("EK-W011", "A long `initialDelaySeconds` stands for a `startupProbe`: it makes every start as blind as the slowest one, and one that is slower still is killed before it is there.");
    NO_DRAIN = new("EK-W012", "A pod is told to end at the moment at which balancers are told to send it nothing more, and they hear of it later. A service that stops at once drops what is sent to it meanwhile. It goes on by itself for a while, which the annotation `evenkeel.dev/drain-delay` says, or a `preStop` hook sleeps for it.");
    SHORT_DRAIN = new("EK-W013", "Balancers that go by the readiness probe stop to send requests `periodSeconds` times `failureThreshold` after the end began. The service goes on to take them for less than that.");
    NO_READINESS = new("EK-W014", "A container with ports and without a `readinessProbe` counts as ready as soon as its process runs, and remains so whatever happens.");
    SHELL_PROBE = new("EK-W015", "A probe that runs a shell starts processes in the container for as long as it lives: they count against its limits, and what the shell started may outlive the probe's timeout.");
    DEFAULT_TIMEOUT = new("EK-W016", "`timeoutSeconds` is 1 unless said otherwise. That is enough for an answer from memory, and little for one that starts a process or asks dependencies: on a busy node such a probe fails although nothing is wrong.");
    UNLISTED_PORT = new("EK-W017", "A probe asks at a port that is not among the container's `ports`. They are for people and for names, so it may be there all the same, and then belongs on the list; where others are listed it is more often a slip.");
    PROBE_TIMEOUT = new("EK-W018", "The answer to a probe may take longer than its period. A kubelet asks no probe twice at once, so the period is not kept, and what hangs is noticed later than `periodSeconds` times `failureThreshold` says.");
    LOOSE_STACK = new("EK-W020", "Policies of one service work around one call, but less well than one may believe; the message says why.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_used_twice_and_each_is_explained() {
        assert!(codes::ALL.windows(2).all(|it| {
            let [a, b] = [it[0].name, it[1].name];
            a < b || a.starts_with("EK-L") && b.starts_with("EK-W")
        }));
        assert!(codes::ALL.iter().all(|it| it.explanation.ends_with('.')));
    }

    #[test]
    fn a_code_is_explained_in_any_case() {
        assert_eq!(explain("ek-d003"), Some(codes::UNKNOWN_FIELD.explanation()));
        assert_eq!(explain("EK-X999"), None);
    }
}
