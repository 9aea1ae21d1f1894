use serde_json::{Value, json};

use super::*;
use crate::external::tests::{NOW, changed, holder, policy};

fn told() -> Value {
    json!({
        "active": true, "iss": "https://partner.example", "aud": "pay", "sub": "ann",
        "client_id": "app", "scope": "pay read", "roles": ["payer"], "exp": NOW + 60,
        "token_type": "Bearer", "username": "Ann",
    })
}

#[test]
fn an_answer_is_about_a_token_that_is_good_here_or_it_is_refused() {
    let read =
        |answer: &Value| Answer::read(answer.to_string().as_bytes(), &policy(), UnixSeconds(NOW));
    let with = |name: &str, value: Value| changed(told(), name, value);
    let active = |holder| Ok(Answer::Active(holder));
    let refused = |why| Ok(Answer::Unacceptable(why));
    let broken = |error: MemberError| Err(AnswerError::Member(error));
    let machine = changed(with("sub", Value::Null), "client_id", json!("app"));
    let of_app = Holder {
        subject: "app".to_owned(),
        ..holder()
    };
    let nobody = changed(with("sub", Value::Null), "client_id", Value::Null);
    let until = |ends_at: Option<u64>| Holder {
        ends_at: ends_at.map(UnixSeconds),
        ..holder()
    };
    #[rustfmt::skip]
    let cases = [
        (told(),                                  active(holder())),
        (with("iss", Value::Null),                active(holder())),
        (with("token_type", Value::Null),         active(holder())),
        (with("token_type", json!("bearer")),     active(holder())),
        (with("exp", Value::Null),                active(until(None))),
        (with("exp", json!(NOW - 4)),             active(until(Some(NOW - 4)))),
        (machine,                                 active(of_app)),
        (json!({ "active": false }),              Ok(Answer::Inactive)),
        (with("active", json!(false)),            Ok(Answer::Inactive)),
        (with("iss", json!("https://id.example")), refused(Unacceptable::Issuer)),
        (with("aud", json!("bank")),              refused(Unacceptable::Audience)),
        (with("aud", Value::Null),                refused(Unacceptable::Audience)),
        (with("token_type", json!("refresh_token")), refused(Unacceptable::Type)),
        (with("token_type", json!("DPoP")),       refused(Unacceptable::Type)),
        (with("typ", json!("Refresh")),           refused(Unacceptable::Purpose)),
        (with("token_use", json!("id")),          refused(Unacceptable::Purpose)),
        (with("typ", json!("Bearer")),            active(holder())),
        (with("cnf", json!({})),                  refused(Unacceptable::Bound)),
        (with("exp", json!(NOW - 5)),             refused(Unacceptable::Expired)),
        (with("nbf", json!(NOW + 6)),             refused(Unacceptable::NotYet)),
        (with("active", json!("true")),           broken(MemberError::Kind("active"))),
        (with("active", json!(1)),                broken(MemberError::Kind("active"))),
        (with("active", Value::Null),             broken(MemberError::Missing("active"))),
        (with("exp", json!("soon")),              broken(MemberError::Kind("exp"))),
        (with("sub", json!("a\nb")),              broken(MemberError::Value("sub"))),
        (nobody,                                  broken(MemberError::Missing("sub"))),
        (json!([]),                               Err(AnswerError::Syntax)),
    ];
    for (answer, expected) in cases {
        assert_eq!(read(&answer), expected, "{answer}");
    }
    let anybody = Policy {
        audience: Vec::new(),
        ..policy()
    };
    let found = Answer::read(
        with("aud", Value::Null).to_string().as_bytes(),
        &anybody,
        UnixSeconds(NOW),
    );
    assert_eq!(found, active(holder()));
}

#[test]
fn an_answer_is_measured_and_may_not_contradict_itself() {
    let read = |text: &str| Answer::read(text.as_bytes(), &policy(), UnixSeconds(NOW));
    let inactive = r#"{"active":false}"#;
    let padded = |bytes: usize| format!("{inactive}{}", " ".repeat(bytes - inactive.len()));
    assert_eq!(read(&padded(ANSWER_BYTES_MAX)), Ok(Answer::Inactive));
    assert_eq!(
        read(&padded(ANSWER_BYTES_MAX + 1)),
        Err(AnswerError::TooLong)
    );
    let twice = told().to_string().replacen('{', r#"{"active":false,"#, 1);
    for text in [&twice, "", "<html>", "null", "{\"active\":true", "{} {}"] {
        let found = read(text);
        assert_eq!(found, Err(AnswerError::Syntax), "{text}");
    }
}
