//! The identity provider as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::Redis;
use crate::bounds;
use crate::reader::{Entries, Field, Scalar, Short, deserialize_scalar};
use crate::units::{
    Address, Algorithm, Count, Exposable, Flag, RedisUrl, Size, Text, Time, or_variable,
};

pub(crate) use seeds::{Client, Lifetimes, User};

mod seeds;

/// This process as an identity provider. All of it holds from the next start on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`provider`")]
#[schemars(rename = "Provider")]
pub(crate) struct Provider {
    /// What clients know it by: the URL that they and browsers find it at, without `/` at the end. By
    /// default `http://` and the address of `listen`, as long as that is one of this machine.
    #[schemars(extend(
        "type" = "string", "pattern" = or_variable("https?://[^/?#@]+(/[^?#]*[^/?#])?"),
        "examples" = ["https://login.example.com"]))]
    pub(crate) issuer: Field<Text>,
    /// Where clients and browsers connect.
    #[schemars(extend("default" = bounds::PROVIDER_ADDRESS.to_string()))]
    pub(crate) listen: Field<Address>,
    /// Where gateways and operators connect, with the keys of `gateway_key_file` and
    /// `admin_key_file`.
    #[schemars(extend("default" = bounds::INTERNAL_ADDRESS.to_string()))]
    pub(crate) internal: Field<Address>,
    /// Which of `listen` and `internal` may be an address that other machines can reach. Neither
    /// speaks TLS by itself.
    pub(crate) exposed: Field<Vec<Field<Exposable>>>,
    /// Allows an `issuer` over http that is not this machine: passwords and tokens can then be read
    /// on their way.
    #[schemars(extend("default" = false))]
    pub(crate) unencrypted: Field<Flag>,
    /// Where everything that it knows is kept.
    pub(crate) store: Field<Store>,
    /// Where gateways find copies of what they may need, so that they ask less: a URL, or a map with
    /// its password in a file. It may be lost at any time.
    pub(crate) redis: Field<Short<RedisUrl, Redis>>,
    /// With what the tokens that services see are signed.
    pub(crate) signing: Field<Signing>,
    /// What operators show to change anything. The file is made at the first start where it is not
    /// there. By default `admin.key` beside the store.
    #[schemars(extend("type" = "string", "examples" = ["./data/admin.key"]))]
    pub(crate) admin_key_file: Field<Text>,
    /// What gateways show to ask anything. The file is made at the first start where it is not
    /// there. By default `gateway.key` beside the store.
    #[schemars(extend("type" = "string", "examples" = ["./data/gateway.key"]))]
    pub(crate) gateway_key_file: Field<Text>,
    /// Where a JSON line of every change goes: `stderr`, or a file to append to. By default
    /// `audit.log` beside the store.
    pub(crate) audit_log: Field<AuditLog>,
    /// Whose certificates are believed where a client is told over https that somebody signed out: a
    /// file of them in PEM. By default those that this machine believes.
    #[schemars(extend("type" = "string", "examples" = ["./ca.pem"]))]
    pub(crate) ca_file: Field<Text>,
    /// How long people stay signed in at a browser.
    pub(crate) login: Field<Login>,
    /// How the passwords of people are hashed.
    pub(crate) passwords: Field<Passwords>,
    /// Names of tenants there are beside `default`. Whoever belongs to one is a stranger to the others.
    pub(crate) tenants: Field<Vec<Field<Text>>>,
    /// Applications that are registered at the start where there is none of that id. A client that is
    /// there already stays as it is.
    #[schemars(extend("propertyNames" = { "pattern": "^[A-Za-z0-9._-]{1,64}$" }))]
    pub(crate) clients: Field<Entries<Client>>,
    /// People who are registered at the start where nobody in their tenant has that name. Whoever is
    /// there already stays as they are.
    #[schemars(extend("propertyNames" = { "pattern": "^[!-~]{1,128}$" }))]
    pub(crate) users: Field<Entries<User>>,
}

/// Where everything that it knows is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`store`")]
#[schemars(rename = "Store")]
pub(crate) struct Store {
    /// The file of the store, made at the first start. A relative path begins at the folder of the
    /// configuration file, as all paths of `provider` do.
    #[schemars(extend("type" = "string", "default" = bounds::STORE_PATH))]
    pub(crate) path: Field<Text>,
    /// The key that the store is sealed with. The file is made at the first start where it is not
    /// there. By default `idp.key` beside the store; keep it where a copy of the store is not.
    #[schemars(extend("type" = "string", "examples" = ["./data/idp.key"]))]
    pub(crate) key_file: Field<Text>,
    /// What of the store is kept in memory.
    #[schemars(extend("default" = bounds::STORE_CACHE.default.to_string()))]
    pub(crate) cache: Field<Size>,
    /// With less than this left on the disk nothing is written any more, so that reading goes on.
    #[schemars(extend("default" = bounds::DISK_FREE.default.to_string()))]
    pub(crate) disk_free_min: Field<Size>,
}

/// With what the tokens that services see are signed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`signing`")]
#[schemars(rename = "Signing")]
pub(crate) struct Signing {
    /// `ES256`, `EdDSA`, or `RS256` for services that know no other.
    #[schemars(extend("default" = bounds::SIGNING_ALGORITHM.as_str()))]
    pub(crate) algorithm: Field<Algorithm>,
    /// How long after one key the next is made. Services know a new one before it signs, and an old
    /// one until what it signed has expired.
    #[schemars(extend("default" = bounds::ROTATE.default.to_string()))]
    pub(crate) rotate: Field<Time>,
}

/// How long people stay signed in at a browser.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`login`")]
#[schemars(rename = "Login")]
pub(crate) struct Login {
    /// Without using it.
    #[schemars(extend("default" = bounds::LOGIN_IDLE.default.to_string()))]
    pub(crate) idle: Field<Time>,
    /// Whether they use it or not.
    #[schemars(extend("default" = bounds::LOGIN_ABSOLUTE.default.to_string()))]
    pub(crate) absolute: Field<Time>,
}

/// How the passwords of people are hashed (argon2id).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`passwords`")]
#[schemars(rename = "Passwords")]
pub(crate) struct Passwords {
    /// How many at a time; each takes a core for a moment. Others wait their turn.
    #[schemars(extend("default" = bounds::PASSWORDS_AT_ONCE.default.0,
        "minimum" = bounds::PASSWORDS_AT_ONCE.least.0,
        "maximum" = bounds::PASSWORDS_AT_ONCE.most.0))]
    pub(crate) at_once: Field<Count>,
}

/// Where audit lines go, as a word or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuditLog {
    Stderr,
    File(String),
}

impl Scalar for AuditLog {
    const EXPECTED: &'static str = "`stderr`, or a path such as `./data/audit.log`";

    fn parse(text: &str) -> Result<Self, String> {
        let is_path = ["/", "./", "../"]
            .iter()
            .any(|start| text.starts_with(start));
        match text {
            "stderr" => Ok(Self::Stderr),
            _ if is_path => Ok(Self::File(text.to_owned())),
            "off" => Err("who changed what is always written down".to_owned()),
            _ if text.contains(['/', '.']) => Err(format!("for a file, write `./{text}`")),
            _ => {
                let word = crate::nearest::find(text, ["stderr"]);
                Err(word.map_or_else(String::new, |word| format!("did you mean `{word}`?")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for AuditLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_scalar(deserializer)
    }
}

impl JsonSchema for AuditLog {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AuditLog".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": or_variable("stderr|[.]{0,2}/.*"),
            "examples": ["./data/audit.log", "stderr"],
        })
    }
}
