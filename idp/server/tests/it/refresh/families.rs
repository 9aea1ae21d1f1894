//! Families of refresh tokens that are used by many at once, and then replayed.

use std::collections::HashSet;

use hyper::StatusCode;
use tokio::task::JoinSet;

use crate::server::Server;
use crate::visitor::{Answer, Visitor, form, request};

const AT_ONCE: usize = 64;

/// The first refresh token for a code.
pub(crate) async fn begin(visitor: &mut Visitor, landed: &Answer) -> String {
    let code = landed.landed().remove("code").expect("a code");
    let answer = visitor.redeem("till", &code).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    refresh_token(&answer)
}

fn refresh_token(answer: &Answer) -> String {
    let told = answer.json();
    told["refresh_token"].as_str().expect("a token").to_owned()
}

/// The next one, or how it was refused.
pub(crate) async fn refresh(visitor: &Visitor, token: &str) -> Result<String, StatusCode> {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "till"),
        ("refresh_token", token),
    ];
    let answer = visitor.clone().post("/token", &form(&fields), &[]).await;
    match answer.status {
        StatusCode::OK => Ok(refresh_token(&answer)),
        status => Err(status),
    }
}

/// One family after the other: refreshed by 64 at once, used on, then replayed.
pub(crate) async fn try_families(count: usize) {
    let server = Server::start().await;
    let (mut visitor, _) = server.guest().await;
    for number in 0..count {
        let landed = visitor.get(&request("till", &[])).await;
        let first = begin(&mut visitor, &landed).await;

        let mut asking = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (visitor, first) = (visitor.clone(), first.clone());
            asking.spawn(async move { refresh(&visitor, &first).await });
        }
        let answers = asking.join_all().await;
        let successors: Result<HashSet<_>, _> = answers.into_iter().collect();
        let successors = successors.unwrap_or_else(|status| panic!("family {number}: {status}"));
        assert_eq!(successors.len(), 1, "family {number}");

        let second = successors.into_iter().next().expect("there is one");
        let third = refresh(&visitor, &second).await;
        let third = third.unwrap_or_else(|status| panic!("family {number} is dead: {status}"));
        let replayed = refresh(&visitor, &first).await;
        assert_eq!(replayed, Err(StatusCode::BAD_REQUEST), "family {number}");
        let newest = refresh(&visitor, &third).await;
        assert_eq!(
            newest,
            Err(StatusCode::BAD_REQUEST),
            "family {number} lives on"
        );
    }
}
