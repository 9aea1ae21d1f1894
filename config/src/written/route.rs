//! Routes as they are written.

use gateway_core::level;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Require, To};
use crate::reader::{Entries, Field};
use crate::units::{
    Accept, Class, Date, Flag, Level, Size, Staleness, Text, Time, Upgrade, or_variable,
};

/// Whole segments; for the schema only.
const PREFIX: &str = "(/[^/{}]+)+";

/// Which requests go to which service, and what changes on the way.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a route")]
#[schemars(rename = "Route", extend("required" = ["match"]))]
pub(crate) struct Route {
    /// The name in logs and metrics; by default the text of `match`. No two routes share one.
    pub(crate) name: Field<Text>,
    /// Methods and a path: `GET /members/{id}`, `PUT,PATCH /members/{id}`, or a path alone for any
    /// method. `{id}` stands for one segment, `{rest*}` at the end for all that remain. A path that
    /// differs from that of a route in capitals or in the `/` at its end is answered 404 unless a route
    /// names it, and goes to no less specific route.
    #[serde(rename = "match")]
    #[schemars(extend(
        "type" = "string",
        "pattern" = or_variable("([A-Z]+(,[A-Z]+)* +)?/\\S*"),
        "examples" = ["POST /money/transfers", "GET /members/{id}", "/money/{rest*}"]))]
    pub(crate) matches: Field<Text>,
    /// Only for this host, or with `*.example.com` for all below it.
    #[schemars(extend("examples" = ["pay.example.com", "*.example.com"]))]
    pub(crate) host: Field<Text>,
    /// Only for requests with these header fields, each once and with exactly this value. What meets that
    /// to some readers only is answered 404 and goes to no route without it: a field that is there twice,
    /// be it in one line (`a, b`), or by a name that some take for this one (`X_Mode` for `X-Mode`). A
    /// field that does not go on to the service counts for nothing: one that `Connection` names, and what
    /// only `trusted_proxies` may tell.
    pub(crate) headers: Field<Entries<Text>>,
    /// Only for requests whose query has these parameters, each once and with exactly this value,
    /// after percent-decoding (`+` is a space). What meets that to some readers only is answered 404 and
    /// goes to no route without it: a parameter that is there twice, by a name that some take for this one
    /// (`Dry_Run` for `dry-run`), or beside a `;`, which ends a parameter to some.
    pub(crate) query: Field<Entries<Text>>,
    /// How far inside a listener must be to lead here: `open` for any, `internal` for those that are
    /// `internal` or `private`, `private` for those alone. To others it is not there, and what it
    /// takes does not fall through to a less specific route.
    #[schemars(extend("default" = level::Level::Open.as_str()))]
    pub(crate) level: Field<Level>,
    /// What requests do. `read` changes nothing and may be sent to the service twice; it takes GET,
    /// HEAD and OPTIONS only. `write` is never sent twice, whatever its method. `transfer` moves
    /// money: as `write`, and bodies are at most `64KiB` unless `body` says otherwise. By default
    /// the method decides: GET, HEAD and OPTIONS read, all others write.
    pub(crate) class: Field<Class>,
    /// What callers must show to be let through; `{}` asks only that they are known. Without this
    /// anybody may ask, and their `Authorization` is left to the service.
    pub(crate) require: Field<Require>,
    /// Which tokens of the identity provider callers may show: `reference` for those that clients
    /// hold, `value` for those that services see, or `any`.
    #[schemars(extend("default" = "reference"))]
    pub(crate) accept: Field<Accept>,
    /// One of `issuers`, whose tokens are taken here in place of those of `idp`.
    pub(crate) issuer: Field<Text>,
    /// What happens when nobody can say whether a token was taken back. `strict` goes on for
    /// `idp.lease` and then refuses with 503. `tolerant` goes on for `idp.grace`, which is marked in
    /// the log; no route that moves money may be tolerant.
    #[schemars(extend("default" = "strict"))]
    pub(crate) staleness: Field<Staleness>,
    /// Tells the service who asks in `Tollgate-Subject`, `Tollgate-Client`, `Tollgate-Scope` and
    /// `Tollgate-Session` as well. A token that it can read is in `Authorization` anyhow, unless the
    /// route has an `issuer`: then this is `true` by default, and `Tollgate-Issuer` is there too.
    pub(crate) identity_headers: Field<Flag>,
    /// Tells the client how long it took to find out who asks, in `Server-Timing`.
    #[schemars(extend("default" = false))]
    pub(crate) server_timing: Field<Flag>,
    /// The service that answers, or at least two with a weight each (`{ money: 95, money-next: 5 }`):
    /// every request goes to one of them by chance, in these proportions.
    pub(crate) to: Field<To>,
    /// `true`, in place of `to`, for what is composed: the request is one of `endpoints`.
    #[schemars(extend("default" = false))]
    pub(crate) compose: Field<Flag>,
    /// A prefix of the path to take away before the service sees it.
    #[schemars(extend("type" = "string", "pattern" = or_variable(PREFIX), "examples" = ["/money"]))]
    pub(crate) strip: Field<Text>,
    /// A prefix to put in front of the path, after `strip`.
    #[schemars(extend("type" = "string", "pattern" = or_variable(PREFIX), "examples" = ["/v1"]))]
    pub(crate) add: Field<Text>,
    /// The largest request body; by default `limits.body`, and for transfers at most `64KiB`.
    pub(crate) body: Field<Size>,
    /// Instead of the timeout of the service.
    pub(crate) timeout: Field<Time>,
    /// `websocket` lets a client that asks for it go on in WebSocket once the service agreed. Any
    /// other `Upgrade`, and any on a route without this, is passed over.
    pub(crate) upgrade: Field<Upgrade>,
    /// The day from which on clients should use something else; told in `Deprecation` (RFC 9745).
    pub(crate) deprecated: Field<Date>,
    /// The day from which on this may be gone; told in `Sunset` (RFC 8594). The route stays until
    /// it is taken out of the file.
    pub(crate) sunset: Field<Date>,
    /// Changes to the header fields that the service sees.
    pub(crate) request_headers: Field<HeaderRules>,
    /// Changes to the header fields that the client sees.
    pub(crate) response_headers: Field<HeaderRules>,
}

/// Changes to header fields, in this order: `remove`, `set`, `add`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "header rules")]
#[schemars(rename = "HeaderRules")]
pub(crate) struct HeaderRules {
    /// Fields that get this value, whatever they had.
    pub(crate) set: Field<Entries<Text>>,
    /// Fields that get this value beside what they have.
    pub(crate) add: Field<Entries<Text>>,
    /// Fields that are taken away.
    pub(crate) remove: Field<Vec<Field<Text>>>,
}
