//! Two carriers, one outcome: whatever a service does, a client and the service see the same.

use gateway_server::Carriers;

use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

/// What the outside world saw of two requests on one connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    client: Vec<String>,
    service: Vec<String>,
}

async fn run(carriers: Carriers, step: &Step, request: &str) -> Seen {
    let service = Upstream::start([step.clone()]).await;
    let edge = Edge::start_with(
        carriers,
        &format!(
            "services: {{ s: {{ endpoints: [\"{}\"], timeout: 500ms }} }}\n\
             routes:\n- match: \"/{{rest*}}\"\n  to: s\n  response_headers: {{ set: {{ X-Env: b }}, add: {{ X-Tag: b }} }}\n",
            service.address
        ),
    )
    .await;
    let mut client = edge.connect().await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        client.say(request).await;
        let Some(answer) = client.try_hear(request.starts_with("HEAD ")).await else {
            seen.push("cut".to_owned());
            break;
        };
        let body = if answer.status == 200 || answer.body.is_empty() {
            answer.text()
        } else {
            answer.code()
        };
        seen.push(format!(
            "{} {:?} {body}",
            answer.status,
            comparable(&answer.head)
        ));
        if answer.field("connection") == Some("close") {
            break;
        }
    }
    let service = service
        .heard()
        .iter()
        .map(|heard| comparable(heard).join("\n"))
        .collect();
    Seen {
        client: seen,
        service,
    }
}

/// The lines of a head in one spelling and order, without what differs from request to request.
fn comparable(head: &str) -> Vec<String> {
    let differs = ["date:", "x-request-id:", "traceparent:"];
    let lines = head.lines().map(str::to_ascii_lowercase);
    let mut lines: Vec<_> = lines
        .filter(|line| !differs.iter().any(|name| line.starts_with(name)))
        .collect();
    lines.sort();
    lines
}

fn say(answer: &str) -> Step {
    Step::Say(answer.replace('\n', "\r\n"))
}

#[tokio::test]
async fn both_carriers_give_the_same_outcome() {
    let close = |answer: &str| Step::SayAndClose(answer.replace('\n', "\r\n"));
    let reset = |answer: &str| Step::SayAndReset(answer.replace('\n', "\r\n"));
    let steps = [
        ok("fine"),
        ok(""),
        ok(&"x".repeat(100_000)),
        say(
            "HTTP/1.1 200 OK\nContent-Length: 2\nX-Env: a\nX-Tag: a\nSet-Cookie: a\nSet-Cookie: b\n\nhi",
        ),
        say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\n3\nyou\n0\n\n"),
        say("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: x-hop\nX-Hop: 1\nKeep-Alive: 5\n\nhi"),
        say("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: Content-Length\n\nhi"),
        say(
            "HTTP/1.1 200 OK\nContent-Length: 2\nTE: a\nProxy-Authenticate: a\nX-Real-IP: a\nTraceparent: a\n\nhi",
        ),
        say("HTTP/1.1 404 Not Here\nContent-Length: 0\n\n"),
        close("HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nhi"),
        close("HTTP/1.1 200 OK\n\nuntil the end"),
        close("HTTP/1.0 200 OK\nContent-Length: 2\n\nhi"),
        close(""),
        reset(""),
        close("garbage\n\n"),
        close("HTTP/1.1 200 OK\nContent-Length: 9\n\ncut"),
        reset("HTTP/1.1 200 OK\nContent-Length: 9\n\ncut"),
        close("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\n"),
        close("HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\nhi"),
        close("HTTP/1.1 99 Low\nContent-Length: 0\n\n"),
        Step::Hang,
    ];
    let requests = [
        "GET /a/../b?c=d HTTP/1.1\r\nHost: h\r\nAccept: x\r\nConnection: X-Mine\r\nX-Mine: 1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ];
    for step in &steps {
        for request in requests {
            let is_answered_head = request.starts_with("HEAD") && !matches!(step, Step::Hang);
            if is_answered_head && says_a_body(step) {
                continue;
            }
            let (lean, pingora) = tokio::join!(
                run(Carriers::Both, step, request),
                run(Carriers::Pingora, step, request),
            );
            assert_eq!(lean, pingora, "{step:?}\n{request}");
        }
    }
}

/// A service that answers HEAD with a body breaks its own connection, each time at another moment.
fn says_a_body(step: &Step) -> bool {
    let (Step::Say(bytes) | Step::SayAndClose(bytes) | Step::SayAndReset(bytes)) = step else {
        return false;
    };
    bytes
        .split_once("\r\n\r\n")
        .is_some_and(|(_, body)| !body.is_empty())
}
