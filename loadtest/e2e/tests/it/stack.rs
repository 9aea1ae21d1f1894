//! What the promises are tested on: pay services on free ports, a configuration that leads to them,
//! and a gateway in front, in this process or as the real binary ([`Tollgate`]).

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};

use pay::{Listen, Pay, Settings, Sizes};
use tollgate::{Plan, Stack};
use tollgate_config::Environment;

pub(crate) use binary::{Tollgate, binary, run};
pub(crate) use certificates::{write_certificate, write_certificates_of_examples};
pub(crate) use client::{Answer, Client, PATIENCE, exchange_bytes};

mod binary;
mod certificates;
mod client;

/// Enough rows to differ, few enough to start in no time.
pub(crate) const SMALL: Sizes = Sizes {
    members: 300,
    banks: 40,
    remittances: 3_000,
};

/// Listeners on free ports, and no access lines in the output of the tests.
pub(crate) const QUIET: &str = "\
listen: [{ address: \"127.0.0.1:0\" }]
admin: { address: \"127.0.0.1:0\" }
log: { access: off }
";

/// The pay services and a gateway before them, in this process.
pub(crate) struct Edge {
    pub(crate) pay: Pay,
    pub(crate) stack: Stack,
    pub(crate) client: Client,
}

pub(crate) async fn boot_pay(sizes: Sizes) -> Pay {
    let mut settings = Settings::new(Listen::on_free_ports());
    settings.sizes = sizes;
    Pay::boot(settings).await.unwrap()
}

/// Addresses nobody listens on, for a process that must be told them. Every call has a loopback
/// address of its own, so that no other test can take a port before that process does.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    static CALLS: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = process::id().to_be_bytes();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let host = Ipv4Addr::new(127, 1 + high % 254, low, call);
    let held: Vec<_> = (0..N)
        .map(|_| TcpListener::bind((host, 0)).unwrap())
        .collect();
    std::array::from_fn(|index| held[index].local_addr().unwrap())
}

/// No variables: what a file says must not depend on who runs the tests.
pub(crate) fn environment() -> Environment {
    Environment::of([], 2)
}

#[track_caller]
pub(crate) fn compile(text: &str) -> tollgate_config::Gateway {
    match tollgate_config::compile("tollgate.yaml", text.as_bytes(), &environment()) {
        Ok(loaded) => loaded.gateway.unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}

/// The routes of the built-in default, open to everybody and without its provider.
pub(crate) fn open_routes() -> String {
    let routes = default_routes();
    let end = routes.find("\nprovider:").unwrap();
    let lines = routes[..end].lines();
    let open = lines.filter(|line| !line.trim_start().starts_with("require:"));
    open.map(|line| format!("{line}\n")).collect()
}

/// The routes of the built-in default and what comes behind, text as it stands in the file.
pub(crate) fn default_routes() -> &'static str {
    let start = tollgate_config::DEFAULT.find("\nroutes:").unwrap();
    &tollgate_config::DEFAULT[start..]
}

/// The section that leads to these pay services; `timeout` holds for a whole exchange.
pub(crate) fn services(pay: &Pay, timeout: &str) -> String {
    let addresses = pay.addresses();
    let rows = [
        ("membership", addresses.membership[0]),
        ("banking", addresses.banking[0]),
        ("money", addresses.money[0]),
        ("remittance", addresses.remittance[0]),
    ];
    let rows = rows
        .map(|(name, at)| format!("  {name}: {{ endpoints: [\"{at}\"], timeout: {timeout} }}\n"));
    // What is composed has a budget of its own.
    let open = [
        ("directory", addresses.membership[0]),
        ("banks", addresses.banking[0]),
    ];
    let open = open.map(|(name, at)| {
        format!("  {name}: {{ endpoints: [\"{at}\"], timeout: 1s, credential: none }}\n")
    });
    format!("services:\n{}{}", rows.concat(), open.concat())
}

impl Edge {
    /// With the routes of the built-in default, open to everybody.
    pub(crate) async fn by_default(sizes: Sizes, timeout: &str) -> Self {
        let pay = boot_pay(sizes).await;
        let text = format!("{QUIET}{}{}", services(&pay, timeout), open_routes());
        Self::with(pay, &text).await
    }

    pub(crate) async fn with(pay: Pay, text: &str) -> Self {
        let gateway = compile(text);
        let stack = Stack::boot(Plan {
            gateway: Some(gateway),
            ..Plan::default()
        })
        .await
        .unwrap();
        Self {
            pay,
            stack,
            client: Client::new(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.stack.gateway().unwrap().addresses().listen[0]
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client.get(self.address(), path).await
    }
}
