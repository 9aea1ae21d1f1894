//! Before which change is everything that was learned void?
//!
//! Every security change is published with a number; the numbers only grow. An *epoch* is such a
//! number set on a session, a subject, a client, a tenant or on everything: what was learned about
//! it before is void. Numbers compose by their maximum, never by a clock, so that of two rules the
//! stricter one wins, in whichever order and however often they arrive.

/// The number of a published change. Nothing was published before 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The epochs that bear on one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epochs {
    pub session: Seq,
    pub subject: Seq,
    pub client: Seq,
    pub tenant: Seq,
    pub global: Seq,
}

impl Epochs {
    /// Both rules at once.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            session: self.session.max(other.session),
            subject: self.subject.max(other.subject),
            client: self.client.max(other.client),
            tenant: self.tenant.max(other.tenant),
            global: self.global.max(other.global),
        }
    }

    /// The newest of them: what was learned before it is void.
    #[must_use]
    pub fn floor(self) -> Seq {
        let inner = self.session.max(self.subject).max(self.client);
        inner.max(self.tenant).max(self.global)
    }

    /// Whether something learned at that point still holds. A record that fails is not invalid: it
    /// is older than what is known, from a store that lags or was restored, so the identity
    /// provider is asked.
    #[must_use]
    pub fn admit(self, learned_at: Seq) -> bool {
        learned_at >= self.floor()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_epochs() -> impl Strategy<Value = Epochs> {
        any::<[u8; 5]>().prop_map(|seqs| {
            let [session, subject, client, tenant, global] = seqs.map(|seq| Seq(u64::from(seq)));
            Epochs {
                session,
                subject,
                client,
                tenant,
                global,
            }
        })
    }

    #[test]
    fn each_epoch_voids_what_was_learned_before_it_and_nothing_later() {
        let at = |seq| Seq(seq);
        let only = [
            Epochs {
                session: at(7),
                ..Epochs::default()
            },
            Epochs {
                subject: at(7),
                ..Epochs::default()
            },
            Epochs {
                client: at(7),
                ..Epochs::default()
            },
            Epochs {
                tenant: at(7),
                ..Epochs::default()
            },
            Epochs {
                global: at(7),
                ..Epochs::default()
            },
        ];
        for epochs in only {
            let found = [6, 7, 8].map(|seq| epochs.admit(at(seq)));
            assert_eq!(found, [false, true, true], "{epochs:?}");
        }
        assert!(Epochs::default().admit(Seq::NONE));
    }

    proptest! {
        #[test]
        fn rules_compose_in_any_order_and_however_often(
            (a, b, c) in (any_epochs(), any_epochs(), any_epochs()),
        ) {
            prop_assert_eq!(a.join(b), b.join(a));
            prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
            prop_assert_eq!(a.join(a), a);
            prop_assert_eq!(a.join(Epochs::default()), a);
        }

        #[test]
        fn the_stricter_of_two_rules_wins((a, b) in (any_epochs(), any_epochs()), seq in 0..300_u64) {
            let both = a.admit(Seq(seq)) && b.admit(Seq(seq));
            prop_assert_eq!(a.join(b).admit(Seq(seq)), both);
        }
    }
}
