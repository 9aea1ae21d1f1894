//! What may an administrator order, and what follows from it?
//!
//! Who may order what is settled before; here an order is carried out. Each can be repeated: what
//! is already so stays so. Ending everything of somebody raises their generation, and so does
//! disabling them: what was ended does not come back when they are enabled again.

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::audit::{About, Act, Entry, Event};
use crate::client::{Client, ClientProblem, are_roles};
use crate::decision::{Decided, Decision};
use crate::id::{ClientId, Generation, TenantId, UserId, Username};
use crate::record::{
    Cause, LockoutId, NameOf, PasswordHash, Realm, Record, Session, Standing, Tenant, User,
};
use crate::store::{Key, Transaction};
use crate::view::{Need, View};

pub use inspect::{Inspected, Kind, State, inspect};

mod inspect;

pub const PASSWORD_HASH_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    EndSession(SessionId),
    EndUser(UserId),
    EndClient(ClientId),
    EndTenant(TenantId),
    EndAll,
    CreateUser(NewUser),
    EnableUser(UserId),
    DisableUser(UserId),
    SetRoles(UserId, Vec<String>),
    /// Nobody is signed out: sessions are of the person, whatever their name is.
    RenameUser(UserId, Username),
    /// With what they allowed these clients. Whatever else there is of them ends with it and is
    /// forgotten in its time.
    DeleteUser(UserId, Vec<ClientId>),
    /// Whoever knew the old one is signed out.
    SetPassword(UserId, PasswordHash),
    /// Registers a client, or replaces all that is known of it. Its generation is kept here.
    SetClient(Box<Client>),
    SetTenant {
        id: TenantId,
        is_enabled: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Drawn at random.
    pub id: UserId,
    pub tenant: TenantId,
    pub name: Username,
    pub password: PasswordHash,
    pub roles: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("there is nobody and nothing of this id")]
    Unknown,
    #[error("the name or the id belongs to somebody else")]
    Taken,
    #[error("a client stays in the tenant that it was registered in")]
    Moved,
    #[error("the client, the user or their tenant is disabled, or they are not of one tenant")]
    Disabled,
    #[error("a scope is more than the client may have")]
    Scopes,
    #[error("no token can live so long")]
    TooLate,
    #[error("too many roles, or one that is empty or too long")]
    Roles,
    #[error("longer than the text of any hash")]
    Password,
    #[error(transparent)]
    Client(#[from] ClientProblem),
}

/// Carries out what the administrator of that name ordered.
pub fn carry_out(
    view: &View,
    order: &Order,
    actor: &str,
    now: UnixSeconds,
) -> Decided<Result<(), OrderError>> {
    let (records, act, about) = match judge(view, order, now) {
        Ok(Ok(judged)) => judged,
        Ok(Err(error)) => return Ok(Decision::only(Err(error), None)),
        Err(need) => return Err(need),
    };
    let removed = removals(view, order)?;
    let mut transaction = Transaction::of(view);
    for record in records {
        transaction.put(view, record, now);
    }
    for key in removed {
        if let Some(stored) = view.peek(&key) {
            transaction.remove(stored, now);
        }
    }
    Ok(Decision {
        answer: Ok(()),
        transaction,
        audit: Some(Entry {
            at: now,
            event: Event::Administered(act),
            about: About {
                actor: Some(actor.to_owned()),
                ..about
            },
        }),
    })
}

/// What is to be written; nothing if it is so already.
type Judged = Result<(Vec<Record>, Act, About), OrderError>;

