//! Routes that lead to no service: what is composed in the gateway, over its own sockets.

use std::sync::{Arc, Mutex};

use crate::client::{Answer, Client};
use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

const LIST: &str = "[{\"id\":7,\"amount\":10.00},{\"id\":8,\"amount\":1E+2}]";
const MEMBERS: &str = "[{\"id\":8,\"name\":\"Bo\"},{\"id\":7,\"name\":\"Al\"}]";
const COMPOSED: &str =
    "{\"rows\":[{\"amount\":10.00,\"name\":\"Al\"},{\"amount\":1E+2,\"name\":\"Bo\"}]}";

fn file(lists: &Upstream, members: &Upstream, more: &str) -> String {
    format!(
        "services:\n\
         \x20 lists: {{ endpoints: [\"{}\"] }}\n\
         \x20 members: {{ endpoints: [\"{}\"], credential: none }}\n\
         lookups:\n\
         \x20 member: {{ get_many: \"GET members /m?ids={{keys}}\", key: id, cache: {{ ttl: 1m, shared: true }} }}\n\
         endpoints:\n\
         \x20 - GET /lists/{{name}}:\n\
         \x20     steps: {{ list: {{ call: \"GET lists /l/{{name}}?after={{query.after?}}\" }} }}\n\
         \x20     answer: {{ rows: {{ each: list, max: 100, keep: [amount], join: {{ name: member(id).name }} }} }}\n\
         routes:\n\
         \x20 - {{ match: \"GET /lists/{{name}}\", compose: true, response_headers: {{ set: {{ x-edge: mine }} }} }}\n\
         \x20 - {{ match: \"/plain\", to: lists }}\n{more}",
        lists.address, members.address
    )
}

async fn services() -> (Upstream, Upstream) {
    (
        Upstream::start([ok(LIST)]).await,
        Upstream::start([ok(MEMBERS)]).await,
    )
}

async fn post(edge: &Edge, path: &str, body: &str) -> Answer {
    let mut client = Client::connect(edge.running.addresses().admin).await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.ask(head + body).await
}

#[tokio::test]
async fn a_composed_route_is_answered_here_and_accounted_for_like_any_other() {
    let (lists, members) = services().await;
    let edge = Edge::start(&file(&lists, &members, "")).await;
    let mut client = edge.connect().await;
    for turn in 0..2 {
        let answer = client.get("/lists/a%20b?after=k1").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, COMPOSED));
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.field("x-edge"), Some("mine"));
        assert!(answer.field("x-request-id").is_some());
        let status = format!("complete;calls={};naive=3", 2 - turn);
        assert_eq!(answer.field("composition-status"), Some(&*status));
    }
    assert!(
        lists
            .last()
            .starts_with("GET /l/a%20b?after=k1 HTTP/1.1\r\n")
    );
    assert_eq!(members.heard().len(), 1);

    let tag = client
        .get("/lists/1")
        .await
        .field("etag")
        .unwrap()
        .to_owned();
    let known = format!("GET /lists/1 HTTP/1.1\r\nHost: h\r\nIf-None-Match: {tag}\r\n\r\n");
    let answer = client.ask(known).await;
    assert_eq!((answer.status, answer.text().as_str()), (304, ""));
    // The same connection goes on, to what is not composed too.
    assert_eq!(client.get("/plain").await.text(), LIST);

    let (_, metrics) = edge.admin("/metrics").await;
    assert!(metrics.contains(
        "tollgate_composer_answers_total{ending=\"complete\",endpoint=\"GET /lists/{name}\"} 3"
    ));
    assert!(
        edge.admin("/openapi.json")
            .await
            .1
            .contains("\"/lists/{name}\"")
    );
    let log = edge.stop_and_read_log().await;
    assert_eq!(log[0]["service"], "composer");
    assert_eq!(
        (&log[0]["status"], &log[0]["path"]),
        (&200.into(), &"/lists/a%20b".into())
    );
    assert_eq!(log[0]["bytes_out"], COMPOSED.len());
    assert_eq!(log[3]["status"], 304);
}

