//! HAProxy, as a careful operator sets it up.

use std::net::SocketAddr;

use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::{Launch, program};

const CONNECTIONS_MAX: usize = 10_000;
/// Its listeners, its log and the like.
const FILES_OF_ITS_OWN: usize = 256;

pub(super) fn plan(row: Row, site: &Site, address: SocketAddr) -> Result<Plan, BenchError> {
    let log = if row.has_log() {
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
        cpu: Some(site.proxy_cpu),
    };
    Ok(Plan {
        launch,
        log,
        load: address,
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
    fn it_logs_only_where_the_row_says_so() {
        let address = "127.0.0.1:1".parse().unwrap();
        let logged = config(&site(20_000), address, &Log::Datagrams);
        assert!(logged.contains("log 127.0.0.1:3 local0"), "{logged}");
        assert!(logged.contains("option httplog"), "{logged}");
        let silent = config(&site(20_000), address, &Log::Off);
        assert!(!silent.contains("log"), "{silent}");
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
            let config = config(&site(files_max), "127.0.0.1:1".parse().unwrap(), &Log::Off);
            assert!(
                config.contains(&format!("maxconn {ceiling}\n")),
                "{files_max}: {config}"
            );
        }
    }
}
