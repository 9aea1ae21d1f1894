//! With an issuer to trust, every endpoint wants a value token and verifies it itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use hyper::Method;
use idp_token::time::UnixSeconds;
use pay::{BootError, Clock, KeyRefresh, Listen, Pay, Settings, Trust};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::issuer::{Issuer, Key, NOW, claims, set_of};
use crate::world::{Answer, Hands, PATIENCE, World, raw, rows, text};

const HOUR: Duration = Duration::from_secs(3_600);
/// Often enough for a test not to wait.
const SOON: Duration = Duration::from_millis(20);

const ALL: &str = "members.read members.write banking.read money.read money.write \
                   remittance.read remittance.write";

/// Fetches once at the start, and then only what `refresh` says.
async fn trusting(issuer: &Issuer, refresh: KeyRefresh) -> World {
    world(issuer.trust(), refresh, Hands::at(NOW).clock()).await
}

async fn world(trust: Trust, key_refresh: KeyRefresh, clock: Clock) -> World {
    World::with(|settings| {
        settings.trust = Some(trust);
        settings.key_refresh = key_refresh;
        settings.clock = clock;
        // A request waits as long for keys; a machine that is busy is not to end that.
        settings.patience.call_timeout = PATIENCE / 2;
    })
    .await
}

const NEVER_AGAIN: KeyRefresh = KeyRefresh {
    every: HOUR,
    cooldown: HOUR,
};

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn get(world: &World, token: &str) -> Answer {
    let authorization = bearer(token);
    world
        .get_with(
            world.membership(),
            "/members/7",
            &[("authorization", &authorization)],
        )
        .await
}

