//! Applications.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use idp_core::admin::Order;
use idp_core::client::{Client, Consents, Grant, Introspects, Lifetimes, SecretDigest, Secrets};
use idp_core::id::{ClientId, Generation, TenantId};
use idp_core::record::Record;
use idp_core::scope::Scopes;
use idp_core::store::{Key, Kind, Range};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::actor::Actor;
use super::answer::{Body, Done, Problem};
use super::page::{Page, Paging};
use super::{find, order};
use crate::credential::draw;
use crate::desk::Desk;
use crate::seeds::CLIENT_SECRET_PREFIX;

/// A client as operators write it and are shown it. Secrets are never shown again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    #[serde(default = "default_tenant")]
    tenant: String,
    /// Cannot keep a secret.
    #[serde(default)]
    public: bool,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    logout_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backchannel_logout_uri: Option<String>,
    grants: Vec<GrantName>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    audience: Vec<String>,
    #[serde(default)]
    consent: ConsentName,
    #[serde(default)]
    introspects: IntrospectsName,
    #[serde(default)]
    lifetimes: Option<Seconds>,
    #[serde(default = "enabled")]
    enabled: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GrantName {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ConsentName {
    #[default]
    Asked,
    Implied,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IntrospectsName {
    #[default]
    Own,
    Tenant,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seconds {
    access_seconds: u64,
    #[serde(default)]
    idle_seconds: Option<u64>,
    absolute_seconds: u64,
}

#[derive(Serialize)]
pub(super) struct Told {
    id: String,
    #[serde(flatten)]
    registration: Registration,
}

#[derive(Serialize)]
struct Secret<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

const fn enabled() -> bool {
    true
}

pub(super) fn parse_id(text: &str) -> Result<ClientId, Problem> {
    ClientId::parse(text).ok_or(Problem::Spelling("the id of a client"))
}

impl Registration {
    fn of(client: &Client) -> Self {
        let lifetimes = client.lifetimes;
        Self {
            tenant: client.tenant.as_str().to_owned(),
            public: client.secrets == Secrets::Public,
            redirect_uris: client.redirect_uris.clone(),
            logout_uris: client.logout_uris.clone(),
            backchannel_logout_uri: client.backchannel_logout_uri.clone(),
            grants: client.grants.iter().map(|grant| (*grant).into()).collect(),
            scopes: client.scopes.iter().map(str::to_owned).collect(),
            roles: client.roles.clone(),
            audience: client.audience.clone(),
            consent: match client.consents {
                Consents::Asked => ConsentName::Asked,
                Consents::Implied => ConsentName::Implied,
            },
            introspects: match client.introspects {
                Introspects::Own => IntrospectsName::Own,
                Introspects::Tenant => IntrospectsName::Tenant,
            },
            lifetimes: Some(Seconds {
                access_seconds: lifetimes.access.as_secs(),
                idle_seconds: lifetimes.idle.map(|idle| idle.as_secs()),
                absolute_seconds: lifetimes.absolute.as_secs(),
            }),
            enabled: client.is_enabled,
        }
    }

    /// The client of that id; `secrets` are what it proves itself with if it can keep one.
    fn client(self, id: ClientId, secrets: Vec<SecretDigest>) -> Result<Client, Problem> {
        let grants: BTreeSet<Grant> = self.grants.into_iter().map(Into::into).collect();
        let scopes = Scopes::of(self.scopes.iter().map(String::as_str));
        let has_people = grants.contains(&Grant::AuthorizationCode);
        Ok(Client {
            id,
            tenant: TenantId::parse(&self.tenant).ok_or(Problem::Spelling("a tenant"))?,
            secrets: if self.public {
                Secrets::Public
            } else {
                Secrets::Confidential(secrets)
            },
            redirect_uris: self.redirect_uris,
            logout_uris: self.logout_uris,
            backchannel_logout_uri: self.backchannel_logout_uri,
            grants,
            scopes: scopes.ok_or(Problem::Spelling("a scope"))?,
            roles: self.roles,
            audience: self.audience,
            consents: match self.consent {
                ConsentName::Asked => Consents::Asked,
                ConsentName::Implied => Consents::Implied,
            },
            introspects: match self.introspects {
                IntrospectsName::Own => Introspects::Own,
                IntrospectsName::Tenant => Introspects::Tenant,
            },
            lifetimes: match self.lifetimes {
                Some(seconds) => seconds.into(),
                None if has_people => Lifetimes::PAYMENT,
                None => Lifetimes::MACHINE,
            },
            is_enabled: self.enabled,
            generation: Generation::default(),
        })
    }
}

impl From<Seconds> for Lifetimes {
    fn from(seconds: Seconds) -> Self {
        Self {
            access: Duration::from_secs(seconds.access_seconds),
            idle: seconds.idle_seconds.map(Duration::from_secs),
            absolute: Duration::from_secs(seconds.absolute_seconds),
        }
    }
}

impl From<GrantName> for Grant {
    fn from(name: GrantName) -> Self {
        match name {
            GrantName::AuthorizationCode => Self::AuthorizationCode,
            GrantName::RefreshToken => Self::RefreshToken,
            GrantName::ClientCredentials => Self::ClientCredentials,
        }
    }
}

impl From<Grant> for GrantName {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::AuthorizationCode => Self::AuthorizationCode,
            Grant::RefreshToken => Self::RefreshToken,
            Grant::ClientCredentials => Self::ClientCredentials,
        }
    }
}

fn tell(client: &Client) -> Told {
    Told {
        id: client.id.as_str().to_owned(),
        registration: Registration::of(client),
    }
}

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Told>>, Problem> {
    let after = paging.after.as_deref().map(parse_id).transpose()?;
    let page = paging.read(&desk, Range::of(Kind::Client), after.map(Key::Client));
    Ok(Json(page.await?.tell(|record| {
        let Record::Client(client) = record else {
            return None;
        };
        Some((client.id.as_str().to_owned(), tell(client)))
    })))
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
) -> Result<Json<Told>, Problem> {
    Ok(Json(tell(&find_client(&desk, &parse_id(&id)?).await?)))
}

async fn find_client(desk: &Desk, id: &ClientId) -> Result<Client, Problem> {
    let Record::Client(client) = find(desk, Key::Client(id.clone())).await? else {
        return Err(Problem::NotFound);
    };
    Ok(client)
}

/// Registers a client, or replaces all that is known of it but for its secrets.
pub(super) async fn set(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
    Body(wanted): Body<Registration>,
) -> Result<Response, Problem> {
    let client = parse_id(&id)?;
    let known = match find_client(&desk, &client).await {
        Ok(known) => Some(known),
        Err(Problem::NotFound) => None,
        Err(problem) => return Err(problem),
    };
    let kept = match known.as_ref().map(|known| &known.secrets) {
        Some(Secrets::Confidential(secrets)) => secrets.clone(),
        Some(Secrets::Public) | None => Vec::new(),
    };
    let drawn = if wanted.public || !kept.is_empty() {
        None
    } else {
        Some(draw(CLIENT_SECRET_PREFIX)?)
    };
    let fresh = drawn.as_ref().map(|secret| digest(&desk, secret));
    let secrets = kept.into_iter().chain(fresh).collect();
    let client = wanted.client(client, secrets)?;
    order(&desk, Order::SetClient(Box::new(client)), actor).await?;
    let status = if known.is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let secret = drawn.as_deref().map(String::as_str);
    Ok((status, Json(Secret { id: &id, secret })).into_response())
}

fn digest(desk: &Desk, secret: &Zeroizing<String>) -> SecretDigest {
    let ring = desk.ring.load();
    ring.provider.secret_key.digest(secret.as_bytes())
}

/// Draws a new secret. The newest of the old ones is still taken, so that it can be replaced
/// without a pause; once more, and that one is not taken either.
pub(super) async fn renew_secret(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Response, Problem> {
    let known = find_client(&desk, &parse_id(&id)?).await?;
    let Secrets::Confidential(kept) = &known.secrets else {
        return Err(Problem::Public);
    };
    let drawn = draw(CLIENT_SECRET_PREFIX)?;
    let newest = kept.last().cloned();
    let secrets = newest.into_iter().chain([digest(&desk, &drawn)]).collect();
    let client = Client {
        secrets: Secrets::Confidential(secrets),
        ..known
    };
    order(&desk, Order::SetClient(Box::new(client)), actor).await?;
    let secret = Some(drawn.as_str());
    Ok(Json(Secret { id: &id, secret }).into_response())
}

pub(super) async fn enable(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    set_enabled(&desk, &id, actor, true).await
}

pub(super) async fn disable(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    set_enabled(&desk, &id, actor, false).await
}

async fn set_enabled(
    desk: &Desk,
    id: &str,
    actor: Actor,
    is_enabled: bool,
) -> Result<Done, Problem> {
    let client = Client {
        is_enabled,
        ..find_client(desk, &parse_id(id)?).await?
    };
    order(desk, Order::SetClient(Box::new(client)), actor).await
}

pub(super) async fn end_sessions(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    actor: Actor,
) -> Result<Done, Problem> {
    order(&desk, Order::EndClient(parse_id(&id)?), actor).await
}
