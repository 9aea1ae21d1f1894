//! What a client cannot say in the gateway's name: who asks, and through whom.
//!
//! Every attack goes through each carrier, in both versions of HTTP on both sides, before the body and
//! behind it.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use bytes::Bytes;
use gateway_server::Carriers;
use http::{HeaderMap, HeaderName, HeaderValue};
use idp_token::session::Session;

use crate::edge::Edge;
use crate::h2_services::sound::Sound;
use crate::http2::client as http2;
use crate::identity::provider::{CREDENTIAL, ISSUER, Provider, session};
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

/// The same of a request: by which it would be another one, or of somebody else.
const MISLEADING: [&str; 8] = [
    "X-Forwarded-User",
    "x_forwarded_prefix",
    "True-Client-IP",
    "X-HTTP-Method-Override",
    "X_Http_Method",
    "X-Original-URL",
    "x.rewrite.url",
    "Proxy",
];

/// Nothing of ours: it must arrive.
const HONEST: &str = "X-Honest";

/// The head fields of an attack, and what stands behind its body.
struct Attack {
    fields: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
}

impl Attack {
    /// With this token for a credential, which stands in another field as well.
    fn with(token: &str) -> Self {
        let forged = |place: &str| -> Vec<_> {
            let forge = |name: &&str| ((*name).to_owned(), format!("forged-{place}"));
            FORGED.iter().chain(&MISLEADING).map(forge).collect()
        };
        let mut fields = forged("field");
        fields.push(("Authorization".into(), format!("Bearer {token}")));
        fields.push(("Cookie".into(), format!("a={token}")));
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
            "POST /x HTTP/1.1\r\nHost: h\r\n{}Connection: X-Request-Id, Tollgate-Subject, \
             X-Forwarded-For, Authorization\r\n",
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

    /// As HTTP/2 wants names to be.
    fn lower(&mut self) {
        for (name, _) in self.fields.iter_mut().chain(&mut self.trailers) {
            name.make_ascii_lowercase();
        }
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
    check_apart_from_caller(heard, case);
    assert_eq!(of_caller(heard), Vec::<String>::new(), "{case}: {heard}");
}

fn check_apart_from_caller(heard: &str, case: &str) {
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
}

/// The lines that speak of the caller, in whatever spelling.
fn of_caller(heard: &str) -> Vec<String> {
    let speaks = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("tollgate") || line.starts_with("authorization")
    };
    let mut lines: Vec<_> = heard.lines().filter(speaks).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn no_client_of_http1_speaks_in_the_name_of_the_gateway() {
    let attack = Attack::with(TOKEN);
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
async fn a_token_in_a_target_reaches_no_service_and_no_log() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let refresh = TOKEN.replace("tg_at_", "tg%5Frt_");
    let mut client = edge.connect().await;
    for target in [
        format!("/x/{TOKEN}"),
        format!("/{refresh}/x"),
        format!("/x?{TOKEN}"),
        format!("/x?a=b&t={refresh}"),
    ] {
        let answer = client.get(&target).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "token_in_query"),
            "{target}"
        );
    }
    assert_eq!(client.get("/x/tg_at_short").await.status, 200);
    assert_eq!(service.heard().len(), 1);
    drop(client);
    let lines = edge.stop_and_read_log().await;
    let paths: Vec<_> = lines
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["/x/tg_at_*", "/tg_rt_*/x", "/x", "/x", "/x/tg_at_short"]
    );
}

#[tokio::test]
async fn no_client_of_http2_speaks_in_the_name_of_the_gateway() {
    let mut attack = Attack::with(TOKEN);
    attack.lower();
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
    let hints = format!("HTTP/1.1 103 Early Hints\r\n{forged}Link: a\r\n\r\n");
    let say = format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{forged}\r\nok");
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Upstream::start([crate::upstream::Step::Say(say.clone())]).await;
        let rest = crate::edge::everything_to(&[service.address]);
        let edge = Edge::start_with(carriers, &rest).await;
        let mut client = edge.connect().await;
        let hints = client.get("/").await;
        assert_eq!((hints.status, hints.field("link")), (103, Some("a")));
        let answer = client.hear().await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        for head in [hints.head, answer.head] {
            assert!(!head.contains("forged"), "{carriers:?} {head}");
        }
    }
}

/// A gateway whose one route asks for callers, and tells the service who they are.
struct Guarded {
    edge: Edge,
    token: String,
    _provider: Provider,
    _folder: tempfile::TempDir,
}

