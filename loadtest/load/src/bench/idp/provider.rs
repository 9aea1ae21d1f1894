//! The providers, each as it comes and with the same client.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;

use crate::bench::conditions::Version;
use crate::bench::peer::{TOLLGATE_IDP, free_addresses, wait_until_ready};
use crate::bench::{BenchError, read, write};
use crate::closed::{Answer, Load, Request};
use crate::process::{Launch, Process};

pub(super) const CLIENT: &str = "shop";
pub(super) const SCOPE: &str = "accounts.read";
pub(super) const USERNAME: &str = "alice";
/// Nothing listens there: who signs in is not followed any further.
pub(super) const REDIRECT_URI: &str = "https://client.example/callback";
const SECRET_FILE: &str = "shop.secret";
const PASSWORD_FILE: &str = "alice.password";
const STORE: &str = "idp.redb";
const SECRET_BYTES: usize = 32;
const DISCOVERY: &str = "/.well-known/openid-configuration";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Which {
    Tollgate,
    OidcProvider,
}

impl Which {
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Tollgate => "tollgate",
            Self::OidcProvider => "oidc-provider",
        }
    }

    pub(in crate::bench) fn setup(self) -> &'static str {
        match self {
            Self::Tollgate => {
                "one worker; each token is in the journal of the store and synced to the disk before it is \
                 sent, with a line in the audit log"
            }
            Self::OidcProvider => {
                "its own in-memory adapter, NODE_ENV=production; nothing reaches a disk, no log"
            }
        }
    }
}

impl Which {
    /// How large the store has become. After an orderly end it is all in one file.
    pub(super) fn store_bytes(self, dir: &Path) -> Result<u64, BenchError> {
        let store = dir.join(self.name()).join(STORE);
        let store = std::fs::metadata(store).map_err(BenchError::io("cannot find the store"))?;
        Ok(store.len())
    }
}

#[derive(Debug)]
pub(in crate::bench) struct Provider {
    pub(in crate::bench) which: Which,
    pub(in crate::bench) address: SocketAddr,
    pub(in crate::bench) process: Process,
    /// The client's.
    pub(super) secret: String,
    /// Of the person who signs in; the peer has none.
    pub(super) password: String,
}

impl Provider {
    /// Starts it, from its binary or from the folder it was installed into, and waits until it answers.
    pub(in crate::bench) async fn start(
        which: Which,
        program: &Path,
        dir: &Path,
        cpu: usize,
    ) -> Result<Self, BenchError> {
        let dir = dir.join(which.name());
        std::fs::create_dir_all(&dir).map_err(BenchError::io("cannot make a provider's folder"))?;
        let addresses = free_addresses()?;
        let (program, arguments) = match which {
            Which::Tollgate => (program.into(), tollgate(&dir, addresses)?),
            Which::OidcProvider => ("env".into(), oidc_provider(program, &dir, addresses)?),
        };
        let mut process = Process::start(Launch {
            name: which.name(),
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            dir: dir.clone(),
            cpu: Some(cpu),
        })?;
        let [address, _] = addresses;
        wait_until_ready(&mut process, address, DISCOVERY).await?;
        let password = match which {
            Which::Tollgate => read(dir.join(PASSWORD_FILE), "a password")?,
            Which::OidcProvider => String::new(),
        };
        Ok(Self {
            which,
            address,
            process,
            secret: read(dir.join(SECRET_FILE), "a secret")?.trim().to_owned(),
            password: password.trim().to_owned(),
        })
    }

    pub(super) fn issuer(&self) -> String {
        issuer(self.address)
    }

    pub(super) fn load(&self, request: Request) -> Load {
        Load::new(self.address, request)
    }

    pub(super) async fn ask(&self, request: Request) -> Result<Answer, BenchError> {
        let answered = self.load(request).ask().await;
        answered.map_err(|failure| self.wrong_answer(&failure.to_string()))
    }

    pub(in crate::bench) fn wrong_answer(&self, what: &str) -> BenchError {
        BenchError::WrongAnswer {
            name: self.which.name(),
            tally: format!("{what}\n{}", self.process.said()),
        }
    }
}

fn issuer(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// It makes the secrets of its client and of its user itself.
fn tollgate(dir: &Path, [address, internal]: [SocketAddr; 2]) -> Result<Vec<String>, BenchError> {
    let file = dir.join("tollgate.yaml");
    let config = TOLLGATE_IDP.fill(&[
        ("LISTEN", &address.to_string()),
        ("INTERNAL", &internal.to_string()),
        ("DIR", &dir.display().to_string()),
    ])?;
    write(&file, &config)?;
    let file = file.display().to_string();
    Ok(["idp", "--config", &file].map(str::to_owned).to_vec())
}

fn oidc_provider(
    folder: &Path,
    dir: &Path,
    [address, _]: [SocketAddr; 2],
) -> Result<Vec<String>, BenchError> {
    let file = dir.join("peer.json");
    let secret = fresh_secret()?;
    write(&dir.join(SECRET_FILE), &secret)?;
    let settings = serde_json::json!({
        "issuer": issuer(address),
        "port": address.port(),
        "clients": [{
            "client_id": CLIENT,
            "client_secret": secret,
            "grant_types": ["client_credentials"],
            "response_types": [],
            "redirect_uris": [],
            "scope": SCOPE,
        }],
    });
    write(&file, &settings.to_string())?;
    let folder = std::path::absolute(folder).map_err(BenchError::io("cannot find the peer"))?;
    let script = folder.join("server.mjs").display().to_string();
    let file = file.display().to_string();
    Ok(["NODE_ENV=production", "node", &script, &file]
        .map(str::to_owned)
        .to_vec())
}

fn fresh_secret() -> Result<String, BenchError> {
    let mut bytes = [0; SECRET_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(BenchError::io("cannot draw a secret"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// As its package says, since it is not a program that can be asked.
pub(in crate::bench) fn peer_version(folder: &Path) -> Result<Version, BenchError> {
    let name = Which::OidcProvider.name();
    let package = folder.join("node_modules").join(name).join("package.json");
    let text = read(&package, "the peer's package")?;
    let found: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let version = found.as_ref().and_then(|it| it.get("version")?.as_str());
    let version = version.ok_or(BenchError::Unreadable {
        what: "the peer's package",
        text: text.clone(),
    })?;
    Ok(Version {
        program: name,
        version: version.to_owned(),
    })
}
