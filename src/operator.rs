//! An operator's side of the identity provider: calls to its admin listener.
//!
//! The credential is the line of a file that only its owner may read; it is sent nowhere but to the
//! address that the operator named, and that is an address and no name.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tollgate_config::Environment;

use crate::verb::FileArgs;

const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    #[command(flatten)]
    file: FileArgs,
    /// The identity provider's internal address; without it the one of the file
    #[arg(long, value_name = "ADDRESS", requires = "key_file")]
    idp: Option<SocketAddr>,
    /// The file with the administrator's credential; without it the one of the file
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Who you are, for the audit log
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

/// Where to call, and as whom.
pub(crate) struct Operator {
    address: SocketAddr,
    key: String,
    actor: Option<String>,
}

impl OperatorArgs {
    pub(crate) fn operator(&self) -> anyhow::Result<Operator> {
        let (address, key_file) = match (self.idp, &self.key_file) {
            (Some(address), Some(key_file)) => (address, key_file.clone()),
            (address, key_file) => {
                let (of_file, key_of_file) = self.of_file()?;
                let key_file = key_file.clone().unwrap_or(key_of_file);
                (address.unwrap_or(of_file), key_file)
            }
        };
        let text = fs::read_to_string(&key_file).with_context(|| {
            format!(
                "the administrator's credential {} cannot be read; it is made when the identity \
                 provider starts for the first time",
                key_file.display()
            )
        })?;
        Ok(Operator {
            address,
            key: text.trim_end().to_owned(),
            actor: self.actor.clone(),
        })
    }

    /// The admin address of the gateway in the same file, if there is one.
    pub(crate) fn gateway(&self) -> Option<SocketAddr> {
        let loaded = self.file.load(&Environment::from_process()).ok()?;
        Some(loaded.gateway?.admin)
    }

    fn of_file(&self) -> anyhow::Result<(SocketAddr, PathBuf)> {
        let loaded = self.file.load(&Environment::from_process());
        let loaded = loaded.map_err(|problems| anyhow!("{problems}"))?;
        let provider = loaded.require_provider();
        let provider = provider.map_err(|problems| anyhow!("{problems}"))?;
        Ok((provider.internal, provider.admin_key_file.clone()))
    }
}

impl Operator {
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None)
    }

    pub(crate) fn post(&self, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body)
    }

    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None)
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(body))
    }

    /// All items of a list, page by page.
    pub(crate) fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut query = String::new();
        loop {
            let mut page = self.get(&format!("{path}{query}"))?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => query = format!("?after={next}"),
                None => return Ok(items),
            }
        }
    }

    fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let request = self.request(method, path, body)?;
        let calling = async {
            let (status, body) = send(self.address, request).await?;
            read(status, &body)
        };
        let address = self.address;
        wait_for(calling)
            .with_context(|| format!("the identity provider at {address} did not do it"))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        if let Some(actor) = &self.actor {
            request = request.header("tollgate-actor", actor);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                body.to_string().into()
            }
            None => Bytes::new(),
        };
        Ok(request.body(Full::new(body))?)
    }
}

/// What the gateway with this admin address thinks of the token with a digest.
pub(crate) fn ask_gateway(address: SocketAddr, digest: &str) -> anyhow::Result<Value> {
    let request = Request::post("/identity/inspect")
        .header(header::HOST, address.to_string())
        .body(Full::new(Bytes::from(digest.to_owned())))?;
    let calling = async {
        let (status, body) = send(address, request).await?;
        if status.is_success() {
            Ok(serde_json::from_slice(&body)?)
        } else {
            bail!("{} ({status})", String::from_utf8_lossy(&body).trim_end())
        }
    };
    wait_for(calling).with_context(|| format!("the gateway at {address} did not say"))
}

fn wait_for<T>(calling: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        let called = tokio::time::timeout(TIMEOUT, calling).await;
        called.context("no answer came in time")?
    })
}

async fn send(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.context("nobody listens there; is it running?")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answering = async move {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow!(error))?.to_bytes();
        anyhow::Ok((head.status, body))
    };
    tokio::pin!(connection);
    tokio::select! {
        answered = answering => answered,
        ended = &mut connection => {
            ended?;
            bail!("it closed the connection");
        }
    }
}

/// What was answered, or why it was not done in the words of the identity provider.
fn read(status: StatusCode, body: &[u8]) -> anyhow::Result<Value> {
    if status == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_slice(body).with_context(|| {
        format!("it answered {status} and no JSON: is it an identity provider?")
    })?;
    if status.is_success() {
        return Ok(value);
    }
    let detail = value.get("detail").and_then(Value::as_str);
    bail!("{} ({status})", detail.unwrap_or("it did not say why"))
}
