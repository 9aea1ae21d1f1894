use hyper::StatusCode;

use crate::seeds::{CALLBACK, ISSUER};
use crate::server::Server;
use crate::visitor::{form, request};

#[tokio::test]
async fn somebody_signs_in_consents_and_their_client_gets_tokens() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("shop", &[])).await;
    assert!(page.is_sign_in(), "{}", page.text);
    assert!(page.has("<strong>shop</strong>"));

    let consent = visitor.sign_in(&page, " Alice ", &server.password()).await;
    assert!(consent.is_consent(), "{}", consent.text);
    assert!(consent.has("See your money") && consent.has("<strong>alice</strong>"));
    assert!(!consent.has("Move your money"));

    let answer = visitor.press(&consent, &[("answer", "allow")]).await;
    let landed = answer.landed();
    assert_eq!(landed["state"], "a state");
    assert_eq!(landed["iss"], ISSUER);
    let tokens = visitor.redeem("shop", &landed["code"]).await;
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text);
    assert_eq!(tokens.json()["scope"], "money.read openid");
    assert!(tokens.json()["id_token"].is_string());

    // What was allowed is not asked again, what is new is.
    let again = visitor.get(&request("shop", &[])).await;
    assert!(again.landed().contains_key("code"));
    let more = [("scope", "openid money.read money.write")];
    let consent = visitor.get(&request("shop", &more)).await;
    assert!(consent.is_consent() && consent.has("Move your money"));
}

#[tokio::test]
async fn a_no_is_told_to_the_client_and_is_not_remembered() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let consent = visitor.get(&request("shop", &[])).await;
    let landed = visitor
        .press(&consent, &[("answer", "deny")])
        .await
        .landed();
    assert_eq!(landed["error"], "access_denied");
    assert_eq!(landed["state"], "a state");
    assert_eq!(landed["iss"], ISSUER);
    assert!(!landed.contains_key("code"));
    assert!(visitor.get(&request("shop", &[])).await.is_consent());
}

#[tokio::test]
async fn somebody_else_may_sign_in_instead() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let before = visitor.cookies["tollgate-login"].clone();
    let consent = visitor.get(&request("shop", &[])).await;
    let page = visitor.press(&consent, &[("answer", "switch")]).await;
    assert!(page.is_sign_in());
    let consent = visitor.sign_in(&page, "alice", &server.password()).await;
    assert!(consent.is_consent());
    assert_ne!(visitor.cookies["tollgate-login"], before);
}

#[tokio::test]
async fn a_client_that_wants_no_page_shown_gets_an_answer_and_no_page() {
    let server = Server::start().await;
    let silent = [("prompt", "none")];
    let mut stranger = server.visitor();
    let landed = stranger.get(&request("till", &silent)).await.landed();
    assert_eq!(landed["error"], "login_required");

    let (mut visitor, _) = server.guest().await;
    let landed = visitor.get(&request("till", &silent)).await.landed();
    assert!(landed.contains_key("code"));
    let landed = visitor.get(&request("shop", &silent)).await.landed();
    assert_eq!(landed["error"], "consent_required");
    // Not even a form that proves nothing brings one up.
    let forged = form(&[("csrf", "x"), ("username", "alice"), ("password", "x")]);
    let landed = stranger.post(&request("till", &silent), &forged, &[]).await;
    assert_eq!(landed.landed()["error"], "login_required");
}

#[tokio::test]
async fn a_client_that_wants_a_sign_in_gets_a_fresh_one_each_time_and_no_loop() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let fresh = [("prompt", "login")];
    for _ in 0..2 {
        let page = visitor.get(&request("till", &fresh)).await;
        assert!(page.is_sign_in(), "{}", page.text);
        let landed = visitor.sign_in(&page, "alice", &server.password()).await;
        assert!(landed.landed().contains_key("code"));
    }
}

