//! Who is answered on the operator's listener.

use crate::client::Client;
use crate::edge::{Edge, everything_to};
use crate::upstream::Upstream;

const SHOWN: [&str; 5] = ["/livez", "/readyz", "/metrics", "/openapi.json", "/nowhere"];

async fn status(edge: &Edge, path: &str, fields: &str) -> u16 {
    let mut client = Client::connect(edge.running.addresses().admin).await;
    let request = format!("GET {path} HTTP/1.1\r\n{fields}\r\n");
    client.ask(request).await.status
}

/// A page may lend its name the address of this listener, and the browser of an operator then takes what is
/// shown here for a part of that page.
#[tokio::test]
async fn nothing_is_shown_under_a_name_that_is_not_of_this_machine() {
    let edge = Edge::start(&everything_to(&[Upstream::nobody().await])).await;
    for path in SHOWN {
        for host in [
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.1",
            "gateway",
            "localhost@evil.example",
            "",
        ] {
            let fields = format!("Host: {host}\r\n");
            assert_eq!(status(&edge, path, &fields).await, 421, "{path} {host}");
        }
        let twice = "Host: localhost\r\nHost: evil.example\r\n";
        assert_eq!(status(&edge, path, twice).await, 421, "{path}");
    }
    for host in [
        "localhost",
        "LocalHost:9090",
        "127.0.0.1",
        "10.1.2.3:9090",
        "[::1]:9090",
    ] {
        let fields = format!("Host: {host}\r\n");
        assert_eq!(status(&edge, "/livez", &fields).await, 200, "{host}");
    }
    // No browser leaves it out, and some probes do.
    assert_eq!(status(&edge, "/livez", "").await, 200);
}

#[tokio::test]
async fn a_listener_that_other_machines_reach_is_asked_under_any_name() {
    let rest = everything_to(&[Upstream::nobody().await]);
    let edge = Edge::start_exposed(&rest).await;
    assert_eq!(
        status(&edge, "/livez", "Host: gateway-1.internal\r\n").await,
        200
    );
}
