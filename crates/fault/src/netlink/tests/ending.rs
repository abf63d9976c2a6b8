//! The end, in order or not: nothing is left, and nobody else can make it.

use std::process::Command;

use evenkeel_units::Seed;
use rustix::io::Errno;

use super::stage::{
    Caller, Datagrams, Disturber, MS, alone, answers_of, datagrams_to, delay, output,
};
use crate::netlink::disturbance::Disturbance;
use crate::netlink::expression::{Count, Expression};
use crate::netlink::message::Subject;
use crate::netlink::queue::{Contents, Queue, Treatment};
use crate::netlink::socket::{Batch, Socket, Trouble};
use crate::netlink::table::{Chain, Hook, Table};
use crate::netlink::tried::in_known_words;
use evenkeel_model::document::{Direction, Protocol, Traffic};

/// A queue to which nobody listens.
const NOBODY: u16 = 77;
const DELETE_TABLE: u16 = 0x0a02;

/// A rule that leads all packets to nobody, in the words that this kernel has.
fn to_nobody() -> Table {
    let held = in_known_words(|words| {
        let rules = vec![vec![Expression::Counter, words(NOBODY)]];
        Table::hold(&[Chain { name: "input", hook: Hook::Input, priority: 0, rules }])
    });
    held.unwrap().1
}

fn delete(table: &str) -> Result<(), Trouble> {
    let mut batch = Batch::of(10);
    let subject = Subject { kind: DELETE_TABLE, flags: 0, family: 1, resource: 0 };
    batch.request(subject, |to| to.text(1, table));
    Socket::open().unwrap().transact(batch)
}

fn errno(result: Result<(), Trouble>) -> Option<Errno> {
    match result {
        Err(Trouble::Refused(it)) => Some(it.errno),
        _ => None,
    }
}

/// Everything that the usual programs show of rules.
fn listings() -> String {
    ["nft list ruleset", "iptables-save", "ip6tables-save", "iptables-legacy-save"]
        .map(|it| it.split(' ').collect::<Vec<_>>())
        .map(|it| output(it[0], &it[1..]))
        // They say when they were asked, and so differ by the second.
        .map(|it| it.lines().filter(|it| !it.starts_with('#')).collect::<Vec<_>>().join("\n"))
        .join("\n")
}

#[test]
fn when_the_process_is_killed_packets_are_in_time_again_and_no_table_is_left() {
    alone(|| {
        let mut caller = Caller::tcp("127.0.0.1");
        let disturber = Disturber::start(&answers_of(caller.port(), delay(200)));
        assert!(caller.times(1)[0] >= MS * 200);
        assert!(output("nft", &["list", "tables"]).contains("table inet evenkeel-"));
        disturber.kill();
        assert!(caller.shortest() < MS * 100);
        assert_eq!(output("nft", &["list", "tables"]), "");
    });
}

#[test]
fn an_end_in_order_lets_go_of_every_packet() {
    alone(|| {
        let datagrams = Datagrams::new();
        let disturber = Disturber::start(&datagrams_to(datagrams.address().port(), delay(60_000)));
        datagrams.send(0..500);
        assert_eq!(datagrams.next(MS * 50), None);
        let did = disturber.end();
        let came = datagrams.all();
        assert_eq!((came.len(), came.is_sorted(), did.gone), (500, true, 0), "{did:?}");
        assert!(did.delay_p99.unwrap() < MS * 60_000, "{did:?}");
        assert_eq!(output("nft", &["list", "tables"]), "");
    });
}

#[test]
fn rules_of_others_are_listed_as_before_whatever_the_end_was() {
    alone(|| {
        output("nft", &["add", "table", "inet", "theirs"]);
        output(
            "nft",
            &["add", "chain", "inet", "theirs", "c", "{ type filter hook input priority 0; }"],
        );
        output("nft", &["add", "rule", "inet", "theirs", "c", "tcp", "dport", "9", "drop"]);
        output("iptables", &["-A", "INPUT", "-p", "udp", "--dport", "9", "-j", "DROP"]);
        let before = listings();
        assert!(before.contains("theirs") && before.contains("--dport 9"), "{before}");
        let mut caller = Caller::tcp("127.0.0.1");
        for is_killed in [false, true] {
            let disturber = Disturber::start(&answers_of(caller.port(), delay(5)));
            caller.times(3);
            assert_ne!(listings(), before);
            if is_killed {
                disturber.kill();
            } else {
                disturber.end();
            }
            assert_eq!(listings(), before);
        }
    });
}

#[test]
fn packets_pass_a_rule_to_whose_queue_nobody_listens() {
    alone(|| {
        let mut table = to_nobody();
        let mut caller = Caller::udp("127.0.0.1");
        assert!(caller.shortest() < MS * 100);
        let Count { packets, bytes } = table.count().unwrap();
        // 20 questions and 20 answers of 29 bytes each.
        assert_eq!((packets, bytes), (40, 1_160));
        table.empty().unwrap();
        assert_eq!(table.count().unwrap(), Count::default());
    });
}

#[test]
fn a_table_is_deleted_by_its_owner_and_by_nobody_else() {
    alone(|| {
        let table = to_nobody();
        let name = table.name().to_owned();
        assert_eq!(errno(delete(&name)), Some(Errno::PERM));
        let nft = Command::new("nft").args(["flush", "ruleset"]).output().unwrap();
        let listed = output("nft", &["list", "tables"]);
        assert!(listed.contains(&name), "{listed} after {nft:?}");
        drop(table);
        assert_eq!(errno(delete(&name)), Some(Errno::NOENT));
    });
}

#[test]
fn a_table_or_queue_of_somebody_else_is_never_taken() {
    alone(|| {
        let tables = [(); 3].map(|()| Table::hold(&[]).unwrap());
        let [a, b, c] = tables.each_ref().map(Table::name);
        assert!(a != b && b != c && a != c);
        let queues = [(); 3].map(|()| Queue::bind(Contents::None).unwrap());
        let [a, b, c] = queues.each_ref().map(Queue::number);
        assert!(a != b && b != c && a != c);
    });
}

#[test]
fn all_packets_of_a_host_are_nobodys_to_disturb() {
    let everything =
        Traffic { direction: Direction::Both, host: None, port: None, protocol: Protocol::Any };
    for traffic in [vec![], vec![everything]] {
        let treatment = Treatment::default();
        let disturbance = Disturbance { traffic, spared: Vec::new(), treatment, seed: Seed(1) };
        let ready = || panic!("it must not come so far");
        let error = disturbance.run(rustix::stdio::stdin(), MS, ready).unwrap_err();
        assert!(error.to_string().contains("needs a host or a port"), "{error}");
    }
}
