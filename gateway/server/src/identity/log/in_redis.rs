//! Reads the log in Redis until there is a reason to read it elsewhere.

use idp_token::follow::Read;
use idp_token::projection::{Start, StreamId, start};

use super::Reader;
use crate::clock;
use crate::identity::redis::{Log, Server, Standing, TroubleError};
use crate::metrics::Void;

/// Why it is read elsewhere from now on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Left {
    #[error(transparent)]
    Trouble(#[from] TroubleError),
    #[error("this Redis is a replica")]
    Replica,
    #[error("this Redis is another one than before, or has changed its role")]
    AnotherServer,
    #[error("this Redis lacks what was read elsewhere")]
    Behind,
    #[error("Redis was silent for three beats")]
    Silent,
}

pub(super) async fn follow(reader: &mut Reader, server: &Server) -> Left {
    match read_on(reader, server).await {
        Ok(never) => match never {},
        Err(left) => left,
    }
}

async fn read_on(reader: &mut Reader, server: &Server) -> Result<std::convert::Infallible, Left> {
    let mut log = server.connect_for_log().await?;
    reader.meet(log.standing().await?)?;
    let mut after = place(reader, &mut log).await?;
    loop {
        let began = clock::boot();
        let brought = log.read(after).await?;
        reader.check(&brought.standing)?;
        let beat = reader.last_beat();
        reader.take(Read {
            began,
            entries: &brought.entries,
            is_whole: brought.is_whole,
        });
        if reader.last_beat() != beat {
            reader.alive_at = clock::boot();
        }
        if let Some(error) = &brought.unreadable {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "everything remembered of tokens is void");
            reader.lose(Void::Unreadable);
        }
        after = match brought.last {
            Some(last) => last,
            // A stream that was lost begins at a lower id than the one that was read last.
            None => place(reader, &mut log).await?,
        };
        if reader.is_silent() {
            return Err(Left::Silent);
        }
    }
}

/// Behind what to read on.
async fn place(reader: &mut Reader, log: &mut Log) -> Result<StreamId, Left> {
    let end = log.end().await?;
    if let Some(end) = end {
        reader.begin_at(end.seq);
    }
    match start(end, reader.known()) {
        Start::After(id) => Ok(id),
        Start::Behind => Err(Left::Behind),
    }
}

impl Reader {
    /// What another server says may lack what this one said.
    fn meet(&mut self, standing: Standing) -> Result<(), Left> {
        if !standing.is_primary {
            return Err(Left::Replica);
        }
        if self.standing.as_ref().is_some_and(|met| *met != standing) {
            self.lose(Void::AnotherServer);
        }
        self.standing = Some(standing);
        Ok(())
    }

    /// Whether it is still the one that was met. If not, nothing that it said in between counts.
    fn check(&mut self, standing: &Standing) -> Result<(), Left> {
        if self.standing.as_ref() == Some(standing) {
            return Ok(());
        }
        self.lose(Void::AnotherServer);
        self.standing = None;
        Err(Left::AnotherServer)
    }
}
