use super::super::http::{AskError, Asked};
use super::scripted::{answer, place};
use super::*;

const LATE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_answer_is_read_no_further_than_was_agreed_on() {
    let json = "content-type: application/json\r\n";
    let of = |bytes: usize| answer("200 OK", json, &"a".repeat(bytes));
    // More is announced than ever comes: whoever read on would wait.
    let endless = of(101).replace("content-length: 101", "content-length: 9999999");
    let chunk = format!("65\r\n{}\r\n", "a".repeat(101));
    let unmeasured = format!("HTTP/1.1 200 OK\r\n{json}transfer-encoding: chunked\r\n\r\n{chunk}");
    for (text, expected) in [
        (of(99), Some(99)),
        (of(100), Some(100)),
        (of(101), None),
        (endless, None),
        (unmeasured, None),
    ] {
        let scripted = Scripted::start(Says::Text(text)).await;
        let asked = Asked::new(&place(scripted.address), LATE, 100);
        match asked.get("application/json").await {
            Ok(body) => assert_eq!(Some(body.len()), expected),
            Err(AskError::Body(_)) => assert_eq!(expected, None),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_given_up_without_harm() {
    let scripted = Scripted::start(Says::json("{}")).await;
    let asked = Asked::new(&place(scripted.address), LATE, 100);
    for _ in 0..3 {
        asked.get("application/json").await.unwrap();
    }
    assert_eq!(scripted.connections(), 1);
    scripted.say(Says::Cut(answer(
        "200 OK",
        "content-type: application/json\r\n",
        "{}",
    )));
    asked.get("application/json").await.unwrap();
    scripted.say(Says::json("{}"));
    asked.get("application/json").await.unwrap();
    assert_eq!(scripted.connections(), 2);
}

#[tokio::test]
async fn nobody_is_waited_for_past_the_deadline() {
    let scripted = Scripted::start(Says::Nothing).await;
    let deadline = Duration::from_millis(50);
    let asked = Asked::new(&place(scripted.address), deadline, 100);
    let answer = asked.get("application/json").await;
    assert!(matches!(answer, Err(AskError::Late)), "{answer:?}");
}
