//! What does it cost to decide about one request, and to write both heads anew?

use std::cell::RefCell;
use std::error::Error;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use counted::{Book, Case};
use gateway_core::admission::Requirement;
use gateway_core::answer::{self, AnswerHead, Client};
use gateway_core::caller::Rights;
use gateway_core::chunked::Chunked;
use gateway_core::credential::Credential;
use gateway_core::fields::FieldRules;
use gateway_core::forward::{self, Hop};
use gateway_core::head::{Head, find_end};
use gateway_core::host::HostPattern;
use gateway_core::ids::{RequestId, Trace};
use gateway_core::level::Level;
use gateway_core::limits::Limits;
use gateway_core::path::{PathPattern, canonical};
use gateway_core::route::{Destination, Matches, Methods, Rewrite, Route};
use gateway_core::routes::{Origin, RouteTable};
use gateway_core::share::Shares;
use gateway_core::verdict::{Remembered, judge};
use http::Method;
use idp_token::lease::Trust;
use idp_token::time::UnixSeconds;

/// What a browser sends, and a token.
const REQUEST: &str = "GET /v1/transfers/8412/receipt?lang=en HTTP/1.1\r\n\
    Host: pay.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: application/json\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Authorization: Bearer tg_rt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\r\n\
    Connection: keep-alive\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 336\r\n\
    Cache-Control: private, max-age=0\r\n\
    ETag: \"5f3c-61a\"\r\n\
    Date: Sat, 28 Nov 2026 12:00:00 GMT\r\n\
    Connection: keep-alive\r\n\r\n";

const ROUTES: usize = 5_000;
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn main() -> Result<(), Box<dyn Error>> {
    let yardstick = Case::new("httparse", "httparse on the same head", || {
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut fields);
        let _ = black_box(request.parse(black_box(REQUEST.as_bytes())));
        black_box(request.path);
    });
    let mut cases = of_requests();
    cases.extend(of_callers());
    cases.extend(of_answers());
    let book = Book {
        name: "carrying",
        title: "What deciding about a request costs",
        yardstick,
        cases,
        bench: "-p gateway-core --bench carry",
    };
    book.open()
}

const ORIGIN: Origin = Origin {
    level: Level::Open,
    is_trusted: false,
};

fn of_requests() -> Vec<Case> {
    let (alone, table) = (route("pay"), table());
    let (request_id, trace) = (RequestId::new(0, 0), Trace::next(None, 1, 2));
    vec![
        Case::new("end", "find the end of a head", || {
            let _ = black_box(find_end(black_box(REQUEST.as_bytes()), 0));
        }),
        Case::new("head", "judge a head", || {
            black_box(head());
        }),
        Case::new("path", "make an odd path canonical", || {
            let _ = black_box(canonical(black_box("/v1/./caf%c3%a9/a%2Db/../x")));
        }),
        Case::new("route", "find one of 5,000 routes", {
            let head = head();
            move || {
                let _ = black_box(table.find(black_box(&head), ORIGIN));
            }
        }),
        Case::new("forward", "write the head for the service", {
            let (head, out) = (head(), RefCell::new(Vec::with_capacity(4096)));
            move || {
                let hop = Hop {
                    request_id: &request_id,
                    trace: &trace,
                    peer: IpAddr::from([192, 0, 2, 1]),
                    peer_is_trusted: false,
                    scheme: "https",
                    upgrades: false,
                    identity: None,
                };
                let mut out = out.borrow_mut();
                out.clear();
                forward::write_head(black_box(&head), &alone, &hop, &mut out);
                black_box(out.len());
            }
        }),
    ]
}

fn of_callers() -> Vec<Case> {
    let scope = "accounts.read pay.read pay.write transfers.read";
    let rights = Rights::new("shop", "default", scope, &["teller".to_owned()]);
    let wanted = Requirement::new(vec!["pay.read".to_owned()], vec!["teller".to_owned()]);
    let known = Remembered {
        ends_at: UnixSeconds(NOW.0 + 600),
        is_idle: false,
        value_expires_at: Some(UnixSeconds(NOW.0 + 60)),
    };
    let head = head();
    vec![
        Case::new("credential", "find the credential of a head", move || {
            let _ = black_box(Credential::find(black_box(&head)));
        }),
        Case::new("verdict", "decide about a token that is known", move || {
            let known = black_box(&known);
            black_box(judge(Some(known), true, || false, Trust::Fresh, NOW));
        }),
        Case::new("rights", "check one scope and one role", move || {
            let _ = black_box(wanted.check(black_box(&rights)));
        }),
    ]
}

fn of_answers() -> Vec<Case> {
    let alone = route("pay");
    let request_id = RequestId::new(0, 0);
    let chunk = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(0x400));
    let (head, out) = (answer_head(), RefCell::new(Vec::with_capacity(4096)));
    vec![
        Case::new("answer", "judge the head of an answer", || {
            let _ = black_box(AnswerHead::parse(
                black_box(ANSWER.as_bytes()),
                &Method::GET,
            ));
        }),
        Case::new("back", "write the head for the client", move || {
            let client = Client {
                request_id: &request_id,
                keeps_alive: true,
                reads_chunks: true,
                date: "Sat, 28 Nov 2026 12:00:00 GMT",
                identified_in: Some(Duration::from_micros(3)),
            };
            let mut out = out.borrow_mut();
            out.clear();
            answer::write_head(black_box(&head), &alone, &client, &mut out);
            black_box(out.len());
        }),
        Case::new("chunks", "follow a body of one chunk", move || {
            let mut chunked = Chunked::default();
            let _ = black_box(chunked.advance(black_box(chunk.as_bytes())));
        }),
    ]
}

fn head() -> Head<'static> {
    let head = Head::parse(black_box(REQUEST.as_bytes()), &Limits::default());
    head.expect("invariant: the head is sound")
}

fn answer_head() -> AnswerHead<'static> {
    let head = AnswerHead::parse(ANSWER.as_bytes(), &Method::GET);
    head.expect("invariant: the answer is sound")
}

fn table() -> RouteTable {
    let mut routes: Vec<_> = (1..ROUTES)
        .map(|number| route_to(&format!("r{number}"), &format!("/v1/area{number}/{{id}}")))
        .collect();
    routes.push(route("pay"));
    RouteTable::compile(routes).expect("invariant: no two take the same")
}

fn route(name: &str) -> Route {
    route_to(name, "/v1/transfers/{id}/receipt")
}

fn route_to(name: &str, path: &str) -> Route {
    Route {
        name: Arc::from(name),
        level: Level::Open,
        class: None,
        admission: None,
        matches: Matches {
            host: HostPattern::Any,
            methods: Methods::Any,
            path: PathPattern::parse(path).expect("invariant: a pattern"),
            conditions: Vec::new(),
            query: Vec::new(),
        },
        to: Destination::Services(Shares::one(Arc::from("pay"))),
        rewrite: Rewrite {
            strip: "/v1".to_owned(),
            add: String::new(),
        },
        request_fields: FieldRules::default(),
        response_fields: FieldRules::default(),
        body_bytes_max: 0,
        timeout: None,
        may_upgrade: false,
    }
}
