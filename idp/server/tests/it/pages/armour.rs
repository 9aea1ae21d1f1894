use hyper::{Method, StatusCode};

use crate::seeds::CALLBACK;
use crate::server::Server;
use crate::visitor::{Answer, form, request};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn assert_armoured(answer: &Answer) {
    let what = format!("{} {} {:?}", answer.path, answer.status, answer.headers);
    let policy = answer.field("content-security-policy").expect(&what);
    for part in [
        "default-src 'none'",
        "style-src 'sha256-",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action ",
    ] {
        assert!(policy.contains(part), "{what}");
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains("script-src"),
        "{what}"
    );
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.field(name), Some(value), "{what}");
    }
    assert!(answer.field("permissions-policy").is_some(), "{what}");
    let has_form = answer.has("<form");
    let referrer = if has_form {
        "same-origin"
    } else {
        "no-referrer"
    };
    assert_eq!(answer.field("referrer-policy"), Some(referrer), "{what}");
    assert_eq!(policy.contains("form-action 'none'"), !has_form, "{what}");
    let is_page = answer.status != StatusCode::SEE_OTHER;
    if is_page && !answer.text.is_empty() {
        assert_eq!(
            answer.field("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(answer.has("<html lang=\"en\">") && answer.has(" · Tollgate</title>"));
        assert!(
            !answer.has("<script") && !answer.has("style=\""),
            "{}",
            answer.text
        );
        assert_eq!(answer.text.matches("<h1>").count(), 1);
    }
}

#[tokio::test]
async fn every_answer_is_kept_by_nobody_framed_by_nobody_and_runs_nothing() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("shop", &[])).await;
    assert!(page.is_sign_in());
    let wrong = visitor.sign_in(&page, "alice", "wrong").await;
    let consent = visitor.sign_in(&page, "alice", &server.password()).await;
    assert!(consent.is_consent());
    let landed = visitor.press(&consent, &[("answer", "allow")]).await;
    assert_eq!(landed.status, StatusCode::SEE_OTHER);
    let sign_out = visitor.get("/end-session").await;
    let still = visitor.press(&sign_out, &[("answer", "deny")]).await;
    let out = visitor.press(&sign_out, &[("answer", "allow")]).await;
    assert!(out.has("You are signed out"), "{}", out.text);
    let mut answers = vec![page, wrong, consent, landed, sign_out, still, out];
    for path in [
        "/",
        "/nothing",
        "/authorize",
        "/end-session",
        "/authorize/../x",
    ] {
        answers.push(visitor.get(path).await);
    }
    answers.push(visitor.post("/authorize", "a=1&a=2", &[]).await);
    for answer in &answers {
        assert_armoured(answer);
    }
}

#[tokio::test]
async fn a_form_leads_back_here_and_on_to_where_its_client_is_and_nowhere_else() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("shop", &[])).await;
    let policy = page.field("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:1;"),
        "{policy}"
    );
    assert!(page.has("<form method=\"post\" action=\"?"));
}

#[tokio::test]
async fn nothing_that_anybody_sends_becomes_part_of_a_page() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let marks = "\"><script>alert(1)</script>'";
    let scope = "openid <script>'x'";
    let evil = [
        ("state", marks),
        ("nonce", marks),
        ("login_hint", marks),
        ("scope", scope),
    ];
    let page = visitor.get(&request("shop", &evil)).await;
    assert!(page.is_sign_in());
    assert!(
        page.has("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "the hint is shown"
    );
    let wrong = visitor.sign_in(&page, marks, "wrong").await;
    let consent = visitor.sign_in(&page, "alice", &server.password()).await;
    assert!(
        consent.has("<code>&lt;script&gt;&#39;x&#39;</code>"),
        "{}",
        consent.text
    );
    let raw = format!("{}&x='|$;", request("shop", &evil));
    let odd = visitor.get(&raw).await;
    let refused = visitor.get(&request(marks, &evil)).await;
    let out = visitor
        .get(&format!("/end-session?{}", form(&[("state", marks)])))
        .await;
    for page in [&page, &wrong, &consent, &odd, &refused, &out] {
        assert!(!page.has("<script") && !page.has(marks), "{}", page.text);
    }
    // And it comes back to the client as it was sent.
    let landed = visitor.press(&consent, &[("answer", "allow")]).await;
    let location = landed.field("location").unwrap();
    let state = "state=%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%27&";
    assert!(
        location.starts_with(CALLBACK) && location.contains(state),
        "{location}"
    );
}

#[tokio::test]
async fn a_password_is_in_no_page_and_no_address() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("till", &[])).await;
    let wrong = visitor.sign_in(&page, "alice", "hunter2").await;
    assert!(!wrong.has("hunter2"));
    // Not even if a form comes without the query that it was shown with.
    let fields = form(&[
        ("csrf", &page.proof()),
        ("username", "alice"),
        ("password", "hunter2"),
    ]);
    let lost = visitor.post("/authorize", &fields, &[]).await;
    assert_eq!(lost.status, StatusCode::BAD_REQUEST);
    assert!(!format!("{:?}", lost.headers).contains("hunter2") && !lost.has("hunter2"));
    let bare = form(&[("username", "alice"), ("password", "hunter2")]);
    let lost = visitor.post("/authorize", &bare, &[]).await;
    assert!(
        !format!("{:?}", lost.headers).contains("hunter2"),
        "{:?}",
        lost.headers
    );
}

#[tokio::test]
async fn whatever_is_no_look_and_no_form_is_declined_on_a_page() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let long = "a=".to_owned() + &"x".repeat(idp_core::parameters::BYTES_MAX);
    let link = request("till", &[]);
    let json = ("content-type", "application/json");
    let allowed = [Some("GET, POST"), Some("GET, HEAD"), None];
    #[rustfmt::skip]
    let cases = [
        (Method::HEAD,    link.as_str(),  None,       "",            405, allowed[0]),
        (Method::PUT,     link.as_str(),  Some(FORM), "",            405, allowed[0]),
        (Method::DELETE,  "/end-session", None,       "",            405, allowed[0]),
        (Method::OPTIONS, "/authorize",   None,       "",            405, allowed[0]),
        (Method::POST,    "/",            Some(FORM), "",            405, allowed[1]),
        (Method::POST,    link.as_str(),  Some(FORM), long.as_str(), 413, allowed[2]),
        (Method::POST,    link.as_str(),  Some(json), "{}",          415, allowed[2]),
        (Method::POST,    link.as_str(),  None,       "a=b",         415, allowed[2]),
        (Method::POST,    link.as_str(),  Some(FORM), "a=%zz",       400, allowed[2]),
        (Method::POST,    link.as_str(),  Some(FORM), "csrf=a&csrf=a", 400, allowed[2]),
        (Method::GET,     "/nothing",     None,       "",            404, allowed[2]),
    ];
    for (method, path, kind, body, status, allow) in cases {
        let headers: Vec<_> = kind.into_iter().collect();
        let answer = visitor.send(method.clone(), path, &headers, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body:.10}");
        assert_eq!(answer.field("allow"), allow, "{method} {path}");
        assert_armoured(&answer);
    }
    let front = visitor.send(Method::HEAD, "/", &[], "").await;
    assert_eq!((front.status, front.text.len()), (StatusCode::OK, 0));
}
