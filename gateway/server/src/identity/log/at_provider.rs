//! Reads the log at the identity provider, one page after the other.

use std::time::Duration;

use idp_token::epoch::Seq;
use idp_token::log::{After, Gap};
use tokio::time::sleep;

use super::Reader;
use crate::clock;
use crate::identity::patience::Patience;
use crate::identity::provider::{CallError, Provider};
use crate::metrics::Void;

/// Between reads that fail, or bring nothing at once.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the log of the identity provider cannot be read")]
    Call(#[from] CallError),
    #[error("the log of the identity provider does not fit")]
    Gap(#[from] Gap),
}

/// Goes on until it is dropped.
pub(super) async fn follow(reader: &mut Reader, provider: &Provider) {
    let mut patience = Patience::new(PAUSE_MIN, PAUSE_MAX);
    loop {
        let pause = match read(reader, provider).await {
            Ok(had_entries) => {
                if patience.regain() {
                    tracing::info!("the log of the identity provider is read again");
                }
                // It answers at once if it is about to stop.
                (!had_entries).then_some(PAUSE_MIN)
            }
            Err(trouble) => {
                reader.metrics.log.failures.inc();
                let (pause, is_first) = patience.lose();
                if is_first {
                    let error = &trouble as &dyn std::error::Error;
                    tracing::warn!(error, "nothing is heard of changes");
                }
                Some(pause)
            }
        };
        if let Some(pause) = pause {
            sleep(pause).await;
        }
    }
}

/// Whether there was anything in it.
async fn read(reader: &mut Reader, provider: &Provider) -> Result<bool, Trouble> {
    let after = After {
        seq: reader.known(),
        beat: reader.last_beat(),
    };
    let sent = clock::boot();
    let page = match provider.page(after).await {
        Ok(page) => page,
        Err(error) => {
            if is_unreadable(&error) {
                reader.lose(Void::Unreadable);
            }
            return Err(error.into());
        }
    };
    let last = Seq(page.hello.next.0.saturating_sub(1));
    if reader.begin_at(last) {
        return Ok(true);
    }
    reader.take_page(sent, &page)?;
    Ok(!page.entries.is_empty())
}

/// Whether something was there that may matter, and not nothing at all.
fn is_unreadable(error: &CallError) -> bool {
    matches!(error, CallError::Page(_))
}
