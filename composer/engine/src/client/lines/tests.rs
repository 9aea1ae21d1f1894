use tokio::net::{TcpListener, TcpSocket};

use super::*;

const IDLE: Duration = Duration::from_secs(10);

fn lines(clock: &Clock) -> Arc<Lines> {
    let timeouts = Timeouts {
        connect: Duration::from_secs(2),
        exchange: IDLE,
        idle: IDLE,
    };
    Lines::new(timeouts, clock.clone())
}

/// Somebody who listens, and where.
fn listen(waiting_max: u32) -> (TcpListener, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(waiting_max).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_connection_is_kept_for_its_time_and_no_longer() {
    let (_listener, address) = listen(16);
    let clock = Clock::default();
    let lines = lines(&clock);
    let line = lines.get(address).await.unwrap();
    assert!(!line.was_used);
    lines.put(line);
    clock.set_forward(IDLE - Duration::from_secs(1));
    let line = lines.get(address).await.unwrap();
    assert!(line.was_used);
    lines.put(line);
    clock.set_forward(IDLE);
    assert!(!lines.get(address).await.unwrap().was_used);
}

#[tokio::test]
async fn whoever_waits_for_a_new_connection_takes_one_that_others_are_done_with() {
    let (listener, address) = listen(1);
    let lines = lines(&Clock::default());
    let line = lines.get(address).await.unwrap();
    let _accepted = listener.accept().await.unwrap();
    // From here on nobody is taken any more.
    let mut waiting = Vec::new();
    while let Ok(come) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(come.unwrap());
    }
    let (got, ()) = tokio::join!(lines.get(address), async { lines.put(line) });
    assert!(got.unwrap().was_used);
}
