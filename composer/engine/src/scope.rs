//! For whom is something held, and by what is it found?

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use http::HeaderValue;
use quick_cache::Equivalent;
use smol_str::SmolStr;

/// Who asks, as whoever mounts the engine knows them.
#[derive(Clone)]
pub struct Asker {
    /// Names the subject and what their session may see; two askers share entries only where these
    /// bytes are the same. Empty for anybody whose name is not known.
    scope: Arc<[u8]>,
    /// What services are shown, as the value of `Authorization`.
    credential: Option<HeaderValue>,
}

impl Asker {
    #[must_use]
    pub fn new(scope: &[u8], credential: Option<HeaderValue>) -> Self {
        let credential = credential.map(|mut credential| {
            credential.set_sensitive(true);
            credential
        });
        Self {
            scope: scope.into(),
            credential,
        }
    }

    pub(crate) fn credential(&self) -> Option<&HeaderValue> {
        self.credential.as_ref()
    }

    pub(crate) fn scope(&self, is_shared: bool) -> Scope {
        if is_shared {
            Scope::Shared
        } else {
            Scope::Private(Arc::clone(&self.scope))
        }
    }
}

/// For whom an entry is held.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Shared,
    Private(Arc<[u8]>),
}

/// What an entry is found by, compared in full: never by a hash alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) scope: Scope,
    /// A key in its canonical spelling, or the target of a call. A short one lies where the slot lies.
    pub(crate) key: SmolStr,
}

/// A slot to look for. It hashes as the slot does that it is equal to.
#[derive(Debug)]
pub(crate) struct SlotRef<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) key: &'a [u8],
}

impl Equivalent<Slot> for SlotRef<'_> {
    fn equivalent(&self, slot: &Slot) -> bool {
        *self.scope == slot.scope && self.key == slot.key.as_bytes()
    }
}

impl Hash for SlotRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Scope::Private(scope) = self.scope {
            scope.hash(state);
        }
        // It stands last, so nothing has to say where it ends.
        state.write(self.key);
    }
}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { scope, key } = self;
        let key = key.as_bytes();
        SlotRef { scope, key }.hash(state);
    }
}

/// The key of what is for everybody. There is none of what is private to somebody, so what takes one
/// can be given nothing of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SharedKey(SmolStr);

impl SharedKey {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Slot {
    pub(crate) fn shared(&self) -> Option<SharedKey> {
        match self.scope {
            Scope::Shared => Some(SharedKey(self.key.clone())),
            Scope::Private(_) => None,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let scope = match &self.scope {
            Scope::Shared => 0,
            Scope::Private(scope) => scope.len(),
        };
        scope + self.key.len()
    }
}

// Who somebody is, is nothing for logs.
impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "Shared",
            Self::Private(_) => "Private",
        })
    }
}
