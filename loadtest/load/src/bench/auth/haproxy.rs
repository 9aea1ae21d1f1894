//! HAProxy: a map from tokens to value tokens.

use std::net::SocketAddr;

use crate::bench::peer::{HAPROXY_TOKEN, Plan, Site, haproxy};
use crate::bench::{BenchError, write};

use super::credentials::Credentials;
use super::guard::Guard;
use super::nginx::pair_lines;

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    address: SocketAddr,
    credentials: &Credentials,
) -> Result<Plan, BenchError> {
    let pairs = site.dir.join("haproxy-tokens.map");
    write(&pairs, &pair_lines(credentials))?;
    let config = HAPROXY_TOKEN.fill(&[
        ("LISTEN", &address.to_string()),
        ("UPSTREAM", &site.upstream.to_string()),
        ("CONNECTIONS", &haproxy::connections(site)),
        ("LOG", haproxy::LOG),
        ("TOKENS", &pairs.display().to_string()),
    ])?;
    haproxy::haproxy(guard.name(), site, address, &config)
}
