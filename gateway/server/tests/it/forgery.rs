//! What a client cannot say in the gateway's name: who asks, and through whom.
//!
//! Every attack goes through each carrier, in both versions of HTTP on both sides, before the body and
//! behind it.

use std::fmt::Write as _;

use bytes::Bytes;
use gateway_server::Carriers;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::edge::Edge;
use crate::h2_services::sound::Sound;
use crate::http2::client as http2;
use crate::upstream::{Upstream, ok};

/// As long as a token of ours, so that it may be one.
const TOKEN: &str = "tg_at_forgedAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Fields that must not arrive, whatever their values.
const FORGED: [&str; 18] = [
    "Tollgate-Subject",
    "TOLLGATE-SUBJECT",
    "tollgate_subject",
    "Tollgate.Client",
    "tollgate~scope",
    "Tollgate-Session",
    "tollgate-",
    "Tollgate-Of-Tomorrow",
    "X_Request_Id",
    "X-Request_Id",
    "x.forwarded.for",
    "X_Forwarded_Host",
    "X_Real_IP",
    "Forwarded",
    "Via",
    "Proxy-Authorization",
    "Transfer_Encoding",
    "Content_Length",
];

/// Nothing of ours: it must arrive.
const HONEST: &str = "X-Honest";

/// The head fields of an attack, and what stands behind its body.
struct Attack {
    fields: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
}

impl Attack {
    fn new() -> Self {
        let forged = |place: &str| -> Vec<_> {
            let forge = |name: &&str| ((*name).to_owned(), format!("forged-{place}"));
            FORGED.iter().map(forge).collect()
        };
        let mut fields = forged("field");
        fields.push(("Authorization".into(), format!("Bearer {TOKEN}")));
        fields.push(("Cookie".into(), format!("a={TOKEN}")));
        fields.push((HONEST.into(), "yes".into()));
        Self {
            fields,
            trailers: forged("trailer"),
        }
    }

    fn lines(fields: &[(String, String)]) -> String {
        fields
            .iter()
            .fold(String::new(), |mut lines, (name, value)| {
                write!(lines, "{name}: {value}\r\n").unwrap();
                lines
            })
    }

    /// Over HTTP/1.1: without a body, with one of a length, and in chunks with trailers.
    fn requests(&self) -> [String; 3] {
        let head = format!(
            "POST /x HTTP/1.1\r\nHost: h\r\n{}Connection: X-Request-Id, Tollgate-Subject, X-Forwarded-For\r\n",
            Self::lines(&self.fields)
        );
        let trailers = Self::lines(&self.trailers);
        [
            format!("{head}\r\n"),
            format!("{head}Content-Length: 2\r\n\r\nhi"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{trailers}\r\n"),
        ]
    }

    fn map(fields: &[(String, String)]) -> HeaderMap {
        let field = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    /// Over HTTP/2, where some of the fields of a connection are no fields at all.
    async fn send(&self, client: &http2::Client) {
        let mut request = http2::request("POST", "/x");
        *request.headers_mut() = Self::map(&self.fields);
        let (response, mut sending) = client.begin(request, false).await.unwrap();
        http2::send(&mut sending, Bytes::from_static(b"hi"), false)
            .await
            .unwrap();
        sending.send_trailers(Self::map(&self.trailers)).unwrap();
        let answer = http2::read(http2::within(response).await.unwrap()).await;
        assert_eq!(answer.unwrap().status, 200);
    }
}

/// Our own fields are there once, and nothing that was forged.
fn check(heard: &str, case: &str) {
    let heard = heard.to_ascii_lowercase();
    assert!(!heard.contains("forged"), "{case}: {heard}");
    assert!(heard.contains("x-honest: yes"), "{case}: {heard}");
    let count = |start: &str| heard.lines().filter(|line| line.starts_with(start)).count();
    for name in [
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-host",
        "traceparent",
    ] {
        assert_eq!(count(&format!("{name}: ")), 1, "{case}: {name} in {heard}");
    }
    assert_eq!(count("tollgate"), 0, "{case}: {heard}");
    assert_eq!(count("authorization"), 0, "{case}: {heard}");
}

#[tokio::test]
async fn no_client_of_http1_speaks_in_the_name_of_the_gateway() {
    let attack = Attack::new();
    for carriers in [Carriers::Both, Carriers::Pingora] {
        for request in attack.requests() {
            let service = Upstream::start([ok("fine")]).await;
            let rest = crate::edge::everything_to(&[service.address]);
            let edge = Edge::start_with(carriers, &rest).await;
            let answer = edge.connect().await.ask(&request).await;
            assert_eq!(answer.status, 200, "{carriers:?} {}", answer.head);
            check(&service.last(), &format!("{carriers:?} {request}"));
        }
    }
    for request in attack.requests() {
        let service = Sound::start().await;
        let edge = Edge::start(&of_http2(&service)).await;
        let answer = edge.connect().await.ask(&request).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        let heard = &service.heard()[0];
        check(&format!("{}\n{}", heard.head, heard.trailers), &request);
    }
}

#[tokio::test]
async fn no_client_of_http2_speaks_in_the_name_of_the_gateway() {
    let mut attack = Attack::new();
    for fields in [&mut attack.fields, &mut attack.trailers] {
        fields
            .iter_mut()
            .for_each(|(name, _)| name.make_ascii_lowercase());
    }
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Upstream::start([ok("fine")]).await;
        let rest = crate::edge::everything_to(&[service.address]);
        let edge = Edge::start_with_http2(carriers, &rest).await;
        attack
            .send(&http2::Client::connect(edge.address()).await)
            .await;
        check(&service.last(), &format!("{carriers:?}"));
    }
    let service = Sound::start().await;
    let edge = Edge::start_with_http2(Carriers::Both, &of_http2(&service)).await;
    attack
        .send(&http2::Client::connect(edge.address()).await)
        .await;
    let heard = &service.heard()[0];
    check(
        &format!("{}\n{}", heard.head, heard.trailers),
        "both in HTTP/2",
    );
}

fn of_http2(service: &Sound) -> String {
    format!(
        "services: {{ s: {{ endpoints: [\"{}\"], protocol: h2 }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, name: all }}]\n",
        service.address
    )
}

/// What a service says of who asks is for nobody else either.
#[tokio::test]
async fn no_service_tells_a_client_in_the_name_of_the_gateway() {
    let forged: String = FORGED
        .iter()
        .filter(|name| !matches!(**name, "Transfer_Encoding" | "Content_Length"))
        .map(|name| format!("{name}: forged\r\n"))
        .collect();
    let say = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{forged}\r\nok");
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Upstream::start([crate::upstream::Step::Say(say.clone())]).await;
        let rest = crate::edge::everything_to(&[service.address]);
        let edge = Edge::start_with(carriers, &rest).await;
        let answer = edge.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert!(
            !answer.head.contains("forged"),
            "{carriers:?} {}",
            answer.head
        );
    }
}
