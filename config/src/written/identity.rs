//! Whose word about callers is taken, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Redis;
use crate::bounds;
use crate::reader::{Field, Short};
use crate::units::{
    Address, Algorithm, Flag, Kind, Location, RedisUrl, Size, Text, Time, or_variable,
};

/// The identity provider that this gateway belongs to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`idp`")]
#[schemars(rename = "Idp")]
pub(crate) struct Idp {
    /// What it is known by, byte for byte. By default that of `provider` in the same file.
    #[schemars(extend(
        "type" = "string", "pattern" = or_variable("https?://[^/?#@]+(/[^?#]*[^/?#])?"),
        "examples" = ["https://login.example.com"]))]
    pub(crate) issuer: Field<Text>,
    /// Where its public endpoints answer, for the keys of its tokens: an IP address and a port. By
    /// default that of `provider`, or the address in an `issuer` such as `http://127.0.0.1:8081`.
    pub(crate) listen: Field<Address>,
    /// Where gateways ask it and are told of changes: an IP address and a port. By default that of
    /// `provider` in the same file.
    pub(crate) internal: Field<Address>,
    /// Allows `internal` and `listen` to be another machine. No TLS is spoken to it: whoever listens on
    /// the way can read and forge what is said.
    #[schemars(extend("default" = false))]
    pub(crate) unencrypted: Field<Flag>,
    /// What the gateway shows at `internal`: the file that the identity provider made. A relative path
    /// begins at the folder of the configuration file. By default that of `provider`.
    #[schemars(extend("type" = "string", "examples" = ["./data/gateway.key"]))]
    pub(crate) key_file: Field<Text>,
    /// How long what is remembered of a token may be trusted without proof that nothing was taken
    /// back. A token that was is refused no later than this, whatever fails; the longer it is, the
    /// longer requests go on when everything else is down.
    #[schemars(extend("default" = bounds::LEASE.default.to_string()))]
    pub(crate) lease: Field<Time>,
    /// The same on routes with `staleness: tolerant`; not shorter than `lease`.
    #[schemars(extend("default" = bounds::GRACE.default.to_string()))]
    pub(crate) grace: Field<Time>,
    /// Where copies are found and changes followed: a URL, or a map with its password in a file. By
    /// default that of `provider` in the same file; without any, all goes over HTTP.
    pub(crate) redis: Field<Short<RedisUrl, Redis>>,
    /// For whom a token must be meant: one of these. Without it reference tokens are taken whoever they
    /// are meant for, and services look at that themselves. Needed where a route takes value tokens.
    #[schemars(extend("examples" = [["pay"]]))]
    pub(crate) audience: Field<Vec<Field<Text>>>,
    /// What is remembered of tokens.
    pub(crate) cache: Field<VerdictCache>,
}

/// What is remembered of tokens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`cache`")]
#[schemars(rename = "VerdictCache")]
pub(crate) struct VerdictCache {
    /// The most it may take. What was not used for longest makes room.
    #[schemars(extend("default" = bounds::VERDICT_CACHE.default.to_string()))]
    pub(crate) size: Field<Size>,
}

/// Another issuer that routes may trust, by JWT (`jwks`) or by asking it (`introspection`). It tells
/// nobody when it takes a token back, so one that was may pass until `max_age` is over.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "an issuer")]
#[schemars(rename = "Issuer", extend("required" = ["issuer", "audience"]))]
pub(crate) struct Issuer {
    /// The `iss` of its tokens, byte for byte.
    #[schemars(extend("type" = "string", "examples" = ["https://login.partner.example"]))]
    pub(crate) issuer: Field<Text>,
    /// Where it publishes its keys, for tokens that are JWTs.
    pub(crate) jwks: Field<Location>,
    /// Where it is asked about a token that says nothing by itself (RFC 7662).
    pub(crate) introspection: Field<Location>,
    /// Certificates that may vouch for the host, in PEM, in place of those that this machine trusts. A
    /// relative path begins at the folder of the configuration file.
    #[schemars(extend("type" = "string", "examples" = ["./tls/partner-ca.pem"]))]
    pub(crate) ca_file: Field<Text>,
    /// Allows `jwks` or `introspection` to be another machine over http: whoever listens on the way can
    /// read and forge what is said.
    #[schemars(extend("default" = false))]
    pub(crate) unencrypted: Field<Flag>,
    /// As whom the gateway asks about tokens.
    #[schemars(extend("examples" = ["tollgate"]))]
    pub(crate) client_id: Field<Text>,
    /// A file that holds nothing but the secret of that client. A relative path begins at the folder of
    /// the configuration file.
    #[schemars(extend("type" = "string", "examples" = ["./data/partner.secret"]))]
    pub(crate) secret_file: Field<Text>,
    /// For whom a token must be meant: one of these.
    #[schemars(extend("minItems" = 1, "examples" = [["pay"]]))]
    pub(crate) audience: Field<Vec<Field<Text>>>,
    /// With what its JWTs may be signed; by default `ES256`.
    pub(crate) algorithms: Field<Vec<Field<Algorithm>>>,
    /// What its JWTs say they are: `at+jwt` for access tokens (RFC 9068), or `JWT` for an issuer that
    /// says no more than that. Then nothing but `audience` tells them from what it signs for others.
    #[schemars(extend("default" = "at+jwt"))]
    pub(crate) typ: Field<Kind>,
    /// The claim that holds the roles of a caller: its name, or a path such as `/realm_access/roles`.
    #[schemars(extend("type" = "string", "default" = "roles"))]
    pub(crate) roles_claim: Field<Text>,
    /// How long a token may be believed after it was taken back. What an issuer said of a token is kept no
    /// longer, and a JWT is refused when it was made longer ago than this.
    #[schemars(extend("default" = bounds::MAX_AGE.default.to_string()))]
    pub(crate) max_age: Field<Time>,
    /// Shows services the client's own token in `Authorization`. With it a service can act as the client
    /// wherever that token is taken. By default services are told who asks in `Tollgate-*` fields alone.
    #[schemars(extend("default" = false))]
    pub(crate) forward: Field<Flag>,
}

/// What a route asks of its callers. `{}` asks only that they are known.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`require`")]
#[schemars(rename = "Require")]
pub(crate) struct Require {
    /// The token must have all of these.
    #[schemars(extend("examples" = [["money.write"]]))]
    pub(crate) scopes: Field<Vec<Field<Text>>>,
    /// The caller must have one of these.
    #[schemars(extend("examples" = [["member"]]))]
    pub(crate) roles: Field<Vec<Field<Text>>>,
}
