//! A gateway, its identity provider and one service, and what tests want of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Notify;

use super::provider::{CREDENTIAL, ISSUER, Provider};
use crate::client::Answer;
use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

/// For what must come about at some time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a busy machine holds anything up.
pub(crate) const LONG: &str = "10s";

pub(crate) struct Town {
    pub(crate) provider: Provider,
    pub(crate) service: Upstream,
    /// What `/kept` is composed of.
    pub(crate) kept: Upstream,
    /// What `/live/slow` leads to, which agrees to a WebSocket when it is given its word.
    pub(crate) slow: Upstream,
    pub(crate) word: Arc<Notify>,
    pub(crate) edge: Edge,
    config: String,
    _folder: TempDir,
}

/// What a service says that lets a connection become a WebSocket.
pub(crate) const GRANT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Field lines by which a client asks for that.
pub(crate) const WISH: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
                               Sec-WebSocket-Version: 13\r\n\
                               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Its routes; `/open` asks nobody who they are.
const ROUTES: &str = "
  - { name: read, match: \"GET /read\", to: s, require: { scopes: [read] } }
  - { name: pay, match: \"POST /pay\", to: s, class: transfer, require: { scopes: [read, write] } }
  - { name: admin, match: \"GET /admin\", to: s, require: { scopes: [admin] } }
  - { name: teller, match: \"GET /teller\", to: s, require: { roles: [teller, auditor] } }
  - { name: lax, match: \"GET /lax\", to: s, class: read, staleness: tolerant, require: {} }
  - { name: told, match: \"GET /told\", to: s, identity_headers: true, server_timing: true, require: {} }
  - { name: either, match: \"GET /either\", to: s, accept: any, require: {} }
  - { name: value, match: \"GET /value\", to: s, accept: value, require: {} }
  - { name: live, match: \"GET /live\", to: live, upgrade: websocket, require: { scopes: [read] } }
  - { name: lasting, match: \"GET /live/lax\", to: live, upgrade: websocket, staleness: tolerant, require: {} }
  - { name: lively, match: \"GET /live/any\", to: live, upgrade: websocket, accept: any, require: {} }
  - { name: slow, match: \"GET /live/slow\", to: slow, upgrade: websocket, require: { scopes: [read] } }
  - { name: open, match: \"GET /open\", to: s }
  - { name: kept, match: \"GET /kept\", compose: true, require: {} }
endpoints:
  - GET /kept:
      steps: { kept: { call: GET k /, cache: { ttl: 1h } } }
      answer: { kept: kept.a }
";

impl Town {
    /// Everything is there, and the gateway has proof that it knows every change.
    pub(crate) async fn start(lease: &str) -> Self {
        let town = Self::start_unproved(lease).await;
        town.until("the gateway has proof", async |town| {
            town.age().await >= 0.0
        })
        .await;
        town.until("the gateway is ready", async |town| {
            town.edge.admin("/readyz").await.0 == 200
        })
        .await;
        // Only a member is trusted: one more proof, of a moment after it became one.
        let token = town.provider.issue(255);
        town.until("what is remembered is trusted", async |town| {
            town.get("/read", &token).await;
            let asked = town.provider.asked();
            town.get("/read", &token).await;
            town.provider.asked() == asked
        })
        .await;
        town.provider.facts().asked.clear();
        town
    }

    pub(crate) async fn start_unproved(lease: &str) -> Self {
        let provider = Provider::start().await;
        let service = Upstream::start([ok("fine")]).await;
        let live = Upstream::start([Step::Say(GRANT.to_owned())]).await;
        let kept = Upstream::start([ok("{\"a\":1}")]).await;
        let word = Arc::new(Notify::new());
        let slowly = [Step::Wait(Arc::clone(&word)), Step::Say(GRANT.to_owned())];
        let slow = Upstream::start(slowly).await;
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("gateway.key");
        fs::write(&key_file, format!("{CREDENTIAL}\n")).unwrap();
        fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
        let rest = format!(
            "idp: {{ issuer: \"{ISSUER}\", listen: \"{at}\", internal: \"{at}\", key_file: {key}, \
             lease: {lease}, audience: [pay] }}\n\
             services: {{ s: {{ endpoints: [\"{service}\"] }}, live: {{ endpoints: [\"{live}\"] }}, \
             slow: {{ endpoints: [\"{slow}\"] }}, k: {{ endpoints: [\"{of_kept}\"] }} }}\nroutes: {ROUTES}",
            at = provider.address,
            key = key_file.display(),
            service = service.address,
            live = live.address,
            slow = slow.address,
            of_kept = kept.address,
        );
        let edge = Edge::start(&rest).await;
        Self {
            provider,
            service,
            kept,
            slow,
            word,
            edge,
            config: rest,
            _folder: folder,
        }
    }

    /// Another gateway in place of the one that was there, which knows nothing.
    pub(crate) async fn restart(&mut self) {
        self.edge = Edge::start(&self.config).await;
    }

    /// Another one, whose routes do not say this.
    pub(crate) async fn restart_without<const N: usize>(&mut self, said: [&str; N]) {
        for said in said {
            self.config = self.config.replace(&format!(", {said}"), "");
        }
        self.restart().await;
    }

    /// Another one, which composes `/kept` of this.
    pub(crate) async fn restart_composing(&mut self, kept: Upstream) {
        let (before, now) = (self.kept.address.to_string(), kept.address.to_string());
        self.config = self.config.replace(&before, &now);
        self.kept = kept;
        self.restart().await;
    }

    /// Another one, whose file says this as well.
    pub(crate) async fn restart_with(&mut self, said: &str) {
        self.config = format!("{said}\n{}", self.config);
        self.restart().await;
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let fields = format!("Authorization: Bearer {token}\r\n");
        self.ask("GET", path, &fields).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: edge.test\r\n{fields}\r\n");
        self.edge.connect().await.ask(request).await
    }

    /// What the service was shown last.
    pub(crate) fn shown(&self) -> String {
        let heard = self.service.last();
        let field = heard
            .lines()
            .find_map(|line| line.strip_prefix("authorization: "));
        field.unwrap_or_else(|| panic!("{heard}")).to_owned()
    }

    /// How old the gateway's proof is; less than 0 without any.
    pub(crate) async fn age(&self) -> f64 {
        self.metric("tollgate_identity_lease_age_seconds").await
    }

    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.edge.admin("/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        let value = value.unwrap_or_else(|| panic!("no {series} in:\n{text}"));
        value.trim().parse().unwrap()
    }

    /// Waits for what must come about.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let waiting = async {
            while !is_so(self).await {
                // sleeps: what is waited for happens elsewhere, at some time.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("it never came about that {what}"));
    }
}
