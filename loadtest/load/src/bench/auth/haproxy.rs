//! HAProxy: a map from tokens to value tokens.

use std::net::SocketAddr;

use crate::bench::peer::{Log, Plan, Site};
use crate::bench::{BenchError, write};
use crate::process::{Launch, program};

use super::credentials::Credentials;
use super::guard::Guard;
use super::nginx::pair_lines;

const CONNECTIONS_MAX: usize = 10_000;

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    address: SocketAddr,
    credentials: &Credentials,
) -> Result<Plan, BenchError> {
    let pairs = site.dir.join("haproxy-tokens.map");
    write(&pairs, &pair_lines(credentials))?;
    let file = site.dir.join(format!("{}.cfg", guard.name()));
    let fitting = (site.files_max.saturating_sub(256) / 2).min(CONNECTIONS_MAX);
    let config = format!(
        "global
    nbthread 1
    maxconn {maxconn}
    log {log_sink} local0
defaults
    mode http
    log global
    option httplog
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
frontend edge
    bind {address}
    http-request set-var(txn.value) req.hdr(authorization),word(2,' '),map_str({pairs})
    http-request deny deny_status 401 unless {{ var(txn.value) -m found }}
    http-request set-header Authorization \"Bearer %[var(txn.value)]\"
    default_backend up
backend up
    server up {upstream}
",
        maxconn = fitting.max(site.connections_max),
        log_sink = site.log_sink,
        pairs = pairs.display(),
        upstream = site.upstream,
    );
    write(&file, &config)?;
    Ok(Plan {
        launch: Launch {
            name: guard.name(),
            program: program("haproxy"),
            arguments: vec!["-db".into(), "-f".into(), file.into()],
            dir: site.dir.clone(),
            cpu: Some(site.proxy_cpu),
        },
        log: Log::Datagrams,
        load: address,
        ready: None,
    })
}
