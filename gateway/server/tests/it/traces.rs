//! Recorded requests, as a collector hears of them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::edge::{Edge, everything_to};
use crate::upstream::{Step, Upstream, ok};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn traces(collector: SocketAddr, sample: &str) -> String {
    format!("traces: {{ collector: \"{collector}\", sample: {sample} }}\n")
}

/// A service and a collector that are content with everything.
async fn both() -> (Upstream, Upstream) {
    tokio::join!(Upstream::start([ok("fine")]), Upstream::start([ok("{}")]))
}

/// All that the collector was told, once the gateway has ended.
async fn spans(edge: Edge, collector: &Upstream) -> Vec<Value> {
    edge.stop_and_read_log().await;
    let mut spans = Vec::new();
    for request in collector.heard() {
        assert!(
            request.starts_with("POST /v1/traces HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("\r\ncontent-type: application/json\r\n"),
            "{request}"
        );
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let told = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        spans.extend(told.as_array().unwrap().iter().cloned());
    }
    spans
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    let value = &found.unwrap_or_else(|| panic!("no {key} in {span}"))["value"];
    value.get("stringValue").unwrap_or(&value["intValue"])
}

#[tokio::test]
async fn a_recorded_request_is_a_span_under_that_of_its_client() {
    let (service, collector) = both().await;
    let rest = traces(collector.address, "100%") + &everything_to(&[service.address]);
    let edge = Edge::start(&rest).await;
    let mut client = edge.connect().await;
    let asked = format!("GET /a/b?secret=1 HTTP/1.1\r\nHost: h\r\ntraceparent: {PARENT}\r\n\r\n");
    client.ask(asked).await;
    // A head that cannot be read leaves a line in the log, and no span.
    client.ask("GET /a//b HTTP/1.1\r\nHost: h\r\n\r\n").await;
    drop(client);

    let heard = service.last();
    let (_, told) = heard.split_once("traceparent: ").unwrap();
    let spans = spans(edge, &collector).await;
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(
        span["spanId"].as_str(),
        told.get(36..52),
        "the service goes on from it"
    );
    assert_eq!((&span["name"], &span["kind"]), (&"all".into(), &2.into()));
    assert!(span["status"].is_null(), "{span}");
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.path", "/a/b"),
        ("server.address", "h"),
        ("tollgate.service", "s"),
        ("tollgate.attempts", "1"),
    ] {
        assert_eq!(attribute(span, key), expected, "{key}");
    }
    let nanos = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    assert!(nanos("startTimeUnixNano") <= nanos("endTimeUnixNano"));
    assert!(!span.to_string().contains("secret"), "{span}");
}

#[tokio::test]
async fn a_failure_is_marked_and_a_mistake_of_the_client_is_not() {
    let (service, collector) = tokio::join!(
        Upstream::start([Step::SayAndReset(String::new())]),
        Upstream::start([ok("{}")])
    );
    let rest = format!(
        "services: {{ s: {{ endpoints: [\"{}\"] }} }}\nroutes: [{{ match: POST /a, to: s }}]\n",
        service.address
    );
    let edge = Edge::start(&(traces(collector.address, "100%") + &rest)).await;
    let mut client = edge.connect().await;
    client.ask("POST /a HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.ask("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").await;
    drop(client);

    let spans = spans(edge, &collector).await;
    let [failed, refused] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(failed["status"]["code"], 2);
    assert_eq!(attribute(failed, "error.type"), "upstream_broken");
    assert!(refused["status"].is_null(), "{refused}");
    assert_eq!(attribute(refused, "error.type"), "no_route");
}

#[tokio::test]
async fn only_a_trusted_proxy_decides_what_is_recorded() {
    for (trusted, count) in [("", 0), ("trusted_proxies: [127.0.0.1]\n", 1)] {
        let (service, collector) = both().await;
        let rest = traces(collector.address, "0%") + trusted + &everything_to(&[service.address]);
        let edge = Edge::start(&rest).await;
        let asked = format!("GET / HTTP/1.1\r\nHost: h\r\ntraceparent: {PARENT}\r\n\r\n");
        edge.connect().await.ask(asked).await;
        // What anybody asks of the services behind us is passed on.
        assert!(service.last().contains("-01\r\n"), "{}", service.last());
        assert_eq!(spans(edge, &collector).await.len(), count, "{trusted:?}");
    }
}

#[tokio::test]
async fn a_collector_that_is_gone_costs_spans_and_nothing_else() {
    let service = Upstream::start([ok("fine")]).await;
    let gone = Upstream::nobody().await;
    let rest = traces(gone, "100%") + &everything_to(&[service.address]);
    let edge = Edge::start(&rest).await;
    assert_eq!(edge.get("/").await.status, 200);
    let counted = async {
        let line = "tollgate_spans_dropped_total 1\n";
        while !edge.admin("/metrics").await.1.contains(line) {}
    };
    let counted = tokio::time::timeout(Duration::from_secs(10), counted).await;
    counted.expect("the span is counted as dropped");
    assert_eq!(edge.get("/").await.status, 200);
}
