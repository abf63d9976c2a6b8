//! Servers that break rules: the class is right, and memory is bounded.

use super::*;

fn malformed(bytes: &[u8]) -> bool {
    let mut talk = Talk::begun(1, &get());
    talk.hear(bytes);
    talk.malformed
}

#[test]
fn what_breaks_a_rule_of_the_connection_is_malformed() {
    let head = headers(1, false, &[(":status", "200")]);
    let whole = headers(1, true, &[(":status", "200")]);
    for (what, bytes) in [
        ("a frame too large", frame(0, 0, 1, &vec![0; FRAME_BYTES + 1])),
        ("a body before its head", data(1, false, b"x")),
        ("a body on no stream", data(0, false, b"x")),
        ("an answer nobody asked for", headers(3, true, &[(":status", "200")])),
        ("a stream of the server", headers(2, true, &[(":status", "200")])),
        ("more after the end", [whole.clone(), data(1, true, b"x")].concat()),
        ("a second answer", [whole.clone(), whole].concat()),
        ("padding longer than its frame", [head.clone(), frame(0, PADDED, 1, b"\x02x")].concat()),
        ("padding without its length", [head.clone(), frame(0, PADDED, 1, b"")].concat()),
        ("a block cut short", frame(1, END_HEADERS, 1, b"\x48\x03\x32")),
        ("a dynamic table", frame(1, END_HEADERS, 1, b"\x88\xbe")),
        ("a continuation of nothing", frame(9, END_HEADERS, 1, b"\x88")),
        ("something in a block", [frame(1, 0, 1, b"\x88"), frame(6, 0, 0, &[0; 8])].concat()),
        ("another block in a block", [frame(1, 0, 1, b"\x88"), frame(9, 4, 3, b"")].concat()),
        ("a reset of what was not begun", frame(3, 0, 3, &[0; 4])),
        ("a reset of another size", frame(3, 0, 1, &[0; 5])),
        ("settings of another size", frame(4, 0, 0, &[0; 5])),
        ("settings on a stream", frame(4, 0, 1, &[])),
        ("an answer to settings that says something", frame(4, ACK, 0, &[0; 6])),
        ("settings that push", settings(&[(setting::ENABLE_PUSH, 1)])),
        ("a window too large by settings", settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)])),
        ("frames too small", settings(&[(setting::MAX_FRAME_SIZE, 100)])),
        ("a ping of another size", frame(6, 0, 0, &[0; 7])),
        ("no room", frame(8, 0, 0, &[0; 4])),
        ("too much room", frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("room where nothing is", frame(8, 0, 5, &[0, 0, 0, 1])),
        ("a push", frame(5, END_HEADERS, 1, b"\0\0\0\x02\x82")),
        ("a goaway cut short", frame(7, 0, 0, &[0; 7])),
        ("a priority of another size", frame(2, 0, 1, &[0; 4])),
    ] {
        assert!(malformed(&bytes), "{what}");
    }
}

#[test]
fn what_does_not_begin_with_settings_is_no_http2() {
    for bytes in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &frame(6, 0, 0, &[0; 8]), &frame(4, ACK, 0, &[])]
    {
        let mut talk = Talk::new();
        talk.hear(bytes);
        assert!(talk.malformed, "{bytes:x?}");
    }
}

#[test]
fn what_breaks_a_rule_of_an_answer_loses_it_alone() {
    for (what, bytes) in [
        ("no status", headers(1, false, &[("a", "b")])),
        ("a status that is none", headers(1, false, &[(":status", "20")])),
        ("two", headers(1, false, &[(":status", "200"), (":status", "200")])),
        ("a field of requests", headers(1, false, &[(":status", "200"), (":path", "/x")])),
        ("a status behind others", headers(1, false, &[("a", "b"), (":status", "200")])),
        ("large letters", headers(1, false, &[(":status", "200"), ("Server", "x")])),
        ("a line break", headers(1, false, &[(":status", "200"), ("a", "b\r\nc: d")])),
        (
            "a header of the connection",
            headers(1, false, &[(":status", "200"), ("connection", "close")]),
        ),
        (
            "two lengths",
            headers(
                1,
                false,
                &[(":status", "200"), ("content-length", "1"), ("content-length", "2")],
            ),
        ),
        (
            "a length that is none",
            headers(1, false, &[(":status", "200"), ("content-length", "+1")]),
        ),
        ("an end without an answer", headers(1, true, &[(":status", "103")])),
        ("a switch of protocols", headers(1, false, &[(":status", "101")])),
        ("no room", frame(8, 0, 1, &[0; 4])),
        ("too much room", frame(8, 0, 1, &[0x7f, 0xff, 0xff, 0xff])),
    ] {
        let mut talk = Talk::begun(2, &get());
        talk.hear(&bytes);
        assert_eq!(
            (talk.lost(0), talk.malformed),
            (Some((Answer::Malformed, false)), false),
            "{what}"
        );
        assert_eq!(talk.out[..9], frame(3, 0, 1, &[0; 4])[..9], "{what}: the server is told");
        talk.hear(&headers(3, true, &[(":status", "200")]));
        assert!(talk.heard[&1].done, "{what}");
    }
}

