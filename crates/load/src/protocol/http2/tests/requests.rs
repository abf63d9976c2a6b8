//! What we say, and how much of it when.

use super::*;
use crate::template::Values;

/// The frames of some bytes: kind, flags, stream, payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        all.push((header[3], header[4], stream, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty());
    all
}

/// The fields of a block that we wrote.
fn fields(block: &[u8]) -> Vec<(String, String)> {
    let (mut fields, mut decoded, mut all) = (hpack::Fields::default(), Vec::new(), Vec::new());
    while let Some((name, value)) = fields.next(block, &mut decoded).unwrap() {
        let text = |it: Text| String::from_utf8(it.of(block, &decoded).to_vec()).unwrap();
        all.push((text(name), text(value)));
    }
    all
}

fn sent_bytes(out: &[u8]) -> usize {
    frames(out).iter().filter(|it| it.0 == 0).map(|it| it.3.len()).sum()
}

struct Fixed(&'static [u8]);

impl Values for Fixed {
    fn put(&self, _: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }

    fn cookie(&self) -> Option<&[u8]> {
        Some(b"sid=1\n")
    }
}

#[test]
fn the_first_head_says_that_there_is_no_table_and_all_carry_their_stream() {
    let mut talk = Talk::new();
    assert!(talk.out.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    talk.out.clear();
    let post = post(3);
    (0..2).for_each(|exchange| talk.begin(exchange, &post));
    let frames = frames(&talk.out);
    let shape: Vec<_> = frames.iter().map(|it| (it.0, it.1, it.2)).collect();
    assert_eq!(shape, [(1, 4, 1), (0, 1, 1), (1, 4, 3), (0, 1, 3)]);
    assert_eq!(frames[0].3[0], 0x20);
    assert_eq!(frames[0].3[1..], frames[2].3);
    let said = fields(&frames[2].3);
    let said: Vec<_> = said.iter().map(|(name, value)| (&**name, &**value)).collect();
    let agent = concat!("evenkeel/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        said,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "shop:80"),
            (":path", "/"),
            ("user-agent", agent),
            ("content-length", "3"),
        ]
    );
    assert_eq!(frames[3].3, b"xxx");
}

#[test]
fn values_are_made_to_fit_and_cookies_are_added() {
    let what = What::Http {
        method: "PUT".to_owned(),
        path: Template::text("/a/").then_slot(0),
        headers: vec![("X-Id".to_owned(), Template::text("v").then_slot(0))],
        body: Some(Template::text("[").then_slot(0).then("]")),
    };
    let call = Call { what, wants_headers: Headers::None, wants_body: false };
    let mut talk = Talk::begun(0, &get());
    let ready = ready(&call);
    let (shared, out) = (&mut talk.shared, &mut talk.out);
    talk.http2.begin(shared, 0, &ready, &Fixed(b"1 \r\n"), Moment::START, out);
    let frames = frames(&talk.out);
    let said = fields(&frames[0].3);
    for (name, value) in
        [(":path", "/a/1%20%0D%0A"), ("x-id", "v1"), ("content-length", "6"), ("cookie", "sid=1")]
    {
        assert!(said.contains(&(name.to_owned(), value.to_owned())), "{name}: {said:?}");
    }
    assert_eq!(frames[1].3, b"[1 \r\n]");
}

#[test]
fn what_would_break_a_request_is_refused() {
    let with = |method: &str, path: &str, name: &str, value: &str| {
        let headers = vec![(name.to_owned(), Template::text(value))];
        let (method, path) = (method.to_owned(), Template::text(path));
        let what = What::Http { method, path, headers, body: None };
        Http2::ready("h", true, &Call { what, wants_headers: Headers::None, wants_body: false })
            .map(|_| ())
    };
    let name = |name: &str| name.to_owned();
    assert_eq!(with("GET", "/", "a", "b"), Ok(()));
    assert_eq!(with("G T", "/", "a", "b"), Err(CallError::Method));
    assert_eq!(with("GET", "/ ", "a", "b"), Err(CallError::Path));
    assert_eq!(with("GET", "/", "a:", "b"), Err(CallError::HeaderName { name: name("a:") }));
    assert_eq!(with("GET", "/", "a", "b\n"), Err(CallError::HeaderValue { name: name("a") }));
    assert_eq!(
        with("GET", "/", "Connection", "b"),
        Err(CallError::HeaderOurs { name: name("Connection") })
    );
}

#[test]
fn a_head_larger_than_a_frame_goes_over_several() {
    let mut call = call("GET", None);
    if let What::Http { headers, .. } = &mut call.what {
        headers.push(("x-long".to_owned(), Template::text("v".repeat(40_000))));
    }
    let mut talk = Talk::begun(0, &get());
    talk.begin(0, &ready(&call));
    let frames = frames(&talk.out);
    let shape: Vec<_> = frames.iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(shape, [(1, END_STREAM), (9, 0), (9, END_HEADERS)]);
    let block: Vec<u8> = frames.into_iter().flat_map(|it| it.3).collect();
    assert_eq!(fields(&block).last().unwrap().1.len(), 40_000);
}

#[test]
fn a_body_waits_for_room_on_the_connection_and_on_its_stream() {
    let mut talk = Talk::begun(0, &get());
    talk.begin(0, &post(100_000));
    assert_eq!(sent_bytes(&talk.out), 65_535);
    talk.hear(&frame(8, 0, 1, &1_000_000u32.to_be_bytes()));
    assert_eq!(sent_bytes(&talk.out), 65_535);
    talk.hear(&frame(8, 0, 0, &20_000u32.to_be_bytes()));
    assert_eq!(sent_bytes(&talk.out), 85_535);
    talk.hear(&frame(8, 0, 0, &20_000u32.to_be_bytes()));
    let frames = frames(&talk.out);
    let ends: Vec<_> = frames.iter().filter(|it| it.0 == 0).map(|it| it.1 & END_STREAM).collect();
    assert_eq!(
        (sent_bytes(&talk.out), ends.iter().sum::<u8>(), ends.last()),
        (100_000, 1, Some(&1))
    );
    assert!(frames.iter().all(|it| it.3.len() <= FRAME_BYTES));
}

#[test]
fn settings_change_the_room_of_streams_that_are_under_way() {
    let mut talk = Talk::new();
    talk.hear(&settings(&[(setting::INITIAL_WINDOW_SIZE, 10)]));
    talk.out.clear();
    talk.begin(0, &post(100));
    assert_eq!(sent_bytes(&talk.out), 10);
    talk.hear(&settings(&[(setting::INITIAL_WINDOW_SIZE, 5)]));
    talk.hear(&frame(8, 0, 1, &5u32.to_be_bytes()));
    assert_eq!(sent_bytes(&talk.out), 10, "the room is used up, whoever gave it");
    talk.hear(&settings(&[(setting::INITIAL_WINDOW_SIZE, 1000)]));
    assert_eq!(sent_bytes(&talk.out), 100);
}

#[test]
fn an_answer_before_the_end_of_its_request_ends_both() {
    let mut talk = Talk::begun(0, &get());
    talk.begin(0, &post(100_000));
    talk.out.clear();
    talk.hear(&headers(1, true, &[(":status", "413")]));
    assert!(talk.heard[&0].done);
    assert_eq!(talk.out, frame(3, 0, 1, &[0; 4]));
    talk.out.clear();
    talk.hear(&frame(8, 0, 0, &1_000_000u32.to_be_bytes()));
    assert_eq!(talk.out, b"");
}

#[test]
fn the_server_gets_room_again_before_it_runs_out() {
    let mut quiet = call("GET", None);
    quiet.wants_body = false;
    let mut talk = Talk::begun(1, &ready(&quiet));
    talk.hear(&headers(1, false, &[(":status", "200")]));
    let piece = data(1, false, &[0; FRAME_BYTES]);
    let (mut room, mut room_of_stream) = (1i64 << 30, 1i64 << 30);
    for _ in 0..100_000 {
        talk.hear(&piece);
        let used = i64::from(FRAME_BYTES as u32);
        (room, room_of_stream) = (room - used, room_of_stream - used);
        for (kind, _, stream, more) in frames(&talk.out) {
            assert_eq!(kind, 8);
            let more = i64::from(u32::from_be_bytes(more.try_into().unwrap()));
            match stream {
                0 => room += more,
                _ => room_of_stream += more,
            }
        }
        talk.out.clear();
        assert!(room > 1 << 28 && room_of_stream > 1 << 28);
        assert!(room <= 1 << 30 && room_of_stream <= 1 << 30);
    }
}
