//! Which connections to a service are used again.

use super::case::{Case, run, sound, told};
use super::service::{When, closes, resets, says};

const STOLEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";

fn with(version: &str, fields: &str) -> String {
    format!("HTTP/{version} 200 OK\r\n{fields}Content-Length: 4\r\n\r\ngood")
}

#[rustfmt::skip]
fn said() -> Vec<Case> {
    vec![
        sound(says(with("1.1", "")),                                   "200 good"),
        sound(says(with("1.1", "Connection: keep-alive\r\n")),         "200 good"),
        sound(says(with("1.0", "Connection: keep-alive\r\n")),         "200 good"),
        told(says(with("1.1", "Connection: close\r\n")),               "200 good"),
        told(says(with("1.1", "Connection: x, CLOSE\r\n")),            "200 good"),
        // pingora reads the first of two such fields.
        told(says(with("1.1", "Connection: x\r\nConnection: close\r\n")), "200 good").to("GET"),
        told(says(with("1.1", "Connection: keep-alive, close\r\n")),   "200 good"),
        told(says(with("1.0", "")),                                    "200 good"),
        told(closes(with("1.1", "Connection: close\r\n")),             "200 good"),
        told(closes(with("1.1", "")),                                  "200 good"),
        told(closes("HTTP/1.1 200 OK\r\n\r\ngood"),                    "200 good"),
        told(closes("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\ngood"), "200 good"),
        told(closes("HTTP/1.0 200 OK\r\n\r\ngood"),                    "200 good"),
        told(closes("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\ngood"), "200 good"),
        told(closes("HTTP/1.1 200 OK\r\n\r\n"),                        "200"),
    ]
}

/// Nobody asked for these: whoever asks next must not get them.
#[rustfmt::skip]
fn unsolicited() -> Vec<Case> {
    vec![
        told(says(STOLEN).at(When::Told),       "200 good"),
        told(says("\r\n").at(When::Told),       "200 good"),
        told(says("H").at(When::Told),          "200 good"),
        told(closes(STOLEN).at(When::Told),     "200 good"),
        told(closes("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n").at(When::Told), "200 good"),
        told(closes("").at(When::Told),         "200 good"),
        told(resets("").at(When::Told),         "200 good"),
    ]
}

#[tokio::test]
async fn a_connection_is_used_again_when_both_sides_said_so() {
    run(said()).await;
}

#[tokio::test]
async fn what_a_service_says_unasked_reaches_nobody() {
    run(unsolicited()).await;
}
