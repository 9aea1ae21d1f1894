//! One token, from its beginning to its end.

use std::sync::{Arc, OnceLock};

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::BenchError;
use crate::fleet::{Done, Fleet, Operator, Token, Wait};

/// Connections over which many tokens are issued at once: what is waiting shares an `fsync`.
const ISSUERS: usize = 32;

#[derive(Debug)]
pub struct Case {
    pub token: Token,
    asked: OnceLock<Instant>,
    acknowledged: OnceLock<Instant>,
}

pub type Cases = Arc<Vec<Case>>;

impl Case {
    #[must_use]
    pub fn new(token: Token) -> Self {
        Self {
            token,
            asked: OnceLock::new(),
            acknowledged: OnceLock::new(),
        }
    }

    /// So many new ones, of the client itself or of the user with this id.
    pub async fn issue(
        fleet: &Fleet,
        count: usize,
        user: Option<&str>,
    ) -> Result<Vec<Self>, BenchError> {
        let mut issuing = JoinSet::new();
        for issuer in 0..ISSUERS {
            let share = count / ISSUERS + usize::from(issuer < count % ISSUERS);
            let mut operator = fleet.operator()?;
            let user = user.map(str::to_owned);
            issuing.spawn(async move {
                let mut cases = Vec::with_capacity(share);
                for _ in 0..share {
                    cases.push(Self::new(operator.issue(user.as_deref()).await?));
                }
                Ok::<_, BenchError>(cases)
            });
        }
        let mut cases = Vec::with_capacity(count);
        for issued in issuing.join_all().await {
            cases.extend(issued?);
        }
        Ok(cases)
    }

    /// Ends its session. If nobody can be asked, it may be over or not.
    pub async fn end(&self, operator: &mut Operator, wait: Wait) -> Result<Done, BenchError> {
        self.ask_now();
        let done = operator.end_session(&self.token.session, wait).await?;
        self.acknowledge_now();
        Ok(done)
    }

    /// From now on it may be refused.
    pub fn ask_now(&self) {
        self.asked.get_or_init(Instant::now);
    }

    /// From a lease after now on it must be.
    pub fn acknowledge_now(&self) {
        self.acknowledged.get_or_init(Instant::now);
    }

    /// When its end was first asked for.
    #[must_use]
    pub fn asked(&self) -> Option<Instant> {
        self.asked.get().copied()
    }

    #[must_use]
    pub fn acknowledged(&self) -> Option<Instant> {
        self.acknowledged.get().copied()
    }
}
