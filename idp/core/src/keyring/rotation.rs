//! The keys change: at first start, on schedule, and when one has leaked.

use idp_token::filter::FilterKeyId;
use idp_token::time::UnixSeconds;

use super::{
    FilterRing, FilterSecret, FilterStage, Held, KNOWN_BEFORE, KeySecret, Keyring, OtherFilter,
    PrivateKey, Retired, SIGNED_KEPT, SigningKeys, TAGGED_KEPT,
};
use crate::audit::{About, Entry, Event, KeysAct};
use crate::decision::{Decided, Decision};
use crate::record::{PasswordHash, Record};
use crate::store::Transaction;
use crate::view::View;

/// What a first keyring is made of, all of it fresh.
#[derive(Debug)]
pub struct Material {
    pub signing: PrivateKey,
    pub next: PrivateKey,
    pub filter: KeySecret,
    pub refresh: KeySecret,
    pub client_secrets: KeySecret,
    pub dummy_password: PasswordHash,
    pub partition: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The key that is published already signs from now on, and this one is published.
    Scheduled { next: PrivateKey },
    /// A key has leaked: no signature of any so far is believed any more.
    Compromised {
        signing: PrivateKey,
        next: PrivateKey,
    },
}

/// What became of the filter keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterRotation {
    /// The fresh key is taken; rotate once more from then on, and it will tag.
    Announced { ready_at: UnixSeconds },
    /// The key that was announced tags. The old one is taken until then.
    Tags { old_until: UnixSeconds },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RotationError {
    #[error("there are no keys yet")]
    Absent,
    #[error("the key is one of those that there are")]
    Same,
    #[error("the next key may not be known everywhere before {}", ready_at.0)]
    NotKnownYet { ready_at: UnixSeconds },
    #[error("tokens of the last key but one may live until {}", until.0)]
    StillNeeded { until: UnixSeconds },
}

/// The keys that there are; made of this if there are none.
pub fn begin(view: &View, fresh: &Material, now: UnixSeconds) -> Decided<Keyring> {
    if let Some(keyring) = view.keyring()? {
        return Ok(Decision::only(keyring.clone(), None));
    }
    let keyring = Keyring {
        signing: fresh_keys(&fresh.signing, &fresh.next, now),
        filter: FilterRing {
            tagging: FilterSecret {
                id: FilterKeyId::FIRST,
                secret: fresh.filter.clone(),
            },
            other: None,
        },
        refresh: fresh.refresh.clone(),
        client_secrets: fresh.client_secrets.clone(),
        dummy_password: fresh.dummy_password.clone(),
        partition: fresh.partition,
    };
    let entry = entry(KeysAct::Begun, None, now);
    Ok(write(view, keyring.clone(), keyring, entry))
}

/// A new key signs. The actor is whoever ordered it; nobody if it was due.
pub fn rotate_signing(
    view: &View,
    rotation: &Rotation,
    actor: Option<&str>,
    now: UnixSeconds,
) -> Decided<Result<(), RotationError>> {
    let Some(keyring) = view.keyring()? else {
        return Ok(Decision::only(Err(RotationError::Absent), None));
    };
    let (rotated, act) = match rotation {
        Rotation::Scheduled { next } => (
            take_over(&keyring.signing, next, now),
            KeysAct::SigningRotated,
        ),
        Rotation::Compromised { signing, next } => (
            replace(&keyring.signing, signing, next, now),
            KeysAct::SigningReplaced,
        ),
    };
    Ok(match rotated {
        Ok(signing) => {
            let keyring = Keyring {
                signing,
                ..keyring.clone()
            };
            write(view, Ok(()), keyring, entry(act, actor, now))
        }
        Err(error) => Decision::only(Err(error), None),
    })
}

fn take_over(
    keys: &SigningKeys,
    fresh: &PrivateKey,
    now: UnixSeconds,
) -> Result<SigningKeys, RotationError> {
    if keys.is_known(fresh) {
        return Err(RotationError::Same);
    }
    let ready_at = keys.ready_at();
    if now < ready_at {
        return Err(RotationError::NotKnownYet { ready_at });
    }
    let retired = Retired {
        key: keys.active.key.clone(),
        until: now.after(SIGNED_KEPT),
    };
    let kept = keys.retired.iter().filter(|it| now < it.until).cloned();
    Ok(SigningKeys {
        active: Held {
            key: keys.next.key.clone(),
            since: now,
        },
        next: Held {
            key: fresh.clone(),
            since: now,
        },
        retired: kept.chain([retired]).collect(),
    })
}

fn replace(
    keys: &SigningKeys,
    signing: &PrivateKey,
    next: &PrivateKey,
    now: UnixSeconds,
) -> Result<SigningKeys, RotationError> {
    if keys.is_known(signing) || keys.is_known(next) || signing == next {
        return Err(RotationError::Same);
    }
    Ok(fresh_keys(signing, next, now))
}

