//! A TCP proxy that does to a connection what networks and dying processes do to one.
//!
//! It stands between a client and the gateway, or between the gateway and a service. A [`Plan`]
//! says how connections fare from now on: late, in slices, slowly, cut with a reset or a FIN after
//! so many bytes, swallowed, half-closed, with bytes that nobody sent, or refused. By a seed the
//! n-th connection always fares the same.
//!
//! It knows nothing of HTTP, holds at most a few pieces per direction, and a connection keeps the
//! conduct that it began with. All of them at once can be frozen, as by a cable that is out: nothing
//! passes until they thaw, and then everything does. Or they are severed, as by a router that restarts.

mod conduct;
mod connection;
mod stats;
mod way;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub use conduct::{Conduct, Mishap, Plan, Way};
pub use stats::Stats;

use crate::dice::Dice;
use stats::Counters;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1024;
const BACKLOG: u32 = 1024;

#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    orders: mpsc::Sender<Order>,
    counters: Arc<Counters>,
    is_frozen: watch::Sender<bool>,
    /// The task that accepts and owns every connection.
    accepting: JoinSet<()>,
}

/// What is to be done, and whom to tell that it is.
type Order = (Deed, oneshot::Sender<io::Result<()>>);

#[derive(Debug)]
enum Deed {
    Follow(Plan),
    Sever,
    Aim(SocketAddr),
}

impl FaultProxy {
    /// Listens on a free port of this machine.
    pub async fn start(target: SocketAddr, plan: Plan) -> io::Result<Self> {
        let door = Door::open("127.0.0.1:0".parse().map_err(io::Error::other)?)?;
        let address = door.address()?;
        let counters = Arc::new(Counters::default());
        let (orders, received) = mpsc::channel(1);
        let is_frozen = watch::Sender::new(false);
        let proxy = Proxy {
            target,
            address,
            plan: Plan::default(),
            door,
            counters: Arc::clone(&counters),
            is_frozen: is_frozen.subscribe(),
        };
        let mut accepting = JoinSet::new();
        accepting.spawn(proxy.run(received));
        let started = Self {
            address,
            orders,
            counters,
            is_frozen,
            accepting,
        };
        started.set(plan).await?;
        Ok(started)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the return on, new connections fare by this plan.
    pub async fn set(&self, plan: Plan) -> io::Result<()> {
        self.order(Deed::Follow(plan)).await
    }

    /// Ends every connection there is, without a word.
    pub async fn sever(&self) -> io::Result<()> {
        self.order(Deed::Sever).await
    }

    /// From the return on, new connections lead elsewhere.
    pub async fn aim(&self, target: SocketAddr) -> io::Result<()> {
        self.order(Deed::Aim(target)).await
    }

    /// From the return on nothing passes, in either direction, on any connection.
    pub fn freeze(&self) {
        self.is_frozen.send_replace(true);
    }

    /// What was held up passes now.
    pub fn thaw(&self) {
        self.is_frozen.send_replace(false);
    }

    async fn order(&self, deed: Deed) -> io::Result<()> {
        let (tell, told) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let ordered = self.orders.send((deed, tell)).await;
        ordered.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Closes the listener and every connection at once.
    pub async fn stop(mut self) -> Stats {
        self.accepting.shutdown().await;
        self.counters.read()
    }
}

struct Proxy {
    target: SocketAddr,
    address: SocketAddr,
    plan: Plan,
    door: Door,
    counters: Arc<Counters>,
    is_frozen: watch::Receiver<bool>,
}

impl Proxy {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut connections = JoinSet::new();
        let mut number = 0;
        loop {
            let has_room = connections.len() < CONNECTIONS_MAX;
            tokio::select! {
                biased;
                order = orders.recv() => {
                    let Some((deed, tell)) = order else { return };
                    let done = match deed {
                        Deed::Follow(plan) => self.take(plan),
                        Deed::Aim(target) => {
                            self.target = target;
                            Ok(())
                        }
                        Deed::Sever => {
                            connections.shutdown().await;
                            Ok(())
                        }
                    };
                    // Who asked may have given up waiting; it is done all the same.
                    let _ = tell.send(done);
                }
                Some(_) = connections.join_next() => {}
                stream = self.door.accept(), if has_room => {
                    let conduct = self.plan.conduct(number);
                    let dice = Dice::of(self.plan.seed(), &["connection", &number.to_string()]);
                    number += 1;
                    let line = connection::Line {
                        target: self.target,
                        conduct,
                        dice,
                        counters: Arc::clone(&self.counters),
                        is_frozen: self.is_frozen.clone(),
                    };
                    connections.spawn(line.carry(stream));
                }
            }
        }
    }

    fn take(&mut self, plan: Plan) -> io::Result<()> {
        self.plan = plan;
        match (&self.plan, &self.door) {
            (Plan::Refuse, Door::Open(_)) => {
                // The listener must be gone before its port can be held without listening.
                self.door = Door::Shut(None);
                self.door = Door::Shut(Some(bind(self.address)?));
            }
            (Plan::Always(_) | Plan::Seeded { .. }, Door::Shut(_)) => {
                self.door = Door::Shut(None);
                self.door = Door::open(self.address)?;
            }
            (Plan::Refuse, Door::Shut(_))
            | (Plan::Always(_) | Plan::Seeded { .. }, Door::Open(_)) => {}
        }
        Ok(())
    }
}

/// Where connections come in.
#[derive(Debug)]
enum Door {
    Open(TcpListener),
    /// The port is ours, but nobody listens on it.
    Shut(Option<TcpSocket>),
}

impl Door {
    fn open(address: SocketAddr) -> io::Result<Self> {
        bind(address)?.listen(BACKLOG).map(Self::Open)
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Open(listener) => listener.local_addr(),
            Self::Shut(Some(socket)) => socket.local_addr(),
            Self::Shut(None) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn accept(&self) -> TcpStream {
        let Self::Open(listener) = self else {
            return std::future::pending().await;
        };
        loop {
            // A connection that is gone before it is accepted is nobody's loss.
            if let Ok((stream, _)) = listener.accept().await {
                return stream;
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