impl Guarded {
    async fn start(carriers: Carriers, service: SocketAddr, protocol: &str) -> Self {
        let provider = Provider::start().await;
        let token = provider.issue(1);
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("gateway.key");
        fs::write(&key_file, CREDENTIAL).unwrap();
        fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
        let rest = format!(
            "idp: {{ issuer: \"{ISSUER}\", listen: \"{at}\", internal: \"{at}\", key_file: {key} }}\n\
             services: {{ s: {{ endpoints: [\"{service}\"], protocol: {protocol} }} }}\n\
             routes: [{{ match: \"/{{rest*}}\", to: s, name: all, require: {{ scopes: [read] }}, \
             identity_headers: true }}]\n",
            at = provider.address,
            key = key_file.display(),
        );
        let edge = Edge::start_with_http2(carriers, &rest).await;
        let known =
            format!("GET /known HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n");
        let learned = async {
            while edge.connect().await.ask(&known).await.status != 200 {
                // sleeps: the keys of the provider come at some time
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), learned)
            .await
            .unwrap();
        Self {
            edge,
            token,
            _provider: provider,
            _folder: folder,
        }
    }

    /// The caller is told once and as the provider has it, by nobody but the gateway.
    fn check(&self, heard: &str, case: &str) {
        check_apart_from_caller(heard, case);
        assert!(!heard.contains(&self.token), "{case}: {heard}");
        let told = of_caller(heard);
        let [bearer, others @ ..] = told.as_slice() else {
            panic!("{case}: {heard}");
        };
        assert!(
            bearer.starts_with("authorization: Bearer eyJ"),
            "{case}: {bearer}"
        );
        let Session { id, subject, .. } = session(1);
        let expected = [
            "tollgate-client: shop".to_owned(),
            "tollgate-scope: read write".to_owned(),
            format!("tollgate-session: {id}"),
            format!("tollgate-subject: {subject}"),
        ];
        assert_eq!(others, expected, "{case}");
    }
}

#[tokio::test]
async fn a_known_caller_is_told_by_the_gateway_alone() {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let service = Upstream::start([ok("fine")]).await;
        let guarded = Guarded::start(carriers, service.address, "h1").await;
        let mut attack = Attack::with(&guarded.token);
        for request in attack.requests() {
            let answer = guarded.edge.connect().await.ask(&request).await;
            assert_eq!(answer.status, 200, "{carriers:?} {}", answer.head);
            guarded.check(&service.last(), &format!("{carriers:?} {request}"));
        }
        attack.lower();
        let client = http2::Client::connect(guarded.edge.address()).await;
        attack.send(&client).await;
        guarded.check(&service.last(), &format!("{carriers:?} HTTP/2"));
    }
    let service = Sound::start().await;
    let guarded = Guarded::start(Carriers::Both, service.address, "h2").await;
    let mut attack = Attack::with(&guarded.token);
    let last = || {
        let heard = service.heard().pop().unwrap();
        format!("{}\n{}", heard.head, heard.trailers)
    };
    for request in attack.requests() {
        let answer = guarded.edge.connect().await.ask(&request).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        guarded.check(&last(), &request);
    }
    attack.lower();
    let client = http2::Client::connect(guarded.edge.address()).await;
    attack.send(&client).await;
    guarded.check(&last(), "both in HTTP/2");
}

#[tokio::test]
async fn a_credential_that_is_doubled_displaced_or_taken_away_reaches_no_service() {
    let service = Upstream::start([ok("fine")]).await;
    let guarded = Guarded::start(Carriers::Both, service.address, "h1").await;
    let heard = service.heard().len();
    let bearer = format!("Authorization: Bearer {}\r\n", guarded.token);
    let other = bearer.replace("Authorization", "AUTHORIZATION");
    let query = format!("?access_token={}", guarded.token);
    #[rustfmt::skip]
    let cases = [
        ("",     format!("{bearer}{other}"),                                400, "credential_malformed"),
        ("",     format!("{bearer}Authorization:\r\n"),                     400, "credential_malformed"),
        ("",     bearer.replace("\r\n", ", Bearer x\r\n"),                 400, "credential_malformed"),
        ("",     String::new(),                                             401, "credential_missing"),
        ("",     bearer.replace("Bearer", "Basic"),                         401, "credential_missing"),
        ("",     bearer.replace("Authorization", "X-Authorization"),        401, "credential_missing"),
        ("",     bearer.replace("Authorization", "Proxy-Authorization"),    401, "credential_missing"),
        ("",     "Tollgate-Subject: alice\r\n".to_owned(),                  401, "credential_missing"),
        (&query, String::new(),                                             400, "token_in_query"),
        (&query, bearer.clone(),                                            400, "token_in_query"),
        ("",     bearer.replace("tg_at_", "tg_rt_"),                        401, "refresh_token_refused"),
    ];
    for (query, fields, status, code) in cases {
        let request = format!("GET /x{query} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let mut client = guarded.edge.connect().await;
        let answer = client.ask(&request).await;
        let found = (answer.status, answer.code());
        assert_eq!(found, (status, code.to_owned()), "{request}");
        let challenge = answer.field("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer realm=\"tollgate\""),
            "{challenge}"
        );
        assert_eq!(service.heard().len(), heard, "{request}");
        let is_kept = answer.field("connection") == Some("keep-alive");
        assert!(
            is_kept,
            "a storm of refusals is none of handshakes: {}",
            answer.head
        );
    }
}
