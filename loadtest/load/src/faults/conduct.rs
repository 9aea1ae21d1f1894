//! How connections fare, as plain data.

use std::time::Duration;

use crate::dice::Dice;

/// How connections fare from now on.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Nobody listens.
    Refuse,
    Always(Conduct),
    /// One of these per connection, as often as its weight says; by its number and the seed alone.
    Seeded {
        seed: u64,
        conducts: Vec<(u32, Conduct)>,
    },
}

/// Every byte passes as it comes.
impl Default for Plan {
    fn default() -> Self {
        Self::Always(Conduct::default())
    }
}

impl Plan {
    pub(super) fn seed(&self) -> u64 {
        match self {
            Self::Refuse | Self::Always(_) => 0,
            Self::Seeded { seed, .. } => *seed,
        }
    }

    pub(super) fn conduct(&self, connection: u64) -> Conduct {
        match self {
            Self::Refuse => Conduct::default(),
            Self::Always(conduct) => conduct.clone(),
            Self::Seeded { seed, conducts } => {
                let mut dice = Dice::of(*seed, &["conduct", &connection.to_string()]);
                dice.choose(conducts).cloned().unwrap_or_default()
            }
        }
    }
}

/// How one connection fares.
#[derive(Clone, Debug, Default)]
pub struct Conduct {
    /// From whoever connected to the target.
    pub up: Way,
    /// From the target back.
    pub down: Way,
}

impl Conduct {
    /// The same in both directions.
    pub fn both(way: &Way) -> Self {
        Self {
            up: way.clone(),
            down: way.clone(),
        }
    }
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Way {
    pub delay: Duration,
    /// At most so much longer, anew for whatever is read at once; the order of bytes stays.
    pub jitter: Duration,
    /// Bytes are passed on in pieces of one up to this many.
    pub slice_bytes_max: Option<usize>,
    pub bytes_per_second: Option<u32>,
    /// What happens just before the byte at this offset would pass.
    pub mishap: Option<(u64, Mishap)>,
}

impl Way {
    pub fn sliced(slice_bytes_max: usize) -> Self {
        Self {
            slice_bytes_max: Some(slice_bytes_max),
            ..Self::default()
        }
    }

    pub fn mishap(offset: u64, mishap: Mishap) -> Self {
        Self {
            mishap: Some((offset, mishap)),
            ..Self::default()
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Both sides get a real RST.
    Reset,
    /// Both sides get a FIN; what they still send is read and lost.
    Close,
    /// The receiver gets a FIN; the other direction goes on.
    HalfClose,
    /// What follows is read and lost: a black hole.
    Swallow,
    /// Nothing is read any more, so that the sender cannot write for long.
    Stall,
    /// These bytes come in between.
    Inject(Vec<u8>),
    /// These bytes come in place of as many others.
    Replace(Vec<u8>),
}
