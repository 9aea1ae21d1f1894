//! The composer as a process of its own, over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use composer_engine::serve::{Composer, Settings};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::history::{Services, expected};
use crate::service::Service;
use crate::site::{Draft, LONG};

async fn start(draft: Draft) -> Composer {
    let any = "127.0.0.1:0".parse().unwrap();
    let settings = Settings {
        second_level: None,
        listen: vec![any, any],
        internal: any,
        plan: draft.plan(),
        services: draft.policies.clone(),
    };
    Composer::start(settings).await.unwrap()
}

/// What is answered: the head, and the body as text.
async fn send(request: Request<Full<Bytes>>) -> (Response<()>, String) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answered = tokio::time::timeout(LONG, client.request(request))
        .await
        .unwrap()
        .unwrap();
    let (head, body) = answered.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (Response::from_parts(head, ()), text)
}

async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let request = Request::get(format!("http://{address}{path}"));
    let (head, body) = send(request.body(Full::default()).unwrap()).await;
    (head.status().as_u16(), body)
}

async fn post(address: std::net::SocketAddr, path: &str, body: &str) -> (u16, String) {
    let request = Request::post(format!("http://{address}{path}"));
    let body = Full::from(body.to_owned());
    let (head, body) = send(request.body(body).unwrap()).await;
    (head.status().as_u16(), body)
}

#[tokio::test]
async fn a_composed_answer_goes_over_http() {
    let services = Services::start().await;
    let composer = start(services.draft()).await;
    composer.engine().ready().await;
    let at = composer.addresses().listen[0];
    let path = "/members/7/transfer-history";
    let request = Request::get(format!("http://{at}{path}?cursor=k1"))
        .header("authorization", "Bearer alice")
        .body(Full::default())
        .unwrap();
    let (head, body) = send(request).await;
    assert_eq!((head.status().as_u16(), &*body), (200, &*expected()));
    assert_eq!(head.headers()["content-type"], "application/json");
    assert!(
        head.headers()["cache-status"]
            .to_str()
            .unwrap()
            .contains("member;fwd=miss")
    );
    let asked = services.remittance.take_heard().remove(0);
    assert_eq!(asked.field("authorization"), Some("Bearer alice"));
    let told: u64 = asked
        .field("x-request-timeout-ms")
        .unwrap()
        .parse()
        .unwrap();
    assert!(told <= 20_000, "{told}");

    let second = composer.addresses().listen[1];
    assert_eq!(get(second, path).await.0, 200);
    for (path, status) in [("/members/7", 404), ("/", 404), (path, 200)] {
        assert_eq!(get(at, path).await.0, status, "{path}");
    }
    assert_eq!(post(at, path, "").await.0, 405);
    assert!(composer.stop().await);
}

#[tokio::test]
async fn clients_are_told_to_come_back_until_the_tables_are_read() {
    let mut services = Services::start().await;
    services.banking = Service::start(|_| crate::service::with(500, "", "")).await;
    let composer = start(services.draft()).await;
    let addresses = composer.addresses();
    assert_eq!(get(addresses.internal, "/livez").await.0, 200);
    assert_eq!(get(addresses.internal, "/readyz").await.0, 503);
    let (status, body) = get(addresses.listen[0], "/members/7/transfer-history").await;
    assert_eq!(status, 503);
    assert!(body.contains("\"code\":\"not_ready\""), "{body}");
}

#[tokio::test]
async fn an_operators_listener_shows_nothing_under_a_name_that_is_not_of_this_machine() {
    let services = Services::start().await;
    let composer = start(services.draft()).await;
    let internal = composer.addresses().internal;
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        let ask = async |host: &str| {
            let request = Request::get(format!("http://{internal}{path}")).header("host", host);
            let (head, _) = send(request.body(Full::default()).unwrap()).await;
            head.status().as_u16()
        };
        assert_eq!(ask("evil.example").await, 421, "{path}");
        assert_ne!(ask("localhost").await, 421, "{path}");
    }
}

#[tokio::test]
async fn what_an_operator_declares_void_is_asked_for_anew() {
    let services = Services::start().await;
    let composer = start(services.draft()).await;
    composer.engine().ready().await;
    let addresses = composer.addresses();
    let path = "/members/7/transfer-history";
    for (order, calls) in [
        ("", 1),
        ("", 1),
        ("{\"lookup\":\"member\",\"key\":36}", 2),
        ("[{\"lookup\":\"member\",\"key\":\"none of these\"}]", 2),
        ("{\"lookup\":\"member\"}", 3),
        ("{\"all\":true}", 4),
    ] {
        if !order.is_empty() {
            let told = post(addresses.internal, "/internal/invalidate", order).await;
            assert_eq!(told, (200, "orders carried out: 1\n".to_owned()), "{order}");
        }
        assert_eq!(get(addresses.listen[0], path).await.0, 200);
        assert_eq!(services.membership.calls(), calls, "{order}");
    }
    for (order, status) in [("{\"lookup\":\"nobody\"}", 404), ("x", 400), ("{}", 400)] {
        let told = post(addresses.internal, "/internal/invalidate", order).await;
        assert_eq!(told.0, status, "{order}");
    }
    // A page in a browser would say where it comes from.
    let at = format!("http://{}/internal/invalidate", addresses.internal);
    let order = Request::post(at).header("origin", "http://evil.example");
    let order = order.body(Full::from("{\"all\":true}")).unwrap();
    assert_eq!(send(order).await.0.status(), 403);
    assert_eq!(get(addresses.listen[0], path).await.0, 200);
    assert_eq!(services.membership.calls(), 4);
    let (status, text) = get(addresses.internal, "/openapi.json").await;
    assert_eq!(status, 200);
    assert!(
        text.contains("\"/members/{memberId}/transfer-history\""),
        "{text}"
    );
    let (status, text) = get(addresses.internal, "/metrics").await;
    assert_eq!(status, 200);
    let naive = "tollgate_composer_calls_naive_total{endpoint=\"GET /members/{memberId}/transfer-history\"} 1414";
    assert!(text.contains(naive), "{text}");
}

#[tokio::test]
async fn a_stop_lets_the_answer_under_way_end() {
    let heard = Arc::new(tokio::sync::Notify::new());
    let go = Arc::new(tokio::sync::Notify::new());
    let (told, leave) = (Arc::clone(&heard), Arc::clone(&go));
    let mut services = Services::start().await;
    services.money = Service::start_slow(move |_| {
        let (told, leave) = (Arc::clone(&told), Arc::clone(&leave));
        Box::pin(async move {
            told.notify_one();
            leave.notified().await;
            crate::service::json("{\"amount\":10.00}")
        })
    })
    .await;
    let composer = start(services.draft()).await;
    composer.engine().ready().await;
    let at = composer.addresses().listen[0];
    let asking = composer_engine::spawn("asking", async move {
        get(at, "/members/7/transfer-history").await
    });
    tokio::time::timeout(LONG, heard.notified()).await.unwrap();
    let stopping = composer_engine::spawn("stopping", composer.stop());
    // The listener closes before the answer is there.
    let is_closed = async {
        while tokio::net::TcpStream::connect(at).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, is_closed).await.unwrap();
    go.notify_one();
    assert_eq!(asking.await.unwrap(), (200, expected()));
    let stopped = tokio::time::timeout(LONG + Duration::from_secs(20), stopping).await;
    assert!(stopped.unwrap().unwrap());
}
