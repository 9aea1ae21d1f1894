//! What clients are told in signed texts: who signed in, and that somebody is out.

use idp_token::session::SessionId;
use idp_token::value::statements::{IdHint, at_hash};
use idp_token::value::{Algorithm, LIFETIME_MAX};

use super::world::{ADA, World, client_id};
use crate::admin::Order;
use crate::client::Client;
use crate::notice::{Notice, SESSIONS_MAX, notices};
use crate::sign_out::Hint;

fn told(world: &World, sessions: &[SessionId]) -> Vec<Notice> {
    world.see(|view| notices(view, sessions))
}

#[test]
fn an_id_token_is_of_its_session_and_ends_with_it() {
    let world = World::new();
    let issued = world.begin();
    let id_token = issued.id_token.as_ref().unwrap();
    let now = world.now();
    let of = |now| id_token.claims(&world.provider, &issued.access_token, Algorithm::EdDsa, now);
    let claims = of(now);
    assert_eq!(claims.issuer, "https://id.example");
    assert_eq!(claims.subject, ADA.to_string());
    assert_eq!(claims.audience, "web");
    assert_eq!(claims.session, issued.session);
    assert_eq!(claims.nonce.as_deref(), Some("n-0S6"));
    assert_eq!((claims.auth_time, claims.issued_at), (now, now));
    assert_eq!(claims.amr, ["pwd"]);
    let hash = at_hash(Algorithm::EdDsa, issued.access_token.as_str());
    assert_eq!(claims.access_token_hash, hash);
    assert_eq!(claims.expires_at, now.after(LIFETIME_MAX));

    let ends_at = world.session(issued.session).ends_at;
    assert_eq!(of(ends_at).expires_at, ends_at);
}

#[test]
fn a_hint_is_of_this_provider_or_none() {
    let world = World::new();
    let said = IdHint {
        issuer: "https://id.example".to_owned(),
        subject: ADA.to_string(),
        audience: "web".to_owned(),
        session: SessionId([7; 16]),
    };
    let hint = Hint {
        session: SessionId([7; 16]),
        client: client_id("web"),
    };
    assert_eq!(Hint::of(&said, &world.provider), Some(hint));
    let of_another = IdHint {
        issuer: "https://id.example.org".to_owned(),
        ..said.clone()
    };
    assert_eq!(Hint::of(&of_another, &world.provider), None);
    let for_nobody = IdHint {
        audience: "a b".to_owned(),
        ..said
    };
    assert_eq!(Hint::of(&for_nobody, &world.provider), None);
}

#[test]
fn a_client_is_told_of_a_session_whoever_ended_it() {
    let world = World::new();
    let begun = world.begin().session;
    world.order(Order::EndSession(begun));
    let notice = Notice {
        uri: "https://web.example/told".to_owned(),
        client: client_id("web"),
        session: begun,
        subject: ADA.to_string(),
    };
    let unknown = SessionId([9; 16]);
    assert_eq!(told(&world, &[unknown, begun]), vec![notice.clone()]);

    let claims = notice.claims(&world.provider, [3; 16], world.now());
    assert_eq!(claims.issuer, "https://id.example");
    assert_eq!(claims.audience, "web");
    assert_eq!(claims.subject, ADA.to_string());
    assert_eq!((claims.session, claims.issued_at), (begun, world.now()));
    assert_eq!(claims.id, "03".repeat(16));
}

#[test]
fn whoever_did_not_ask_is_not_told_and_no_machine_is() {
    let world = World::new();
    let begun = world.begin().session;
    let body = "grant_type=client_credentials";
    let secret = format!("robot:{}", super::world::SECRET);
    let machine = world.ask_as(Some(&secret), body).unwrap().session;
    assert_eq!(told(&world, &[machine]), []);
    let silent = Client {
        backchannel_logout_uri: None,
        ..world.client("web")
    };
    world.order(Order::SetClient(Box::new(silent)));
    assert_eq!(told(&world, &[begun]), []);
}

#[test]
fn so_many_are_looked_at_at_once() {
    let world = World::new();
    let begun = world.begin().session;
    let mut sessions = vec![SessionId([9; 16]); SESSIONS_MAX - 1];
    sessions.push(begun);
    assert_eq!(told(&world, &sessions).len(), 1);
    sessions.insert(0, SessionId([9; 16]));
    assert_eq!(told(&world, &sessions), []);
}
