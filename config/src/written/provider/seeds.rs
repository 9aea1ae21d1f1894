//! Clients and people that there are from the start.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::reader::{Field, Long, Short};
use crate::units::{Consent, Flag, Grant, Introspects, Preset, Text, Time};

/// An application that may ask for tokens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a client")]
#[schemars(rename = "Client", extend("required" = ["grants"]))]
pub(crate) struct Client {
    /// The tenant that it belongs to.
    #[schemars(extend("type" = "string", "default" = "default"))]
    pub(crate) tenant: Field<Text>,
    /// A file that holds nothing but its secret; made at the first start, with a fresh one, where it
    /// is not there.
    #[schemars(extend("type" = "string", "examples" = ["./data/shop.secret"]))]
    pub(crate) secret_file: Field<Text>,
    /// `true`, in place of a `secret_file`, for what runs in a browser or on a phone and can keep no
    /// secret.
    #[schemars(extend("default" = false))]
    pub(crate) public: Field<Flag>,
    /// Where codes may be sent, compared byte for byte: https, or http to this machine, or an app
    /// (`com.example.app:/callback`).
    #[schemars(extend("examples" = [["https://shop.example.com/callback"]]))]
    pub(crate) redirect_uris: Field<Vec<Field<Text>>>,
    /// Where a browser may be sent after signing out, likewise.
    #[schemars(extend("examples" = [["https://shop.example.com/"]]))]
    pub(crate) logout_uris: Field<Vec<Field<Text>>>,
    /// Where it is told by the identity provider that somebody signed out: https, or http to this
    /// machine.
    #[schemars(extend("type" = "string", "examples" = ["https://shop.example.com/signed-out"]))]
    pub(crate) backchannel_logout_uri: Field<Text>,
    /// How it gets tokens: `authorization_code` in the name of a person, with `refresh_token` for
    /// longer than one token lives, `client_credentials` for itself. None if it only asks about
    /// those of others.
    pub(crate) grants: Field<Vec<Field<Grant>>>,
    /// All that it may ever ask for.
    #[schemars(extend("examples" = [["openid", "money.read"]]))]
    pub(crate) scopes: Field<Vec<Field<Text>>>,
    /// Its own, for when it acts for itself. In the name of a person theirs count.
    pub(crate) roles: Field<Vec<Field<Text>>>,
    /// The services that its tokens are meant for.
    #[schemars(extend("examples" = [["pay"]]))]
    pub(crate) audience: Field<Vec<Field<Text>>>,
    /// `asked` asks people what it may do in their name, `implied` is for clients of your own.
    #[schemars(extend("default" = "asked"))]
    pub(crate) consent: Field<Consent>,
    /// Whose tokens it may ask about: `own`, or those of its `tenant`, as services do.
    #[schemars(extend("default" = "own"))]
    pub(crate) introspects: Field<Introspects>,
    /// How long its tokens and sessions live. `payment`: tokens 10m, sessions 15m without use and 12h
    /// at most. `machine`: 1h both. Or a map. By default `payment` with `authorization_code`, else
    /// `machine`.
    pub(crate) lifetimes: Field<Short<Preset, Lifetimes>>,
    /// `false` registers it without letting it in.
    #[schemars(extend("default" = true))]
    pub(crate) enabled: Field<Flag>,
}

/// How long the tokens and sessions of a client live.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`lifetimes`")]
#[schemars(rename = "Lifetimes", extend("required" = ["access", "absolute"]))]
pub(crate) struct Lifetimes {
    /// A token; at most `24h`.
    pub(crate) access: Field<Time>,
    /// A session that is not used. Without this it lives on unused.
    pub(crate) idle: Field<Time>,
    /// A session, used or not.
    pub(crate) absolute: Field<Time>,
}

impl Long for Lifetimes {
    const KIND: &'static str = "`lifetimes`";
    const KEYS: &'static [&'static str] = &["access", "idle", "absolute"];
    const EXPECTED: &'static str =
        "`payment`, `machine`, or a map such as `{ access: 10m, idle: 15m, absolute: 12h }`";
}

/// Somebody who may sign in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a user")]
#[schemars(rename = "User", extend("required" = ["password_file"]))]
pub(crate) struct User {
    /// The tenant that they belong to.
    #[schemars(extend("type" = "string", "default" = "default"))]
    pub(crate) tenant: Field<Text>,
    /// A file that holds nothing but their first password; made at the first start, with a fresh
    /// one, where it is not there.
    #[schemars(extend("type" = "string", "examples" = ["./data/alice.password"]))]
    pub(crate) password_file: Field<Text>,
    /// What services know them as.
    #[schemars(extend("examples" = [["member"]]))]
    pub(crate) roles: Field<Vec<Field<Text>>>,
    /// `false` registers them without letting them in.
    #[schemars(extend("default" = true))]
    pub(crate) enabled: Field<Flag>,
}
