use hyper::StatusCode;

use crate::seeds::ISSUER;
use crate::server::Server;
use crate::visitor::{Answer, form, request};

#[tokio::test]
async fn a_form_that_was_not_shown_here_signs_nobody_in() {
    let server = Server::start().await;
    let password = server.password();
    let mut visitor = server.visitor();
    let page = visitor.get(&request("till", &[])).await;
    let mut other = server.visitor();
    let elsewhere = other.get(&request("till", &[])).await;
    let another = visitor.get(&request("till", &[("state", "another")])).await;
    let (guest, _) = server.guest().await;
    let (proof, foreign, of_another) = (page.proof(), elsewhere.proof(), another.proof());
    let cut = &proof[..proof.len() - 4];
    for wrong in ["", "x", cut, &foreign, &of_another] {
        let fields = [
            ("csrf", wrong),
            ("username", "alice"),
            ("password", &password),
        ];
        let again = visitor
            .post(&page.action(), &form(&fields), &[("origin", ISSUER)])
            .await;
        assert_nothing_done(&again);
        // What a stranger typed is not shown to whoever they sent here.
        assert!(!again.has("value=\"alice\""));
    }
    let fields = [("username", "alice"), ("password", password.as_str())];
    let missing = visitor.post(&page.action(), &form(&fields), &[]).await;
    assert_nothing_done(&missing);

    // A browser that does not return its cookie.
    visitor.cookies.clear();
    let again = visitor.sign_in(&page, "alice", &password).await;
    assert_nothing_done(&again);
    let landed = visitor.sign_in(&again, "alice", &password).await;
    assert!(landed.landed().contains_key("code"));
    drop(guest);
}

fn assert_nothing_done(answer: &Answer) {
    assert!(answer.is_sign_in(), "{}", answer.text);
    assert!(answer.has("Nothing was done"), "{}", answer.text);
    let cookies = answer.set_cookies().concat();
    assert!(!cookies.contains("tollgate-login"), "{cookies}");
}

#[tokio::test]
async fn a_form_that_another_site_sent_is_refused_whatever_it_proves() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let consent = visitor.get(&request("shop", &[])).await;
    let sign_out = visitor.get("/end-session").await;
    let cases: [&[(&str, &str)]; 5] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", ISSUER), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "none")],
    ];
    for page in [&consent, &sign_out] {
        for headers in cases {
            let refused = visitor
                .press_from(page, &[("answer", "allow")], headers)
                .await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{headers:?}");
            assert_eq!(refused.field("location"), None);
            assert!(refused.set_cookies().is_empty());
        }
    }
    assert!(visitor.get(&request("shop", &[])).await.is_consent());
}

#[tokio::test]
async fn what_one_person_was_shown_another_cannot_answer() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let consent = visitor.get(&request("shop", &[])).await;
    // Somebody signs in anew at the same browser.
    let page = visitor.get(&request("till", &[("prompt", "login")])).await;
    visitor.sign_in(&page, "alice", &server.password()).await;
    let again = visitor.press(&consent, &[("answer", "allow")]).await;
    assert!(again.is_consent() && again.has("Nothing was done"));
}

#[tokio::test]
async fn a_form_of_one_page_is_no_answer_to_another() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let consent = visitor.get(&request("shop", &[])).await;
    let page = visitor.press(&consent, &[("answer", "switch")]).await;
    assert!(page.is_sign_in());
    // The same browser, request and login: only what it is for differs.
    let password = server.password();
    let fields = [("username", "alice"), ("password", password.as_str())];
    let answer = visitor.press(&consent, &fields).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let answer = visitor.press(&page, &[("answer", "allow")]).await;
    assert!(answer.is_sign_in() && answer.has("Enter both"));
    let answer = visitor.press(&consent, &[("answer", "perhaps")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_allows_something_signs_nobody_out_and_the_other_way_around() {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    let asked = request("shop", &[]);
    let asked_elsewhere = asked.replace("/authorize", "/end-session");
    let consent = visitor.get(&asked).await;
    let sign_out = visitor.get(&asked_elsewhere).await;
    assert!(consent.is_consent() && sign_out.has("<h1>Sign out?</h1>"));
    for (path, proof) in [
        (&asked, sign_out.proof()),
        (&asked_elsewhere, consent.proof()),
    ] {
        let forged = form(&[("csrf", &proof), ("answer", "allow")]);
        let again = visitor.post(path, &forged, &[]).await;
        assert_eq!(again.status, StatusCode::OK);
        assert!(again.has("Nothing was done"), "{path}: {}", again.text);
    }
    assert!(visitor.get(&asked).await.is_consent());
}
