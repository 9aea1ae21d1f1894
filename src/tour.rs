//! One screen for a newcomer: what runs where, and what to try.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use gateway_server::Example;
use tollgate::Stack;

/// Why a file brings no pay services up.
const NO_PAY: &str = "the file names no membership, banking, money and remittance on loopback";
/// Reads of one service that are proposed.
const EXAMPLES: usize = 3;

/// How somebody gets a token without a client of their own.
#[derive(Debug)]
pub(crate) struct ByHand {
    /// This program, as it was called.
    pub(crate) program: String,
    /// The flag that names the file, where there is one.
    pub(crate) file: String,
    pub(crate) client: String,
}

pub(crate) fn tour(stack: &Stack, took: Duration, by_hand: Option<&ByHand>) -> String {
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
        for (command, what) in commands(*listen, gateway.examples(), by_hand) {
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

/// A few reads, what it takes that they are answered, and requests that are refused.
fn commands(
    gateway: SocketAddr,
    examples: Vec<Example>,
    by_hand: Option<&ByHand>,
) -> Vec<(String, String)> {
    let at = url(gateway);
    let guarded = examples.iter().find(|it| it.asks_caller);
    let guarded = guarded.map(|it| it.path.clone()).zip(by_hand);
    let mut commands = Vec::new();
    if let Some((path, it)) = &guarded {
        let ByHand {
            program,
            file,
            client,
        } = it;
        commands.push((
            format!("TOKEN=$({program} token issue{file} --client {client})"),
            format!("a token of {client}"),
        ));
        commands.push((
            format!("curl -i {at}{path}"),
            "refused: nobody asks".to_owned(),
        ));
    }
    let (composed, plain): (Vec<_>, Vec<_>) =
        examples.into_iter().partition(|it| it.service.is_none());
    for Example {
        path,
        service,
        asks_caller,
    } in plain.into_iter().take(EXAMPLES).chain(composed)
    {
        let shown = if asks_caller {
            "-H \"Authorization: Bearer $TOKEN\" "
        } else {
            ""
        };
        commands.push((
            format!("curl -i {shown}{at}{path}"),
            match service {
                Some(service) => format!("answered by {service}"),
                None => "composed of what several services say".to_owned(),
            },
        ));
    }
    if let Some((path, ByHand { program, file, .. })) = &guarded {
        commands.push((
            format!("{program} token revoke{file} $TOKEN"),
            "from now on it opens nothing".to_owned(),
        ));
        commands.push((
            format!("curl -i -H \"Authorization: Bearer $TOKEN\" {at}{path}"),
            "refused: it was revoked".to_owned(),
        ));
    }
    commands.push((
        format!("curl -i --path-as-is {at}/a/..%2fb"),
        "refused: servers disagree on such a path".to_owned(),
    ));
    let widths = commands.iter().map(|(command, _)| command.len());
    let width = widths.max().unwrap_or(0);
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