async fn until(world: &World, token: &str, status: u16) {
    let reached = async {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        while get(world, token).await.status != status {
            tick.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("the status is reached");
}

fn endpoints(world: &World) -> Vec<(SocketAddr, Method, &'static str, &'static str)> {
    let (membership, banking) = (world.membership(), world.banking());
    let (money, remittance) = (world.money(), world.remittance());
    vec![
        (membership, Method::GET, "/members?ids=7", "members.read"),
        (membership, Method::GET, "/members/7", "members.read"),
        (membership, Method::HEAD, "/members/7", "members.read"),
        (membership, Method::PATCH, "/members/7", "members.write"),
        (banking, Method::GET, "/members/7/accounts", "banking.read"),
        (banking, Method::GET, "/payouts/1", "banking.read"),
        (banking, Method::PUT, "/payouts/1", "remittance.write"),
        (banking, Method::DELETE, "/payouts/1", "remittance.write"),
        (money, Method::GET, "/members/7/balance", "money.read"),
        (money, Method::GET, "/balances?ids=7", "money.read"),
        (money, Method::POST, "/transfers", "money.write"),
        (money, Method::POST, "/charges", "money.write"),
        (money, Method::POST, "/reversals", "money.write"),
        (
            remittance,
            Method::GET,
            "/remittances?member=7",
            "remittance.read",
        ),
        (remittance, Method::GET, "/remittances/1", "remittance.read"),
        (
            remittance,
            Method::POST,
            "/remittances",
            "remittance.write members.read money.write",
        ),
    ]
}

#[tokio::test]
async fn what_anybody_may_see_is_told_without_a_token() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let world = trusting(&issuer, NEVER_AGAIN).await;
    for (address, path) in [
        (world.membership(), "/directory?ids=7"),
        (world.banking(), "/banks"),
        (world.banking(), "/banks/0007"),
    ] {
        let answer = world
            .send(Method::GET, (address, path), &[], "")
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_endpoint_asks_for_a_token_with_all_of_its_scopes() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let world = trusting(&issuer, NEVER_AGAIN).await;
    for (address, method, path, scopes) in endpoints(&world) {
        let ask = async |headers: &[(&str, &str)]| {
            world
                .send(method.clone(), (address, path), headers, "")
                .await
                .unwrap()
        };
        let answer = ask(&[]).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        for missing in scopes.split(' ') {
            let others: Vec<_> = ALL.split(' ').filter(|scope| *scope != missing).collect();
            let token = bearer(&key.token(&others.join(" ")));
            let answer = ask(&[("authorization", &token)]).await;
            assert_eq!(answer.status, 403, "{method} {path} without {missing}");
            let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scopes}""#);
            assert_eq!(answer.header("www-authenticate"), challenge);
        }
        let token = bearer(&key.token(scopes));
        let status = ask(&[("authorization", &token)]).await.status;
        assert!(
            ![401, 403, 405].contains(&status.as_u16()),
            "{path} {status}"
        );
    }
    let answer = world.get(world.money(), "/balances?ids=7").await;
    answer.expect(401, "token_missing");
    let none = get(&world, &key.token("")).await;
    none.expect(403, "insufficient_scope");
    assert_eq!(world.audit().await["entries"], 0);
}

#[tokio::test]
async fn what_is_no_endpoint_needs_no_token() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let world = trusting(&issuer, NEVER_AGAIN).await;
    for address in [
        world.membership(),
        world.banking(),
        world.money(),
        world.remittance(),
    ] {
        let health = world.get(address, "/healthz").await;
        assert_eq!(health.ok(), json!({ "status": "ok" }));
        world.get(address, "/nowhere").await.expect(404, "no_route");
    }
    let at = (world.membership(), "/members/7");
    let answer = world.send(Method::DELETE, at, &[], "").await.unwrap();
    let answer = answer.expect(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD, PATCH");
}

#[tokio::test]
async fn a_token_that_is_not_believed_is_refused_whatever_the_reason() {
    let (key, other) = (Key::make(), Key::make());
    let issuer = Issuer::publishing(&[&key]).await;
    let world = trusting(&issuer, NEVER_AGAIN).await;
    let good = claims(NOW, ALL);
    get(&world, &key.sign(&good)).await.expect(200, "");

    let changed = |change: fn(&mut idp_token::value::Claims)| {
        let mut claims = good.clone();
        change(&mut claims);
        key.sign(&claims)
    };
    let mut id_token = key.header();
    id_token["typ"] = json!("JWT");
    let unsigned = json!({ "typ": "at+jwt", "alg": "none", "kid": key.signing.id() });
    let cases = [
        ("expired", key.token_at(NOW - 606, ALL)),
        ("from the future", key.token_at(NOW + 6, ALL)),
        (
            "another audience",
            changed(|claims| claims.audience = vec!["shop".to_owned()]),
        ),
        ("another issuer", changed(|claims| claims.issuer.push('x'))),
        (
            "too long a life",
            changed(|claims| claims.expires_at = UnixSeconds(NOW + 601)),
        ),
        ("another type", key.sign_with_header(&id_token, &good)),
        ("no signature", key.sign_with_header(&unsigned, &good)),
        (
            "another's signature",
            other.sign_with_header(&key.header(), &good),
        ),
        ("an unknown key", other.sign(&good)),
        ("no token", "tg_at_AAAA".to_owned()),
    ];
    for (case, token) in cases {
        let answer = get(&world, &token).await;
        assert_eq!(
            answer.verdict(),
            (401, "token_invalid".to_owned()),
            "{case}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            r#"Bearer error="invalid_token""#
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let leeway = key.token_at(NOW - 604, ALL);
    get(&world, &leeway).await.expect(200, "");
    let twice = bearer(&key.sign(&good));
    let twice = [("authorization", twice.as_str()), ("authorization", &twice)];
    let answer = world.get_with(world.membership(), "/members/7", &twice);
    answer.await.expect(401, "token_invalid");
}

#[tokio::test]
async fn a_key_that_is_rotated_in_is_fetched_when_it_is_first_seen() {
    let (first, second) = (Key::make(), Key::make());
    let issuer = Issuer::publishing(&[&first]).await;
    let refresh = KeyRefresh {
        every: HOUR,
        cooldown: Duration::ZERO,
    };
    let world = trusting(&issuer, refresh).await;
    get(&world, &first.token(ALL)).await.expect(200, "");
    get(&world, &second.token(ALL))
        .await
        .expect(401, "token_invalid");
    let fetches = issuer.fetches();

    issuer.answer(200, &set_of(&[&first, &second]));
    get(&world, &second.token(ALL)).await.expect(200, "");
    get(&world, &first.token(ALL)).await.expect(200, "");
    assert_eq!(issuer.fetches(), fetches + 1);
}

#[tokio::test]
async fn a_key_that_is_withdrawn_is_forgotten_on_schedule() {
    let (first, second) = (Key::make(), Key::make());
    let issuer = Issuer::publishing(&[&first]).await;
    let refresh = KeyRefresh {
        every: SOON,
        cooldown: HOUR,
    };
    let world = trusting(&issuer, refresh).await;
    get(&world, &first.token(ALL)).await.expect(200, "");
    issuer.answer(200, &set_of(&[&second]));
    until(&world, &first.token(ALL), 401).await;
    get(&world, &second.token(ALL)).await.expect(200, "");
}

#[tokio::test]
async fn without_any_keys_services_are_unavailable_until_there_are_some() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    issuer.answer(500, "");
    let refresh = KeyRefresh {
        every: HOUR,
        cooldown: SOON,
    };
    let world = trusting(&issuer, refresh).await;
    let answer = get(&world, &key.token(ALL)).await;
    let answer = answer.expect(503, "keys_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    let missing = world.get(world.membership(), "/members/7").await;
    missing.expect(401, "token_missing");

    issuer.answer(200, &set_of(&[&key]));
    until(&world, &key.token(ALL), 200).await;
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_makes_services_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let key = Key::make();
    let mut trust = Issuer::publishing(&[]).await.trust();
    trust.jwks_url = format!("http://{address}/jwks");
    let world = world(trust, NEVER_AGAIN, Hands::at(NOW).clock()).await;
    let answer = get(&world, &key.token(ALL)).await;
    answer.expect(503, "keys_unavailable");
    let health = world.get(world.membership(), "/healthz").await;
    health.expect(200, "");
}

#[tokio::test]
async fn the_old_keys_are_good_until_there_are_others() {
    let (key, other) = (Key::make(), Key::make());
    let issuer = Issuer::publishing(&[&key]).await;
    let refresh = KeyRefresh {
        every: SOON,
        cooldown: SOON,
    };
    let world = trusting(&issuer, refresh).await;
    get(&world, &key.token(ALL)).await.expect(200, "");
    let too_long = " ".repeat(idp_token::value::SET_BYTES_MAX + 1);
    for (status, body) in [
        (500, set_of(&[&other])),
        (204, String::new()),
        (200, "{}".to_owned()),
        (200, r#"{"keys":[]}"#.to_owned()),
        (200, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#.to_owned()),
        (200, set_of(&[&other]) + &too_long),
    ] {
        issuer.answer(status, &body);
        // The second one that begins after the change shows that the first one has been read.
        issuer.fetched(issuer.fetches() + 3).await;
        get(&world, &key.token(ALL)).await.expect(200, "");
        let refused = get(&world, &other.token(ALL)).await;
        refused.expect(401, "token_invalid");
    }
}

#[tokio::test]
async fn a_thousand_forged_key_names_cost_one_fetch_per_cooldown() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let cooldown = Duration::from_millis(250);
    let refresh = KeyRefresh {
        every: HOUR,
        cooldown,
    };
    let world = Arc::new(trusting(&issuer, refresh).await);
    get(&world, &key.token(ALL)).await.expect(200, "");
    assert_eq!(issuer.fetches(), 1);
    let forged = |n: u32| {
        let header = json!({ "typ": "at+jwt", "alg": "ES256", "kid": format!("forged{n}") });
        key.sign_with_header(&header, &claims(NOW, ALL))
    };

    let begun = tokio::time::Instant::now();
    let mut flood = JoinSet::new();
    for lane in 0..20 {
        let world = Arc::clone(&world);
        let tokens: Vec<_> = (0..50).map(|n| forged(lane * 50 + n)).collect();
        flood.spawn(async move {
            for token in tokens {
                get(&world, &token).await.expect(401, "token_invalid");
            }
        });
    }
    flood.join_all().await;
    let cooldowns = begun.elapsed().as_millis() / cooldown.as_millis();
    let fetches = u128::from(issuer.fetches() - 1);
    assert!(fetches <= cooldowns + 1, "{fetches} in {cooldowns}");

    // And yet they do lead to a fetch: a key that is new looks the same at first.
    let before = issuer.fetches();
    let asked = async {
        while issuer.fetches() == before {
            get(&world, &forged(0)).await.expect(401, "token_invalid");
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("another fetch after the cooldown");
}

#[tokio::test]
async fn however_many_ask_one_fetch_is_under_way_at_a_time() {
    let (first, second) = (Key::make(), Key::make());
    let issuer = Issuer::publishing(&[&first]).await;
    let refresh = KeyRefresh {
        every: HOUR,
        cooldown: Duration::ZERO,
    };
    let world = Arc::new(trusting(&issuer, refresh).await);
    get(&world, &first.token(ALL)).await.expect(200, "");
    issuer.hold(true);
    issuer.answer(200, &set_of(&[&first, &second]));
    let mut waiting = JoinSet::new();
    for _ in 0..100 {
        let (world, token) = (Arc::clone(&world), second.token(ALL));
        waiting.spawn(async move { get(&world, &token).await.status.as_u16() });
    }
    issuer.fetched(2).await;
    get(&world, &first.token(ALL)).await.expect(200, "");
    issuer.hold(false);
    let answers = waiting.join_all().await;
    assert_eq!(answers, [200; 100]);
    assert_eq!(issuer.at_once_max(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_the_fetch_it_caused() {
    let (first, second) = (Key::make(), Key::make());
    let issuer = Issuer::publishing(&[&first]).await;
    let refresh = KeyRefresh {
        every: HOUR,
        cooldown: Duration::ZERO,
    };
    let world = trusting(&issuer, refresh).await;
    get(&world, &first.token(ALL)).await.expect(200, "");
    issuer.hold(true);
    issuer.answer(200, &set_of(&[&second]));
    let token = second.token(ALL);
    let request =
        format!("GET /members/7 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n");
    let leaving = raw(world.membership(), request.as_bytes()).await;
    issuer.fetched(2).await;
    drop(leaving);
    issuer.hold(false);
    // The first key is asked for, which causes no fetch of its own while it is known.
    until(&world, &first.token(ALL), 401).await;
    get(&world, &token).await.expect(200, "");
}

#[tokio::test]
async fn keys_are_fetched_from_a_plain_address_only() {
    for url in [
        "https://id.example/jwks",
        "/jwks",
        "id.example",
        "",
        "http://",
    ] {
        let mut settings = Settings::new(Listen::on_free_ports());
        settings.trust = Some(Trust {
            issuer: "a".to_owned(),
            jwks_url: url.to_owned(),
            audience: "b".to_owned(),
        });
        let error = Pay::boot(settings).await.unwrap_err();
        assert!(matches!(error, BootError::JwksUrl(_)), "{url}");
    }
}

#[tokio::test]
async fn the_admin_port_says_who_came_and_never_with_what() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let world = trusting(&issuer, NEVER_AGAIN).await;
    let token = key.token(ALL);
    get(&world, &token).await.expect(200, "");
    get(&world, &token).await.expect(200, "");
    get(&world, &key.token("money.read"))
        .await
        .expect(403, "insufficient_scope");
    get(&world, &Key::make().token(ALL))
        .await
        .expect(401, "token_invalid");
    for n in 0..64 {
        let mut claims = claims(NOW, ALL);
        claims.subject = format!("one of many {n}");
        get(&world, &key.sign(&claims)).await.expect(200, "");
    }
    let shown = world
        .get(world.admin(), "/requests?service=membership")
        .await;
    let counts = shown.ok();
    let row = &rows(&counts)[0];
    assert_eq!(row["count"], 68);
    assert_eq!(row["otherCallers"], 1);
    assert_eq!(rows(&row["callers"]).len(), 64);
    let caller = &row["callers"][0];
    assert_eq!(
        (&caller["sub"], &caller["count"]),
        (&json!("ann"), &json!(3))
    );
    assert_eq!(text(&caller["tid"]).len(), 16);
    let signature = token.rsplit('.').next().unwrap();
    assert!(!counts.to_string().contains(signature));
}

/// A wish that every service agrees to, and the token to make it with.
async fn wish(world: &World, token: &str) -> Value {
    let token = bearer(token);
    let headers = [("authorization", token.as_str())];
    let accounts = world.get_with(world.banking(), "/members/2/accounts", &headers);
    json!({
        "senderId": "1", "receiverId": "2",
        "bankCode": accounts.await.ok()[0]["bankCode"], "amount": "25.50", "currency": "USD",
    })
}

async fn send(world: &World, token: &str, wish: &Value) -> Answer {
    let token = bearer(token);
    let headers = [("authorization", token.as_str()), ("idempotency-key", "k")];
    let at = (world.remittance(), "/remittances");
    world.write(Method::POST, at, &headers, wish).await
}

#[tokio::test]
async fn a_remittance_asks_the_other_services_with_the_token_it_came_with() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let world = trusting(&issuer, NEVER_AGAIN).await;
    let wish = wish(&world, &key.token(ALL)).await;
    let token = key.token("remittance.write members.read money.write");
    send(&world, &token, &wish).await.expect(201, "");
    for (service, path) in [
        ("membership", "/members"),
        ("money", "/charges"),
        ("banking", "/payouts/{id}"),
    ] {
        let at = format!("/requests?service={service}");
        let counts = world.get(world.admin(), &at).await.ok();
        let row = rows(&counts).iter().find(|row| row["path"] == path);
        assert_eq!(row.unwrap()["callers"][0]["sub"], "ann", "{service}");
    }
}

/// A clock that jumps an hour ahead once it has been read so often.
fn jumping(reads: &Arc<AtomicU64>) -> Clock {
    let reads = Arc::clone(reads);
    Clock::new(move || {
        let left = reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(left.saturating_sub(1))
        });
        let hours = u64::from(left == Ok(0));
        UNIX_EPOCH + Duration::from_secs(NOW + hours * 3_600)
    })
}

#[tokio::test]
async fn a_token_that_ends_on_the_way_leaves_a_remittance_sent_or_undone() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let mut verdicts = Vec::new();
    for reads in 0..=8 {
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let world = world(issuer.trust(), NEVER_AGAIN, jumping(&left)).await;
        let token = key.token(ALL);
        let wish = wish(&world, &token).await;
        left.store(reads, Ordering::SeqCst);
        let answer = send(&world, &token, &wish).await;
        let settlement = world.audit().await["settlement"].clone();
        let expected = if answer.status == 201 {
            "25.50"
        } else {
            "0.00"
        };
        assert_eq!(settlement, expected, "{reads} {answer:?}");
        if answer.status == 422 {
            let state = answer.json()["state"].clone();
            assert!(state == "failed" || state == "compensated", "{state}");
        }
        verdicts.push(answer.verdict().1);
    }
    for code in [
        "token_invalid",
        "membership_refused",
        "money_refused",
        "banking_refused",
        "",
    ] {
        assert!(verdicts.iter().any(|found| found == code), "{verdicts:?}");
    }
}

#[tokio::test]
async fn a_remittance_is_undone_long_after_its_token_has_ended() {
    let key = Key::make();
    let issuer = Issuer::publishing(&[&key]).await;
    let hands = Hands::at(NOW);
    let world = world(issuer.trust(), NEVER_AGAIN, hands.clock()).await;
    let token = key.token(ALL);
    let wish = wish(&world, &token).await;
    let broken = json!({ "error": { "share": 1, "status": 503 }, "only": [
        { "path": "/reversals" }, { "path": "/payouts/{id}" },
    ] });
    world.set_faults("banking", &broken).await;
    world.set_faults("money", &broken).await;
    let problem = send(&world, &token, &wish)
        .await
        .expect(502, "banking_failed");
    assert_eq!(problem.json()["state"], "compensating");
    assert_eq!(world.audit().await["settlement"], "25.50");

    hands.advance(3_600);
    get(&world, &token).await.expect(401, "token_invalid");
    world.clear_faults("banking").await;
    world.clear_faults("money").await;
    let undone = async { while world.audit().await["settlement"] != "0.00" {} };
    tokio::time::timeout(PATIENCE, undone)
        .await
        .expect("the sender gets the money again");
}
