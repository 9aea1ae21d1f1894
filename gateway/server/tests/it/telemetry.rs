//! What is left of a request when it is over: a line and some counts.

use serde_json::Value;

use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

#[tokio::test]
async fn every_request_leaves_one_line() {
    let service = Upstream::start([ok("fine"), Step::SayAndReset(String::new())]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    let post = "POST /pay?secret=1 HTTP/1.1\r\nHost: Pay.Example\r\nContent-Length: 2\r\n\r\nhi";
    let answer = client.ask(post).await;
    client.ask(post).await;
    client.ask("GET /a//b HTTP/1.1\r\nHost: h\r\n\r\n").await;

    let lines = edge.stop_and_read_log().await;
    let [served, failed, refused] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    for (key, expected) in [
        ("method", Value::from("POST")),
        ("host", "pay.example".into()),
        ("path", "/pay".into()),
        ("route", "all".into()),
        ("service", "s".into()),
        ("endpoint", service.address.to_string().into()),
        ("status", 200.into()),
        ("bytes_in", 2.into()),
        ("bytes_out", 4.into()),
        ("attempts", 1.into()),
        ("request_id", answer.field("x-request-id").unwrap().into()),
    ] {
        assert_eq!(served[key], expected, "{key} of {served}");
    }
    assert!(
        served["total_us"].is_u64() && served["first_byte_us"].is_u64(),
        "{served}"
    );
    assert!(
        served["connect_us"].is_u64() && served["code"].is_null(),
        "{served}"
    );

    assert_eq!(
        (&failed["status"], &failed["code"]),
        (&502.into(), &"upstream_broken".into())
    );
    assert_eq!(failed["connection_reused"], true);
    assert_eq!(
        (&refused["status"], &refused["code"]),
        (&400.into(), &"bad_target".into())
    );
    assert_eq!(
        refused["reason"],
        "head refused: path: the path has an empty segment"
    );
    assert!(!lines.iter().any(|line| line.to_string().contains("secret")));
}

#[tokio::test]
async fn a_cut_answer_and_a_client_that_left_are_told_apart() {
    let cut = Step::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".into());
    let service = Upstream::start([cut]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.read_to_end().await.unwrap_err();

    let lines = edge.stop_and_read_log().await;
    assert_eq!(
        (&lines[0]["status"], &lines[0]["answer_cut"]),
        (&200.into(), &true.into())
    );
    assert_eq!(lines[0]["code"], "upstream_broken");
}

#[tokio::test]
async fn requests_and_rejections_are_counted_under_closed_labels() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut client = edge.connect().await;
    client.get("/1").await;
    client.get("/2").await;
    client.ask("GET /a//b HTTP/1.1\r\nHost: h\r\n\r\n").await;

    let (status, metrics) = edge.admin("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "tollgate_requests_total{class=\"2xx\",route=\"all\"} 2",
        "tollgate_rejections_total{code=\"bad_target\"} 1",
        "tollgate_request_seconds_count{route=\"all\"} 2",
        "tollgate_upstream_first_byte_seconds_count{service=\"s\"} 2",
        "tollgate_requests_in_flight 0",
        &format!(
            "tollgate_endpoint_in_flight{{endpoint=\"{}\",service=\"s\"}} 0",
            service.address
        ),
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn routes_and_services_that_are_gone_leave_no_series_behind() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    edge.get("/").await;
    let renamed = crate::edge::everything_to(&[service.address])
        .replace("name: all", "name: new")
        .replace("services: { s:", "services: { t:")
        .replace("to: s", "to: t");
    edge.running.apply(&edge.compile(&renamed));

    let (_, metrics) = edge.admin("/metrics").await;
    assert!(
        !metrics.contains("route=\"all\"") && metrics.contains("route=\"new\""),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_admin_listener_says_what_it_has() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    assert_eq!(edge.admin("/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(edge.admin("/readyz").await, (200, "ready\n".to_owned()));
    let (status, text) = edge.admin("/secret").await;
    assert_eq!(status, 404);
    assert!(text.contains("/metrics"), "{text}");
}