fn judge(view: &View, order: &Order, now: UnixSeconds) -> Result<Judged, Need> {
    Ok(match order {
        Order::EndSession(id) => end_session(view.session(*id)?, now),
        Order::EndUser(id) => end_user(view.user(*id)?),
        Order::EndClient(id) => end_client(view.client(id)?),
        Order::EndTenant(id) => end_tenant(view.tenant(id)?),
        Order::EndAll => end_all(&view.realm()?),
        Order::CreateUser(new) => {
            let name = Key::Username(new.tenant.clone(), new.name.clone());
            view.want([name, Key::User(new.id), Key::Tenant(new.tenant.clone())])?;
            let holder = view.user_named(&new.tenant, &new.name)?;
            let of_id = view.user(new.id)?;
            let tenant = view.tenant(&new.tenant)?;
            create_user(new, (holder, of_id), tenant)
        }
        Order::EnableUser(id) => change_user(view.user(*id)?, Act::UserEnabled, |user| {
            user.is_enabled = true;
        }),
        Order::DisableUser(id) => change_user(view.user(*id)?, Act::UserDisabled, |user| {
            if user.is_enabled {
                user.is_enabled = false;
                user.generation = user.generation.next();
            }
        }),
        Order::SetRoles(_, roles) if !are_roles(roles) => Err(OrderError::Roles),
        Order::SetRoles(id, roles) => change_user(view.user(*id)?, Act::UserRolesSet, |user| {
            user.roles.clone_from(roles);
        }),
        Order::RenameUser(id, name) => rename_user(view, view.user(*id)?, name)?,
        Order::DeleteUser(id, _) => change_user(view.user(*id)?, Act::UserDeleted, |_| ()),
        Order::SetPassword(_, hash) if check_hash(hash).is_err() => Err(OrderError::Password),
        Order::SetPassword(id, hash) => {
            change_user(view.user(*id)?, Act::UserPasswordSet, |user| {
                user.password = hash.clone();
                user.generation = user.generation.next();
            })
        }
        Order::SetClient(client) => {
            view.want([
                Key::Client(client.id.clone()),
                Key::Tenant(client.tenant.clone()),
            ])?;
            let tenant = view.tenant(&client.tenant)?;
            set_client(client, view.client(&client.id)?, tenant)
        }
        Order::SetTenant { id, is_enabled } => set_tenant(id, *is_enabled, view.tenant(id)?),
    })
}

fn end_session(session: Option<&Session>, now: UnixSeconds) -> Judged {
    let session = session.ok_or(OrderError::Unknown)?;
    let about = About {
        user: session.user,
        client: Some(session.client.clone()),
        tenant: Some(session.tenant.clone()),
        session: Some(session.id),
        ..About::default()
    };
    let cause = Cause::Administrator;
    let ended = Session {
        standing: Standing::Over { at: now, cause },
        ..session.clone()
    };
    let is_live = session.standing == Standing::Live;
    let records = is_live.then_some(Record::Session(ended));
    Ok((records.into_iter().collect(), Act::SessionEnded, about))
}

/// What goes when this is carried out.
fn removals(view: &View, order: &Order) -> Result<Vec<Key>, Need> {
    let keys = if let Order::RenameUser(id, wanted) = order {
        let renamed = view.user(*id)?.filter(|user| user.name != *wanted);
        renamed.map(name_of).into_iter().collect()
    } else if let Order::DeleteUser(id, clients) = order {
        let own = [Key::User(*id), Key::Lockout(LockoutId::User(*id))];
        let consents = clients
            .iter()
            .map(|client| Key::Consent(*id, client.clone()));
        let name = view.user(*id)?.map(name_of);
        own.into_iter().chain(name).chain(consents).collect()
    } else {
        Vec::new()
    };
    view.want(keys.iter().cloned())?;
    Ok(keys)
}

fn name_of(user: &User) -> Key {
    Key::Username(user.tenant.clone(), user.name.clone())
}

fn rename_user(view: &View, user: Option<&User>, wanted: &Username) -> Result<Judged, Need> {
    let Some(known) = user else {
        return Ok(Err(OrderError::Unknown));
    };
    let holder = view.user_named(&known.tenant, wanted)?;
    if holder.is_some_and(|holder| holder != known.id) {
        return Ok(Err(OrderError::Taken));
    }
    let judged = change_user(user, Act::UserRenamed, |user| user.name = wanted.clone());
    Ok(judged.map(|(mut records, act, about)| {
        let name = NameOf {
            tenant: known.tenant.clone(),
            name: wanted.clone(),
            user: known.id,
        };
        if !records.is_empty() {
            records.push(Record::Username(name));
        }
        (records, act, about)
    }))
}

fn end_user(user: Option<&User>) -> Judged {
    change_user(user, Act::UserSessionsEnded, |user| {
        user.generation = user.generation.next();
    })
}

