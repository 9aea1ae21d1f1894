//! Varnish in pass mode, with the program that writes its log.

use std::net::SocketAddr;

use super::template::{VARNISH_FORWARD, VARNISH_START};
use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::Launch;

pub(super) fn plan(row: Row, site: &Site, address: SocketAddr) -> Result<Plan, BenchError> {
    let dir = site.dir.join(row.name());
    std::fs::create_dir_all(&dir).map_err(BenchError::io("cannot make a peer's folder"))?;
    let [vcl, script, log] = ["forward.vcl", "start.sh", "access.log"].map(|it| dir.join(it));
    let rules = VARNISH_FORWARD.fill(&[
        ("UPSTREAM_IP", &site.upstream.ip().to_string()),
        ("UPSTREAM_PORT", &site.upstream.port().to_string()),
    ])?;
    write(&vcl, &rules)?;
    let start = VARNISH_START.fill(&[
        ("DIR", &dir.join("work").display().to_string()),
        ("ACCESS_LOG", &log.display().to_string()),
        ("LISTEN", &address.to_string()),
        ("VCL", &vcl.display().to_string()),
    ])?;
    write(&script, &start)?;
    Ok(Plan {
        launch: Launch {
            name: row.name(),
            program: "sh".into(),
            arguments: vec![script.into()],
            dir,
            cpu: Some(site.proxy_cpu),
        },
        log: Log::File(log),
        load: address,
        ready: None,
    })
}
