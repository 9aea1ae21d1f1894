//! Is this person who they say they are, and are they guessing?
//!
//! Argon2id runs elsewhere, so signing in takes two rules: `ask` says which hash a password is to
//! be compared with, `sign_in` takes the outcome. A name that nobody has is asked for in the same
//! records, compared with a hash of the same cost, counted and locked out like any other, and gets
//! the same answer. So does somebody who is locked out, even with the right password: the answer
//! must not tell a guesser which of the two it was.

use idp_token::digest::TokenDigest;
use idp_token::time::UnixSeconds;

use crate::audit::{About, Entry, Event};
use crate::decision::{Decided, Decision, Random};
use crate::handle::Handle;
use crate::id::{LoginId, TenantId, UserId, Username};
use crate::provider::Provider;
use crate::record::{Lockout, LockoutId, Login, PasswordHash, Record, Standing};
use crate::session;
use crate::store::{Key, Transaction};
use crate::view::{Need, View};

/// Wrong passwords after which nobody is let in for a while.
pub const FAILURES_MAX: u32 = 10;

/// Who wants to sign in.
#[derive(Debug, Clone)]
pub struct Claimant {
    pub tenant: TenantId,
    /// None if what was typed cannot be anybody's name.
    pub name: Option<Username>,
}

/// What a password must match. Whose hash it is cannot be told from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub hash: PasswordHash,
    account: Account,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    user: UserId,
    lockout: LockoutId,
}

/// What argon2id said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Matches,
    Differs,
}

#[derive(Debug)]
pub struct SignedIn {
    /// To be set as a cookie that no script can read.
    pub cookie: Handle,
    pub login: LoginId,
    pub ends_at: UnixSeconds,
}

/// The one answer to whoever is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The name or the password is not right, or there were too many attempts")]
pub struct NotSignedIn;

/// Finds what a password is to be compared with.
pub fn ask(view: &View, provider: &Provider, claimant: &Claimant) -> Result<Challenge, Need> {
    let stranger = stranger(claimant);
    let known = match &claimant.name {
        Some(name) => view.user_named(&claimant.tenant, name)?,
        None => None,
    };
    let account = known.map_or(stranger, |user| Account {
        user,
        lockout: LockoutId::User(user),
    });
    view.want([Key::User(account.user), Key::Lockout(account.lockout)])?;
    let user = view.user(account.user)?;
    let hash = user.map_or(&provider.dummy_password, |user| &user.password);
    Ok(Challenge {
        hash: hash.clone(),
        account,
    })
}

/// An account that nobody has, always the same for a name.
fn stranger(claimant: &Claimant) -> Account {
    let name = claimant.name.as_ref().map_or("", Username::as_str);
    let text = format!("{}\0{name}", claimant.tenant.as_str());
    let bytes = *TokenDigest::of(text.as_bytes()).as_bytes();
    let [high, low, ..] = bytes;
    Account {
        user: UserId(bytes),
        lockout: LockoutId::Stranger(u16::from_be_bytes([high, low])),
    }
}

/// Lets somebody in, or counts one more failure.
pub fn sign_in(
    view: &View,
    provider: &Provider,
    (challenge, verdict): (&Challenge, Verdict),
    now: UnixSeconds,
    random: &Random,
) -> Decided<Result<SignedIn, NotSignedIn>> {
    let Account { user: id, lockout } = challenge.account;
    view.want([Key::User(id), Key::Lockout(lockout), Key::Realm])?;
    let failed = view.lockout(lockout)?;
    let user = view.user(id)?;
    if failed.is_some_and(|failed| failed.is_locked(now)) {
        let entry = entry(Event::SignInLocked, user.map(|user| user.id), now);
        return Ok(Decision::only(Err(NotSignedIn), Some(entry)));
    }
    // Between the two rules the password may have been changed.
    let user = user.filter(|user| verdict == Verdict::Matches && user.password == challenge.hash);
    let admitted = match user {
        Some(user) => session::of_people(view, Some(id), &user.tenant)?
            .map(|generations| (user.tenant.clone(), generations)),
        None => None,
    };
    let mut transaction = Transaction::of(view);
    let Some((tenant, generations)) = admitted else {
        let counted = Lockout::count(failed, lockout, now);
        transaction.put(view, Record::Lockout(counted), now);
        let known = view.user(id)?.map(|user| user.id);
        return Ok(Decision {
            answer: Err(NotSignedIn),
            transaction,
            audit: Some(entry(Event::SignInFailed, known, now)),
        });
    };
    if let Some(failed) = view.peek(&Key::Lockout(lockout)) {
        transaction.remove(failed, now);
    }
    let cookie = Handle::cookie(&random.secret);
    let login = Login {
        id: LoginId::of_cookie(cookie.as_str()).unwrap_or(LoginId(random.id)),
        user: id,
        tenant,
        signed_in_at: now,
        used_at: now,
        ends_at: now.after(provider.logins.absolute),
        amr: vec!["pwd".to_owned()],
        generations,
        standing: Standing::Live,
        sessions: Vec::new(),
    };
    let answer = SignedIn {
        cookie,
        login: login.id,
        ends_at: login.ends_at,
    };
    transaction.put(view, Record::Login(login), now);
    Ok(Decision {
        answer: Ok(answer),
        transaction,
        audit: Some(entry(Event::SignedIn, Some(id), now)),
    })
}

fn entry(event: Event, user: Option<UserId>, now: UnixSeconds) -> Entry {
    Entry {
        at: now,
        event,
        about: About {
            user,
            ..About::default()
        },
    }
}

impl Lockout {
    pub(crate) fn is_locked(&self, now: UnixSeconds) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// One more failure. Those from long ago are forgotten, and so are those that led to a lock, which
    /// lasts as long.
    fn count(known: Option<&Self>, id: LockoutId, now: UnixSeconds) -> Self {
        let recent = known.filter(|known| now.since(known.last_failed_at) < Self::SPAN);
        let failures = recent.map_or(0, |recent| recent.failures).saturating_add(1);
        Self {
            id,
            failures,
            last_failed_at: now,
            locked_until: (failures >= FAILURES_MAX).then(|| now.after(Self::SPAN)),
        }
    }
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Someone {
    pub user: UserId,
    pub name: Username,
}

/// Who is signed in at a browser.
pub fn who(
    view: &View,
    provider: &Provider,
    id: LoginId,
    now: UnixSeconds,
) -> Result<Option<Someone>, Need> {
    let Some(login) = find_live(view, provider, id, now)? else {
        return Ok(None);
    };
    let user = view.user(login.user)?;
    Ok(user.map(|user| Someone {
        user: user.id,
        name: user.name.clone(),
    }))
}

/// The login of a browser, if somebody is signed in there.
pub(crate) fn find_live<'v>(
    view: &'v View,
    provider: &Provider,
    id: LoginId,
    now: UnixSeconds,
) -> Result<Option<&'v Login>, Need> {
    let is_fresh = |login: &&Login| {
        login.standing == Standing::Live
            && now < login.ends_at
            && now.since(login.used_at) < provider.logins.idle
    };
    let Some(login) = view.login(id)?.filter(is_fresh) else {
        return Ok(None);
    };
    let user = Key::User(login.user);
    view.want([user, Key::Tenant(login.tenant.clone()), Key::Realm])?;
    let found = session::of_people(view, Some(login.user), &login.tenant)?;
    Ok(Some(login).filter(|login| found == Some(login.generations)))
}
