use hyper::StatusCode;

use crate::seeds::ISSUER;
use crate::server::{Server, Wishes};
use crate::visitor::{Answer, request};

/// A page but for what differs by design.
fn essence(page: &Answer, name: &str) -> String {
    let proof = page.proof();
    page.text.replace(&proof, "").replace(name, "")
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_one_thing() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("till", &[])).await;
    let wrong = visitor.sign_in(&page, "alice", "wrong").await;
    let unknown = visitor.sign_in(&page, "nobody", &server.password()).await;
    let impossible = visitor.sign_in(&page, "no body", "wrong").await;
    for answer in [&wrong, &unknown, &impossible] {
        assert!(answer.is_sign_in() && answer.has("role=\"alert\""));
        assert!(answer.set_cookies().is_empty());
    }
    let told = essence(&wrong, "alice");
    assert_eq!(essence(&unknown, "nobody"), told);
    assert_eq!(essence(&impossible, "no body"), told);
}

#[tokio::test]
async fn too_many_attempts_lock_out_and_nobody_is_told() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("till", &[])).await;
    let mut told = String::new();
    for _ in 0..10 {
        let wrong = visitor.sign_in(&page, "alice", "wrong").await;
        told = essence(&wrong, "alice");
    }
    let right = visitor.sign_in(&page, "alice", &server.password()).await;
    assert_eq!(essence(&right, "alice"), told);
    assert!(right.set_cookies().is_empty());
}

#[tokio::test]
async fn half_a_form_is_asked_for_again_and_is_no_attempt() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("till", &[])).await;
    for _ in 0..11 {
        for (name, password) in [("alice", ""), ("", "wrong"), (" ", "wrong")] {
            let again = visitor.sign_in(&page, name, password).await;
            assert!(again.is_sign_in() && again.has("Enter both"));
        }
    }
    let landed = visitor.sign_in(&page, "alice", &server.password()).await;
    assert!(landed.landed().contains_key("code"));
}

#[tokio::test]
async fn a_login_is_a_new_cookie_that_scripts_and_other_sites_cannot_use() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let planted = "tg_li_AAAAAAAAAAAAAAAAAAAAAA";
    visitor
        .cookies
        .insert("tollgate-login".to_owned(), planted.to_owned());
    let page = visitor.get(&request("till", &[])).await;
    let form = page.set_cookies().concat();
    assert!(form.starts_with("tollgate-browser="), "{form}");
    assert!(form.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{form}");

    let landed = visitor.sign_in(&page, "alice", &server.password()).await;
    let [login] = landed.set_cookies()[..] else {
        panic!("not one cookie: {:?}", landed.set_cookies());
    };
    assert!(login.starts_with("tollgate-login=tg_li_") && !login.contains(planted));
    assert!(
        login.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{login}"
    );

    let page = visitor.get(&request("till", &[("prompt", "login")])).await;
    // The browser is known, so that forms that are open in other tabs stay good.
    assert!(page.set_cookies().is_empty());
    let again = visitor.sign_in(&page, "alice", &server.password()).await;
    assert_ne!(again.set_cookies(), [login]);
}

#[tokio::test]
async fn cookies_are_bound_to_the_host_where_the_issuer_has_https() {
    let issuer = "https://id.example";
    let server = Server::start_with(Wishes {
        issuer: Some(issuer),
        ..Wishes::default()
    })
    .await;
    let mut visitor = server.visitor();
    let page = visitor.get(&request("till", &[])).await;
    assert!(
        page.set_cookies()
            .concat()
            .starts_with("__Host-tollgate-browser=")
    );
    let password = server.password();
    let fields = [("username", "alice"), ("password", password.as_str())];
    let refused = visitor
        .press_from(&page, &fields, &[("origin", ISSUER)])
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let landed = visitor
        .press_from(&page, &fields, &[("origin", issuer)])
        .await;
    let login = landed.set_cookies().concat();
    assert!(login.starts_with("__Host-tollgate-login=tg_li_"), "{login}");
    assert!(
        login.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
        "{login}"
    );
    assert_eq!(landed.landed()["iss"], issuer);
}

#[tokio::test]
async fn a_name_that_is_hinted_at_need_not_be_typed() {
    let server = Server::start().await;
    let mut visitor = server.visitor();
    let page = visitor
        .get(&request("till", &[("login_hint", "alice")]))
        .await;
    assert!(page.has("value=\"alice\""));
    let password = page.text.split("name=\"password\"").nth(1).unwrap();
    assert!(password.split('>').next().unwrap().contains("autofocus"));
}
