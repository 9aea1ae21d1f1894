//! Redis as far as the scripts use it, with time standing still: names, and what lies there.

use std::collections::HashMap;

use super::super::entity::{Reply, Writing};

pub(super) const RUN: &str = "0123456789abcdef";
pub(super) const LIFE: u64 = 60_000;
pub(super) const VALUE_BYTES_MAX: usize = 200;
pub(super) const REPLY_BYTES_MAX: usize = 500;

/// What is done there: as it is, or one thing about it broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    AsItIs,
    /// An entity is stored whatever lies there.
    StoredBlindly,
    /// What bears the generation of before is found.
    GenerationsAreAlike,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) variant: Variant,
    /// With whether it has an end.
    pub(super) held: HashMap<String, (Vec<u8>, bool)>,
}

impl Model {
    pub(super) fn new(variant: Variant) -> Self {
        let held = HashMap::new();
        Self { variant, held }
    }

    pub(super) fn find(&mut self, names: &[String], fresh: &str, begins: bool) -> Reply {
        let (of_lookup, names) = names.split_first().unwrap();
        let known = self.held.get(of_lookup).map(|(text, _)| text.clone());
        let known = known.filter(|text| text.len() == 32 && text.starts_with(RUN.as_bytes()));
        let known = known.filter(|_| !begins);
        let generation = known.unwrap_or_else(|| format!("{RUN}{fresh}").into_bytes());
        let ended = (generation.clone(), true);
        self.held.insert(of_lookup.clone(), ended);
        let place = [b"R", &*generation, fresh.as_bytes()].concat();
        let mut left = REPLY_BYTES_MAX;
        let held = names.iter().map(|name| {
            let found = self.held.get(name).cloned();
            let is_foreign = found.as_ref().is_some_and(|(text, has_end)| {
                // An empty text is as good as none.
                let is_sound = match text.first() {
                    Some(b'V') => text.len() > 49 && text.len() <= VALUE_BYTES_MAX,
                    Some(b'R') => text.len() == 49,
                    Some(_) | None => false,
                };
                !text.is_empty() && (!is_sound || !has_end)
            });
            let is_alike = self.variant == Variant::GenerationsAreAlike;
            let found = found.filter(|_| !is_foreign).map(|(text, _)| text);
            let found = found.filter(|text| !text.is_empty());
            let found = found.filter(|text| is_alike || text[1..33] == generation);
            let text = found.unwrap_or_else(|| {
                self.held.insert(name.clone(), (place.clone(), true));
                place.clone()
            });
            match left.checked_sub(text.len()) {
                Some(rest) => {
                    left = rest;
                    (text, i64::try_from(LIFE).unwrap(), is_foreign)
                }
                None => {
                    left = 0;
                    (Vec::new(), 0, is_foreign)
                }
            }
        });
        let held = held.collect();
        Reply { at: 0, held }
    }

    pub(super) fn store(&mut self, writings: &[Writing]) -> Vec<bool> {
        let store = |writing: &Writing| {
            let found = self.held.get(&writing.name).map(|(text, _)| text);
            let may_be = found == Some(&writing.seen) || self.variant == Variant::StoredBlindly;
            if may_be {
                let value = (writing.value.clone(), true);
                self.held.insert(writing.name.clone(), value);
            }
            may_be
        };
        writings.iter().map(store).collect()
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.held.remove(name);
    }
}
