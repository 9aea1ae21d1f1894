//! nginx, as a careful operator sets it up.

use std::net::SocketAddr;
use std::path::Path;

use super::template::NGINX_FORWARD;
use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::{Launch, program};

const BUFFERED: &str = "access.log line buffer=64k flush=1s";

pub(super) fn plan(
    row: Row,
    site: &Site,
    [address, second]: [SocketAddr; 2],
) -> Result<Plan, BenchError> {
    let dir = site.dir.join(row.name());
    std::fs::create_dir_all(&dir).map_err(BenchError::io("cannot make a peer's folder"))?;
    let log = if row.has_log() {
        Log::File(dir.join("access.log"))
    } else {
        Log::Off
    };
    let access = match (&log, row) {
        (Log::File(_), Row::Nginx | Row::NginxHttp2) => BUFFERED,
        (Log::File(_), _) => "access.log line",
        (Log::Off, _) => "off",
    };
    // Without TLS a listener of nginx speaks one protocol.
    let (listen, load) = if row == Row::NginxHttp2 {
        let both = format!("{address};\n        listen {second} http2");
        (both, second)
    } else {
        (address.to_string(), address)
    };
    let config = NGINX_FORWARD.fill(&[
        ("LISTEN", &listen),
        ("UPSTREAM", &site.upstream.to_string()),
        ("CONNECTIONS", &connections(site)),
        ("ACCESS_LOG", access),
    ])?;
    Ok(Plan {
        launch: nginx(row.name(), &dir, site.proxy_cpu, &config)?,
        log,
        load,
        ready: None,
    })
}

/// Its connections to clients and to the upstream share one limit.
pub(in crate::bench) fn connections(site: &Site) -> String {
    (site.connections_max * 2).to_string()
}

/// A launch of nginx with this configuration, whose paths begin at this folder.
pub(in crate::bench) fn nginx(
    name: &'static str,
    dir: &Path,
    cpu: usize,
    config: &str,
) -> Result<Launch, BenchError> {
    let file = dir.join("nginx.conf");
    write(&file, config)?;
    let arguments = vec![
        "-p".into(),
        dir.into(),
        "-e".into(),
        "stderr".into(),
        "-c".into(),
        file.into(),
    ];
    Ok(Launch {
        name,
        program: program("nginx"),
        arguments,
        dir: dir.into(),
        cpu: Some(cpu),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_logs_the_way_it_says() {
        let cases = [
            (
                Row::Nginx,
                "access_log access.log line buffer=64k flush=1s;",
            ),
            (Row::NginxUnbuffered, "access_log access.log line;"),
            (Row::NginxNoLog, "access_log off;"),
            (Row::NginxHttp2, "listen 127.0.0.1:4 http2;"),
        ];
        for (row, expected) in cases {
            let dir = tempfile::tempdir().unwrap();
            let site = Site {
                dir: dir.path().into(),
                upstream: "127.0.0.1:2".parse().unwrap(),
                connections_max: 128,
                files_max: 1024,
                proxy_cpu: 1,
            };
            let addresses = ["127.0.0.1:1", "127.0.0.1:4"].map(|at| at.parse().unwrap());
            let plan = plan(row, &site, addresses).unwrap();
            let file = dir.path().join(row.name()).join("nginx.conf");
            let config = std::fs::read_to_string(file).unwrap();
            assert!(config.contains(expected), "{config}");
            assert!(config.contains("listen 127.0.0.1:1;"), "{config}");
            assert!(config.contains("server 127.0.0.1:2;"), "{config}");
            assert_eq!(plan.log == Log::Off, !row.has_log());
        }
    }
}