#[tokio::test]
async fn a_sign_in_for_one_request_is_fresh_for_that_one_alone() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let fresh = request("shop", &[("prompt", "login")]);
    let page = visitor.get(&fresh).await;
    let after = visitor.sign_in(&page, "alice", &server.password()).await;
    assert!(after.is_consent());

    // The page of another request of the same person, and the right page for another request.
    let plain = visitor.get(&request("shop", &[])).await;
    assert!(plain.is_consent());
    let other = request("shop", &[("prompt", "login"), ("state", "other")]);
    for (path, page) in [(&fresh, &plain), (&other, &after)] {
        let forged = form(&[("csrf", &page.proof()), ("answer", "allow")]);
        let answer = visitor.post(path, &forged, &[]).await;
        assert!(answer.is_sign_in(), "{}", answer.text);
    }
    let landed = visitor.press(&after, &[("answer", "allow")]).await;
    assert!(landed.landed().contains_key("code"));
}

#[tokio::test]
async fn a_sign_in_that_is_too_old_for_a_request_is_asked_for_again() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let young = request("till", &[("max_age", "0")]);
    // Ages are of whole seconds, so that it may still be of this one.
    let mut page = visitor.get(&young).await;
    for _ in 0..100_000 {
        if page.is_sign_in() {
            break;
        }
        page = visitor.get(&young).await;
    }
    let landed = visitor.sign_in(&page, "alice", &server.password()).await;
    assert!(landed.landed().contains_key("code"));
    let old = visitor.get(&request("till", &[("max_age", "3600")])).await;
    assert!(old.landed().contains_key("code"));
}

#[tokio::test]
async fn whoever_thinks_for_too_long_signs_in_again_before_it_counts() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let young = request("shop", &[("max_age", "1")]);
    let mut consent = visitor.get(&young).await;
    // On a slow machine the sign-in may be too old already.
    while !consent.is_consent() {
        let page = visitor.get(&request("till", &[("prompt", "login")])).await;
        visitor.sign_in(&page, "alice", &server.password()).await;
        consent = visitor.get(&young).await;
    }
    for _ in 0..100_000 {
        if visitor.get(&young).await.is_sign_in() {
            break;
        }
    }
    let answer = visitor.press(&consent, &[("answer", "allow")]).await;
    assert!(answer.is_sign_in(), "{}", answer.text);
}

#[tokio::test]
async fn a_request_of_nobody_we_know_is_sent_nowhere() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let twice = format!("{}&client_id=till", request("till", &[]));
    let encoded = format!("{}&%73tate=b", request("till", &[]));
    let cases = [
        (request("nobody", &[]), "invalid_client"),
        (request("<script>", &[]), "invalid_client"),
        (
            request("till", &[("redirect_uri", "https://evil.example/")]),
            "invalid_request",
        ),
        (
            request("till", &[("redirect_uri", &format!("{CALLBACK}/"))]),
            "invalid_request",
        ),
        (request("till", &[("redirect_uri", "")]), "invalid_request"),
        (
            request("till", &[("redirect_uri", "javascript:alert(1)")]),
            "invalid_request",
        ),
        (
            request("till", &[("state", &"x".repeat(1025))]),
            "invalid_request",
        ),
        (twice, "invalid_request"),
        (encoded, "invalid_request"),
        ("/authorize".to_owned(), "invalid_client"),
    ];
    for (path, code) in cases {
        let page = visitor.get(&path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(page.field("location"), None, "{path}");
        assert!(page.has(code), "{path}: {}", page.text);
        assert!(!page.has("evil") && !page.has("<script"), "{path}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_known_client_is_told_to_that_client() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let cases = [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "admin"), "invalid_scope"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("request", "x.y.z"), "request_not_supported"),
    ];
    for (change, error) in cases {
        let landed = visitor.get(&request("till", &[change])).await.landed();
        assert_eq!(landed["error"], error);
        assert_eq!(landed["state"], "a state");
        assert_eq!(landed["iss"], ISSUER);
    }
}

#[tokio::test]
async fn a_request_that_comes_as_a_form_is_the_same_as_the_link() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let link = request("till", &[]);
    let (path, query) = link.split_once('?').unwrap();
    let elsewhere = [
        ("origin", "https://shop.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let answer = visitor.post(path, query, &elsewhere).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.field("location"), Some(format!("?{query}").as_str()));
    let broken = visitor.post(path, "client_id=a b\u{e9}", &[]).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
}
