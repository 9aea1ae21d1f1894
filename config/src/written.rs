//! The file as it is written: every key there is, and what each is for.
//!
//! The comments are what an editor shows beside a key: they end up in the JSON Schema. Nothing is
//! checked here beyond the shape of a value; that takes the whole file and happens in
//! [`mod@crate::compile`].

use gateway_core::level;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::bounds;
use crate::reader::{Entries, Field, Scalar, deserialize_scalar};
use crate::units::{
    Address, Count, Credential, Flag, Level, Network, Percent, Protocol, Size, Text, Time,
    or_variable,
};

pub(crate) use composition::{Batch, Cache, Endpoint, Lookup, Rows, SecondLevel, Step};
pub(crate) use identity::{Idp, Issuer, Require, VerdictCache};
pub(crate) use provider::Provider;
pub(crate) use redis::Redis;
pub(crate) use route::{HeaderRules, Route};
pub(crate) use to::To;

mod composition;
mod identity;
pub(crate) mod provider;
mod redis;
mod route;
mod to;

/// The configuration of Tollgate: of a gateway, of an identity provider, or of both.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "the file")]
#[schemars(title = "tollgate.yaml", extend(
    "anyOf" = [
        { "required": ["services", "routes"] },
        { "required": ["services", "endpoints"] },
        { "required": ["provider"] },
    ]))]
pub(crate) struct File {
    /// Where clients connect.
    pub(crate) listen: Field<Vec<Field<Listener>>>,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub(crate) admin: Field<Admin>,
    /// Threads that serve requests; by default one for each core.
    #[schemars(extend("minimum" = bounds::THREADS.least.0, "maximum" = bounds::THREADS.most.0))]
    pub(crate) threads: Field<Count>,
    /// What is written about each request.
    pub(crate) log: Field<Log>,
    /// Where traces go; without this none are recorded.
    pub(crate) traces: Field<Traces>,
    /// How much of anything a client may bring.
    pub(crate) limits: Field<Limits>,
    /// How long a client may take, and how long the gateway takes to stop.
    pub(crate) deadlines: Field<Deadlines>,
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed, such as a load balancer in
    /// front. From everybody else they are dropped.
    pub(crate) trusted_proxies: Field<Vec<Field<Network>>>,
    /// What requests can be sent to, by name.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9_-]{0,62}$" }))]
    pub(crate) services: Field<Entries<Service>>,
    /// Which requests go where. The most specific route wins, whatever the order.
    #[schemars(extend("minItems" = 1))]
    pub(crate) routes: Field<Vec<Field<Route>>>,
    /// Records that composed answers look up, by the name under which they do.
    #[schemars(extend("propertyNames" = { "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,62}$" }))]
    pub(crate) lookups: Field<Entries<Lookup>>,
    /// Where records of lookups are shared with other gateways and composers.
    pub(crate) second_level: Field<SecondLevel>,
    /// Answers that are made of several, each under the request it is for, such as
    /// `GET /members/{memberId}/overview`.
    pub(crate) endpoints: Field<Vec<Field<Entries<Endpoint>>>>,
    /// The identity provider whose word about callers the routes with `require` take.
    pub(crate) idp: Field<Idp>,
    /// Other issuers that routes may trust instead, by name.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9_-]{0,62}$" }))]
    pub(crate) issuers: Field<Entries<Issuer>>,
    /// This process as an identity provider.
    pub(crate) provider: Field<Provider>,
}

/// One address where clients connect.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a listener")]
#[schemars(rename = "Listener", extend("required" = ["address"]))]
pub(crate) struct Listener {
    /// An IP address and a port. Port 0 takes any free one.
    pub(crate) address: Field<Address>,
    /// Who can connect here. An `open` listener leads to open routes only, an `internal` one to open
    /// and internal routes, a `private` one to all.
    #[schemars(extend("default" = level::Level::Open.as_str()))]
    pub(crate) level: Field<Level>,
    /// Lets clients speak HTTP/2 here from their first byte on (prior knowledge), beside HTTP/1.1.
    #[schemars(extend("default" = false))]
    pub(crate) h2c: Field<Flag>,
    /// Clients speak TLS 1.2 or 1.3 here. Without this they speak plain text.
    pub(crate) tls: Field<Tls>,
}

/// Certificates, of which a client is shown the one for the name it asks for. A changed file is taken
/// over within a second or two, as the configuration is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`tls`")]
#[schemars(rename = "Tls", extend("required" = ["cert", "key"]))]
pub(crate) struct Tls {
    /// A PEM file with a certificate and behind it those that vouch for it; its names are the DNS
    /// names it holds, `*.example.com` for one label. A client that asks for no name is shown this
    /// one. A relative path begins at the folder of the configuration file.
    #[schemars(extend("type" = "string", "examples" = ["tls/example.com.crt"]))]
    pub(crate) cert: Field<Text>,
    /// A PEM file with the private key of the certificate, not encrypted. A relative path begins at
    /// the folder of the configuration file.
    #[schemars(extend("type" = "string", "examples" = ["tls/example.com.key"]))]
    pub(crate) key: Field<Text>,
    /// Certificates for further names. No two may share a name.
    pub(crate) others: Field<Vec<Field<Certificate>>>,
}

