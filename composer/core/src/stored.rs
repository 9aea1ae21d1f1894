//! What of an entity lies in a second level, and when may it be believed?
//!
//! Many write there, and what is read may be anything. So each value says under which declaration it
//! was fetched and of which key it is, and is a record of that key besides. One that does not is no
//! knowledge: whoever reads it goes on as if nothing lay there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::freshness::{Control, Freshness};
use crate::json::Json;
use crate::keys::Key;
use crate::plan::{Lookup, Plan};
use crate::records;

#[cfg(test)]
mod tests;

/// What one value may measure; a larger entity is not stored.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Another one with every change of what is written, so that programs of two versions share nothing.
const FORMAT: &[u8; 4] = b"TGE1";

/// Which declaration entities are of: the same wherever the same is asked of the same service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

/// An entity as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Nothing where a good answer had no record of the key.
    pub record: Option<Json>,
    /// Of the record; read out of it.
    pub version: Option<Arc<str>>,
    /// As it was when the service had answered.
    pub freshness: Freshness,
    /// Of this only what bears on whole answers is kept.
    pub control: Control,
}

/// Why something is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("larger than anything that is stored")]
    TooLarge,
    #[error("no entity, or one of another format")]
    Format,
    #[error("fetched under another declaration")]
    Fingerprint,
    #[error("of another key")]
    Key,
    #[error("no record")]
    Record,
}

impl Fingerprint {
    /// Of a lookup of this plan.
    pub fn of(plan: &Plan, lookup: &Lookup) -> Self {
        let service = plan.service(lookup.call.service);
        let is_sent_credential = service.is_some_and(|it| it.is_sent_credential);
        let target = lookup.call.batch_target(&[]);
        let parts = [
            service.map_or("", |it| &*it.name),
            if is_sent_credential { "caller" } else { "none" },
            &*lookup.name,
            &*target,
            lookup.key.as_str(),
            lookup.version.as_ref().map_or("", |name| name.as_str()),
        ];
        let items = lookup.items.iter().map(|name| name.as_str());
        let mut hash = Fnv::BASIS;
        hash.add(FORMAT);
        for part in parts.into_iter().chain(items) {
            // With its length, so that no two declarations are spelled the same.
            hash.add(&part.len().to_be_bytes());
            hash.add(part.as_bytes());
        }
        Self(hash.0.to_be_bytes())
    }
}

/// FNV-1a in 128 bits. Nobody who could choose a declaration gains by two that look alike.
struct Fnv(u128);

impl Fnv {
    const BASIS: Self = Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Stored {
    /// Appends the entity of a key to what is there already. Nothing where it is too large.
    pub fn write(&self, of: Fingerprint, key: &Key, mut out: Vec<u8>) -> Option<Vec<u8>> {
        let record = self.record.as_ref().map_or(&[][..], |json| json.bytes());
        let key = key.as_str().as_bytes();
        out.extend_from_slice(FORMAT);
        out.extend_from_slice(&of.0);
        out.push(self.flags());
        let Freshness {
            fresh,
            stale_while_revalidate,
            stale_if_error,
            said,
        } = self.freshness;
        for time in [fresh, stale_while_revalidate, stale_if_error, said] {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            out.extend_from_slice(&millis.to_be_bytes());
        }
        out.extend_from_slice(&u16::try_from(key.len()).ok()?.to_be_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(record);
        (out.len() <= VALUE_BYTES_MAX).then_some(out)
    }

    /// Reads what lies there for a key.
    pub fn read(value: &[u8], of: Fingerprint, key: &Key, lookup: &Lookup) -> Result<Self, Wrong> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(Wrong::TooLarge);
        }
        let mut rest = Rest(value);
        if rest.take(FORMAT.len())? != FORMAT {
            return Err(Wrong::Format);
        }
        if rest.take(of.0.len())? != of.0 {
            return Err(Wrong::Fingerprint);
        }
        let [flags] = rest.array()?;
        let mut times = [Duration::ZERO; 4];
        for time in &mut times {
            *time = Duration::from_millis(u64::from_be_bytes(rest.array()?));
        }
        let [fresh, stale_while_revalidate, stale_if_error, said] = times;
        let length = u16::from_be_bytes(rest.array()?);
        if rest.take(usize::from(length))? != key.as_str().as_bytes() {
            return Err(Wrong::Key);
        }
        let (record, version) = if flags & PRESENT == 0 {
            rest.is_over()
                .then_some((None, None))
                .ok_or(Wrong::Format)?
        } else {
            let json = Json::parse(&Bytes::copy_from_slice(rest.0)).map_err(|_| Wrong::Record)?;
            let record = records::of_key(json, lookup, key).ok_or(Wrong::Key)?;
            (Some(record.json), record.version)
        };
        Ok(Self {
            record,
            version,
            freshness: Freshness {
                fresh,
                stale_while_revalidate,
                stale_if_error,
                said,
            },
            control: control(flags),
        })
    }

    fn flags(&self) -> u8 {
        let control = &self.control;
        let flags = [
            (PRESENT, self.record.is_some()),
            (NO_CACHE, control.no_cache),
            (PRIVATE, control.private),
            (PUBLIC, control.public),
            (MUST_REVALIDATE, control.must_revalidate),
            (PROXY_REVALIDATE, control.proxy_revalidate),
        ];
        let set = flags.into_iter().filter(|(_, is_set)| *is_set);
        set.fold(0, |all, (flag, _)| all | flag)
    }
}

const PRESENT: u8 = 1;
const NO_CACHE: u8 = 2;
const PRIVATE: u8 = 4;
const PUBLIC: u8 = 8;
const MUST_REVALIDATE: u8 = 16;
const PROXY_REVALIDATE: u8 = 32;

fn control(flags: u8) -> Control {
    let is_set = |flag| flags & flag != 0;
    Control {
        no_cache: is_set(NO_CACHE),
        private: is_set(PRIVATE),
        public: is_set(PUBLIC),
        must_revalidate: is_set(MUST_REVALIDATE),
        proxy_revalidate: is_set(PROXY_REVALIDATE),
        ..Control::default()
    }
}

/// What of a value is not read yet.
struct Rest<'v>(&'v [u8]);

impl<'v> Rest<'v> {
    fn take(&mut self, count: usize) -> Result<&'v [u8], Wrong> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Wrong::Format)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        self.take(N)?.try_into().map_err(|_| Wrong::Format)
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}
