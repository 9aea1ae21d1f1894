use hyper::{Method, StatusCode};
use serde_json::json;

use crate::server::Server;

#[tokio::test]
async fn a_machine_gets_a_token_and_a_service_can_ask_about_it() {
    let server = Server::start().await;
    let form = "grant_type=client_credentials&scope=money.read";
    let issued = server.post("/token", Some("robot"), form).await;
    assert_eq!(issued.status, StatusCode::OK);
    assert!(issued.is_private());
    let told = issued.json();
    assert_eq!(told["token_type"], "Bearer");
    assert_eq!(told["scope"], "money.read");
    assert_eq!(told["expires_in"], 3600);
    assert!(told.get("refresh_token").is_none() && told.get("id_token").is_none());

    let token = issued.text_of("access_token");
    let asked = server
        .post("/introspect", Some("service"), &format!("token={token}"))
        .await;
    assert!(asked.is_private());
    let said = asked.json();
    assert_eq!(said["active"], true);
    assert_eq!(said["client_id"], "robot");
    assert_eq!(said["sub"], "robot");
    assert_eq!(said["scope"], "money.read");
    assert_eq!(said["aud"], json!(["pay"]));
    assert_eq!(said["iss"], "http://127.0.0.1:8081");
}

#[tokio::test]
async fn a_token_that_was_given_back_is_good_no_more_and_nobody_learns_why() {
    let server = Server::start().await;
    let token = server.token().await;
    let form = format!("token={token}");
    let revoked = server.post("/revoke", Some("robot"), &form).await;
    assert_eq!((revoked.status, revoked.body.len()), (StatusCode::OK, 0));
    let asked = server.post("/introspect", Some("service"), &form).await;
    assert_eq!(asked.json(), json!({"active": false}));
}

#[tokio::test]
async fn what_is_known_survives_a_restart() {
    let server = Server::start().await;
    let token = server.token().await;
    let keys = server.get("/jwks", &[]).await.body;
    let secret = server.secret("robot.secret");
    let server = server.restart().await;
    assert_eq!(server.get("/jwks", &[]).await.body, keys);
    assert_eq!(server.secret("robot.secret"), secret);
    let asked = server
        .post("/introspect", Some("service"), &format!("token={token}"))
        .await;
    assert_eq!(asked.json()["active"], true);
}

#[tokio::test]
async fn a_stranger_is_told_so_and_nothing_else() {
    let server = Server::start().await;
    let form = "grant_type=client_credentials&client_id=robot&client_secret=tg_cs_wrong";
    let refused = server.post("/token", None, form).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.text_of("error"), "invalid_client");
    assert!(
        refused
            .field("www-authenticate")
            .unwrap()
            .starts_with("Basic ")
    );
    assert!(refused.is_private());
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways_are_refused() {
    let server = Server::start().await;
    let basic = server.basic("robot");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let credentials = ("authorization", basic.as_str());
    let good = "grant_type=client_credentials";
    #[rustfmt::skip]
    let cases = [
        (&[credentials][..],                                        good, 400, "invalid_request"),
        (&[credentials, ("content-type", "application/json")][..],  good, 400, "invalid_request"),
        (&[form, credentials, credentials][..],                     good, 400, "invalid_request"),
        (&[form, credentials][..], "grant_type=client_credentials&grant_type=refresh_token", 400, "invalid_request"),
        (&[form, credentials][..], "grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        (&[form, credentials][..], "grant_type=client_credentials&client_secret=x", 400, "invalid_request"),
    ];
    for (fields, body, status, error) in cases {
        let refused = server.send(Method::POST, "/token", fields, body).await;
        assert_eq!(refused.status, status, "{fields:?} {body}");
        assert_eq!(refused.text_of("error"), error, "{fields:?} {body}");
    }
}

#[tokio::test]
async fn bodies_are_taken_up_to_their_limit_and_no_further() {
    let server = Server::start().await;
    let limit = idp_core::parameters::BYTES_MAX;
    let good = "grant_type=client_credentials&x=";
    let padded = |bytes: usize| format!("{good}{}", "x".repeat(bytes - good.len()));
    let at = server.post("/token", Some("robot"), &padded(limit)).await;
    assert_eq!(at.status, StatusCode::OK);
    let past = server
        .post("/token", Some("robot"), &padded(limit + 1))
        .await;
    assert_eq!(past.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_anybody_may_know_can_be_kept_and_asked_for_again_for_nothing() {
    let server = Server::start().await;
    for path in [
        "/jwks",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let told = server.get(path, &[]).await;
        assert_eq!(told.status, StatusCode::OK);
        assert_eq!(told.field("content-type"), Some("application/json"));
        assert_eq!(told.field("cache-control"), Some("public, max-age=300"));
        let tag = told.field("etag").unwrap();
        let again = server.get(path, &[("if-none-match", tag)]).await;
        assert_eq!(
            (again.status, again.body.len()),
            (StatusCode::NOT_MODIFIED, 0)
        );
        assert_eq!(again.field("etag"), Some(tag));
        let other = server.get(path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(other.status, StatusCode::OK);
    }
    let keys = server.get("/jwks", &[]).await.json();
    assert_eq!(
        keys["keys"].as_array().unwrap().len(),
        2,
        "one signs, one comes next"
    );
}

#[tokio::test]
async fn a_person_is_told_of_only_to_whom_a_token_of_theirs_was_given() {
    let server = Server::start().await;
    let token = server.token().await;
    let bearer = format!("Bearer {token}");
    let machine = server.get("/userinfo", &[("authorization", &bearer)]).await;
    assert_eq!(machine.status, StatusCode::FORBIDDEN);
    assert_eq!(machine.text_of("error"), "insufficient_scope");
    for field in ["Bearer x", "Basic x", "Bearer", ""] {
        let refused = server.get("/userinfo", &[("authorization", field)]).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{field}");
    }
    let query = format!("/userinfo?access_token={token}");
    assert_eq!(
        server.get(&query, &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
}
