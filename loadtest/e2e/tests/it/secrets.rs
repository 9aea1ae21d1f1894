//! Promise: what a client shows stays between it and those it is shown to. No log holds it, however much
//! is said there, and whatever became of the request.

use std::fs;

use serde_json::Value;

use crate::stack::{SMALL, Tollgate, boot_pay, exchange_bytes, free_addresses};

/// Stands wherever a secret may: in fields, queries, bodies and trailers.
const SECRET: &str = "s3cr3t";
/// A reference token as far as anybody can see who has no key to its tag: of our version, and not over.
const TOKEN: &str = "tg_at_EAAA______AAs3cr3tAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Each is one request of a connection of its own.
fn requests() -> Vec<String> {
    let fields = format!(
        "Host: h\r\nConnection: close\r\nCookie: session={SECRET}\r\nX-Api-Key: {SECRET}\r\n"
    );
    let bearer = format!("{fields}Authorization: Bearer {TOKEN}\r\n");
    let refresh = TOKEN.replace("tg_at_", "tg_rt_");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let body = format!("6\r\n{SECRET}\r\n0\r\nX-Trailer: {SECRET}\r\n\r\n");
    #[rustfmt::skip]
    let requests = vec![
        // Carried by each carrier, to a service that answers, that is not there, and that is no HTTP.
        format!("GET /members/1?code={SECRET} HTTP/1.1\r\n{bearer}\r\n"),
        format!("POST /members/1?code={SECRET} HTTP/1.1\r\n{bearer}{chunked}\r\n{body}"),
        format!("GET /nobody?code={SECRET} HTTP/1.1\r\n{bearer}\r\n"),
        format!("POST /nobody?code={SECRET} HTTP/1.1\r\n{bearer}{chunked}\r\n{body}"),
        format!("GET /h2?code={SECRET} HTTP/1.1\r\n{bearer}\r\n"),
        format!("POST /h2?code={SECRET} HTTP/1.1\r\n{bearer}{chunked}\r\n{body}"),
        // Refused for their credential, or because it cannot be looked up.
        format!("GET /guarded HTTP/1.1\r\n{bearer}\r\n"),
        format!("GET /guarded HTTP/1.1\r\n{bearer}Authorization: Basic {SECRET}\r\n\r\n"),
        format!("GET /guarded HTTP/1.1\r\n{fields}Authorization: Bearer {refresh}\r\n\r\n"),
        format!("GET /guarded HTTP/1.1\r\n{fields}Authorization: Bearer a.{SECRET}.c\r\n\r\n"),
        format!("GET /guarded HTTP/1.1\r\n{fields}Authorization: Bearer {SECRET} {SECRET}\r\n\r\n"),
        format!("GET /guarded HTTP/1.1\r\n{fields}Authorization: Basic {SECRET}\r\n\r\n"),
        format!("GET /guarded?access_token={TOKEN} HTTP/1.1\r\n{fields}\r\n"),
        format!("GET /members/{TOKEN} HTTP/1.1\r\n{fields}\r\n"),
        format!("GET /nowhere/{refresh} HTTP/1.1\r\n{fields}\r\n"),
        // Refused for their head.
        format!("GET /members?{SECRET}\" \" HTTP/1.1\r\n{bearer}\r\n"),
        format!("GET /members HTTP/1.1\r\n{fields}Authorization : Bearer {SECRET}\r\n\r\n"),
        format!("GET /members HTTP/1.1\r\n{bearer} {SECRET}\r\n\r\n"),
        format!("GET /members HTTP/1.1\r\n{bearer}Host: {SECRET}\r\n\r\n"),
        format!("GET /members HTTP/1.1\r\n{bearer}X-Long: {}\r\n\r\n", SECRET.repeat(10_000)),
        format!("BREW /members?{SECRET} HTTP/9.9\r\n{bearer}\r\n"),
        format!("POST /members HTTP/1.1\r\n{bearer}{chunked}\r\n{SECRET}\r\n"),
        format!("TRACE /members HTTP/1.1\r\n{bearer}\r\n"),
    ];
    requests
}

fn file(services: &str, nobody: [std::net::SocketAddr; 3]) -> String {
    let [nobody, listen, internal] = nobody;
    format!(
        "listen: [{{ address: \"127.0.0.1:0\" }}]
admin: {{ address: \"127.0.0.1:0\" }}
idp:
  issuer: http://idp.test
  listen: {listen}
  internal: {internal}
  key_file: ./gateway.key
services:
  members: {{ endpoints: [{services}] }}
  nobody: {{ endpoints: [\"{nobody}\"] }}
  h2: {{ endpoints: [{services}], protocol: h2, timeout: 2s }}
routes:
  - {{ match: \"/members/{{rest*}}\", to: members }}
  - {{ match: /nobody, to: nobody }}
  - {{ match: /h2, to: h2 }}
  - {{ match: /guarded, to: members, require: {{ scopes: [members.read] }} }}
"
    )
}

#[tokio::test]
async fn no_log_holds_what_a_client_has_shown() {
    let pay = boot_pay(SMALL).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    let services = format!("\"{}\"", pay.addresses().membership[0]);
    fs::write(&path, file(&services, free_addresses())).unwrap();
    fs::write(folder.path().join("gateway.key"), "gateway-key").unwrap();

    let (mut gateway, listen, _) = Tollgate::gateway_with(&path, &["--log", "debug"]).await;
    let requests = requests();
    for request in &requests {
        let (answer, _) = exchange_bytes(listen, request).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 "), "{request}{answer}");
        assert!(!answer.contains(SECRET), "{request}{answer}");
    }
    gateway.signal("INT");
    assert_eq!(gateway.exit_code().await, Some(0));

    let (lines, said) = (gateway.stdout(), gateway.stderr());
    assert_eq!(lines.lines().count(), requests.len(), "{lines}");
    let codes = lines.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["code"].as_str().unwrap_or_default().to_owned()
    });
    let codes: Vec<_> = codes.collect();
    for expected in ["upstream_unreachable", "identity_unreachable", "bad_head"] {
        assert!(
            codes.iter().any(|code| code == expected),
            "{expected} in {codes:?}"
        );
    }
    assert!(said.contains("DEBUG"), "{said}");
    for (name, text) in [("the access log", &lines), ("the log", &said)] {
        let shown = text.lines().find(|line| line.contains(SECRET));
        assert_eq!(shown, None, "{name}");
    }
}
