//! Who answers: a service with several addresses and one book.

mod conversation;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dice::Dice;

use super::entry::Deed;
use super::log::{Heard, Log};
use conversation::Conversation;

/// Connections at a time and address; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;

/// What is done with requests that do not say: by the seed and the id, whenever they come.
#[derive(Clone, Debug, Default)]
pub struct Habit {
    pub seed: u64,
    /// With weights; none means that every request is answered.
    pub deeds: Vec<(u32, Deed)>,
}

impl Habit {
    fn deed(&self, id: &str) -> Deed {
        let mut dice = Dice::of(self.seed, &["habit", id]);
        dice.choose(&self.deeds).copied().unwrap_or(Deed::Answer)
    }
}

#[derive(Debug)]
pub struct Upstream {
    addresses: Vec<SocketAddr>,
    log: Log,
    stop: watch::Sender<bool>,
    accepting: JoinSet<()>,
}

impl Upstream {
    /// Listens on so many free ports of this machine.
    pub async fn start(endpoints: usize, habit: Habit) -> io::Result<Self> {
        let mut upstream = Self {
            addresses: Vec::new(),
            log: Log::default(),
            stop: watch::Sender::new(false),
            accepting: JoinSet::new(),
        };
        let habit = Arc::new(habit);
        let connections = Arc::new(AtomicU64::new(0));
        for number in 0..endpoints {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            upstream.addresses.push(listener.local_addr()?);
            let endpoint = Endpoint {
                number,
                connections: Arc::clone(&connections),
                habit: Arc::clone(&habit),
                log: upstream.log.clone(),
                stopped: upstream.stop.subscribe(),
            };
            upstream.accepting.spawn(endpoint.accept(listener));
        }
        Ok(upstream)
    }

    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The book as far as it is written.
    pub fn heard(&self) -> Vec<Heard> {
        self.log.read()
    }

    /// Writes down what lies in the sockets yet, ends every connection and closes the book.
    pub async fn finish(mut self) -> Vec<Heard> {
        self.stop.send_replace(true);
        while self.accepting.join_next().await.is_some() {}
        self.log.read()
    }
}

/// One address of the upstream.
#[derive(Clone)]
struct Endpoint {
    number: usize,
    connections: Arc<AtomicU64>,
    habit: Arc<Habit>,
    log: Log,
    stopped: watch::Receiver<bool>,
}

impl Endpoint {
    async fn accept(mut self, listener: TcpListener) {
        let mut open = JoinSet::new();
        loop {
            let has_room = open.len() < CONNECTIONS_MAX;
            let endpoint = self.clone();
            tokio::select! {
                accepted = listener.accept(), if has_room => {
                    // A connection that is gone before it is accepted carried nothing.
                    let Ok((stream, _)) = accepted else { continue };
                    let connection = self.connections.fetch_add(1, Ordering::Relaxed);
                    open.spawn(Conversation::new(endpoint, connection).hold(stream));
                }
                Some(_) = open.join_next() => {}
                _ = self.stopped.wait_for(|stopped| *stopped) => break,
            }
        }
        while open.join_next().await.is_some() {}
    }
}
