//! One screen for a newcomer: what runs where, and what to try.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use tollgate::Stack;

/// Why a file brings no pay services up.
const NO_PAY: &str = "the file names no membership, banking, money and remittance on loopback";
/// Requests that are proposed.
const EXAMPLES: usize = 3;

pub(crate) fn tour(stack: &Stack, took: Duration) -> String {
    let paint = Paint {
        is_on: std::io::stdout().is_terminal(),
    };
    let mut text = format!(
        "\n  {}  ready in {} ms\n\n",
        paint.bold(concat!("Tollgate ", env!("CARGO_PKG_VERSION"))),
        took.as_millis()
    );
    if let Some(gateway) = stack.gateway() {
        let addresses = gateway.addresses();
        for listen in &addresses.listen {
            let at = paint.link(&url(*listen));
            text.push_str(&row("gateway", &at, "send requests here"));
        }
        let at = paint.link(&url(addresses.admin));
        text.push_str(&row("admin", &at, "/livez /readyz /metrics"));
    }
    if let Some(idp) = stack.idp() {
        let addresses = idp.addresses();
        let at = paint.link(&url(addresses.public));
        text.push_str(&row(
            "idp",
            &at,
            "/.well-known/openid-configuration /authorize /token",
        ));
        let at = paint.link(&url(addresses.internal));
        text.push_str(&row("idp admin", &at, "/admin/openapi.json /livez"));
    }
    if let Some(pay) = stack.pay() {
        let pay = pay.addresses();
        for (name, listen) in [
            ("membership", &pay.membership),
            ("banking", &pay.banking),
            ("money", &pay.money),
            ("remittance", &pay.remittance),
        ] {
            let urls: Vec<_> = listen.iter().map(|at| paint.link(&url(*at))).collect();
            text.push_str(&row(name, &urls.join(" "), ""));
        }
        text.push_str(&row(
            "pay admin",
            &paint.link(&url(pay.admin)),
            "/faults /requests /ledger",
        ));
    } else {
        text.push_str(&row("pay", "not started", NO_PAY));
    }
    if let Some(gateway) = stack.gateway()
        && let Some(listen) = gateway.addresses().listen.first()
    {
        text.push_str(&format!("\n  {}\n", paint.bold("try")));
        for (command, what) in commands(*listen, gateway.examples()) {
            let what = paint.dim(&format!("# {what}"));
            text.push_str(&format!("    {command}  {what}\n"));
        }
    }
    text.push_str("\n  One line per request follows. Ctrl-C drains and stops.\n\n");
    text
}

fn row(name: &str, at: &str, what: &str) -> String {
    let line = format!("  {name:<11} {at}  {what}");
    format!("{}\n", line.trim_end())
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// A few reads, and one request that is refused; each with what it shows.
fn commands(gateway: SocketAddr, examples: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut commands: Vec<_> = examples
        .into_iter()
        .take(EXAMPLES)
        .map(|(path, service)| {
            let command = format!("curl -i {}{path}", url(gateway));
            (command, format!("answered by {service}"))
        })
        .collect();
    let ambiguous = format!("curl -i --path-as-is {}/a/..%2fb", url(gateway));
    commands.push((
        ambiguous,
        "refused: servers disagree on such a path".to_owned(),
    ));
    let width = commands
        .iter()
        .map(|(command, _)| command.len())
        .max()
        .unwrap_or(0);
    for (command, _) in &mut commands {
        command.push_str(&" ".repeat(width - command.len()));
    }
    commands
}

/// Colour, where somebody looks.
struct Paint {
    is_on: bool,
}

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn link(&self, text: &str) -> String {
        self.paint("36", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.is_on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
