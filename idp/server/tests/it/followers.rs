//! As many follow the log as may, and no more.

use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gateway::in_time;
use crate::relay::{ask, silent_server};
use crate::server::Server;

const FOLLOWERS_MAX: usize = 256;

async fn follow(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.internal()).await.unwrap();
    stream.write_all(ask(server).as_bytes()).await.unwrap();
    stream
}

async fn is_refused(server: &Server) -> bool {
    let key = server.secret("gateway.key");
    let path = "/internal/log?after=0";
    let reply = server.inside(Method::GET, path, Some(&key), "").await;
    if reply.status == StatusCode::OK {
        return false;
    }
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.text_of("code"), "followers");
    assert_eq!(reply.field("retry-after"), Some("1"));
    true
}

/// Where nothing is in the log and nothing can be put there, whoever follows it waits.
#[tokio::test]
async fn so_many_follow_the_log_and_one_more_is_refused_until_one_leaves() {
    let server = silent_server().await;
    let mut following = Vec::new();
    for _ in 0..FOLLOWERS_MAX {
        following.push(follow(&server).await);
    }
    server
        .until_metric("log_followers", FOLLOWERS_MAX as f64 - 1.0)
        .await;
    assert!(is_refused(&server).await);
    // Everything else is still to be had.
    assert!(server.filter_keys().await.is_private());

    let leaving = following.pop().unwrap();
    drop(leaving);
    let fewer = async {
        while server.metric("log_followers").await >= FOLLOWERS_MAX as f64 {
            tokio::task::yield_now().await;
        }
    };
    in_time("one follower less", fewer).await;
    let mut last = follow(&server).await;
    server
        .until_metric("log_followers", FOLLOWERS_MAX as f64 - 1.0)
        .await;
    assert!(is_refused(&server).await);
    server.stop().await;
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200"),
        "it had a place: {answer}"
    );
}
