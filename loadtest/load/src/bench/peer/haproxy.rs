//! HAProxy, as a careful operator sets it up.

use std::net::SocketAddr;

use super::template::HAPROXY_FORWARD;
use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::{Launch, program};

const CONNECTIONS_MAX: usize = 10_000;
/// Its listeners, its log and the like.
const FILES_OF_ITS_OWN: usize = 256;

pub(super) fn plan(row: Row, site: &Site, address: SocketAddr) -> Result<Plan, BenchError> {
    let (log, target) = if row.has_log() {
        (Log::Datagrams, log_target(site))
    } else {
        (Log::Off, String::new())
    };
    let config = HAPROXY_FORWARD.fill(&[
        ("LISTEN", &address.to_string()),
        ("UPSTREAM", &site.upstream.to_string()),
        ("CONNECTIONS", &connections(site)),
        ("LOG", &target),
    ])?;
    haproxy(row.name(), site, (address, log), &config)
}

/// What it is told of its log, where it has one.
pub(in crate::bench) fn log_target(site: &Site) -> String {
    format!("log {} local0", site.log_sink)
}

pub(in crate::bench) fn connections(site: &Site) -> String {
    let fitting = site.files_max.saturating_sub(FILES_OF_ITS_OWN) / 2;
    let most = fitting.min(CONNECTIONS_MAX).max(site.connections_max);
    most.to_string()
}

/// HAProxy with this configuration.
pub(in crate::bench) fn haproxy(
    name: &'static str,
    site: &Site,
    (address, log): (SocketAddr, Log),
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
        log,
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
            log_sink: "127.0.0.1:3".parse().unwrap(),
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
