//! HAProxy, as a careful operator sets it up.

use std::net::SocketAddr;

use super::{Log, Plan, Row, Site};
use crate::bench::process::{Launch, program};
use crate::bench::{BenchError, write};

const CONNECTIONS_MAX: usize = 10_000;
/// Its listeners, its log and the like.
const FILES_OF_ITS_OWN: usize = 256;

pub(super) fn plan(row: Row, site: &Site, address: SocketAddr) -> Result<Plan, BenchError> {
    let log = if row == Row::Haproxy {
        Log::Datagrams
    } else {
        Log::Off
    };
    let file = site.dir.join(format!("{}.cfg", row.name()));
    write(&file, &config(site, address, &log))?;
    let launch = Launch {
        name: row.name(),
        program: program("haproxy"),
        arguments: vec!["-db".into(), "-f".into(), file.into()],
        dir: site.dir.clone(),
        cpu: site.proxy_cpu,
    };
    Ok(Plan {
        launch,
        log,
        ready: None,
    })
}

fn config(site: &Site, address: SocketAddr, log: &Log) -> String {
    let Site {
        upstream,
        log_sink,
        connections_max,
        files_max,
        ..
    } = site;
    // It takes its limit on files from this, and closes idle connections to the upstream while
    // it uses a fifth of them: a tight limit costs a new connection per request.
    let fitting = files_max.saturating_sub(FILES_OF_ITS_OWN) / 2;
    let maxconn = fitting.min(CONNECTIONS_MAX).max(*connections_max);
    let (target, kind) = match log {
        Log::Datagrams => (
            format!("log {log_sink} local0"),
            "log global\n    option httplog".to_owned(),
        ),
        Log::Off | Log::File(_) => (String::new(), String::new()),
    };
    format!(
        "global
    nbthread 1
    maxconn {maxconn}
    {target}
defaults
    mode http
    {kind}
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
frontend edge
    bind {address}
    default_backend up
backend up
    server up {upstream}
"
    )
}
