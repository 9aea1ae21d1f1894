//! Redis as the gateway meets it: one connection for records, another for the log.
//!
//! What lies there and when it is believed is said by [`idp_token::projection`]. Here it is carried.
//! The library's own reconnecting is not used: it has no deadline that a request could live with.

use std::time::Duration;

use idp_token::digest::TokenDigest;
use idp_token::log::Entry;
use idp_token::projection::{ENTRY_FIELD, LOG_KEY, StreamError, StreamId, find, read_entry};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, Script,
};
use tokio::time::timeout;
use tollgate_config::{Redis, RedisAddress};

/// To connect, and to say who we are.
const CONNECT_MAX: Duration = Duration::from_millis(300);
/// For a record. Whoever waits for it can still ask the identity provider.
const FIND_MAX: Duration = Duration::from_millis(100);
/// How long a read of the log waits for an entry. There is a beat long before.
const BLOCK: Duration = Duration::from_millis(200);
/// For a read of the log, and for whatever else is asked on that connection.
pub(super) const READ_MAX: Duration = Duration::from_millis(500);
/// Entries of one read.
const ENTRIES_MAX: usize = 256;
/// Commands on their way; more wait, and have a deadline.
const IN_FLIGHT_MAX: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TroubleError {
    #[error("Redis does not answer as it should")]
    Redis(#[from] RedisError),
    #[error("Redis did not answer in time")]
    Late,
    #[error("Redis does not say which server it is")]
    Nameless,
    #[error("an entry of the log cannot be read")]
    Entry(#[from] StreamError),
}

impl TroubleError {
    /// Whether the connection is of no more use. What the server answers is no such reason.
    pub(super) fn is_of_connection(&self) -> bool {
        match self {
            Self::Redis(error) => error.is_io_error() || error.is_connection_dropped(),
            Self::Late => true,
            Self::Nameless | Self::Entry(_) => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    options: AsyncConnectionConfig,
}

/// A connection for records, shared by all who look for one.
#[derive(Debug, Clone)]
pub(super) struct Records(MultiplexedConnection);

/// A connection for the log and for nothing else.
#[derive(Debug)]
pub(super) struct Log(MultiplexedConnection);

/// Which server it is, as which of two roles. With any part of it changed the server may lack what
/// was read of it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// Another after every start.
    run: String,
    /// Another after every change of role.
    replication: String,
    /// Only what a primary says is what there is.
    pub(super) is_primary: bool,
}

/// What a read of the log brought.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) entries: Vec<Entry>,
    /// Behind what to read on.
    pub(super) last: Option<StreamId>,
    /// Whether nothing was left out.
    pub(super) is_whole: bool,
    /// Why what comes after them could not be read; reading goes on behind it.
    pub(super) unreadable: Option<StreamError>,
    /// Who said all this, asked after it was said.
    pub(super) standing: Standing,
}

impl Server {
    /// Connects to nothing yet.
    pub(super) fn new(redis: &Redis) -> Result<Self, RedisError> {
        // Our own deadlines hold; the library's would count from when it sends.
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(IN_FLIGHT_MAX);
        Ok(Self {
            client: Client::open(connection_info(redis)?)?,
            options,
        })
    }

    pub(super) async fn connect_for_records(&self) -> Result<Records, TroubleError> {
        self.connect().await.map(Records)
    }

    pub(super) async fn connect_for_log(&self) -> Result<Log, TroubleError> {
        self.connect().await.map(Log)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, TroubleError> {
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&self.options);
        within(CONNECT_MAX * 2, connecting).await
    }
}

impl Records {
    /// The reply to `find`, to be read with what was known when it was sent.
    pub(super) async fn find(
        &mut self,
        digest: TokenDigest,
    ) -> Result<Vec<Option<Vec<u8>>>, TroubleError> {
        let call = find(digest);
        let script = Script::new(call.script);
        let mut invocation = script.prepare_invoke();
        for key in &call.keys {
            invocation.key(key);
        }
        within(FIND_MAX, invocation.invoke_async(&mut self.0)).await
    }
}

impl Log {
    pub(super) async fn standing(&mut self) -> Result<Standing, TroubleError> {
        let asked = within(READ_MAX, info().query_async::<String>(&mut self.0)).await?;
        Standing::read(&asked).ok_or(TroubleError::Nameless)
    }

    /// The last entry there is.
    pub(super) async fn end(&mut self) -> Result<Option<StreamId>, TroubleError> {
        let mut ask = redis::cmd("XREVRANGE");
        ask.arg(LOG_KEY).arg("+").arg("-").arg("COUNT").arg(1);
        let asking = ask.query_async::<Vec<Spelled>>(&mut self.0);
        let found = within(READ_MAX, asking).await?;
        let last = found.first();
        last.map(|(id, _)| StreamId::parse(id).ok_or(StreamError::Id))
            .transpose()
            .map_err(TroubleError::from)
    }

    /// What comes after that, at once or when there is something. A command on the same connection
    /// tells who said it: it is answered after the read.
    pub(super) async fn read(&mut self, after: StreamId) -> Result<Brought, TroubleError> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(ENTRIES_MAX).arg("BLOCK");
        read.arg(u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX));
        read.arg("STREAMS").arg(LOG_KEY).arg(after.to_string());
        let mut both = redis::pipe();
        both.add_command(read).add_command(info());
        let asking = both.query_async::<(Option<Vec<(String, Vec<Spelled>)>>, String)>(&mut self.0);
        let (streams, info) = within(READ_MAX, asking).await?;
        let spelled = streams.unwrap_or_default().into_iter().next();
        let spelled = spelled.map(|(_, entries)| entries).unwrap_or_default();
        let standing = Standing::read(&info).ok_or(TroubleError::Nameless)?;
        let mut brought = Brought {
            entries: Vec::with_capacity(spelled.len()),
            last: None,
            is_whole: spelled.len() < ENTRIES_MAX,
            unreadable: None,
            standing,
        };
        for (id, fields) in &spelled {
            brought.last = Some(StreamId::parse(id).ok_or(StreamError::Id)?);
            match read_one(id, fields) {
                Ok(entry) => brought.entries.push(entry),
                Err(error) => {
                    brought.unreadable = Some(error);
                    brought.is_whole = false;
                    break;
                }
            }
        }
        Ok(brought)
    }
}