fn change_user(user: Option<&User>, act: Act, change: impl FnOnce(&mut User)) -> Judged {
    let before = user.ok_or(OrderError::Unknown)?;
    let mut user = before.clone();
    change(&mut user);
    let about = About {
        user: Some(user.id),
        tenant: Some(user.tenant.clone()),
        ..About::default()
    };
    let records = (user != *before).then_some(Record::User(user));
    Ok((records.into_iter().collect(), act, about))
}

fn end_client(client: Option<&Client>) -> Judged {
    let client = client.ok_or(OrderError::Unknown)?;
    let ended = Client {
        generation: client.generation.next(),
        ..client.clone()
    };
    let record = Record::Client(ended);
    Ok((vec![record], Act::ClientSessionsEnded, of_client(client)))
}

fn of_client(client: &Client) -> About {
    About {
        client: Some(client.id.clone()),
        tenant: Some(client.tenant.clone()),
        ..About::default()
    }
}

fn end_tenant(tenant: Option<&Tenant>) -> Judged {
    let tenant = tenant.ok_or(OrderError::Unknown)?;
    let ended = Tenant {
        generation: tenant.generation.next(),
        ..tenant.clone()
    };
    let about = of_tenant(&tenant.id);
    Ok((vec![Record::Tenant(ended)], Act::TenantSessionsEnded, about))
}

fn of_tenant(id: &TenantId) -> About {
    About {
        tenant: Some(id.clone()),
        ..About::default()
    }
}

fn end_all(realm: &Realm) -> Judged {
    let ended = Realm {
        generation: realm.generation.next(),
    };
    let record = Record::Realm(ended);
    Ok((vec![record], Act::AllSessionsEnded, About::default()))
}

fn create_user(
    new: &NewUser,
    (holder, of_id): (Option<UserId>, Option<&User>),
    tenant: Option<&Tenant>,
) -> Judged {
    tenant.ok_or(OrderError::Unknown)?;
    if !are_roles(&new.roles) {
        return Err(OrderError::Roles);
    }
    check_hash(&new.password)?;
    if holder.is_some() || of_id.is_some() {
        return Err(OrderError::Taken);
    }
    let user = User {
        id: new.id,
        tenant: new.tenant.clone(),
        name: new.name.clone(),
        password: new.password.clone(),
        roles: new.roles.clone(),
        is_enabled: true,
        generation: Generation::default(),
    };
    let name = NameOf {
        tenant: new.tenant.clone(),
        name: new.name.clone(),
        user: new.id,
    };
    let about = About {
        user: Some(new.id),
        ..of_tenant(&new.tenant)
    };
    let records = vec![Record::User(user), Record::Username(name)];
    Ok((records, Act::UserCreated, about))
}

const fn check_hash(hash: &PasswordHash) -> Result<(), OrderError> {
    if hash.0.len() <= PASSWORD_HASH_BYTES_MAX {
        Ok(())
    } else {
        Err(OrderError::Password)
    }
}

fn set_client(wanted: &Client, known: Option<&Client>, tenant: Option<&Tenant>) -> Judged {
    tenant.ok_or(OrderError::Unknown)?;
    wanted.check()?;
    let generation = known.map_or_else(Generation::default, |known| known.generation);
    let is_moved = known.is_some_and(|known| known.tenant != wanted.tenant);
    if is_moved {
        return Err(OrderError::Moved);
    }
    let is_shut = known.is_some_and(|known| known.is_enabled) && !wanted.is_enabled;
    let client = Client {
        generation: if is_shut {
            generation.next()
        } else {
            generation
        },
        ..wanted.clone()
    };
    let about = of_client(&client);
    let is_same = known == Some(&client);
    let records = (!is_same).then_some(Record::Client(client));
    Ok((records.into_iter().collect(), Act::ClientSet, about))
}

fn set_tenant(id: &TenantId, is_enabled: bool, known: Option<&Tenant>) -> Judged {
    let generation = known.map_or_else(Generation::default, |known| known.generation);
    let is_shut = known.is_some_and(|known| known.is_enabled) && !is_enabled;
    let tenant = Tenant {
        id: id.clone(),
        is_enabled,
        generation: if is_shut {
            generation.next()
        } else {
            generation
        },
    };
    let is_same = known == Some(&tenant);
    let records = (!is_same).then_some(Record::Tenant(tenant));
    Ok((records.into_iter().collect(), Act::TenantSet, of_tenant(id)))
}
