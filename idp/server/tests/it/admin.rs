use std::path::Path;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Reply, Server};

impl Server {
    pub(crate) async fn back_up(&self, to: &Path) {
        let made = self.admin(Method::POST, "/admin/backup", json!({ "to": to }));
        assert_eq!(made.await.status, StatusCode::OK);
    }

    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Reply {
        let key = format!("Bearer {}", self.secret("admin.key"));
        let fields = [
            ("authorization", key.as_str()),
            ("content-type", "application/json"),
            ("tollgate-actor", "olga"),
        ];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send_inside(method, path, &fields, &body).await
    }

    async fn order(&self, path: &str) {
        let reply = self.admin(Method::POST, path, Value::Null).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{path}");
    }

    async fn is_good(&self, token: &str) -> bool {
        let form = format!("token={token}");
        let reply = self.post("/introspect", Some("service"), &form).await;
        reply.json()["active"] == true
    }
}

#[tokio::test]
async fn what_the_description_names_is_there_and_is_closed_to_strangers() {
    let server = Server::start().await;
    let described = server
        .send_inside(Method::GET, "/admin/openapi.json", &[], "")
        .await;
    let described = described.json();
    let paths = described["paths"].as_object().unwrap();
    let gateway = format!("Bearer {}", server.secret("gateway.key"));
    assert!(paths.len() > 20);
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path.replace("{id}", "x").replace("{client}", "x");
            for fields in [&[][..], &[("authorization", gateway.as_str())][..]] {
                let refused = server.send_inside(method.clone(), &path, fields, "").await;
                assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{method} {path}");
                assert_eq!(refused.text_of("code"), "unauthorized", "{method} {path}");
            }
            let known = server.admin(method.clone(), &path, Value::Null).await;
            assert_ne!(
                known.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        server.get("/admin/users", &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_user_is_created_found_changed_and_listed() {
    let server = Server::start().await;
    let wanted = json!({"name": "bob", "roles": ["member"]});
    let created = server
        .admin(Method::POST, "/admin/users", wanted.clone())
        .await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert!(created.text_of("password").len() >= 43);
    let id = created.text_of("id");
    let again = server.admin(Method::POST, "/admin/users", wanted).await;
    assert_eq!(
        (again.status, again.text_of("code")),
        (StatusCode::CONFLICT, "taken".to_owned())
    );

    let path = format!("/admin/users/{id}");
    let roles = json!({"roles": ["teller"]});
    let set = server
        .admin(Method::PUT, &format!("{path}/roles"), roles)
        .await;
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    server.order(&format!("{path}/disable")).await;
    let named = server
        .admin(Method::GET, "/admin/users?name=bob", Value::Null)
        .await;
    let expected = json!({
        "id": id, "tenant": "default", "name": "bob", "roles": ["teller"], "enabled": false,
    });
    assert_eq!(named.json(), json!({ "items": [expected] }));
    assert_eq!(
        server.admin(Method::GET, &path, Value::Null).await.json(),
        expected
    );

    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/admin/users?limit=1{next}");
        let page = server.admin(Method::GET, &path, Value::Null).await.json();
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(after) = page.get("next") else { break };
        next = format!("&after={}", after.as_str().unwrap());
    }
    let mut names: Vec<_> = seen
        .iter()
        .map(|user| user["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["alice", "bob"]);
}

#[tokio::test]
async fn every_way_to_end_sessions_ends_them_and_no_others() {
    let server = Server::start().await;
    for path in [
        "/admin/clients/robot/end-sessions",
        "/admin/clients/robot/disable",
        "/admin/tenants/default/end-sessions",
        "/admin/end-all-sessions",
    ] {
        let token = server.token().await;
        assert!(server.is_good(&token).await, "{path}");
        server.order("/admin/clients/service/end-sessions").await;
        assert!(server.is_good(&token).await, "{path}");
        server.order(path).await;
        assert!(!server.is_good(&token).await, "{path}");
        server.order("/admin/clients/robot/enable").await;
        assert!(
            !server.is_good(&token).await,
            "{path}: it does not come back"
        );
    }
    let (one, other) = (server.token().await, server.token().await);
    let inspected = server
        .admin(
            Method::POST,
            "/admin/tokens/inspect",
            json!({ "token": one }),
        )
        .await;
    let session = inspected.text_of("session");
    let listed = server
        .admin(Method::GET, "/admin/clients/robot/sessions", Value::Null)
        .await;
    let listed = listed.json()["items"].as_array().unwrap().clone();
    assert!(listed.iter().any(|it| it["id"] == session.as_str()));
    let path = format!("/admin/sessions/{session}");
    let ended = server.admin(Method::DELETE, &path, Value::Null).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert!(!server.is_good(&one).await && server.is_good(&other).await);
    let shown = server.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(shown.json()["ended"], true);
}

#[tokio::test]
async fn a_token_is_issued_by_hand_inspected_and_taken_back() {
    let server = Server::start().await;
    let alice = server
        .admin(Method::GET, "/admin/users?name=alice", Value::Null)
        .await;
    let alice = alice.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let wanted = json!({"client": "web", "user": alice, "scope": "money.read"});
    let issued = server.admin(Method::POST, "/admin/tokens", wanted).await;
    assert_eq!(issued.status, StatusCode::OK);
    let token = issued.text_of("access_token");
    assert!(server.is_good(&token).await);

    let asked = json!({ "token": token });
    let inspect = || server.admin(Method::POST, "/admin/tokens/inspect", asked.clone());
    let good = inspect().await.json();
    assert_eq!(
        (&good["good"], &good["subject"]),
        (&json!(true), &json!(alice))
    );
    let revoked = server
        .admin(Method::POST, "/admin/tokens/revoke", asked.clone())
        .await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    let over = inspect().await.json();
    assert_eq!(
        (&over["good"], &over["why"]),
        (&json!(false), &json!("it was ended"))
    );

    #[rustfmt::skip]
    let refused = [
        (json!({"client": "nobody"}),                           404, "unknown"),
        (json!({"client": "web", "scope": "money.write"}),      422, "scopes"),
        (json!({"client": "web", "user": "0".repeat(32)}),      409, "disabled"),
        (json!({"client": "web", "scope": "a  b"}),             400, "spelling"),
        (json!({"client": "web", "more": 1}),                   400, "body"),
    ];
    for (wanted, status, code) in refused {
        let reply = server
            .admin(Method::POST, "/admin/tokens", wanted.clone())
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.text_of("code").as_str()),
            (status, code),
            "{wanted}"
        );
    }
    let unknown = json!({ "token": "tg_at_x" });
    let reply = server
        .admin(Method::POST, "/admin/tokens/inspect", unknown)
        .await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_is_registered_once_and_its_secret_can_be_replaced_without_a_pause() {
    let server = Server::start().await;
    let wanted = json!({"grants": ["client_credentials"], "scopes": ["a"]});
    let path = "/admin/clients/mart";
    let created = server.admin(Method::PUT, path, wanted.clone()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let first = created.text_of("secret");
    let again = server.admin(Method::PUT, path, wanted).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(
        again.json(),
        json!({"id": "mart"}),
        "and its secret is kept"
    );

    let renew = || server.admin(Method::POST, "/admin/clients/mart/secret", Value::Null);
    let second = renew().await.text_of("secret");
    assert!(server.takes(&first).await && server.takes(&second).await);
    let third = renew().await.text_of("secret");
    assert!(!server.takes(&first).await, "the oldest goes");
    assert!(server.takes(&second).await && server.takes(&third).await);
}

impl Server {
    /// Whether `mart` gets a token for this secret.
    async fn takes(&self, secret: &str) -> bool {
        let form = format!("grant_type=client_credentials&client_id=mart&client_secret={secret}");
        self.post("/token", None, &form).await.status == StatusCode::OK
    }
}

#[tokio::test]
async fn keys_do_not_take_over_before_they_are_known_unless_one_has_leaked() {
    let server = Server::start().await;
    let before = server.get("/jwks", &[]).await.json();
    let early = server
        .admin(Method::POST, "/admin/keys/rotate", json!({}))
        .await;
    assert_eq!(
        (early.status, early.text_of("code")),
        (StatusCode::CONFLICT, "rotation".to_owned())
    );
    assert_eq!(server.get("/jwks", &[]).await.json(), before);

    let wanted = json!({"compromised": true});
    let replaced = server
        .admin(Method::POST, "/admin/keys/rotate", wanted)
        .await;
    assert_eq!(replaced.status, StatusCode::NO_CONTENT);
    let after = server.get("/jwks", &[]).await.json();
    let kids = |keys: &Value| -> Vec<String> {
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(kids(&after).iter().all(|kid| !kids(&before).contains(kid)));
    let shown = server.admin(Method::GET, "/admin/keys", Value::Null).await;
    assert!(kids(&after).contains(&shown.text_of("signing")));

    let stepped = server
        .admin(Method::POST, "/admin/keys/rotate-filter", Value::Null)
        .await;
    assert_eq!(stepped.text_of("filter_key"), "announced");
    let token = server.token().await;
    assert!(server.is_good(&token).await);
}
