//! Envoy: a table in Lua, or its own check of signed tokens with its cache of those it has verified.
//!
//! Tuned as its documentation says for speed: no request ids, no headers of its own, one worker.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::bench::peer::{Log, Plan, Site};
use crate::bench::{BenchError, write};
use crate::process::Launch;

use super::credentials::Credentials;
use super::guard::Guard;
use super::nginx::pair_lines;

const HCM: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
const LUA: &str = "envoy.extensions.filters.http.lua.v3.Lua";
const JWT: &str = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication";
const FILE_LOG: &str = "envoy.extensions.access_loggers.file.v3.FileAccessLog";

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    envoy: &Path,
    ([address, admin], credentials): ([SocketAddr; 2], &Credentials),
) -> Result<Plan, BenchError> {
    let name = guard.name();
    let log = site.dir.join(format!("{name}-access.log"));
    let filter = match guard {
        Guard::EnvoyJwt => verify(credentials),
        Guard::EnvoyLua
        | Guard::TollgateOpen
        | Guard::TollgateReference
        | Guard::NginxLua
        | Guard::HaproxyMap => look_up(site, credentials)?,
    };
    let manager = json!({
        "@type": kind(HCM),
        "stat_prefix": "edge",
        "generate_request_id": false,
        "access_log": [{
            "name": "file",
            "typed_config": { "@type": kind(FILE_LOG), "path": log },
        }],
        "http_filters": [
            filter,
            { "name": "router",
              "typed_config": { "@type": kind(ROUTER), "suppress_envoy_headers": true } },
        ],
        "route_config": { "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "up" } }],
        }]},
    });
    let config = json!({
        "admin": { "address": socket(admin) },
        "static_resources": {
            "listeners": [{
                "address": socket(address),
                "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }],
            }],
            "clusters": [{
                "name": "up", "type": "STATIC", "connect_timeout": "5s",
                "load_assignment": { "cluster_name": "up", "endpoints": [{ "lb_endpoints": [{
                    "endpoint": { "address": socket(site.upstream) } }] }] },
            }],
        },
    });
    let file = site.dir.join(format!("{name}.json"));
    write(&file, &config.to_string())?;
    let mut arguments = vec!["-c".into(), file.into(), "--concurrency".into(), "1".into()];
    arguments.extend(["--log-level", "error", "--disable-hot-restart"].map(Into::into));
    Ok(Plan {
        launch: Launch {
            name,
            program: envoy.to_owned(),
            arguments,
            dir: site.dir.clone(),
            cpu: Some(site.proxy_cpu),
        },
        log: Log::File(log),
        load: address,
        ready: None,
    })
}

fn look_up(site: &Site, credentials: &Credentials) -> Result<Value, BenchError> {
    let pairs = site.dir.join("envoy-tokens.txt");
    write(&pairs, &pair_lines(credentials))?;
    let script = format!(
        r#"
local tokens = {{}}
for line in io.lines("{pairs}") do
  local token, value = line:match("^(%S+) (%S+)$")
  tokens["Bearer " .. token] = "Bearer " .. value
end
function envoy_on_request(handle)
  local headers = handle:headers()
  local shown = headers:get("authorization")
  local value = shown and tokens[shown]
  if value then
    headers:replace("authorization", value)
  else
    handle:respond({{ [":status"] = "401" }}, "")
  end
end
"#,
        pairs = pairs.display(),
    );
    Ok(json!({
        "name": "lua",
        "typed_config": {
            "@type": kind(LUA),
            "default_source_code": { "inline_string": script },
        },
    }))
}

fn verify(credentials: &Credentials) -> Value {
    json!({
        "name": "jwt",
        "typed_config": {
            "@type": kind(JWT),
            "providers": { "ours": {
                "forward": true,
                "local_jwks": { "inline_string": credentials.jwks },
                "jwt_cache_config": { "jwt_cache_size": 1000 },
            }},
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "ours" } }],
        },
    })
}

fn kind(name: &str) -> String {
    format!("type.googleapis.com/{name}")
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}
