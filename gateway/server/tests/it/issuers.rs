//! Routes that take the tokens of other issuers: what clients are told, and what services.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

use signer::Signer;

mod answers;
mod services;
mod signer;

/// An issuer that publishes these keys.
async fn publisher(signers: &[&Signer]) -> Upstream {
    Upstream::start([json_of(&signer::set(signers))]).await
}

/// An answer of an issuer.
fn json_of(body: &Value) -> Step {
    let body = body.to_string();
    Step::Say(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A gateway with these issuers, and a route for each of their names.
async fn edge(service: &Upstream, issuers: &[(&str, String)], route: &str) -> Edge {
    Edge::start(&config(service, issuers, route)).await
}

fn config(service: &Upstream, issuers: &[(&str, String)], route: &str) -> String {
    let mut text = format!(
        "services: {{ s: {{ endpoints: [\"{}\"] }} }}\n",
        service.address
    );
    text.push_str("issuers:\n");
    for (name, issuer) in issuers {
        text.push_str(&format!("  {name}: {{ {issuer} }}\n"));
    }
    text.push_str("routes:\n");
    for (name, _) in issuers {
        text.push_str(&format!(
            "- {{ match: \"/{name}/{{rest*}}\", to: s, issuer: {name}, {route} }}\n"
        ));
    }
    text
}

/// The section of an issuer that publishes its keys.
fn by_keys(name: &str, at: &Upstream) -> String {
    format!(
        "issuer: \"https://{name}.example\", jwks: \"http://{}/jwks\", audience: [pay], \
         algorithms: [EdDSA]",
        at.address
    )
}

/// The section of one that is asked.
fn by_question(name: &str, at: &Upstream, secret: &std::path::Path) -> String {
    format!(
        "issuer: \"https://{name}.example\", introspection: \"http://{}/ask\", audience: [pay], \
         client_id: tollgate, secret_file: \"{}\"",
        at.address,
        secret.display()
    )
}

async fn show(edge: &Edge, path: &str, token: &str) -> Answer {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n");
    edge.connect().await.ask(request).await
}

/// What is said of a good token of `a`.
fn active() -> Value {
    json!({
        "active": true, "iss": "https://a.example", "aud": "pay", "sub": "ann",
        "client_id": "app", "scope": "money.read money.write",
    })
}
