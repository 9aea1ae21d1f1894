use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::sync::watch;

use super::scripted::{active, answer, sound};
use super::*;
use crate::clock;

fn inactive() -> Result<String, Rejection> {
    Err(Invalid::Inactive.into())
}

#[tokio::test]
async fn an_issuer_is_asked_once_about_a_good_token_as_rfc_7662_has_it() {
    let scripted = Scripted::start(Says::json(&active("ann").to_string())).await;
    let issuer = one(&issuer_by_question("a", scripted.address));
    let token = "abc+/=~";
    assert_eq!(subject(issuer.identify(token).await), good("ann"));
    assert_eq!(&*issuer.known(token).unwrap().subject, "ann");
    assert_eq!(scripted.count(), 1);
    let heard = scripted.heard().remove(0);
    let credentials = STANDARD.encode("gate+way:s%25cret%3A");
    for expected in [
        "POST /path?query HTTP/1.1\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        &format!("authorization: Basic {credentials}\r\n"),
        "\r\n\r\ntoken=abc%2B%2F%3D%7E&token_type_hint=access_token",
    ] {
        assert!(heard.contains(expected), "{expected} is not in\n{heard}");
    }
}

#[tokio::test]
async fn what_is_said_of_one_token_never_counts_for_another() {
    let scripted = Scripted::start(Says::OfToken(|token| match token {
        "bad" => sound(r#"{"active":false}"#),
        holder => sound(&active(holder).to_string()),
    }))
    .await;
    let issuer = one(&issuer_by_question("a", scripted.address));
    for _ in 0..2 {
        for holder in ["ann", "bob"] {
            assert_eq!(subject(issuer.identify(holder).await), good(holder));
            assert_eq!(&*issuer.known(holder).unwrap().subject, holder);
        }
        assert_eq!(subject(issuer.identify("bad").await), inactive());
        assert!(issuer.known("bad").is_none());
    }
    let asked_about_bad = scripted.heard();
    let asked_about_bad = asked_about_bad
        .iter()
        .filter(|text| text.contains("token=bad&"));
    assert_eq!(
        asked_about_bad.count(),
        1,
        "that it is not good is remembered as well"
    );
}

#[tokio::test]
async fn two_issuers_may_say_different_things_of_one_text() {
    let (a, b) = (
        Scripted::start(Says::json(&active("ann").to_string())).await,
        Scripted::start(Says::json(r#"{"active":false}"#)).await,
    );
    let issuers = built(&[
        issuer_by_question("a", a.address),
        issuer_by_question("b", b.address),
    ]);
    let found = |name: &str| Arc::clone(issuers.find(name).unwrap());
    assert_eq!(subject(found("a").identify("token").await), good("ann"));
    assert_eq!(subject(found("b").identify("token").await), inactive());
    assert!(found("b").known("token").is_none());
    assert!(found("a").known("token").is_some());
}

#[tokio::test]
async fn requests_with_one_token_wait_for_one_answer() {
    let (open, door) = watch::channel(false);
    let says = Box::new(Says::json(&active("ann").to_string()));
    let scripted = Scripted::start(Says::Behind(door, says)).await;
    let issuer = one(&issuer_by_question("a", scripted.address));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let issuer = Arc::clone(&issuer);
            crate::spawn::spawn(
                "token",
                async move { subject(issuer.identify("token").await) },
            )
        })
        .collect();
    while scripted.count() == 0 {
        tokio::task::yield_now().await;
    }
    open.send(true).unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), good("ann"));
    }
    assert_eq!(scripted.count(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_none_and_is_asked_for_again() {
    let elsewhere = Scripted::start(Says::json(&active("ann").to_string())).await;
    let text = active("ann").to_string();
    let location = format!(
        "location: http://{}/\r\ncontent-type: application/json\r\n",
        elsewhere.address
    );
    let huge = format!("{text}{}", " ".repeat(64 * 1024));
    let twice = text.replacen('{', r#"{"active":false,"#, 1);
    let mut nobody = active("ann");
    nobody
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name != "sub" && name != "client_id");
    #[rustfmt::skip]
    let cases = [
        ("garbage",       Says::json("<html>")),
        ("no text",       Says::json("")),
        ("contradiction", Says::json(&twice)),
        ("nobody",        Says::json(&nobody.to_string())),
        ("huge",          Says::json(&huge)),
        ("a page",        Says::Text(answer("200 OK", "content-type: text/html\r\n", &text))),
        ("an error",      Says::Text(answer("500 Oh", "content-type: application/json\r\n", &text))),
        ("not let in",    Says::Text(answer("401 No", "content-type: application/json\r\n", r#"{"error":"invalid_client"}"#))),
        ("a redirect",    Says::Text(answer("307 There", &location, &text))),
        ("a good 201",    Says::Text(answer("201 Made", "content-type: application/json\r\n", &text))),
        ("nothing",       Says::Close),
    ];
    let scripted = Scripted::start(Says::Close).await;
    let issuer = one(&issuer_by_question("a", scripted.address));
    for (case, says) in cases {
        scripted.say(says);
        assert_eq!(subject(issuer.identify("token").await), unknown(), "{case}");
        assert!(issuer.known("token").is_none(), "{case}");
    }
    assert_eq!(elsewhere.count(), 0, "a redirect was followed");
    scripted.say(Says::json(&text));
    assert_eq!(subject(issuer.identify("token").await), good("ann"));
}

#[tokio::test]
async fn a_token_that_is_good_elsewhere_is_not_good_here() {
    let with = |name: &str, value: serde_json::Value| {
        let mut answer = active("ann");
        answer[name] = value;
        Says::json(&answer.to_string())
    };
    #[rustfmt::skip]
    let cases = [
        ("t1", with("aud", json!("bank")),                Unacceptable::Audience),
        ("t2", with("iss", json!("https://b.example")),   Unacceptable::Issuer),
        ("t3", with("token_type", json!("refresh_token")), Unacceptable::Type),
        ("t4", with("cnf", json!({})),                    Unacceptable::Bound),
        ("t5", with("exp", json!(1)),                     Unacceptable::Expired),
    ];
    let scripted = Scripted::start(Says::Close).await;
    let issuer = one(&issuer_by_question("a", scripted.address));
    for (token, says, why) in cases {
        scripted.say(says);
        assert_eq!(subject(issuer.identify(token).await), bad(why));
        assert!(issuer.known(token).is_none());
    }
}

#[tokio::test]
async fn what_is_remembered_ends_with_the_token() {
    let mut ending = active("ann");
    ending["exp"] = json!(clock::unix_seconds().0 - 1);
    let scripted = Scripted::start(Says::json(&ending.to_string())).await;
    let issuer = one(&issuer_by_question("a", scripted.address));
    // By the clock of the issuer it may still be good: it is served, and asked about each time.
    for asked in 1..=2 {
        assert_eq!(subject(issuer.identify("token").await), good("ann"));
        assert!(issuer.known("token").is_none());
        assert_eq!(scripted.count(), asked);
    }
}

#[tokio::test]
async fn what_is_remembered_is_no_older_than_the_policy_allows() {
    let scripted = Scripted::start(Says::json(&active("ann").to_string())).await;
    let mut policy = issuer_by_question("a", scripted.address);
    let max_age = Duration::from_secs(3);
    policy.policy.max_age = max_age;
    let issuer = one(&policy);
    let began = clock::boot();
    assert_eq!(subject(issuer.identify("token").await), good("ann"));
    assert!(issuer.known("token").is_some());
    while issuer.known("token").is_some() {
        let passed = clock::boot().since(began);
        assert!(passed < 4 * max_age, "{passed:?}");
        // sleeps: it has to grow old.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(clock::boot().since(began) >= max_age);
    assert_eq!(subject(issuer.identify("token").await), good("ann"));
    assert_eq!(scripted.count(), 2);
}

#[tokio::test]
async fn an_issuer_is_asked_about_so_many_tokens_at_once_and_no_more() {
    let (open, door) = watch::channel(false);
    let says = Box::new(Says::json(&active("ann").to_string()));
    let scripted = Scripted::start(Says::Behind(door, says)).await;
    let issuer = one(&issuer_by_question("a", scripted.address));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let issuer = Arc::clone(&issuer);
            crate::spawn::spawn("token", async move {
                subject(issuer.identify(&format!("token-{number}")).await)
            })
        })
        .collect();
    while scripted.count() < 64 {
        tokio::task::yield_now().await;
    }
    let overloaded = Err(Unknown::Overloaded.into());
    assert_eq!(subject(issuer.identify("one-too-many").await), overloaded);
    assert_eq!(scripted.count(), 64);
    open.send(true).unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), good("ann"));
    }
}
