//! The proxy on real sockets: what the two ends see of a mishap.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const SOON: Duration = Duration::from_secs(10);

struct Line {
    proxy: FaultProxy,
    target: TcpListener,
}

impl Line {
    async fn with(plan: Plan) -> Self {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = target.local_addr().unwrap();
        let proxy = FaultProxy::start(address, plan).await.unwrap();
        Self { proxy, target }
    }

    /// Both ends of a new connection through the proxy.
    async fn ends(&self) -> (TcpStream, TcpStream) {
        let near = TcpStream::connect(self.proxy.address()).await.unwrap();
        let (far, _) = soon(self.target.accept()).await.unwrap();
        (near, far)
    }
}

async fn soon<T>(awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, awaited).await.expect("in time")
}

/// Everything until the end, and how it ended.
async fn read(stream: &mut TcpStream) -> (String, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let ended = soon(stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8(bytes).unwrap();
    (text, ended.err().map(|error| error.kind()))
}

fn up(mishap: Mishap) -> Plan {
    Plan::Always(Conduct {
        up: Way::mishap(2, mishap),
        ..Conduct::default()
    })
}

#[tokio::test]
async fn without_faults_everything_passes_both_ways_with_its_end() {
    let line = Line::with(Plan::default()).await;
    let (mut near, mut far) = line.ends().await;
    near.write_all(b"ask").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(read(&mut far).await, ("ask".to_owned(), None));
    far.write_all(b"answer").await.unwrap();
    drop(far);
    assert_eq!(read(&mut near).await, ("answer".to_owned(), None));

    let stats = line.proxy.stop().await;
    let expected = Stats {
        connections: 1,
        bytes_up: 3,
        bytes_down: 6,
        ..Stats::default()
    };
    assert_eq!(stats, expected);
}

#[tokio::test]
async fn a_reset_is_a_reset_for_both_ends() {
    let line = Line::with(up(Mishap::Reset)).await;
    let (mut near, mut far) = line.ends().await;
    near.write_all(b"ab").await.unwrap();
    let mut passed = [0; 2];
    soon(far.read_exact(&mut passed)).await.unwrap();
    near.write_all(b"c").await.unwrap();
    let reset = (String::new(), Some(ErrorKind::ConnectionReset));
    assert_eq!(read(&mut near).await, reset);
    assert_eq!(read(&mut far).await, reset);
    assert_eq!((&passed, line.proxy.stats().mishaps), (b"ab", 1));
}

#[tokio::test]
async fn a_close_is_an_end_in_good_order_for_both_ends() {
    let line = Line::with(up(Mishap::Close)).await;
    let (mut near, mut far) = line.ends().await;
    near.write_all(b"abc").await.unwrap();
    assert_eq!(read(&mut near).await, (String::new(), None));
    assert_eq!(read(&mut far).await, ("ab".to_owned(), None));
}

#[tokio::test]
async fn a_half_closed_connection_still_carries_the_other_direction() {
    let line = Line::with(up(Mishap::HalfClose)).await;
    let (mut near, mut far) = line.ends().await;
    near.write_all(b"abc").await.unwrap();
    assert_eq!(read(&mut far).await, ("ab".to_owned(), None));
    far.write_all(b"answer").await.unwrap();
    drop(far);
    assert_eq!(read(&mut near).await, ("answer".to_owned(), None));
}

#[tokio::test]
async fn a_black_hole_takes_everything_and_gives_nothing() {
    let line = Line::with(up(Mishap::Swallow)).await;
    let (mut near, mut far) = line.ends().await;
    // More than the buffers between could hold if nobody read.
    soon(near.write_all(&vec![b'x'; 8 << 20])).await.unwrap();
    let mut passed = [0; 2];
    soon(far.read_exact(&mut passed)).await.unwrap();
    let nothing = far.try_read(&mut passed);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(line.proxy.stats().bytes_up, 2);
}

#[tokio::test]
async fn nobody_listens_while_the_plan_says_so_and_the_address_stays() {
    let line = Line::with(Plan::Refuse).await;
    for _ in 0..3 {
        let refused = TcpStream::connect(line.proxy.address()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        line.proxy.set(Plan::default()).await.unwrap();
        let (near, mut far) = line.ends().await;
        drop(near);
        assert_eq!(read(&mut far).await, (String::new(), None));
        line.proxy.set(Plan::Refuse).await.unwrap();
    }
    assert_eq!(line.proxy.stats().connections, 3);
}

#[tokio::test]
async fn a_connection_keeps_the_conduct_that_it_began_with() {
    let line = Line::with(Plan::default()).await;
    let (mut near, mut far) = line.ends().await;
    line.proxy.set(up(Mishap::Reset)).await.unwrap();
    near.write_all(b"abc").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(read(&mut far).await, ("abc".to_owned(), None));

    let (mut near, _far) = line.ends().await;
    near.write_all(b"abc").await.unwrap();
    assert_eq!(read(&mut near).await.1, Some(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_target_that_is_not_there_resets_whoever_connected() {
    let line = Line::with(Plan::default()).await;
    drop(line.target);
    let mut near = TcpStream::connect(line.proxy.address()).await.unwrap();
    assert_eq!(read(&mut near).await.1, Some(ErrorKind::ConnectionReset));
    assert_eq!(line.proxy.stats().unreachable, 1);
}

#[tokio::test]
async fn a_stop_ends_every_connection_and_the_listener() {
    let line = Line::with(Plan::default()).await;
    let (mut near, mut far) = line.ends().await;
    let address = line.proxy.address();
    line.proxy.stop().await;
    assert_eq!(read(&mut near).await.0, "");
    assert_eq!(read(&mut far).await.0, "");
    let refused = TcpStream::connect(address).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn by_a_seed_the_nth_connection_always_fares_the_same() {
    let plan = |seed| Plan::Seeded {
        seed,
        conducts: vec![
            (1, Conduct::default()),
            (1, Conduct::both(&Way::mishap(0, Mishap::Reset))),
        ],
    };
    let fares = |plan: &Plan| -> Vec<bool> {
        let conducts = (0..64).map(|number| plan.conduct(number));
        conducts
            .map(|conduct| conduct.up.mishap.is_some())
            .collect()
    };
    let fared = fares(&plan(1));
    assert_eq!(fared, fares(&plan(1)));
    assert_ne!(fared, fares(&plan(2)));
    assert!(fared.contains(&true) && fared.contains(&false));
}
