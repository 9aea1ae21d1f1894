//! Services in this process, out of which a composer makes the list of the bench `compose`.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::bench::BenchError;
use crate::bench::compose::stage::{More, ROWS, Services, composer_file};

pub(super) const PATH: &str = "/members/7/transfer-history";

/// One process for all of them, as they are told apart by their paths. Ends with it.
pub(super) struct Composable {
    address: SocketAddr,
    _conversations: JoinSet<()>,
}

impl Composable {
    pub(super) async fn start() -> Result<Self, BenchError> {
        let failed = || BenchError::io("cannot start the services");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let mut conversations = JoinSet::new();
        conversations.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(converse(stream));
            }
        });
        Ok(Self {
            address,
            _conversations: conversations,
        })
    }

    /// What a composer is to be started with.
    pub(super) fn config(&self, [address, admin]: [SocketAddr; 2]) -> String {
        let services = Services {
            membership: self.address,
            banking: self.address,
            money: self.address,
            remittance: self.address,
        };
        composer_file(services, (address, admin), &More::default())
    }
}

async fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut heard = Vec::new();
    while stream.read_buf(&mut heard).await? > 0 {
        while let Some(at) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = heard.drain(..at + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).unwrap_or_default();
            stream.write_all(answer(target).as_bytes()).await?;
        }
    }
    Ok(())
}

/// Bodies that are made and measure like those of the pay services.
fn answer(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = match path {
        "/remittances" => history(),
        "/directory" => directory(query),
        "/banks" => banks(),
        _ => "{\"memberId\":\"7\",\"amount\":\"24946.08\",\"currency\":\"USD\"}".to_owned(),
    };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, max-age=3600\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn history() -> String {
    let rows = (0..ROWS).map(|row| {
        format!(
            "{{\"remittanceId\":\"{}\",\"senderId\":\"7\",\"receiverId\":\"{}\",\"bankCode\":\"{:04}\",\
             \"amount\":\"{}.21\",\"currency\":\"USD\",\"state\":\"sent\",\
             \"createdAt\":\"2024-12-30T23:58:56Z\",\"sentAt\":\"2024-12-30T23:58:57Z\"}}",
            400_000 - row,
            10_000 + row,
            row * 7,
            1_000 + row,
        )
    });
    let rows = rows.collect::<Vec<_>>().join(",");
    format!("{{\"items\":[{rows}],\"next\":\"k378b1\"}}")
}

fn directory(query: &str) -> String {
    let ids = query.split('&').find_map(|pair| pair.strip_prefix("ids="));
    let ids = ids.unwrap_or_default().replace("%2C", ",");
    let mut body = String::from("[");
    for id in ids.split(',') {
        let separator = if body.len() > 1 { "," } else { "" };
        let _ = write!(
            body,
            "{separator}{{\"memberId\":\"{id}\",\"name\":\"Person of {id}\",\"country\":\"JP\",\"version\":1}}"
        );
    }
    body + "]"
}

fn banks() -> String {
    let banks = (0..1_000).map(|bank| {
        format!("{{\"bankCode\":\"{bank:04}\",\"name\":\"Bank of Tanaka No. {bank}\",\"country\":\"JP\",\"version\":1}}")
    });
    format!("[{}]", banks.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn body(target: &str) -> Value {
        let answer = answer(target);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn every_name_of_a_row_can_be_had() {
        let history = body("/remittances?member=7&limit=100");
        let rows = history["items"].as_array().unwrap();
        assert_eq!(rows.len(), ROWS);
        let ids: Vec<_> = rows
            .iter()
            .map(|row| row["receiverId"].as_str().unwrap())
            .collect();
        let members = body(&format!("/directory?ids={}&versions=", ids.join("%2C")));
        for (member, id) in members.as_array().unwrap().iter().zip(&ids) {
            assert_eq!(member["memberId"], **id);
        }
        let banks = body("/banks");
        let codes: Vec<_> = banks
            .as_array()
            .unwrap()
            .iter()
            .map(|bank| &bank["bankCode"])
            .collect();
        assert!(rows.iter().all(|row| codes.contains(&&row["bankCode"])));
    }
}
