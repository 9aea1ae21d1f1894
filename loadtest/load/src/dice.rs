//! Chance that falls the same way whenever the seed is the same (SplitMix64).

use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for whatever the words name, so that it does not matter who throws first.
    pub(crate) fn of(seed: u64, words: &[&str]) -> Self {
        let mut dice = Self::new(seed);
        for word in words {
            for byte in word.bytes().chain([0xff]) {
                dice.0 = (dice.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Self::new(dice.throw())
    }

    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..count`; 0 when there is nothing to choose.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let thrown = self.throw().checked_rem(count as u64).unwrap_or(0);
        usize::try_from(thrown).unwrap_or(0)
    }

    /// More than 0 and at most 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53;
        ((self.throw() % STEPS) + 1) as f64 / STEPS as f64
    }

    /// Anything from nothing up to `longest`.
    pub(crate) fn duration(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.throw() % nanos.saturating_add(1).max(1))
    }

    /// One of the choices, as often as its weight says.
    pub(crate) fn choose<'a, T>(&mut self, choices: &'a [(u32, T)]) -> Option<&'a T> {
        let weights: u64 = choices.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut thrown = self.throw().checked_rem(weights)?;
        for (weight, choice) in choices {
            match thrown.checked_sub(u64::from(*weight)) {
                Some(left) => thrown = left,
                None => return Some(choice),
            }
        }
        None
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place + 1));
        }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.throw().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_words_fall_the_same_way_and_others_do_not() {
        let thrown = |seed, words: &[&str]| Dice::of(seed, words).throw();
        assert_eq!(thrown(1, &["a", "b"]), thrown(1, &["a", "b"]));
        for (seed, words) in [
            (2, &["a", "b"][..]),
            (1, &["ab"]),
            (1, &["b", "a"]),
            (1, &[]),
        ] {
            assert_ne!(thrown(1, &["a", "b"]), thrown(seed, words), "{words:?}");
        }
    }

    #[test]
    fn choices_come_as_often_as_their_weight_and_none_of_no_weight() {
        let mut dice = Dice::new(7);
        let choices = [(1, 'a'), (0, 'b'), (3, 'c')];
        let chosen: String = (0..4000).filter_map(|_| dice.choose(&choices)).collect();
        let count = |choice| chosen.matches(choice).count();
        assert_eq!((chosen.len(), count('b')), (4000, 0));
        assert!((900..1100).contains(&count('a')), "{}", count('a'));
        assert_eq!(dice.choose::<char>(&[]), None);
        assert_eq!(dice.choose(&[(0, 'a')]), None);
    }

    #[test]
    fn bounds_are_kept_at_their_ends() {
        let mut dice = Dice::new(7);
        assert_eq!((dice.below(0), dice.below(1)), (0, 0));
        assert_eq!(dice.duration(Duration::ZERO), Duration::ZERO);
        let longest = Duration::from_nanos(1);
        assert!((0..64).any(|_| dice.duration(longest) == longest));
        assert!((0..64).all(|_| dice.duration(longest) <= longest));
        for count in [0, 1, 7, 8, 9] {
            assert_eq!(dice.bytes(count).len(), count);
        }
    }
}