/// An entry of a stream: its id, and names and values in turn.
type Spelled = (String, Vec<Vec<u8>>);

fn read_one(id: &str, fields: &[Vec<u8>]) -> Result<Entry, StreamError> {
    let text = match fields {
        [name, text] if name == ENTRY_FIELD.as_bytes() => text.as_slice(),
        // Whatever else lies there is no entry of this log.
        _ => b"",
    };
    read_entry(id, text).map(|(_, entry)| entry)
}

impl Standing {
    fn read(info: &str) -> Option<Self> {
        let find = |name: &str| {
            let mut lines = info.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(value.trim_end())
        };
        Some(Self {
            run: find("run_id")?.to_owned(),
            replication: find("master_replid")?.to_owned(),
            is_primary: find("role")? == "master",
        })
    }
}

/// Where a Redis is that a configuration names, and as whom it is spoken to.
pub fn connection_info(redis: &Redis) -> Result<ConnectionInfo, RedisError> {
    let address = match &redis.at {
        RedisAddress::Tcp(at) => ConnectionAddr::Tcp(at.ip().to_string(), at.port()),
        RedisAddress::Unix(path) => ConnectionAddr::Unix(path.clone()),
    };
    let mut settings = RedisConnectionInfo::default().set_db(redis.database.into());
    if let Some(username) = &redis.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &redis.password {
        settings = settings.set_password(password.as_str());
    }
    let info = address.into_connection_info()?;
    Ok(info
        .set_redis_settings(settings)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn info() -> redis::Cmd {
    let mut info = redis::cmd("INFO");
    info.arg("server").arg("replication");
    info
}

async fn within<T>(
    deadline: Duration,
    asking: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, TroubleError> {
    match timeout(deadline, asking).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(TroubleError::Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_by_its_run_its_history_and_its_role() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:ab\r\n\r\n# Replication\r\n\
                    role:master\r\nmaster_replid:cd\r\nmaster_replid2:00\r\n";
        let standing = Standing::read(info).unwrap();
        assert_eq!(
            standing,
            Standing {
                run: "ab".to_owned(),
                replication: "cd".to_owned(),
                is_primary: true,
            }
        );
        let replica = Standing::read(&info.replace("role:master", "role:slave")).unwrap();
        assert!(!replica.is_primary && replica != standing);
        for missing in ["run_id:", "role:", "master_replid:"] {
            assert_eq!(Standing::read(&info.replace(missing, "x:")), None);
        }
    }
}