/// A certificate for further names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a certificate")]
#[schemars(rename = "Certificate", extend("required" = ["cert", "key"]))]
pub(crate) struct Certificate {
    /// A PEM file, as the first one.
    #[schemars(extend("type" = "string", "examples" = ["tls/example.org.crt"]))]
    pub(crate) cert: Field<Text>,
    /// A PEM file with its private key.
    #[schemars(extend("type" = "string", "examples" = ["tls/example.org.key"]))]
    pub(crate) key: Field<Text>,
}

/// The listener for operators.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`admin`")]
#[schemars(rename = "Admin")]
pub(crate) struct Admin {
    /// An IP address and a port.
    #[schemars(extend("default" = bounds::ADMIN_ADDRESS.to_string()))]
    pub(crate) address: Field<Address>,
    /// Allows an address that other machines can reach. There is no authentication, and pages that a
    /// browser there shows may read it; on an address of this machine it answers to `localhost` and IP
    /// addresses alone.
    #[schemars(extend("default" = false))]
    pub(crate) exposed: Field<Flag>,
}

/// What is written about each request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`log`")]
#[schemars(rename = "Log")]
pub(crate) struct Log {
    /// Where the JSON line of each request goes: `stdout`, `stderr`, `off`, or a file to append to
    /// (`./access.log`, relative to the working directory).
    #[schemars(extend("default" = "stdout"))]
    pub(crate) access: Field<AccessLog>,
}

/// Where traces go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`traces`")]
#[schemars(rename = "Traces", extend("required" = ["collector"]))]
pub(crate) struct Traces {
    /// An IP address and a port that take OTLP over HTTP (`POST /v1/traces`), such as those of an
    /// OpenTelemetry collector on this machine.
    #[schemars(extend("examples" = ["127.0.0.1:4318"]))]
    pub(crate) collector: Field<Address>,
    /// How many of the requests are recorded, beside those of which a trusted proxy says that they
    /// are.
    #[schemars(extend("default" = bounds::SAMPLE.default.to_string()))]
    pub(crate) sample: Field<Percent>,
}

/// How much of anything a client may bring.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`limits`")]
#[schemars(rename = "Limits")]
pub(crate) struct Limits {
    /// Connections open at once.
    #[schemars(extend("default" = bounds::CONNECTIONS.default.0,
        "minimum" = bounds::CONNECTIONS.least.0, "maximum" = bounds::CONNECTIONS.most.0))]
    pub(crate) connections: Field<Count>,
    /// Requests under way at once on one HTTP/2 connection.
    #[schemars(extend("default" = bounds::STREAMS.default.0,
        "minimum" = bounds::STREAMS.least.0, "maximum" = bounds::STREAMS.most.0))]
    pub(crate) streams: Field<Count>,
    /// A request head, past which the answer is 431; at most `60KiB`.
    #[schemars(extend("default" = bounds::HEAD.default.to_string()))]
    pub(crate) head: Field<Size>,
    /// A request target (path and query), past which the answer is 414.
    #[schemars(extend("default" = bounds::TARGET.default.to_string()))]
    pub(crate) target: Field<Size>,
    /// Header fields of a request, past which the answer is 431.
    #[schemars(extend("default" = bounds::FIELDS.default.0,
        "minimum" = bounds::FIELDS.least.0, "maximum" = bounds::FIELDS.most.0))]
    pub(crate) fields: Field<Count>,
    /// A request body, past which the answer is 413. A route can set its own.
    #[schemars(extend("default" = bounds::BODY.default.to_string()))]
    pub(crate) body: Field<Size>,
}

/// How long a client may take, and how long the gateway takes to stop.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`deadlines`")]
#[schemars(rename = "Deadlines")]
pub(crate) struct Deadlines {
    /// For a whole TLS handshake, from accepting the connection.
    #[schemars(extend("default" = bounds::HANDSHAKE.default.to_string()))]
    pub(crate) handshake: Field<Time>,
    /// For a whole request head, from its first byte.
    #[schemars(extend("default" = bounds::HEAD_DEADLINE.default.to_string()))]
    pub(crate) head: Field<Time>,
    /// For the next request on an open connection.
    #[schemars(extend("default" = bounds::IDLE.default.to_string()))]
    pub(crate) idle: Field<Time>,
    /// For the next byte of a body or of an answer.
    #[schemars(extend("default" = bounds::STALL.default.to_string()))]
    pub(crate) stall: Field<Time>,
    /// For the next byte, in either direction, on a connection that became a WebSocket.
    #[schemars(extend("default" = bounds::WEBSOCKET.default.to_string()))]
    pub(crate) websocket: Field<Time>,
    /// On `SIGTERM`: how long to go on accepting while `/readyz` already says 503.
    #[schemars(extend("default" = bounds::LAME_DUCK.default.to_string()))]
    pub(crate) lame_duck: Field<Time>,
    /// On `SIGTERM`: how long requests in flight may still take after that.
    #[schemars(extend("default" = bounds::DRAIN.default.to_string()))]
    pub(crate) drain: Field<Time>,
}

