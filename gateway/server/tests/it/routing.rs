//! What the keys of a route do to requests on their way.

use gateway_server::Carriers;

use crate::client::{Answer, Client};
use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

const LEVELS: [&str; 3] = ["open", "internal", "private"];

/// An answer as a caller sees it, without what differs from request to request.
fn shown(answer: &Answer) -> String {
    let id = answer.field("x-request-id").unwrap();
    let head = answer
        .head
        .lines()
        .filter(|line| !line.starts_with("date:"));
    let text = head.collect::<Vec<_>>().join("\n") + &answer.text();
    text.replace(id, "")
}

#[tokio::test]
async fn an_inner_route_is_reached_from_inside_and_is_not_there_for_others() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::start_on(
        &LEVELS,
        &format!(
            "services: {{ s: {{ endpoints: [\"{}\"] }} }}\nroutes:\n\
             - {{ match: GET /open/x, to: s }}\n\
             - {{ match: GET /internal, to: s, level: internal }}\n\
             - {{ match: GET /private, to: s, level: private }}\n\
             - {{ match: POST /open/x, to: s, level: private }}\n",
            service.address
        ),
    )
    .await;
    #[rustfmt::skip]
    let cases = [
        ("/open/x",   [200, 200, 200]),
        ("/internal", [404, 200, 200]),
        ("/private",  [404, 404, 200]),
        ("/nothing",  [404, 404, 404]),
    ];
    for (index, level) in LEVELS.into_iter().enumerate() {
        let mut client = Client::connect(edge.addresses()[index]).await;
        let nothing = shown(&client.get("/nothing").await);
        for (path, statuses) in cases {
            let answer = client.get(path).await;
            assert_eq!(answer.status, statuses[index], "{path} from {level}");
            if answer.status == 404 {
                assert_eq!(answer.code(), "no_route");
                assert_eq!(shown(&answer), nothing, "{path} from {level}");
            }
        }
    }
    assert_eq!(service.heard().len(), 6);

    // Outside, the method of the inner route is as little allowed as any other.
    let mut outside = edge.connect().await;
    let empty = "HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    let post = outside.ask(format!("POST /open/x {empty}")).await;
    let delete = outside.ask(format!("DELETE /open/x {empty}")).await;
    assert_eq!((post.status, post.field("allow")), (405, Some("GET")));
    assert_eq!(shown(&post), shown(&delete));
    let mut inside = Client::connect(edge.addresses()[2]).await;
    let delete = inside.ask(format!("DELETE /open/x {empty}")).await;
    assert_eq!(
        (delete.status, delete.field("allow")),
        (405, Some("GET, POST"))
    );
}

/// The way around a private route would be the open route that also has its path.
#[tokio::test]
async fn an_inner_route_is_not_reached_by_the_open_route_around_it() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::start_on(
        &LEVELS,
        &format!(
            "services: {{ s: {{ endpoints: [\"{}\"] }} }}\nroutes:\n\
             - {{ match: \"/money/{{rest*}}\", to: s }}\n\
             - {{ match: POST /money/adjustments, to: s, level: private }}\n",
            service.address
        ),
    )
    .await;
    for path in [
        "/money/adjustments",
        "/money/%61djustments",
        "/money/./adjustments?x",
    ] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        for (index, expected) in [404, 404, 200].into_iter().enumerate() {
            let mut client = Client::connect(edge.addresses()[index]).await;
            assert_eq!(client.ask(&post).await.status, expected, "{path} {index}");
        }
    }
    // The service may take this for the same path, and no route names it.
    for path in ["/money/adjustments/", "/money/adjustments/x/.."] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        for &address in edge.addresses() {
            let answer = Client::connect(address).await.ask(&post).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "no_route"));
        }
    }
    assert_eq!(service.heard().len(), 3);
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_its_method() {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        for (class, expected) in [
            ("", 200),
            ("class: read", 200),
            ("class: write", 502),
            ("class: transfer", 502),
        ] {
            let service = Upstream::start([ok("first"), Step::SayAndReset(String::new())]).await;
            let edge = Edge::start_with(
                carriers,
                &format!(
                    "services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
                     routes: [{{ match: GET /confirm, to: s, {class} }}]\n",
                    service.address
                ),
            )
            .await;
            let mut client = edge.connect().await;
            assert_eq!(client.get("/confirm").await.text(), "first");

            // The kept connection breaks under the second request.
            let answer = client.get("/confirm").await;
            assert_eq!(answer.status, expected, "{class} {carriers:?}");
            let sent = if expected == 200 { 3 } else { 2 };
            assert_eq!(service.heard().len(), sent, "{class} {carriers:?}");
        }
    }
}

