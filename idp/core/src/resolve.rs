//! What is a gateway told about a token that it does not know?
//!
//! The record says as of which published change it holds. That number is read before anything
//! else, so that whatever was published up to it is in the record; a change that comes in between
//! is in it or not, and voids it when it is published.

use idp_token::digest::{Alias, TokenDigest, TokenName};
use idp_token::epoch::{Epochs, Seq};
use idp_token::session::{Session as GatewayRecord, SessionId};
use idp_token::time::UnixSeconds;
use idp_token::value::{Claims, expiry};

use crate::change::Target;
use crate::client::Client;
use crate::presented;
use crate::provider::Provider;
use crate::record::Session;
use crate::scope::Scopes;
use crate::session;
use crate::store::Key;
use crate::view::{Need, View};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Unknown, expired or over: the request is refused with 401.
    Inactive,
    Active(Box<Active>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Without a value token: that is signed and sealed by whoever holds the keys.
    pub record: GatewayRecord,
    /// What the value token says.
    pub claims: Claims,
    pub epochs: Epochs,
    /// When the token itself is over, whatever its session says.
    pub expires_at: UnixSeconds,
}

pub fn resolve(
    view: &View,
    provider: &Provider,
    token: TokenName,
    now: UnixSeconds,
) -> Result<Resolved, Need> {
    let written_seq = view.published()?;
    let Some(found) = presented::find_access(view, token)? else {
        return Ok(Resolved::Inactive);
    };
    let presented::Found::Access(access, session) = &found else {
        return Ok(Resolved::Inactive);
    };
    if !found.is_good(view, now)? {
        return Ok(Resolved::Inactive);
    }
    let Some((client, epochs, record)) = tell(view, written_seq, (session, access.scopes))? else {
        return Ok(Resolved::Inactive);
    };
    Ok(Resolved::Active(Box::new(Active {
        claims: claims(
            provider,
            &record,
            client,
            (now, access.expires_at, token.digest),
        ),
        record,
        epochs,
        expires_at: access.expires_at,
    })))
}

/// What a value token stands for that a client has shown, and whose signature was verified: good as
/// long as its session is, and as long as everything that it says would be signed today. Whoever holds
/// one that would not be gets another.
pub fn resolve_value(view: &View, claims: &Claims, now: UnixSeconds) -> Result<Resolved, Need> {
    let written_seq = view.published()?;
    let id = claims.session.as_deref().and_then(SessionId::parse);
    let (Some(id), Some(scopes)) = (id, Scopes::parse(&claims.scope)) else {
        return Ok(Resolved::Inactive);
    };
    let Some(session) = view.session(id)? else {
        return Ok(Resolved::Inactive);
    };
    if session::check(view, session, now)?.is_err() {
        return Ok(Resolved::Inactive);
    }
    let Some((client, epochs, record)) = tell(view, written_seq, (session, &scopes))? else {
        return Ok(Resolved::Inactive);
    };
    let is_as_today = claims.subject == record.subject
        && claims.client_id == record.client_id
        && claims.scope == record.scope
        && claims.roles == record.roles
        && claims.audience == client.audience;
    if !is_as_today {
        return Ok(Resolved::Inactive);
    }
    Ok(Resolved::Active(Box::new(Active {
        claims: claims.clone(),
        record,
        epochs,
        expires_at: claims.expires_at,
    })))
}

/// What a gateway is told of a session, and the client it is of; none if that is gone.
fn tell<'v>(
    view: &'v View,
    written_seq: Seq,
    (session, scopes): (&Session, &Scopes),
) -> Result<Option<(&'v Client, Epochs, GatewayRecord)>, Need> {
    let Some(client) = view.client(&session.client)? else {
        return Ok(None);
    };
    let epochs = epochs(view, session)?;
    let record = GatewayRecord {
        written_seq,
        ..record(view, session, client, scopes)?
    };
    Ok(Some((client, epochs, record)))
}

fn epochs(view: &View, session: &Session) -> Result<Epochs, Need> {
    let of = [
        Target::Session(session.id),
        Target::Subject(session.subject()),
        Target::Client(session.client.clone()),
        Target::Tenant(session.tenant.clone()),
        Target::Realm,
    ];
    view.want(of.iter().cloned().map(Key::Epoch))?;
    let [session, subject, client, tenant, global] = of.map(|target| view.epoch(target));
    Ok(Epochs {
        session: session?,
        subject: subject?,
        client: client?,
        tenant: tenant?,
        global: global?,
    })
}

/// Roles are those of today; scopes are those of the token, as far as its client still has them.
fn record(
    view: &View,
    session: &Session,
    client: &Client,
    scopes: &Scopes,
) -> Result<GatewayRecord, Need> {
    let user = match session.user {
        Some(id) => view.user(id)?,
        None => None,
    };
    let roles = user.map_or(&client.roles, |user| &user.roles);
    Ok(GatewayRecord {
        id: session.id,
        subject: session.subject(),
        client_id: session.client.as_str().to_owned(),
        tenant: session.tenant.as_str().to_owned(),
        scope: scopes.meet(&client.scopes).to_string(),
        roles: roles.clone(),
        amr: session.amr.clone(),
        auth_time: session.auth_time,
        began_at: session.began_at,
        ends_at: session.ends_at,
        idle: session.idle,
        written_seq: Seq::NONE,
        value_token: None,
    })
}

fn claims(
    provider: &Provider,
    record: &GatewayRecord,
    client: &Client,
    (now, ends_at, digest): (UnixSeconds, UnixSeconds, TokenDigest),
) -> Claims {
    Claims {
        issuer: provider.issuer.clone(),
        audience: client.audience.clone(),
        subject: record.subject.clone(),
        session: Some(record.id.to_string()),
        client_id: record.client_id.clone(),
        scope: record.scope.clone(),
        roles: record.roles.clone(),
        auth_time: record.auth_time,
        amr: record.amr.clone(),
        issued_at: now,
        expires_at: expiry(now, ends_at.min(record.ends_at)),
        id: id(digest, now),
    }
}

/// It follows from the token and the second, so that whoever remembers a million value tokens need not
/// remember their ids.
fn id(digest: TokenDigest, now: UnixSeconds) -> String {
    let second = u32::try_from(now.0).unwrap_or(u32::MAX);
    Alias::of(&digest).value_token_id(second).to_string()
}