/// Something requests can be sent to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a service")]
#[schemars(rename = "Service", extend("required" = ["endpoints"]))]
pub(crate) struct Service {
    /// IP addresses and ports of equal standing; at least one.
    #[schemars(extend("minItems" = 1))]
    pub(crate) endpoints: Field<Vec<Field<Address>>>,
    /// What the endpoints speak: `h1` is HTTP/1.1. `h2` is HTTP/2 from the first byte, without TLS, as
    /// gRPC services speak it.
    #[schemars(extend("default" = "h1"))]
    pub(crate) protocol: Field<Protocol>,
    /// For a whole exchange, from connecting to the last byte of the answer.
    #[schemars(extend("default" = bounds::TIMEOUT.default.to_string()))]
    pub(crate) timeout: Field<Time>,
    /// For connecting, and by default no longer than `timeout`; with `h2` until the endpoint has sent its settings. An `h2` connection on which
    /// nothing was heard for ten times as long, though an answer is due, is asked for a sign of life,
    /// and closed when none comes within five times as long.
    #[schemars(extend("default" = bounds::CONNECT_TIMEOUT.default.to_string()))]
    pub(crate) connect_timeout: Field<Time>,
    /// How long an unused connection is kept for the next exchange.
    #[schemars(extend("default" = bounds::IDLE_TIMEOUT.default.to_string()))]
    pub(crate) idle_timeout: Field<Time>,
    /// Requests under way at once, past which the answer is 503 before the service is asked.
    #[schemars(extend("default" = bounds::IN_FLIGHT.default.0,
        "minimum" = bounds::IN_FLIGHT.least.0, "maximum" = bounds::IN_FLIGHT.most.0))]
    pub(crate) max_in_flight: Field<Count>,
    /// Asks every endpoint whether it is well. One that fails three times in a row gets no requests
    /// until it passes twice. Without this, only failing requests tell.
    pub(crate) probe: Field<Probe>,
    /// Whether a service of which half of the requests fail, or four fifths are slow, is left alone
    /// for a few seconds, with 503 at once. `false` goes on asking it.
    #[schemars(extend("default" = true))]
    pub(crate) breaker: Field<Flag>,
    /// Whether the composer sends it the value token of the `caller`, or `none`. What is fetched
    /// without can be the same for all, and so be shared.
    #[schemars(extend("default" = "caller"))]
    pub(crate) credential: Field<Credential>,
}

/// How an endpoint is asked whether it is well.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a probe")]
#[schemars(rename = "Probe", extend("required" = ["path"]))]
pub(crate) struct Probe {
    /// Where a `GET` is answered with 2xx by an endpoint that is well.
    #[schemars(extend(
        "type" = "string", "pattern" = or_variable("/[!-~]*"), "examples" = ["/healthz"]))]
    pub(crate) path: Field<Text>,
    /// How long after one probe the next begins. A probe is given up before that, and after 5s.
    #[schemars(extend("default" = bounds::PROBE_EVERY.default.to_string()))]
    pub(crate) every: Field<Time>,
}

/// Where access lines go, as a word or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessLog(pub(crate) crate::gateway::AccessLog);

impl Scalar for AccessLog {
    const EXPECTED: &'static str = "`stdout`, `stderr`, `off`, or a path such as `./access.log`";

    fn parse(text: &str) -> Result<Self, String> {
        use crate::gateway::AccessLog as Log;
        let is_path = ["/", "./", "../"]
            .iter()
            .any(|start| text.starts_with(start));
        match text {
            "stdout" => Ok(Self(Log::Stdout)),
            "stderr" => Ok(Self(Log::Stderr)),
            "off" => Ok(Self(Log::Off)),
            _ if text.contains('\0') => Err("a path has no NUL".to_owned()),
            _ if is_path && text.ends_with('/') => Err("this is a folder".to_owned()),
            _ if is_path => Ok(Self(Log::File(text.into()))),
            _ if text.contains(['/', '.']) => Err(format!("for a file, write `./{text}`")),
            _ => {
                let word = crate::nearest::find(text, ["stdout", "stderr", "off"]);
                Err(word.map_or_else(String::new, |word| format!("did you mean `{word}`?")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for AccessLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_scalar(deserializer)
    }
}

impl JsonSchema for AccessLog {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AccessLog".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(stdout|stderr|off|[.]{0,2}/.*)$|\\$\\{",
            "examples": ["stdout", "off", "./access.log"],
        })
    }
}
