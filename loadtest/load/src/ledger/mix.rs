//! Requests of many kinds, the same for the same seed.

use crate::dice::Dice;

use super::entry::{Deed, Entry, Framing, Method, Parcel};

/// What is sent to one place.
#[derive(Clone, Debug)]
pub struct Mix {
    pub seed: u64,
    pub requests: usize,
    /// One segment that ids and paths begin with; mixes that are sent together differ in it.
    pub name: String,
    /// Small bodies are as frequent as large ones; some are empty and some as large as this.
    pub body_bytes_max: usize,
    pub answer_bytes_max: usize,
    /// With weights; none leaves every request to the upstream's habit.
    pub deeds: Vec<(u32, Deed)>,
}

const METHODS: [(u32, Method); 3] = [(4, Method::Get), (4, Method::Post), (2, Method::Put)];

impl Mix {
    /// Bodies up to 256 KiB, and everything left to the upstream's habit.
    pub fn new(seed: u64, name: &str, requests: usize) -> Self {
        Self {
            seed,
            requests,
            name: name.to_owned(),
            body_bytes_max: 256 * 1024,
            answer_bytes_max: 256 * 1024,
            deeds: Vec::new(),
        }
    }

    pub fn entries(&self) -> Vec<Entry> {
        let mut dice = Dice::of(self.seed, &[&self.name]);
        let numbers = 0..self.requests;
        numbers
            .map(|number| self.entry(number, &mut dice))
            .collect()
    }

    fn entry(&self, number: usize, dice: &mut Dice) -> Entry {
        let Self { seed, name, .. } = self;
        let method = dice.choose(&METHODS).copied().unwrap_or(Method::Get);
        let body = parcel(self.body_bytes_max, dice);
        Entry {
            id: format!("{name}-{seed:x}-{number}"),
            method,
            path: format!("/{name}/{number}"),
            body: (!method.is_read()).then_some(body),
            answer: parcel(self.answer_bytes_max, dice),
            deed: dice.choose(&self.deeds).copied(),
        }
    }
}

fn parcel(bytes_max: usize, dice: &mut Dice) -> Parcel {
    let framings = [(1, Framing::Length), (1, Framing::Chunked)];
    let framing = dice.choose(&framings).copied();
    let magnitudes = bytes_max.checked_ilog2().unwrap_or(0) as usize + 2;
    let bytes = match dice.below(magnitudes) {
        0 => 0,
        1 => bytes_max,
        magnitude => dice.below(bytes_max.min(1 << magnitude) + 1),
    };
    Parcel {
        framing: framing.unwrap_or(Framing::Length),
        bytes,
    }
}

/// Several mixes as one, in an order that the seed says.
pub fn interleave(seed: u64, mixes: &[Mix]) -> Vec<Entry> {
    let mut entries: Vec<_> = mixes.iter().flat_map(Mix::entries).collect();
    Dice::of(seed, &["order"]).shuffle(&mut entries);
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn mix(seed: u64) -> Mix {
        Mix {
            body_bytes_max: 1000,
            deeds: vec![(1, Deed::Answer), (1, Deed::Hang)],
            ..Mix::new(seed, "a", 2000)
        }
    }

    #[test]
    fn the_seed_says_everything() {
        assert_eq!(mix(1).entries(), mix(1).entries());
        assert_ne!(mix(1).entries(), mix(2).entries());
        assert_eq!(interleave(1, &[mix(1)]), interleave(1, &[mix(1)]));
        assert_ne!(interleave(1, &[mix(1)]), interleave(2, &[mix(1)]));
    }

    #[test]
    fn a_mix_has_something_of_everything() {
        let entries = mix(1).entries();
        let ids: BTreeSet<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids.len(), entries.len());
        for method in METHODS.map(|(_, method)| method) {
            let mut of_method = entries.iter().filter(|entry| entry.method == method);
            assert!(of_method.all(|entry| entry.body.is_none() == method.is_read()));
        }
        let bodies: Vec<_> = entries.iter().filter_map(|entry| entry.body).collect();
        for framing in [Framing::Length, Framing::Chunked] {
            for bytes in [0, 1, 1000] {
                assert!(bodies.contains(&Parcel { framing, bytes }), "{bytes}");
            }
        }
        assert!(bodies.iter().all(|body| body.bytes <= 1000));
        for deed in [Deed::Answer, Deed::Hang] {
            assert!(entries.iter().any(|entry| entry.deed == Some(deed)));
        }
    }

    #[test]
    fn mixes_are_interleaved_without_losing_an_entry() {
        let other = Mix {
            name: "b".into(),
            ..mix(1)
        };
        let both = interleave(7, &[mix(1), other]);
        assert_eq!(both.len(), 4000);
        let first_half = both
            .iter()
            .take(2000)
            .filter(|entry| entry.id.starts_with('a'));
        assert!((900..1100).contains(&first_half.count()));
    }
}
