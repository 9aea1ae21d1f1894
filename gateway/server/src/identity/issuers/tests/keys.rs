use serde_json::json;
use tokio::sync::watch;

use super::scripted::{answer, set};
use super::*;

/// Tokens that name keys which nobody has.
fn made_up(signer: &Signer, count: usize) -> Vec<String> {
    let tokens = (0..count).map(|number| {
        let mut claims = claims("a");
        claims["jti"] = json!(number);
        signer.sign(&claims)
    });
    tokens.collect()
}

async fn identify_all(issuer: &Arc<Issuer>, tokens: Vec<String>) -> Vec<Result<String, Rejection>> {
    let tasks: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let issuer = Arc::clone(issuer);
            crate::spawn::spawn(
                "token",
                async move { subject(issuer.identify(&token).await) },
            )
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

#[tokio::test]
async fn a_known_token_costs_no_question_and_says_who_holds_it() {
    let signer = Signer::new("k");
    let scripted = Scripted::start(Says::keys(&[&signer])).await;
    let issuer = one(&issuer_by_keys("a", scripted.address));
    let token = signer.sign(&claims("a"));
    assert!(issuer.known(&token).is_none());
    let caller = issuer.identify(&token).await.unwrap();
    assert_eq!(&*caller.subject, "ann");
    assert_eq!(caller.rights.client(), "app");
    assert!(caller.rights.has_scope("money.read") && caller.rights.has_role("payer"));
    assert!(caller.session.is_none());
    assert_eq!(issuer.known(&token), Some(caller));
    assert_eq!(scripted.count(), 1);
    let heard = scripted.heard().remove(0);
    assert!(heard.starts_with("GET /path?query HTTP/1.1\r\n"), "{heard}");
    let host = format!("host: {}\r\n", scripted.address);
    assert!(heard.contains(&host), "{heard}");
}

#[tokio::test]
async fn a_key_that_the_issuer_changed_to_is_fetched_when_a_token_names_it() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let scripted = Scripted::start(Says::keys(&[&old])).await;
    let issuer = one(&issuer_by_keys("a", scripted.address));
    let before = old.sign(&claims("a"));
    assert_eq!(subject(issuer.identify(&before).await), good("ann"));
    scripted.say(Says::keys(&[&new]));
    assert_eq!(
        subject(issuer.identify(&new.sign(&claims("a"))).await),
        good("ann")
    );
    assert_eq!(scripted.count(), 2);
    // What was found good with the key that is gone is not remembered any more.
    assert!(issuer.known(&before).is_none());
    assert_eq!(
        subject(issuer.identify(&before).await),
        bad(JwsError::UnknownKey)
    );
    assert_eq!(scripted.count(), 2);
}

#[tokio::test]
async fn whatever_keys_are_made_up_the_issuer_is_asked_once() {
    let (signer, stranger) = (Signer::new("k"), Signer::new("made-up"));
    let scripted = Scripted::start(Says::keys(&[&signer])).await;
    let issuer = one(&issuer_by_keys("a", scripted.address));
    assert_eq!(
        subject(issuer.identify(&signer.sign(&claims("a"))).await),
        good("ann")
    );
    for _ in 0..3 {
        for outcome in identify_all(&issuer, made_up(&stranger, 300)).await {
            assert_eq!(outcome, bad(JwsError::UnknownKey));
        }
    }
    assert_eq!(
        scripted.count(),
        2,
        "the first fetch, and one for all of these"
    );
}

#[tokio::test]
async fn who_comes_before_the_first_keys_waits_for_them() {
    let signer = Signer::new("k");
    let (open, door) = watch::channel(false);
    let keys = Box::new(Says::keys(&[&signer]));
    let scripted = Scripted::start(Says::Behind(door, keys)).await;
    let issuer = one(&issuer_by_keys("a", scripted.address));
    let early = {
        let (issuer, token) = (Arc::clone(&issuer), signer.sign(&claims("a")));
        crate::spawn::spawn(
            "early",
            async move { subject(issuer.identify(&token).await) },
        )
    };
    while scripted.count() == 0 {
        tokio::task::yield_now().await;
    }
    open.send(true).unwrap();
    assert_eq!(early.await.unwrap(), good("ann"));
    assert_eq!(scripted.count(), 1);
}

