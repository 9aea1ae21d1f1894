//! An identity provider, and tokens of it to be shown.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::bench::layout::Layout;
use crate::bench::peer::{free_addresses, wait_until_ready};
use crate::bench::{BenchError, read, write};
use crate::closed::{Answer, Load, Request};
use crate::process::{Launch, Process};

const NAME: &str = "identity provider";
const SCOPE: &str = "accounts.read";

pub(super) struct Callers {
    tokens: Vec<String>,
    secret: String,
    internal: SocketAddr,
    public: SocketAddr,
    key_file: PathBuf,
    _process: Process,
}

/// Not what is shown: those are secrets.
impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

impl Callers {
    /// So many tokens of a provider that nothing is counted of.
    pub(super) async fn start(
        program: &Path,
        dir: &Path,
        count: usize,
    ) -> Result<Self, BenchError> {
        let dir = dir.join("provider");
        std::fs::create_dir_all(&dir).map_err(BenchError::io("cannot make a provider's folder"))?;
        let [public, internal] = free_addresses()?;
        let config = dir.join("tollgate.yaml");
        let text = format!(
            "threads: 1\nprovider:\n  listen: \"{public}\"\n  internal: \"{internal}\"\n  clients:\n    \
             shop: {{ secret_file: ./shop.secret, grants: [client_credentials], \
             scopes: [{SCOPE}], audience: [pay] }}\n"
        );
        write(&config, &text)?;
        let mut process = Process::start(Launch {
            name: NAME,
            program: program.into(),
            arguments: vec!["idp".into(), "--config".into(), config.into()],
            dir: dir.clone(),
            cpu: Some(Layout::find()?.load_cpu),
        })?;
        wait_until_ready(&mut process, internal, "/readyz").await?;
        let secret = read(dir.join("shop.secret"), "a secret")?;
        let mut tokens = Vec::with_capacity(count);
        for _ in 0..count {
            tokens.push(issue(public, secret.trim()).await?);
        }
        Ok(Self {
            tokens,
            secret: secret.trim().to_owned(),
            internal,
            public,
            key_file: dir.join("data/gateway.key"),
            _process: process,
        })
    }

    /// What a file says of the provider, and of a route. A gateway that is counted is slow.
    pub(super) fn config(&self) -> (String, String) {
        let idp = format!(
            "idp: {{ issuer: \"http://{public}\", listen: \"{public}\", internal: \"{internal}\", \
             key_file: {key}, lease: 60s }}\n",
            public = self.public,
            internal = self.internal,
            key = self.key_file.display(),
        );
        (idp, format!(", require: {{ scopes: [{SCOPE}] }}"))
    }

    /// The same request with each of the tokens.
    pub(super) fn shown(&self, request: &Request) -> Vec<Request> {
        let show = |token: &String| {
            let request = request.clone();
            request.header("Authorization", format!("Bearer {token}"))
        };
        self.tokens.iter().map(show).collect()
    }
}

impl Callers {
    pub(super) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Ends the session of each token.
    pub(super) async fn end(&self) -> Result<(), BenchError> {
        for token in &self.tokens {
            let order = format!("client_id=shop&client_secret={}&token={token}", self.secret);
            let answer = post(self.public, "/revoke", order).await?;
            if answer.status != 200 {
                let tally = format!("{} for an order to end a token", answer.status);
                return Err(BenchError::WrongAnswer { name: NAME, tally });
            }
        }
        Ok(())
    }
}

async fn post(at: SocketAddr, path: &str, form: String) -> Result<Answer, BenchError> {
    let request =
        Request::post(path, form).header("Content-Type", "application/x-www-form-urlencoded");
    let answer = Load::new(at, request).ask().await;
    answer.map_err(|failure| failure_of(&failure))
}

async fn issue(at: SocketAddr, secret: &str) -> Result<String, BenchError> {
    let body = format!(
        "grant_type=client_credentials&client_id=shop&client_secret={secret}&scope={SCOPE}"
    );
    let failed = |tally: String| BenchError::WrongAnswer { name: NAME, tally };
    let answer = post(at, "/token", body).await?;
    let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let token = body
        .as_ref()
        .and_then(|it| it.get("access_token")?.as_str());
    let text = || String::from_utf8_lossy(&answer.body).into_owned();
    token.map(str::to_owned).ok_or_else(|| failed(text()))
}

fn failure_of(failure: &impl fmt::Display) -> BenchError {
    BenchError::WrongAnswer {
        name: NAME,
        tally: failure.to_string(),
    }
}