fn fresh_keys(signing: &PrivateKey, next: &PrivateKey, now: UnixSeconds) -> SigningKeys {
    let held = |key: &PrivateKey| Held {
        key: key.clone(),
        since: now,
    };
    SigningKeys {
        active: held(signing),
        next: held(next),
        retired: Vec::new(),
    }
}

impl SigningKeys {
    fn is_known(&self, key: &PrivateKey) -> bool {
        let retired = self.retired.iter().map(|it| &it.key);
        let known = [&self.active.key, &self.next.key];
        known.into_iter().chain(retired).any(|known| known == key)
    }
}

/// Goes one step further: a fresh key is announced, or one that was announced tags; then the fresh
/// one is not needed.
pub fn rotate_filter(
    view: &View,
    fresh: &KeySecret,
    actor: Option<&str>,
    now: UnixSeconds,
) -> Decided<Result<FilterRotation, RotationError>> {
    let Some(keyring) = view.keyring()? else {
        return Ok(Decision::only(Err(RotationError::Absent), None));
    };
    Ok(match step(&keyring.filter, fresh, now) {
        Ok((filter, done)) => {
            let act = match done {
                FilterRotation::Announced { .. } => KeysAct::FilterAnnounced,
                FilterRotation::Tags { .. } => KeysAct::FilterRotated,
            };
            let keyring = Keyring {
                filter,
                ..keyring.clone()
            };
            write(view, Ok(done), keyring, entry(act, actor, now))
        }
        Err(error) => Decision::only(Err(error), None),
    })
}

fn step(
    ring: &FilterRing,
    fresh: &KeySecret,
    now: UnixSeconds,
) -> Result<(FilterRing, FilterRotation), RotationError> {
    match ring.other.as_ref().map(|other| (other.stage, &other.key)) {
        Some((FilterStage::Coming { since }, coming)) => {
            let ready_at = since.after(KNOWN_BEFORE);
            if now < ready_at {
                return Err(RotationError::NotKnownYet { ready_at });
            }
            Ok(tag_with(coming, &ring.tagging, now))
        }
        Some((FilterStage::Retired { until }, _)) if now < until => {
            Err(RotationError::StillNeeded { until })
        }
        Some((FilterStage::Retired { .. }, _)) | None => announce(&ring.tagging, fresh, now),
    }
}

fn tag_with(
    coming: &FilterSecret,
    old: &FilterSecret,
    now: UnixSeconds,
) -> (FilterRing, FilterRotation) {
    let until = now.after(TAGGED_KEPT);
    let other = OtherFilter {
        key: old.clone(),
        stage: FilterStage::Retired { until },
    };
    let ring = FilterRing {
        tagging: coming.clone(),
        other: Some(other),
    };
    (ring, FilterRotation::Tags { old_until: until })
}

fn announce(
    tagging: &FilterSecret,
    fresh: &KeySecret,
    now: UnixSeconds,
) -> Result<(FilterRing, FilterRotation), RotationError> {
    if tagging.secret == *fresh {
        return Err(RotationError::Same);
    }
    let key = FilterSecret {
        id: tagging.id.next(),
        secret: fresh.clone(),
    };
    let stage = FilterStage::Coming { since: now };
    let ring = FilterRing {
        tagging: tagging.clone(),
        other: Some(OtherFilter { key, stage }),
    };
    let ready_at = now.after(KNOWN_BEFORE);
    Ok((ring, FilterRotation::Announced { ready_at }))
}

/// Drops the keys that nobody needs any more, and says whether there were any.
pub fn tidy(view: &View, now: UnixSeconds) -> Decided<bool> {
    let Some(keyring) = view.keyring()? else {
        return Ok(Decision::only(false, None));
    };
    let mut tidied = keyring.clone();
    tidied.signing.retired.retain(|it| now < it.until);
    let is_needed = |other: &OtherFilter| match other.stage {
        FilterStage::Coming { .. } => true,
        FilterStage::Retired { until } => now < until,
    };
    tidied.filter.other = tidied.filter.other.filter(is_needed);
    if tidied == *keyring {
        return Ok(Decision::only(false, None));
    }
    Ok(write(
        view,
        true,
        tidied,
        entry(KeysAct::Dropped, None, now),
    ))
}

fn write<A>(view: &View, answer: A, keyring: Keyring, entry: Entry) -> Decision<A> {
    let mut transaction = Transaction::of(view);
    transaction.put(view, Record::Keyring(Box::new(keyring)), entry.at);
    Decision {
        answer,
        transaction,
        audit: Some(entry),
    }
}

fn entry(act: KeysAct, actor: Option<&str>, now: UnixSeconds) -> Entry {
    Entry {
        at: now,
        event: Event::Keys(act),
        about: About {
            actor: actor.map(str::to_owned),
            ..About::default()
        },
    }
}