#[tokio::test]
async fn what_a_composed_route_cannot_give_is_a_problem_and_keeps_the_client() {
    let lists = Upstream::start([Step::SayAndClose("garbage\r\n\r\n".into())]).await;
    let members = Upstream::start([ok(MEMBERS)]).await;
    let edge = Edge::start(&file(&lists, &members, "")).await;
    let mut client = edge.connect().await;
    let answer = client.get("/lists/1").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (502, "required_part_failed")
    );
    assert_eq!(
        answer.field("content-type"),
        Some("application/problem+json")
    );
    assert!(answer.field("x-request-id").is_some());
    let answer = client.get("/lists/1?after=a&after=b").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "query_parameter")
    );
    assert_eq!(client.get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn an_operator_has_a_record_forgotten() {
    let (lists, members) = services().await;
    let edge = Edge::start(&file(&lists, &members, "")).await;
    assert_eq!(edge.get("/lists/1").await.text(), COMPOSED);
    let told = post(
        &edge,
        "/internal/invalidate",
        "{\"lookup\":\"member\",\"key\":7}",
    )
    .await;
    assert_eq!(
        (told.status, told.text().as_str()),
        (200, "orders carried out: 1\n")
    );
    assert_eq!(edge.get("/lists/1").await.text(), COMPOSED);
    assert_eq!(members.heard().len(), 2);
    assert!(
        members.last().starts_with("GET /m?ids=7 "),
        "{}",
        members.last()
    );
    for (order, status) in [("{\"lookup\":\"nobody\"}", 404), ("{}", 400)] {
        assert_eq!(
            post(&edge, "/internal/invalidate", order).await.status,
            status
        );
    }
}

#[tokio::test]
async fn a_page_in_a_browser_has_nothing_forgotten() {
    let (lists, members) = services().await;
    let edge = Edge::start(&file(&lists, &members, "")).await;
    assert_eq!(edge.get("/lists/1").await.text(), COMPOSED);
    for origin in ["http://evil.example", "null"] {
        let order = format!(
            "POST /internal/invalidate HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
             Content-Type: text/plain\r\nContent-Length: 12\r\n\r\n{{\"all\":true}}"
        );
        let mut operator = Client::connect(edge.running.addresses().admin).await;
        assert_eq!(operator.ask(order).await.status, 403, "{origin}");
    }
    assert_eq!(edge.get("/lists/1").await.text(), COMPOSED);
    assert_eq!(members.heard().len(), 1);
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_what_did_not_change() {
    let (lists, members) = services().await;
    let edge = Edge::start(&file(&lists, &members, "")).await;
    assert_eq!(edge.get("/lists/1").await.text(), COMPOSED);
    let more = "\x20 - { match: \"/more\", to: lists }\n";
    edge.running
        .apply(&edge.compile(&file(&lists, &members, more)));
    assert_eq!(edge.get("/more").await.text(), LIST);
    assert_eq!(edge.get("/lists/1").await.text(), COMPOSED);
    assert_eq!(members.heard().len(), 1);

    let shorter = file(&lists, &members, "").replace("ttl: 1m", "ttl: 2m");
    edge.running.apply(&edge.compile(&shorter));
    assert_eq!(edge.get("/lists/1").await.text(), COMPOSED);
    assert_eq!(members.heard().len(), 2);
}

#[tokio::test]
async fn a_gateway_is_ready_once_its_tables_are_read() {
    let broken = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_owned();
    let now = Arc::new(Mutex::new(Step::Say(broken)));
    let lists = Upstream::start([ok("{\"code\":\"b\"}")]).await;
    let banks = Upstream::start([Step::Now(Arc::clone(&now))]).await;
    let edge = Edge::start(&format!(
        "services:\n\
         \x20 lists: {{ endpoints: [\"{}\"] }}\n\
         \x20 banks: {{ endpoints: [\"{}\"], credential: none, breaker: false }}\n\
         lookups: {{ bank: {{ table: GET banks /banks, key: code, refresh: 1s }} }}\n\
         endpoints:\n\
         \x20 - GET /bank/{{id}}:\n\
         \x20     steps: {{ account: {{ call: \"GET lists /a/{{id}}\" }} }}\n\
         \x20     answer: {{ name: bank(account.code).name }}\n\
         routes: [{{ match: \"GET /bank/{{id}}\", compose: true }}]\n",
        lists.address, banks.address
    ))
    .await;
    let (status, text) = edge.admin("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("tables"), "{text}");
    *now.lock().unwrap() = ok("[{\"code\":\"b\",\"name\":\"Bank\"}]");
    let is_ready = async {
        while edge.admin("/readyz").await.0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), is_ready).await;
    waited.expect("it becomes ready");
    assert_eq!(edge.get("/bank/1").await.text(), "{\"name\":\"Bank\"}");
}
