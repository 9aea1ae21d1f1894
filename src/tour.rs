//! One screen for a newcomer: what runs where, and what to try.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use gateway_core::host::HostPattern;
use gateway_core::path::{PathPattern, Segment};
use gateway_core::route::Route;
use http::Method;
use tollgate::Stack;

/// Why a file brings no pay services up.
const NO_PAY: &str = "the file names no membership, banking, money and remittance on loopback";
/// Requests that are proposed.
const EXAMPLES: usize = 3;

pub(crate) fn tour(stack: &Stack, took: Duration) -> String {
    let paint = Paint {
        is_on: std::io::stdout().is_terminal(),
    };
    let addresses = stack.gateway().addresses();
    let mut text = format!(
        "\n  {}  ready in {} ms\n\n",
        paint.bold(concat!("Tollgate ", env!("CARGO_PKG_VERSION"))),
        took.as_millis()
    );
    for listen in &addresses.listen {
        text.push_str(&row(
            "gateway",
            &paint.link(&url(*listen)),
            "send requests here",
        ));
    }
    text.push_str(&row(
        "admin",
        &paint.link(&url(addresses.admin)),
        "/livez /readyz /metrics",
    ));
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
    if let Some(gateway) = addresses.listen.first() {
        text.push_str(&format!("\n  {}\n", paint.bold("try")));
        for (command, what) in commands(*gateway, &stack.gateway().routes()) {
            text.push_str(&format!(
                "    {command}  {}\n",
                paint.dim(&format!("# {what}"))
            ));
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

/// A read of as many services as there are examples, and one request that is refused; each with
/// what it shows.
fn commands(gateway: SocketAddr, routes: &[Route]) -> Vec<(String, String)> {
    let mut services = Vec::new();
    let mut commands = Vec::new();
    for route in routes {
        let is_plain =
            route.matches.host == HostPattern::Any && route.matches.conditions.is_empty();
        let is_new = !services.contains(&&route.service);
        if is_plain && is_new && route.matches.methods.contain(&Method::GET) {
            services.push(&route.service);
            let command = format!("curl -i {}{}", url(gateway), example(&route.matches.path));
            commands.push((command, format!("answered by {}", route.service)));
        }
    }
    commands.truncate(EXAMPLES);
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

/// A path that the pattern matches.
fn example(pattern: &PathPattern) -> String {
    let segments = pattern
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            Segment::Param(_) => Some("7"),
            Segment::Rest(_) => None,
        });
    segments.fold(String::new(), |path, segment| path + "/" + segment)
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
