//! TLS in front of the gateway. What is the same as in plain text is tested in `framing` and
//! `misbehaving`, whose tables run over both; here is what only TLS has.

use crate::edge::{Edge, everything_to};
use crate::site::Site;
use crate::upstream::Upstream;

mod exchanges;
mod handshakes;
mod names;
mod reload;

/// A gateway with a site of one certificate that sends everything to `service`.
async fn before(service: &Upstream, rest: &str) -> Edge {
    let config = format!("{rest}\n{}", everything_to(&[service.address]));
    Edge::secure(Site::new(), &["first"], &config).await
}

/// How many handshakes ended so.
async fn handshakes(edge: &Edge, result: &str) -> u64 {
    let name = format!("tls_handshakes_total{{result=\"{result}\"}}");
    metric(edge, &name).await
}

async fn metric(edge: &Edge, name: &str) -> u64 {
    let (_, text) = edge.admin("/metrics").await;
    let name = format!("tollgate_{name} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&*name));
    let value = value.unwrap_or_else(|| panic!("no {name}in\n{text}"));
    value.parse().unwrap()
}
