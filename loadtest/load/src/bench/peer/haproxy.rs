//! HAProxy, as a careful operator sets it up.

use std::net::SocketAddr;

use super::template::HAPROXY_FORWARD;
use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::{Launch, program};

/// To a file, which costs it the least: a datagram for each line costs half as much again as all the rest.
pub(in crate::bench) const LOG: &str = "log stdout format raw local0";
const CONNECTIONS_MAX: usize = 10_000;
/// Its listeners, its log and the like.
const FILES_OF_ITS_OWN: usize = 256;

pub(super) fn plan(row: Row, site: &Site, address: SocketAddr) -> Result<Plan, BenchError> {
    let target = if row.has_log() { LOG } else { "" };
    let config = HAPROXY_FORWARD.fill(&[
        ("LISTEN", &address.to_string()),
        ("UPSTREAM", &site.upstream.to_string()),
        ("CONNECTIONS", &connections(site)),
        ("LOG", target),
    ])?;
    let plan = haproxy(row.name(), site, address, &config)?;
    let log = if row.has_log() { plan.log } else { Log::Off };
    Ok(Plan { log, ..plan })
}

pub(in crate::bench) fn connections(site: &Site) -> String {
    let fitting = site.files_max.saturating_sub(FILES_OF_ITS_OWN) / 2;
    let most = fitting.min(CONNECTIONS_MAX).max(site.connections_max);
    most.to_string()
}

/// HAProxy with this configuration; its log is what it prints.
pub(in crate::bench) fn haproxy(
    name: &'static str,
    site: &Site,
    address: SocketAddr,
    config: &str,
) -> Result<Plan, BenchError> {
    let file = site.dir.join(format!("{name}.cfg"));
    write(&file, config)?;
    Ok(Plan {
        launch: Launch {
            name,
            program: program("haproxy"),
            arguments: vec!["-db".into(), "-f".into(), file.into()],
            dir: site.dir.clone(),
            cpu: Some(site.proxy_cpu),
        },
        log: Log::File(site.dir.join(format!("{name}.out"))),
        load: address,
        ready: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(files_max: usize) -> Site {
        Site {
            dir: "/peers".into(),
            upstream: "127.0.0.1:2".parse().unwrap(),
            connections_max: 128,
            files_max,
            proxy_cpu: 1,
        }
    }

    #[test]
    fn its_ceiling_fits_the_limit_on_files() {
        let cases = [
            (512, 128),
            (4096, 1920),
            (20_000, 9872),
            (1_048_576, 10_000),
        ];
        for (files_max, ceiling) in cases {
            let given: usize = connections(&site(files_max)).parse().unwrap();
            assert_eq!(given, ceiling, "{files_max}");
        }
    }
}
