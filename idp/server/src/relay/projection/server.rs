//! One connection to the Redis server, and what is asked of it. Everything has a deadline.

use std::time::Duration;

use idp_token::epoch::Seq;
use idp_token::projection::{Call, EPOCHS_KEY, POSITION_FIELD, read_position};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, Script, ServerErrorKind,
};
use tollgate_config::{Redis, RedisAddress};

/// Much longer than any call takes, and shorter than the lease of a gateway.
const CALL_MAX: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    options: AsyncConnectionConfig,
}

#[derive(Debug, Clone)]
pub(super) struct Link(MultiplexedConnection);

impl Server {
    /// Connects to nothing yet.
    pub(super) fn new(redis: &Redis) -> Result<Self, RedisError> {
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
        let info = address
            .into_connection_info()?
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let options = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CALL_MAX))
            .set_response_timeout(Some(CALL_MAX));
        Ok(Self {
            client: Client::open(info)?,
            options,
        })
    }

    pub(super) async fn connect(&self) -> Result<Link, RedisError> {
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&self.options);
        connecting.await.map(Link)
    }
}

impl Link {
    /// Whether it was done; if not, nothing was.
    pub(super) async fn call(&mut self, call: &Call) -> Result<bool, RedisError> {
        let script = Script::new(call.script);
        let mut invocation = script.prepare_invoke();
        for key in &call.keys {
            invocation.key(key);
        }
        for argument in &call.arguments {
            invocation.arg(argument);
        }
        let done: i64 = invocation.invoke_async(&mut self.0).await?;
        Ok(done == 1)
    }

    /// As of which change it is complete; none if that cannot be read.
    pub(super) async fn position(&mut self) -> Result<Option<Seq>, RedisError> {
        let mut ask = redis::cmd("HGET");
        ask.arg(EPOCHS_KEY).arg(POSITION_FIELD);
        match ask.query_async::<Option<Vec<u8>>>(&mut self.0).await {
            Ok(text) => Ok(read_position(text.as_deref())),
            // Something else lies there.
            Err(error) if error.code() == Some("WRONGTYPE") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether the server did what it was told and found that it cannot be done on what lies there. It
/// is not so if the server is another one than it should be, or is not ready.
pub(super) fn is_broken(error: &RedisError) -> bool {
    let kind = error.kind();
    kind == ErrorKind::Server(ServerErrorKind::ResponseError)
        || (kind == ErrorKind::Extension && error.code() == Some("WRONGTYPE"))
}
