//! Bodies of requests: carried whole, counted, cut off at the limit, and no faster than they are taken.

use super::frames::*;
use super::service::{Act, Behaviour, Service, config, once_whole, until};
use super::sound::Sound;
use crate::edge::Edge;

const CHUNKED: &str = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

fn sized(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_body_arrives_whole_in_whatever_framing_and_the_connection_goes_on() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 9s")).await;
    let mut client = edge.connect().await;
    let large = "x".repeat(300_000);
    let chunk = format!("{:x}\r\n{large}\r\n", large.len());
    #[rustfmt::skip]
    let cases = [
        (sized("/x", ""),                              "",      ""),
        (sized("/x", "small"),                         "small", ""),
        (sized("/x", &large),                          &large,  ""),
        (format!("{CHUNKED}0\r\n\r\n"),                "",      ""),
        (format!("{CHUNKED}2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n"), "abc", ""),
        (format!("{CHUNKED}{chunk}0\r\n\r\n"),         &large,  ""),
        (format!("{CHUNKED}1\r\na\r\n0\r\nX-Sum: 7\r\nContent-Length: 3\r\n\r\n"), "a", "x-sum: 7\n"),
        (format!("{CHUNKED}0\r\nX-Sum: 7\r\n\r\n"),    "",      "x-sum: 7\n"),
    ];
    for (number, (request, body, trailers)) in cases.into_iter().enumerate() {
        let answer = client.ask(request).await;
        assert_eq!(answer.text(), format!("got {}", body.len()), "{number}");
        let heard = &service.heard()[number];
        assert!(heard.body == body && heard.is_whole, "{number}");
        assert_eq!(heard.trailers, trailers, "{number}");
    }
}

#[tokio::test]
async fn a_body_may_come_together_with_the_next_request() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 9s")).await;
    let mut client = edge.connect().await;
    let requests = format!(
        "{CHUNKED}1\r\na\r\n0\r\n\r\n{}{}",
        sized("/x", "bc"),
        sized("/x", "")
    );
    client.say(requests).await;
    for expected in ["got 1", "got 2", "got 0"] {
        assert_eq!(client.hear().await.text(), expected);
    }
}

#[tokio::test]
async fn a_small_body_is_whole_before_the_service_hears_of_it() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 9s")).await;
    let mut client = edge.connect().await;
    let request = sized("/x", "ab");
    let (first, last) = request.split_at(request.len() - 1);
    client.say(first).await;
    // Another request passes it by.
    assert_eq!(edge.connect().await.get("/y").await.text(), "got 0");
    assert_eq!(service.heard().len(), 1);
    assert_eq!(client.ask(last).await.text(), "got 2");
}

/// Sends a request that the gateway ends early; what the client is told, and what the service saw.
async fn ended_early(keys: &str, request: &str) -> (u16, String, Service) {
    let service = Service::start(Behaviour::new(|_| Act::Nothing)).await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], protocol: h2, timeout: 9s }} }}\n\
         deadlines: {{ stall: 300ms }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, {keys} }}]\n",
        service.address
    ))
    .await;
    let answer = edge.connect().await.ask(request).await;
    until("the stream is reset", || async {
        service.seen().resets == [(1, CANCEL)]
    })
    .await;
    let seen = service.seen();
    assert_eq!((seen.requests.len(), seen.connections), (1, 1), "{request}");
    (answer.status, answer.code(), service)
}

#[tokio::test]
async fn a_body_is_cut_off_where_it_is_too_large_malformed_or_does_not_come() {
    #[rustfmt::skip]
    let cases = [
        ("body: 5B", "3\r\nabc\r\n3\r\ndef\r\n",     (413, "body_too_large")),
        ("body: 9B", "3\r\nabc\r\nnonsense\r\n",     (400, "bad_body")),
        ("body: 9B", "3\r\nabc\r\n0\r\n folded\r\n\r\n", (400, "bad_body")),
        ("body: 9B", "3\r\nabc\r\n",                 (408, "body_timeout")),
    ];
    for (keys, body, expected) in cases {
        let (status, code, _) = ended_early(keys, &format!("{CHUNKED}{body}")).await;
        assert_eq!((status, &*code), expected, "{body}");
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let service = Sound::start().await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], protocol: h2 }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, body: 5B }}]\n",
        service.address
    ))
    .await;
    let mut client = edge.connect().await;
    let request = format!("{CHUNKED}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.ask(request).await.text(), "got 5");
    assert_eq!(
        client.ask(sized("/x", "abcdef")).await.code(),
        "body_too_large"
    );
    assert_eq!(service.heard().len(), 1);
}

#[tokio::test]
async fn a_client_that_breaks_off_amidst_its_body_ends_the_stream() {
    let service = Service::start(Behaviour::new(|_| Act::Nothing)).await;
    let edge = Edge::start(&config(&[service.address], "timeout: 9s")).await;
    for count in 1..=2 {
        let mut client = edge.connect().await;
        client.say(format!("{CHUNKED}3\r\nabc\r\n")).await;
        until("the service has it", || async {
            service.seen().body.len() == 3 * count
        })
        .await;
        match count {
            1 => client.reset(),
            _ => drop(client),
        }
        until("the stream is reset", || async {
            service.seen().resets.len() == count
        })
        .await;
    }
    assert_eq!(service.seen().resets, [(1, CANCEL), (3, CANCEL)]);
}

#[tokio::test]
async fn a_client_that_waits_for_a_word_gets_that_of_the_service() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 9s")).await;
    let mut client = edge.connect().await;
    let head = "POST /continue HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\
                Expect: 100-continue\r\n\r\n";
    assert_eq!(client.ask(head).await.status, 100);
    assert_eq!(client.ask("hi").await.text(), "got 2");
    assert_eq!(client.get("/x").await.text(), "got 0");
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_is_whole() {
    let service = Sound::start().await;
    let edge = Edge::start(&config(&[service.address], "timeout: 9s")).await;
    let mut client = edge.connect().await;
    let head = "POST /early HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    assert_eq!(client.ask(head).await.text(), "early");
    // What is left of the body cannot be told from the next request, so there is none.
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_service_that_does_not_read_is_not_sent_more_than_it_has_room_for() {
    let closed = settings(&[(INITIAL_WINDOW_SIZE, 0)]);
    let behaviour = Behaviour::new(once_whole(|asked| Act::Say(good(asked.stream))));
    let service = Service::start(behaviour.greet(closed)).await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"], protocol: h2, timeout: 700ms }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, body: 1GiB }}]\n",
        service.address
    ))
    .await;
    let mut client = edge.connect().await;
    client.say(sized("/x", &"x".repeat(1_000_000))).await;
    assert_eq!(client.hear().await.code(), "upstream_timeout");
    assert_eq!(service.seen().body, "");
    drop(client);
    let lines = edge.stop_and_read_log().await;
    let bytes = lines[0]["bytes_in"].as_u64().unwrap();
    assert!(bytes < 100_000, "{bytes}");
}