#[tokio::test]
async fn a_transfer_of_64_kib_goes_through_and_one_byte_more_does_not() {
    let service = Upstream::start([ok("moved")]).await;
    let edge = Edge::start(&format!(
        "services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: POST /pay, to: s, class: transfer }}]\n",
        service.address
    ))
    .await;
    for (length, status) in [(64 * 1024, 200), (64 * 1024 + 1, 413)] {
        let head = format!("POST /pay HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        let answer = edge.connect().await.ask(head + &"x".repeat(length)).await;
        assert_eq!(answer.status, status, "{length}");
    }
    assert_eq!(service.heard().len(), 1);
}

#[tokio::test]
async fn a_query_chooses_the_route_in_any_spelling_and_passes_on_as_it_came() {
    let (real, tried) = (
        Upstream::start([ok("real")]).await,
        Upstream::start([ok("tried")]).await,
    );
    let edge = Edge::start(&format!(
        "services: {{ real: {{ endpoints: [\"{}\"] }}, tried: {{ endpoints: [\"{}\"] }} }}\nroutes:\n\
         - {{ match: POST /pay, to: real }}\n\
         - {{ match: POST /pay, to: tried, name: try, query: {{ dry-run: \"1\" }} }}\n",
        real.address, tried.address
    ))
    .await;
    #[rustfmt::skip]
    let cases = [
        ("",                        "real"),
        ("?dry-run=1",              "tried"),
        ("?a=b&dry%2Drun=%31&c",    "tried"),
        ("?dry-run=0",              "real"),
        ("?dry-run=0&dry-run=2",    "real"),
    ];
    let mut client = edge.connect().await;
    // To some it is one, and to others it moves money.
    let both = "POST /pay?dry-run=1&dry-run=0 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.ask(both).await.status, 404);
    assert_eq!((real.heard().len(), tried.heard().len()), (0, 0));
    for (query, expected) in cases {
        let post = format!("POST /pay{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.ask(post).await.text(), expected, "{query}");
        let heard = if expected == "real" {
            real.last()
        } else {
            tried.last()
        };
        assert!(
            heard.starts_with(&format!("POST /pay{query} HTTP/1.1\r\n")),
            "{heard}"
        );
    }
}

/// A condition holds of what the service is told, and not of what a client says on the way to it.
#[tokio::test]
async fn a_field_that_does_not_go_on_meets_no_condition() {
    let (real, tried) = (
        Upstream::start([ok("real")]).await,
        Upstream::start([ok("tried")]).await,
    );
    let file = format!(
        "services: {{ real: {{ endpoints: [\"{}\"] }}, tried: {{ endpoints: [\"{}\"] }} }}\nroutes:\n\
         - {{ match: POST /pay, to: real }}\n\
         - {{ match: POST /pay, to: tried, name: try, headers: {{ X-Dry-Run: \"1\" }} }}\n\
         - {{ match: POST /hire, to: real, name: hire }}\n\
         - {{ match: POST /hire, to: tried, name: staff, headers: {{ X-Forwarded-Group: staff }} }}\n",
        real.address, tried.address
    );
    #[rustfmt::skip]
    let cases = [
        ("/pay",  "",                                                                "real",  "real"),
        ("/pay",  "X-Dry-Run: 1\r\n",                                                "tried", "tried"),
        ("/pay",  "X-Dry-Run: 1\r\nConnection: x-dry-run\r\n",                       "real",  "real"),
        ("/pay",  "Connection: keep-alive, X-DRY-RUN\r\nX-Dry-Run: 1\r\n",           "real",  "real"),
        ("/hire", "X-Forwarded-Group: staff\r\n",                                    "real",  "tried"),
        ("/hire", "X-Forwarded-Group: staff\r\nConnection: x-forwarded-group\r\n",   "real",  "real"),
    ];
    let edge = Edge::start(&file).await;
    let behind_proxy = Edge::start(&format!("trusted_proxies: [127.0.0.1]\n{file}")).await;
    for (path, fields, of_stranger, of_proxy) in cases {
        let post = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{fields}\r\n");
        let told = edge.connect().await.ask(&post).await.text();
        assert_eq!(told, of_stranger, "of a stranger: {fields}");
        let told = behind_proxy.connect().await.ask(&post).await.text();
        assert_eq!(told, of_proxy, "of a proxy: {fields}");
    }
}

#[tokio::test]
async fn a_route_that_ends_says_so_in_every_answer_of_its_service() {
    let step = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nSunset: someday\r\n\r\n";
    let service = Upstream::start([Step::Say(step.to_owned())]).await;
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let edge = Edge::start_with(
            carriers,
            &format!(
                "services: {{ s: {{ endpoints: [\"{}\"] }} }}\nroutes:\n\
                 - {{ match: GET /v1, to: s, deprecated: 2026-01-31, sunset: 2026-12-31 }}\n\
                 - {{ match: GET /v2, to: s }}\n",
                service.address
            ),
        )
        .await;
        let old = edge.get("/v1").await;
        assert_eq!(old.field("deprecation"), Some("@1769817600"));
        assert_eq!(old.field("sunset"), Some("Thu, 31 Dec 2026 00:00:00 GMT"));
        assert!(!old.head.contains("someday"), "{}", old.head);
        let new = edge.get("/v2").await;
        assert_eq!(
            (new.field("deprecation"), new.field("sunset")),
            (None, Some("someday"))
        );
    }
}

#[tokio::test]
async fn services_that_share_a_route_each_answer_for_themselves() {
    let (web, next) = (
        Upstream::start([ok("web")]).await,
        Upstream::start([ok("next")]).await,
    );
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let edge = Edge::start_with(
            carriers,
            &format!(
                "services: {{ web: {{ endpoints: [\"{}\"] }}, next: {{ endpoints: [\"{}\"] }} }}\n\
                 routes: [{{ match: GET /a, to: {{ web: 500, next: 500 }} }}]\n",
                web.address, next.address
            ),
        )
        .await;
        let mut client = edge.connect().await;
        let mut answered: Vec<String> = Vec::new();
        // Chance must let both answer sooner or later; not to do so in 200 is one in 2^199.
        while answered.len() < 200
            && !["web", "next"]
                .iter()
                .all(|it| answered.iter().any(|a| a == it))
        {
            answered.push(client.get("/a").await.text());
        }
        assert!(
            answered.len() < 200,
            "{carriers:?}: only {:?}",
            answered.first()
        );
        let log = edge.stop_and_read_log().await;
        let logged: Vec<_> = log
            .iter()
            .map(|line| line["service"].as_str().unwrap())
            .collect();
        assert_eq!(logged, answered, "{carriers:?}");
    }
}

/// A canary has a patience of its own.
#[tokio::test]
async fn services_that_share_a_route_keep_their_own_timeouts() {
    let (web, next) = (
        Upstream::start([ok("web")]).await,
        Upstream::start([Step::Hang]).await,
    );
    let edge = Edge::start(&format!(
        "services:\n  web: {{ endpoints: [\"{}\"], timeout: 1m }}\n  next: {{ endpoints: [\"{}\"], timeout: 50ms }}\n\
         routes: [{{ match: GET /a, to: {{ web: 1, next: 1000 }} }}]\n",
        web.address, next.address
    ))
    .await;
    let mut client = edge.connect().await;
    let mut answer = client.get("/a").await;
    while answer.status == 200 {
        answer = client.get("/a").await;
    }
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (504, "upstream_timeout")
    );
}
