//! A gateway for one test: its own ports, its own log, its own configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gateway_server::{Carriers, Running};
use tempfile::TempDir;
use tollgate_config::Environment;

use crate::client::{Answer, Client};
use crate::site::Site;
use crate::socket::Socket;

const ADMIN: &str = "admin: { address: 127.0.0.1:0 }";

pub(crate) struct Edge {
    pub(crate) running: Arc<Running>,
    folder: TempDir,
    /// What stands under `listen`.
    listeners: String,
    /// What it shows, if clients come by TLS.
    pub(crate) site: Option<Site>,
}

impl Edge {
    /// Starts a gateway; `rest` is the configuration behind listeners and log.
    pub(crate) async fn start(rest: &str) -> Self {
        Self::start_with(Carriers::Both, rest).await
    }

    pub(crate) async fn start_with(carriers: Carriers, rest: &str) -> Self {
        Self::run(carriers, "{ address: 127.0.0.1:0 }".to_owned(), rest).await
    }

    /// Starts a gateway whose listener shows these certificates of a site.
    pub(crate) async fn secure(site: Site, files: &[&str], rest: &str) -> Self {
        Self::secure_with(Carriers::Both, site, files, rest).await
    }

    pub(crate) async fn secure_with(
        carriers: Carriers,
        site: Site,
        files: &[&str],
        rest: &str,
    ) -> Self {
        let edge = Self::run(carriers, site.listener(files), rest).await;
        Self {
            site: Some(site),
            ..edge
        }
    }

    /// Starts a gateway with a listener of each of these levels.
    pub(crate) async fn start_on(levels: &[&str], rest: &str) -> Self {
        let listeners = levels
            .iter()
            .map(|level| format!("{{ address: 127.0.0.1:0, level: {level} }}"));
        let listeners = listeners.collect::<Vec<_>>().join(", ");
        Self::run(Carriers::Both, listeners, rest).await
    }

    /// Starts a gateway whose clients may begin with HTTP/2.
    pub(crate) async fn start_with_http2(carriers: Carriers, rest: &str) -> Self {
        let listener = "{ address: 127.0.0.1:0, h2c: true }".to_owned();
        Self::run(carriers, listener, rest).await
    }

    async fn run(carriers: Carriers, listeners: String, rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = compile(&text(&folder, &listeners, rest));
        let running = Running::start_with(carriers, config).await.unwrap();
        Self {
            running: Arc::new(running),
            folder,
            listeners,
            site: None,
        }
    }

    /// Starts a gateway whose admin listener other machines can reach.
    pub(crate) async fn start_exposed(rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listeners = "{ address: 127.0.0.1:0 }".to_owned();
        let text = text(&folder, &listeners, rest);
        let text = text.replace(ADMIN, "admin: { address: 0.0.0.0:0, exposed: true }");
        let running = Running::start_with(Carriers::Both, compile(&text)).await;
        Self {
            running: Arc::new(running.unwrap()),
            folder,
            listeners,
            site: None,
        }
    }

    /// Starts a gateway that sends every path to `service`.
    pub(crate) async fn before(service: SocketAddr) -> Self {
        Self::start(&everything_to(&[service])).await
    }

    pub(crate) fn compile(&self, rest: &str) -> tollgate_config::Gateway {
        compile(&self.text(rest))
    }

    /// The whole file.
    pub(crate) fn text(&self, rest: &str) -> String {
        text(&self.folder, &self.listeners, rest)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.running.addresses().listen
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::on(self.socket().await)
    }

    /// A connection as clients of this gateway make it.
    pub(crate) async fn socket(&self) -> Socket {
        match &self.site {
            Some(site) => Socket::secure(self.address(), site).await,
            None => Socket::connect(self.address()).await,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.connect().await.get(path).await
    }

    /// Asks the admin listener; status and body.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        let answer = Client::connect(self.running.addresses().admin)
            .await
            .ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        (answer.status, answer.text())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// Stops the gateway and gives the access lines.
    pub(crate) async fn stop_and_read_log(self) -> Vec<serde_json::Value> {
        self.running.stop(Some(std::time::Duration::ZERO)).await;
        let text = std::fs::read_to_string(self.log_path()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

pub(crate) fn everything_to(endpoints: &[SocketAddr]) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|at| format!("\"{at}\"")).collect();
    format!(
        "services: {{ s: {{ endpoints: [{}], timeout: 2s, connect_timeout: 500ms }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, name: all }}]\n",
        endpoints.join(", ")
    )
}

fn text(folder: &TempDir, listeners: &str, rest: &str) -> String {
    let log = folder.path().join("access.log");
    format!(
        "listen: [{listeners}]\n{ADMIN}\n\
         threads: 2\nlog: {{ access: {} }}\n{rest}",
        log.display()
    )
}

fn compile(text: &str) -> tollgate_config::Gateway {
    let environment = Environment::of([], 2);
    match tollgate_config::compile("test.yaml", text.as_bytes(), &environment) {
        Ok(loaded) => loaded.gateway.unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}
