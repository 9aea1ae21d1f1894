//! What `provider:` compiles to: everything an identity provider needs to start, checked and
//! complete.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use idp_core::client::{Client, Consents, Grant, Introspects, Lifetimes, SecretDigest, Secrets};
use idp_core::id::{ClientId, Generation, TenantId, Username};
use idp_core::provider::LoginLifetimes;
use idp_core::scope::Scopes;
use idp_token::value::Algorithm;

use crate::redis::Redis;

/// The compiled section. Its relative paths begin at the folder of the configuration already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The `iss` of all that it says. It does not end in `/`.
    pub issuer: String,
    /// Where clients and browsers connect.
    pub listen: SocketAddr,
    /// Where gateways and operators connect.
    pub internal: SocketAddr,
    pub threads: usize,
    pub store: Store,
    /// Gateways are told over HTTP alone where there is none.
    pub redis: Option<Redis>,
    pub signing: Signing,
    pub admin_key_file: PathBuf,
    pub gateway_key_file: PathBuf,
    pub audit_log: AuditLog,
    /// Believed where a client is told over https; without it those that the machine believes.
    pub ca_file: Option<PathBuf>,
    pub login: LoginLifetimes,
    /// Passwords that are hashed at a time.
    pub passwords_at_once: usize,
    /// At least one, `default` first.
    pub tenants: Vec<TenantId>,
    /// Registered where there is no client of that id yet.
    pub clients: Vec<ClientSeed>,
    /// Registered where nobody in their tenant has that name yet.
    pub users: Vec<UserSeed>,
}

impl Provider {
    /// The keys that differ from what a process was started with. All of them hold from the next
    /// start on.
    #[must_use]
    pub fn differences(started_with: Option<&Self>, now: Option<&Self>) -> Vec<&'static str> {
        let (Some(then), Some(now)) = (started_with, now) else {
            let differs = started_with.is_some() != now.is_some();
            return differs.then_some("provider").into_iter().collect();
        };
        let rows = [
            ("provider.issuer", then.issuer != now.issuer),
            ("provider.listen", then.listen != now.listen),
            ("provider.internal", then.internal != now.internal),
            ("threads", then.threads != now.threads),
            ("provider.store", then.store != now.store),
            ("provider.redis", then.redis != now.redis),
            ("provider.signing", then.signing != now.signing),
            (
                "provider.admin_key_file",
                then.admin_key_file != now.admin_key_file,
            ),
            (
                "provider.gateway_key_file",
                then.gateway_key_file != now.gateway_key_file,
            ),
            ("provider.audit_log", then.audit_log != now.audit_log),
            ("provider.ca_file", then.ca_file != now.ca_file),
            ("provider.login", then.login != now.login),
            (
                "provider.passwords",
                then.passwords_at_once != now.passwords_at_once,
            ),
            ("provider.tenants", then.tenants != now.tenants),
            ("provider.clients", then.clients != now.clients),
            ("provider.users", then.users != now.users),
        ];
        let differing = rows.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(key, _)| key).collect()
    }
}

/// Where the truth is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub path: PathBuf,
    /// What the store is sealed with.
    pub key_file: PathBuf,
    pub cache_bytes_max: usize,
    pub disk_free_bytes_min: u64,
}

/// With what value tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signing {
    pub algorithm: Algorithm,
    /// How long after one key the next is made.
    pub rotate: Duration,
}

/// Where the line of each change goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditLog {
    Stderr,
    /// Appended to.
    File(PathBuf),
}

/// A client that is registered unless it is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSeed {
    pub id: ClientId,
    pub tenant: TenantId,
    /// Made with a fresh secret where it is not there; `None` for a client that can keep none.
    pub secret_file: Option<PathBuf>,
    pub redirect_uris: Vec<String>,
    pub logout_uris: Vec<String>,
    /// Where it is told that somebody signed out.
    pub backchannel_logout_uri: Option<String>,
    pub grants: BTreeSet<Grant>,
    pub scopes: Scopes,
    pub roles: Vec<String>,
    pub audience: Vec<String>,
    pub consents: Consents,
    pub introspects: Introspects,
    pub lifetimes: Lifetimes,
    pub is_enabled: bool,
}

impl ClientSeed {
    /// The client as it is registered; `secret` is that of its file.
    #[must_use]
    pub fn client(&self, secret: Option<SecretDigest>) -> Client {
        Client {
            id: self.id.clone(),
            tenant: self.tenant.clone(),
            secrets: match &self.secret_file {
                Some(_) => Secrets::Confidential(secret.into_iter().collect()),
                None => Secrets::Public,
            },
            redirect_uris: self.redirect_uris.clone(),
            logout_uris: self.logout_uris.clone(),
            backchannel_logout_uri: self.backchannel_logout_uri.clone(),
            grants: self.grants.clone(),
            scopes: self.scopes.clone(),
            roles: self.roles.clone(),
            audience: self.audience.clone(),
            consents: self.consents,
            introspects: self.introspects,
            lifetimes: self.lifetimes,
            is_enabled: self.is_enabled,
            generation: Generation::default(),
        }
    }
}

/// Somebody who is registered unless they are there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSeed {
    pub name: Username,
    pub tenant: TenantId,
    /// Made with a fresh password where it is not there.
    pub password_file: PathBuf,
    pub roles: Vec<String>,
    pub is_enabled: bool,
}