#[test]
fn trailers_end_the_answer_and_say_no_status() {
    for trailers in [headers(1, false, &[("a", "b")]), headers(1, true, &[(":status", "200")])] {
        let mut talk = Talk::begun(1, &get());
        talk.hear(&[headers(1, false, &[(":status", "200")]), trailers].concat());
        assert_eq!(talk.lost(0), Some((Answer::Malformed, false)));
    }
}

#[test]
fn a_reset_loses_its_stream_and_says_whether_the_server_has_acted() {
    let mut talk = Talk::begun(3, &get());
    talk.hear(&[frame(3, 0, 1, &[0, 0, 0, 7]), frame(3, 0, 3, &[0, 0, 0, 2])].concat());
    assert_eq!(talk.lost(0), Some((Answer::Refused, true)));
    assert_eq!(talk.lost(1), Some((Answer::Refused, false)));
    talk.hear(&headers(5, true, &[(":status", "200")]));
    assert!(talk.heard[&2].done);
}

#[test]
fn a_goaway_loses_what_the_server_has_not_taken_on() {
    let mut talk = Talk::begun(3, &get());
    talk.hear(&frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    assert_eq!(talk.lost(1), Some((Answer::Goaway, true)));
    assert_eq!(talk.lost(2), Some((Answer::Goaway, true)));
    assert_eq!(talk.http2.standing(), Standing::Closing);
    talk.hear(&headers(1, true, &[(":status", "200")]));
    assert!(talk.heard[&0].done);
}

#[test]
fn a_goaway_for_an_error_loses_everything() {
    let mut talk = Talk::begun(2, &get());
    talk.hear(&frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11]));
    assert_eq!(talk.lost(0), Some((Answer::Goaway, false)));
    assert_eq!(talk.lost(1), Some((Answer::Goaway, true)));
}

#[test]
fn floods_end_before_they_fill_our_memory() {
    for flood in [settings(&[]), frame(6, 0, 0, &[0; 8])] {
        let mut talk = Talk::begun(1, &get());
        (0..10_000).for_each(|_| talk.hear(&flood));
        assert!(talk.malformed && talk.out.len() < 32 * 1024);
        // A server that reads what we say may ask as often as it likes.
        let mut talk = Talk::begun(1, &get());
        for _ in 0..10_000 {
            talk.hear(&flood);
            talk.out.clear();
        }
        assert!(!talk.malformed);
    }
}

#[test]
fn a_head_without_end_is_malformed() {
    let mut talk = Talk::begun(1, &get());
    talk.hear(&frame(1, 0, 1, b"\x88"));
    (0..10_000).for_each(|_| talk.hear(&frame(9, 0, 1, &[0; 100])));
    assert!(talk.malformed && talk.http2.connection.block.len() <= HEAD_BYTES_MAX);
}

#[test]
fn a_head_of_many_fields_takes_the_room_of_one() {
    // One byte each, told one by one.
    let many = [&b"\x88"[..], &vec![0x90; FRAME_BYTES - 1]].concat();
    let mut talk = Talk::begun(1, &get());
    talk.hear(&frame(1, END_HEADERS | END_STREAM, 1, &many));
    assert!(talk.heard[&0].done);
    assert_eq!(talk.heard[&0].headers.len(), FRAME_BYTES - 1);
    assert!(talk.shared.memory.decoded.capacity() < 1024);
}