#[tokio::test]
async fn an_issuer_that_was_never_heard_of_makes_nothing_bad() {
    let signer = Signer::new("k");
    let scripted = Scripted::start(Says::Close).await;
    let issuer = one(&issuer_by_keys("a", scripted.address));
    let token = signer.sign(&claims("a"));
    for token in [token.as_str(), "a.b.c"] {
        assert_eq!(subject(issuer.identify(token).await), unknown(), "{token}");
    }
}

#[tokio::test]
async fn keys_are_kept_whatever_an_issuer_says_that_is_no_better() {
    let (signer, stranger) = (Signer::new("k"), Signer::new("stranger"));
    let good_set = set(&[&signer]);
    let secret = json!({ "keys": [{ "kty": "oct", "kid": "k", "k": "AQ" }] }).to_string();
    let others =
        json!({ "keys": [{ "kty": "RSA", "kid": "r", "n": "AQ", "e": "AQAB" }] }).to_string();
    let elsewhere = Scripted::start(Says::keys(&[&stranger])).await;
    let location = format!(
        "location: http://{}/\r\ncontent-type: application/json\r\n",
        elsewhere.address
    );
    let huge = format!("{good_set}{}", " ".repeat(idp_token::value::SET_BYTES_MAX));
    let large_head = format!(
        "x: {}\r\ncontent-type: application/json\r\n",
        "a".repeat(20_000)
    );
    #[rustfmt::skip]
    let cases = [
        ("empty",         Says::json(r#"{"keys":[]}"#)),
        ("no text",       Says::json("")),
        ("garbage",       Says::json("<html>")),
        ("a secret",      Says::json(&secret)),
        ("of no use",     Says::json(&others)),
        ("huge",          Says::json(&huge)),
        ("a huge head",   Says::Text(answer("200 OK", &large_head, &good_set))),
        ("no kind",       Says::Text(answer("200 OK", "", &good_set))),
        ("a page",        Says::Text(answer("200 OK", "content-type: text/html\r\n", &good_set))),
        ("two kinds",     Says::Text(answer("200 OK", "content-type: application/json\r\ncontent-type: text/html\r\n", &good_set))),
        ("an error",      Says::Text(answer("500 Oh", "content-type: application/json\r\n", &good_set))),
        ("no content",    Says::Text("HTTP/1.1 204 No Content\r\n\r\n".to_owned())),
        ("a redirect",    Says::Text(answer("302 Found", &location, &good_set))),
        ("a short body",  Says::Cut(answer("200 OK", "content-type: application/json\r\n", &good_set).replace("content-length: ", "content-length: 9"))),
        ("no HTTP",       Says::Text("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned())),
        ("nothing",       Says::Close),
    ];
    for (case, says) in cases {
        let scripted = Scripted::start(Says::json(&good_set)).await;
        let issuer = one(&issuer_by_keys("a", scripted.address));
        let mut claims = claims("a");
        assert_eq!(
            subject(issuer.identify(&signer.sign(&claims)).await),
            good("ann"),
            "{case}"
        );
        scripted.say(says);
        assert_eq!(
            subject(issuer.identify(&stranger.sign(&claims)).await),
            unknown(),
            "{case}"
        );
        assert_eq!(scripted.count(), 2, "{case}");
        claims["sub"] = json!("bob");
        assert_eq!(
            subject(issuer.identify(&signer.sign(&claims)).await),
            good("bob"),
            "{case}"
        );
    }
    assert_eq!(elsewhere.count(), 0, "a redirect was followed");
}

#[tokio::test]
async fn a_set_with_keys_of_no_use_beside_a_good_one_is_taken() {
    let signer = Signer::new("k");
    let mut published: serde_json::Value = serde_json::from_str(&set(&[&signer])).unwrap();
    let keys = published["keys"].as_array_mut().unwrap();
    keys.push(json!({ "kty": "EC", "crv": "P-521", "kid": "p", "x": "AQ", "y": "AQ" }));
    keys.push(json!({ "kty": "RSA", "kid": "r", "n": "AQ", "e": "AQAB" }));
    let says = answer(
        "200 OK",
        "content-type: application/jwk-set+json; charset=utf-8\r\n",
        &published.to_string(),
    );
    let scripted = Scripted::start(Says::Text(says)).await;
    let metrics = Metrics::new().unwrap();
    let issuers = Issuers::build(&[issuer_by_keys("a", scripted.address)], None, &metrics);
    let issuer = issuers.find("a").unwrap();
    assert_eq!(
        subject(issuer.identify(&signer.sign(&claims("a"))).await),
        good("ann")
    );
    let text = metrics.render(std::iter::empty()).unwrap();
    for line in [
        "tollgate_issuer_keys{issuer=\"a\"} 1",
        "tollgate_issuer_keys_left_out{issuer=\"a\"} 2",
        "tollgate_issuer_max_age_seconds{issuer=\"a\"} 60",
        "tollgate_issuer_asked_total{issuer=\"a\",result=\"answered\"} 1",
        "tollgate_issuer_verdicts_total{issuer=\"a\",verdict=\"good\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    metrics.forget_issuer("a");
    let text = metrics.render(std::iter::empty()).unwrap();
    assert!(!text.contains("issuer=\"a\""), "{text}");
}

#[tokio::test]
async fn a_slow_issuer_keeps_only_those_waiting_whose_key_is_not_there() {
    let (signer, stranger) = (Signer::new("k"), Signer::new("stranger"));
    let scripted = Scripted::start(Says::keys(&[&signer])).await;
    let issuer = one(&issuer_by_keys("a", scripted.address));
    assert_eq!(
        subject(issuer.identify(&signer.sign(&claims("a"))).await),
        good("ann")
    );
    scripted.say(Says::Nothing);
    let waiting = {
        let issuer = Arc::clone(&issuer);
        crate::spawn::spawn("waiting", async move {
            identify_all(&issuer, made_up(&stranger, 20)).await
        })
    };
    while scripted.count() < 2 {
        tokio::task::yield_now().await;
    }
    let mut claims = claims("a");
    claims["sub"] = json!("bob");
    let token = signer.sign(&claims);
    let known = tokio::time::timeout(Duration::from_secs(1), issuer.identify(&token));
    assert_eq!(subject(known.await.unwrap()), good("bob"));
    for outcome in waiting.await.unwrap() {
        assert_eq!(outcome, unknown());
    }
    assert_eq!(scripted.count(), 2);
}

#[tokio::test]
async fn a_token_that_stays_bad_is_looked_into_once() {
    let (signer, other) = (Signer::new("k"), Signer::new("k"));
    let scripted = Scripted::start(Says::keys(&[&signer])).await;
    let issuer = one(&issuer_by_keys("a", scripted.address));
    let with = |name: &str, value: u64| {
        let mut claims = claims("a");
        claims[name] = json!(value);
        signer.sign(&claims)
    };
    let now = clock::unix_seconds().0;
    let forged = other.sign(&claims("a"));
    #[rustfmt::skip]
    let cases = [
        (forged,                   bad(JwsError::Signature),    bad_once()),
        (with("exp", now - 60),    bad(Unacceptable::Times),    bad(Unacceptable::Times)),
        (with("nbf", now + 60),    bad(Unacceptable::NotYet),   bad(Unacceptable::NotYet)),
        (with("iat", now - 61),    bad(Unacceptable::TooOld),   bad_once()),
    ];
    for (token, first, then) in cases {
        assert_eq!(subject(issuer.identify(&token).await), first);
        assert_eq!(subject(issuer.identify(&token).await), then);
    }
}

/// What is told of a token whose refusal is remembered.
fn bad_once() -> Result<String, Rejection> {
    Err(Invalid::Inactive.into())
}
