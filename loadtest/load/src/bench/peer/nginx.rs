//! nginx, as a careful operator sets it up.

use std::net::SocketAddr;
use std::path::Path;

use super::{Log, Plan, Row, Site};
use crate::bench::{BenchError, write};
use crate::process::{Launch, program};

/// The fields of the gateway's own access line, as far as nginx has them.
pub(in crate::bench) const LOG_FORMAT: &str = r#"log_format line escape=json '{"time":"$time_iso8601","id":"$request_id",'
    '"peer":"$remote_addr","method":"$request_method","path":"$uri","route":"upstream",'
    '"status":$status,"upstream":"$upstream_addr","upstream_status":"$upstream_status",'
    '"connect":"$upstream_connect_time","first_byte":"$upstream_header_time",'
    '"total":$request_time,"received":$request_length,"sent":$bytes_sent}';"#;

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
        (Log::File(path), Row::Nginx | Row::NginxHttp2) => {
            format!(
                "{LOG_FORMAT} access_log {} line buffer=64k flush=1s;",
                path.display()
            )
        }
        (Log::File(path), _) => format!("{LOG_FORMAT} access_log {} line;", path.display()),
        (Log::Off | Log::Datagrams, _) => "access_log off;".to_owned(),
    };
    // Without TLS a listener of nginx speaks one protocol.
    let (listen, load) = if row == Row::NginxHttp2 {
        let both = format!("listen {address};\n        listen {second} http2;");
        (both, second)
    } else {
        (format!("listen {address};"), address)
    };
    let launch = nginx(
        row.name(),
        &dir,
        site.proxy_cpu,
        &config(site, &listen, &access, &dir),
    )?;
    Ok(Plan {
        launch,
        log,
        load,
        ready: None,
    })
}

/// A launch of nginx with this configuration.
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

fn config(site: &Site, listen: &str, access: &str, dir: &Path) -> String {
    let Site {
        upstream,
        connections_max,
        ..
    } = site;
    let paths = paths(dir);
    // Its connections to clients and to the upstream share one limit.
    let connections = connections_max * 2;
    format!(
        r#"daemon off;
worker_processes 1;
error_log stderr warn;
{main}
events {{ worker_connections {connections}; }}
http {{
    {http}
    {access}
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_header_timeout 10s;
    upstream up {{
        server {upstream};
        keepalive 128;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }}
    server {{
        {listen}
        location / {{
            proxy_pass http://up;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"#,
        main = paths.main,
        http = paths.http,
    )
}

/// Everything nginx would otherwise write to folders of the system.
pub(in crate::bench) struct Paths {
    pub(in crate::bench) main: String,
    pub(in crate::bench) http: String,
}

pub(in crate::bench) fn paths(dir: &Path) -> Paths {
    let main = format!("pid {};", dir.join("nginx.pid").display());
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let http = kinds.map(|kind| format!("{kind}_temp_path {};", dir.join(kind).display()));
    Paths {
        main,
        http: http.join("\n    "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_logs_the_way_it_says() {
        let cases = [
            (Row::Nginx, "access.log line buffer=64k flush=1s;"),
            (Row::NginxUnbuffered, "access.log line;"),
            (Row::NginxNoLog, "access_log off;"),
            (Row::NginxHttp2, "listen 127.0.0.1:4 http2;"),
        ];
        for (row, expected) in cases {
            let dir = tempfile::tempdir().unwrap();
            let site = Site {
                dir: dir.path().into(),
                upstream: "127.0.0.1:2".parse().unwrap(),
                log_sink: "127.0.0.1:3".parse().unwrap(),
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
            assert_eq!(
                config.matches('{').count(),
                config.matches('}').count(),
                "{config}"
            );
            assert_eq!(plan.log == Log::Off, !row.has_log());
        }
    }
}
