//! The gateway, as it comes: nothing is switched off for the bench.

use std::net::SocketAddr;
use std::path::Path;

use super::template::TOLLGATE_FORWARD;
use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::Launch;

pub(super) fn plan(
    row: Row,
    site: &Site,
    (program, [address, admin]): (&Path, [SocketAddr; 2]),
) -> Result<Plan, BenchError> {
    let name = row.name();
    let log = log_file(site, name);
    let config = TOLLGATE_FORWARD.fill(&[
        ("LISTEN", &address.to_string()),
        ("ADMIN", &admin.to_string()),
        ("UPSTREAM", &site.upstream.to_string()),
        ("ACCESS_LOG", &log),
        ("H2C", &(row == Row::TollgateHttp2).to_string()),
    ])?;
    tollgate(name, site, (program, [address, admin]), &config)
}

/// Where the access log of a gateway of this name is written.
pub(in crate::bench) fn log_file(site: &Site, name: &str) -> String {
    let log = site.dir.join(format!("{name}-access.log"));
    log.display().to_string()
}

/// A gateway with this configuration.
pub(in crate::bench) fn tollgate(
    name: &'static str,
    site: &Site,
    (program, [address, admin]): (&Path, [SocketAddr; 2]),
    config: &str,
) -> Result<Plan, BenchError> {
    let file = site.dir.join(format!("{name}.yaml"));
    write(&file, config)?;
    Ok(Plan {
        launch: Launch {
            name,
            program: program.to_owned(),
            arguments: vec!["gateway".into(), "--config".into(), file.into()],
            dir: site.dir.clone(),
            cpu: Some(site.proxy_cpu),
        },
        log: Log::File(log_file(site, name).into()),
        load: address,
        ready: Some(admin),
    })
}
