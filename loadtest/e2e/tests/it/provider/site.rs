//! A real `tollgate idp` in a folder of its own, and what is asked of it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stack::{Answer, Client, Tollgate};

/// What lies in the folder whoever runs there.
pub(crate) struct Site {
    folder: TempDir,
}

/// A process on it.
pub(crate) struct Running {
    pub(crate) process: Tollgate,
    pub(crate) asker: Asker,
}

/// Somebody who asks it, as a client and as an operator.
#[derive(Clone)]
pub(crate) struct Asker {
    client: Client,
    public: SocketAddr,
    pub(crate) internal: SocketAddr,
    secret: String,
    admin_key: String,
    gateway_key: String,
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"
provider:
  listen: "127.0.0.1:0"
  internal: "127.0.0.1:0"
  issuer: "http://127.0.0.1:8081"
  store: { path: ./idp.redb, disk_free_min: 16MiB }
  clients:
    robot:
      secret_file: ./robot.secret
      grants: [client_credentials]
      scopes: [money.read]
"#;
        fs::write(folder.path().join("tollgate.yaml"), text).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A site of its own with this one's keys and secrets, and this store.
    pub(crate) fn with_store(&self, store: &str) -> Self {
        let other = Self::new();
        for name in ["idp.key", "admin.key", "gateway.key", "robot.secret"] {
            fs::copy(self.path(name), other.path(name)).unwrap();
        }
        fs::copy(self.path(store), other.path("idp.redb")).unwrap();
        other
    }

    pub(crate) async fn start(&self) -> Running {
        let file = self.path("tollgate.yaml");
        let mut process = Tollgate::start(&["idp", "--config", file.to_str().unwrap()]);
        let said = |process: &Tollgate| process.stderr().lines().find_map(ready_line);
        let (public, internal) = process.until("it is ready", said).await;
        let asker = Asker {
            client: Client::new(),
            public,
            internal,
            secret: self.secret("robot.secret"),
            admin_key: format!("Bearer {}", self.secret("admin.key")),
            gateway_key: format!("Bearer {}", self.secret("gateway.key")),
        };
        Running { process, asker }
    }

    fn secret(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.trim_end().to_owned()
    }
}

/// `… ready public=127.0.0.1:4711 internal=127.0.0.1:4712 took=…`
fn ready_line(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (_, rest) = line.split_once(" ready public=")?;
    let (public, rest) = rest.split_once(" internal=")?;
    let (internal, _) = rest.split_once(' ')?;
    Some((public.parse().ok()?, internal.parse().ok()?))
}

impl Running {
    /// Ends it at once. It hears nothing of it.
    pub(crate) async fn kill(mut self) {
        self.process.signal("KILL");
        assert_eq!(self.process.exit_code().await, None);
    }

    pub(crate) async fn stop(mut self) {
        self.process.signal("INT");
        assert_eq!(self.process.exit_code().await, Some(0));
    }
}

/// Whatever was not answered may have been done or not.
pub(crate) struct Unanswered;

impl Asker {
    pub(crate) async fn issue(&self) -> Result<String, Unanswered> {
        let answer = self.form("/token", "grant_type=client_credentials").await?;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Ok(answer.json()["access_token"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn revoke(&self, token: &str) -> Result<(), Unanswered> {
        let answer = self.form("/revoke", &format!("token={token}")).await?;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Ok(())
    }

    async fn form(&self, path: &str, form: &str) -> Result<Answer, Unanswered> {
        let body = format!("{form}&client_id=robot&client_secret={}", self.secret);
        let to = (self.public, path);
        let sent = self.client.send(Method::POST, to, &[FORM], body).await;
        sent.map_err(|_| Unanswered)
    }

    pub(crate) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Unanswered> {
        let fields = [JSON, ("authorization", self.admin_key.as_str())];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let to = (self.internal, path);
        let sent = self.client.send(method, to, &fields, body).await;
        sent.map_err(|_| Unanswered)
    }

    /// An answer that must be there, of an operator's question.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let asked = self.admin(Method::GET, path, &Value::Null).await;
        let Ok(answer) = asked else {
            panic!("no answer from {path}");
        };
        answer.ok()
    }

    /// What is known of a token: whether it is good, and its session.
    pub(crate) async fn inspect(&self, token: &str) -> Option<(bool, String)> {
        let body = json!({ "token": token });
        let asked = self.admin(Method::POST, "/admin/tokens/inspect", &body);
        let Ok(answer) = asked.await else {
            panic!("no answer about a token");
        };
        if answer.status == StatusCode::NOT_FOUND {
            return None;
        }
        let told = answer.ok();
        let session = told["session"].as_str().unwrap().to_owned();
        Some((told["good"] == true, session))
    }

    /// A page of the log: its first line, and the others.
    pub(crate) async fn log(&self, after: u64) -> (Value, Vec<Value>) {
        let path = format!("/internal/log?after={after}");
        let fields = [("authorization", self.gateway_key.as_str())];
        let to = (self.internal, path.as_str());
        let asked = self.client.send(Method::GET, to, &fields, "").await;
        let answer = asked.unwrap_or_else(|error| panic!("the log: {error}"));
        assert_eq!(answer.status, StatusCode::OK);
        let text = str::from_utf8(&answer.body).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (lines.next().unwrap(), lines.collect())
    }

    /// What a metric says.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let answer = self.client.get(self.internal, "/metrics").await;
        let text = str::from_utf8(&answer.body).unwrap();
        let prefix = format!("tollgate_idp_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap().parse().unwrap()
    }
}
