//! RFC 9110 §10.1.1: `100-continue` and nothing else.

use super::case::{Case, passed, refused, run};
use super::{get, post};

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let seen = "POST /a HTTP/1.1 | host: h | expect: 100-continue | content-length: 5 => hello";
    vec![
        passed(post("Expect: 100-continue\r\nContent-Length: 5", "hello"), seen),
        passed(get("Expect: 100-continue"),           "GET /a HTTP/1.1 | host: h | expect: 100-continue"),
        refused(get("Expect:"),                       417, "expectation_failed"),
        refused(get("Expect: 100"),                   417, "expectation_failed"),
        refused(get("Expect: 200-ok"),                417, "expectation_failed"),
        refused(get("Expect: 100-continue, x"),       417, "expectation_failed"),
        refused(get("Expect: 100-continue;q=1"),      417, "expectation_failed"),
        refused(post("Expect: x\r\nContent-Length: 5", "hello"), 417, "expectation_failed"),
        refused(get("Expect : 100-continue"),         400, "bad_head"),
    ]
}

#[tokio::test]
async fn one_expectation_is_known() {
    run(cases()).await;
}
