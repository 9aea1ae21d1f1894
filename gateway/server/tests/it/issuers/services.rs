//! What services are told.

use super::signer::claims;
use super::*;

/// The fields by which a service is told who asks, in lower case and sorted.
fn told(service: &Upstream) -> Vec<String> {
    let heard = service.last().to_ascii_lowercase();
    let lines = heard.lines().skip(1);
    let is_about_who =
        |line: &&str| line.starts_with("tollgate") || line.starts_with("authorization");
    let mut told: Vec<_> = lines.filter(is_about_who).map(str::to_owned).collect();
    told.sort();
    told
}

#[tokio::test]
async fn a_service_is_told_who_asks_and_never_by_the_client() {
    let signer = Signer::new("k");
    let service = Upstream::start([ok("fine")]).await;
    let published = publisher(&[&signer]).await;
    let issuers = [("a", by_keys("a", &published))];
    let edge = edge(&service, &issuers, "require: {}").await;
    let mut claims = claims("a");
    claims["sub"] = json!("änn 100%");
    let token = signer.sign(&claims);
    for _ in 0..2 {
        let request = format!(
            "GET /a/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nTollgate-Subject: root\r\n\
             Tollgate_Issuer: https://id.example\r\nTOLLGATE-SESSION: x\r\n\r\n"
        );
        assert_eq!(edge.connect().await.ask(request).await.status, 200);
        let expected = [
            "tollgate-client: app",
            "tollgate-issuer: https://a.example",
            "tollgate-scope: money.read money.write",
            "tollgate-subject: %c3%a4nn 100%25",
        ];
        assert_eq!(told(&service), expected);
    }
    claims.as_object_mut().unwrap().remove("client_id");
    claims.as_object_mut().unwrap().remove("scope");
    assert_eq!(show(&edge, "/a/x", &signer.sign(&claims)).await.status, 200);
    let expected = [
        "tollgate-issuer: https://a.example",
        "tollgate-subject: %c3%a4nn 100%25",
    ];
    assert_eq!(told(&service), expected);
}

#[tokio::test]
async fn a_service_sees_the_token_of_a_client_only_where_the_issuer_section_says_so() {
    let signer = Signer::new("k");
    let service = Upstream::start([ok("fine")]).await;
    let published = publisher(&[&signer]).await;
    let forwarding = format!("{}, forward: true", by_keys("a", &published));
    let issuers = [("a", forwarding), ("b", by_keys("a", &published))];
    let edge = edge(&service, &issuers, "require: {}, identity_headers: false").await;
    let token = signer.sign(&claims("a"));
    let shown = format!("authorization: bearer {}", token.to_ascii_lowercase());
    for (path, expected) in [("/a/x", vec![shown]), ("/b/x", vec![])] {
        for _ in 0..2 {
            assert_eq!(show(&edge, path, &token).await.status, 200);
            assert_eq!(told(&service), expected, "{path}");
        }
    }
    // The same of a token that is not good: it goes nowhere at all.
    let before = service.heard().len();
    assert_eq!(show(&edge, "/a/x", &format!("{token}x")).await.status, 401);
    assert_eq!(service.heard().len(), before);
}
