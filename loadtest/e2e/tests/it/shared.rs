//! Promise: what one gateway fetched for everybody the others find in Redis, for no longer than they
//! could keep it themselves; what one is told is not so any more none of them finds there, and without
//! Redis all is answered as before.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hyper::Method;
use pay::Pay;

use crate::stack::{Answer, Client, PATIENCE, QUIET, SMALL, Tollgate, boot_pay, services};

struct Redis(Child);

impl Redis {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder)
            .arg("--unixsocket")
            .arg(folder.join("redis"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed");
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut lines = said.lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("ready to accept connections")));
        Self(process)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn file(pay: &Pay, folder: &Path) -> String {
    let services = services(pay, "10s");
    let socket = folder.join("redis");
    let socket = socket.display();
    format!(
        "{QUIET}{services}\
         routes: [{{ match: \"GET /names/{{id}}\", compose: true }}]\n\
         lookups:\n  \
           member:\n    \
             get_many: GET directory /directory?ids={{keys}}\n    \
             key: memberId\n    \
             cache: {{ ttl: 1m, shared: true, second_level: true }}\n\
         second_level: {{ redis: \"unix://{socket}\", timeout: 200ms }}\n\
         endpoints:\n  \
           - GET /names/{{id}}: {{ steps: {{}}, answer: {{ name: member(id).name }} }}\n"
    )
}

struct Gateway {
    process: Tollgate,
    listen: SocketAddr,
    admin: SocketAddr,
    client: Client,
}

impl Gateway {
    async fn start(file: &Path) -> Self {
        let (process, listen, admin) = Tollgate::gateway(file).await;
        let gateway = Self {
            process,
            listen,
            admin,
            client: Client::new(),
        };
        gateway.until("second_level_open{source=\"redis\"} 1").await;
        gateway
    }

    /// Looks at the figures until they say this.
    async fn until(&self, line: &str) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.client.get(self.admin, "/metrics").await;
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            if text.contains(line) {
                return;
            }
            let of_this = text.lines().filter(|it| it.contains("second_level"));
            let of_this: Vec<_> = of_this.filter(|it| !it.starts_with('#')).collect();
            let is_late = tokio::time::Instant::now() > until;
            assert!(!is_late, "{line}: {of_this:#?}\n{}", self.process.stderr());
        }
    }

    async fn name(&self, id: u32) -> (String, String) {
        let path = format!("/names/{id}");
        let answer: Answer = self.client.get(self.listen, &path).await;
        assert_eq!(answer.status, 200);
        let told = answer.headers.get("cache-status").unwrap();
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        (body, told.to_str().unwrap().to_owned())
    }

    async fn forget(&self, id: u32) {
        let order = format!("{{\"lookup\":\"member\",\"key\":\"{id}\"}}");
        let to = (self.admin, "/internal/invalidate");
        let answer = self
            .client
            .send(Method::POST, to, &[], order)
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
}

const HIT: &str = "member;hit;detail=\"redis 1\"";
const MISS: &str = "member;fwd=miss;detail=\"fetched 1, calls 1\"";

#[tokio::test]
async fn gateways_fill_from_each_other_until_one_is_told_that_it_is_not_so() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path());
    let pay = boot_pay(SMALL).await;
    let path = folder.path().join("tollgate.yaml");
    fs::write(&path, file(&pay, folder.path())).unwrap();
    let first = Gateway::start(&path).await;
    let second = Gateway::start(&path).await;

    let (seven, told) = first.name(7).await;
    assert!(seven.starts_with("{\"name\":\""), "{seven}");
    assert_eq!(told, MISS);
    first.name(8).await;
    let stored = "keys_total{outcome=\"stored\",source=\"member\"} 2";
    first.until(stored).await;

    assert_eq!(second.name(7).await, (seven, HIT.to_owned()));
    first.forget(8).await;
    assert_eq!(second.name(8).await.1, MISS);

    drop(redis);
    assert_eq!(second.name(9).await.1, MISS);
    assert_eq!(first.name(9).await.1, MISS);
    first.forget(7).await;
    assert_eq!(first.name(7).await.1, MISS);
}
