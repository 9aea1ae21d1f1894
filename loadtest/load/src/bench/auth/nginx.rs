//! nginx with Lua: a shared dictionary, as large as its entries, filled once.

use std::net::SocketAddr;
use std::path::Path;

use crate::bench::peer::{LOG_FORMAT, Log, Plan, Site, nginx, nginx_paths};
use crate::bench::{BenchError, write};

use super::credentials::Credentials;
use super::guard::{Guard, Shown};

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    address: SocketAddr,
    credentials: &Credentials,
) -> Result<Plan, BenchError> {
    let dir = site.dir.join(guard.name());
    std::fs::create_dir_all(&dir).map_err(BenchError::io("cannot make a peer's folder"))?;
    let pairs = dir.join("tokens.txt");
    write(&pairs, &pair_lines(credentials))?;
    let log = dir.join("access.log");
    let config = config(site, &dir, (address, &pairs, &log));
    Ok(Plan {
        launch: nginx(guard.name(), &dir, site.proxy_cpu, &config)?,
        log: Log::File(log),
        load: address,
        ready: None,
    })
}

/// Modules are named by where Debian puts them: they are looked for beside the folder of this run otherwise.
fn config(site: &Site, dir: &Path, (address, pairs, log): (SocketAddr, &Path, &Path)) -> String {
    let paths = nginx_paths(dir);
    format!(
        r#"load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
worker_processes 1;
error_log stderr warn;
{main}
events {{ worker_connections {connections}; }}
http {{
    {http}
    {LOG_FORMAT} access_log {log} line buffer=64k flush=1s;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_header_timeout 10s;
    lua_shared_dict tokens 32m;
    init_by_lua_block {{
        local tokens = ngx.shared.tokens
        for line in io.lines("{pairs}") do
            local token, value = line:match("^(%S+) (%S+)$")
            local ok = tokens:safe_set("Bearer " .. token, "Bearer " .. value)
            if not ok then error("the dictionary is too small") end
        end
    }}
    upstream up {{
        server {upstream};
        keepalive 128;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }}
    server {{
        listen {address};
        location / {{
            access_by_lua_block {{
                local shown = ngx.var.http_authorization
                local value = shown and ngx.shared.tokens:get(shown)
                if not value then return ngx.exit(401) end
                ngx.req.set_header("Authorization", value)
            }}
            proxy_pass http://up;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"#,
        main = paths.main,
        http = paths.http,
        connections = site.connections_max * 2,
        log = log.display(),
        pairs = pairs.display(),
        upstream = site.upstream,
    )
}

/// A token and its value token to a line.
pub(super) fn pair_lines(credentials: &Credentials) -> String {
    let tokens = credentials.list(Shown::Reference).iter().enumerate();
    let lines = tokens.map(|(place, token)| {
        let value = credentials.value_of(place).unwrap_or_default();
        format!("{token} {value}\n")
    });
    lines.collect()
}
