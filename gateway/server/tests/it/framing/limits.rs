//! How much of a head is read: at the limit, and one past it.

use super::case::{Case, passed, refused, run};
use super::{get, line};

const HEAD_BYTES_MAX: usize = 32 * 1024;
const TARGET_BYTES_MAX: usize = 8 * 1024;
const FIELDS_MAX: usize = 100;

/// A head of exactly so many bytes, with its last field as filler.
fn head_of(bytes: usize) -> Vec<u8> {
    let around = get("Connection: X").len() + "\r\nX: ".len();
    get(format!(
        "Connection: X\r\nX: {}",
        "x".repeat(bytes - around)
    ))
}

/// A head with so many fields, `Host` and `Connection` among them.
fn fields_of(count: usize) -> Vec<u8> {
    get(format!("Connection: X{}", "\r\nX: y".repeat(count - 2)))
}

fn target_of(bytes: usize) -> Vec<u8> {
    line(format!(
        "GET /a?{} HTTP/1.1",
        "b".repeat(bytes - "/a?".len())
    ))
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let nothing_left = "GET /a HTTP/1.1 | host: h";
    let long_target = format!("GET /a?{} HTTP/1.1 | host: h", "b".repeat(TARGET_BYTES_MAX - 3));
    let long_path = format!("/{}", "a/".repeat(4000));
    vec![
        passed(head_of(HEAD_BYTES_MAX),            nothing_left),
        refused(head_of(HEAD_BYTES_MAX + 1),       431, "head_too_large"),
        refused(head_of(HEAD_BYTES_MAX + 8192),    431, "head_too_large"),
        passed(fields_of(FIELDS_MAX),              nothing_left),
        refused(fields_of(FIELDS_MAX + 1),         431, "head_too_large"),
        refused(fields_of(FIELDS_MAX * 10),        431, "head_too_large"),
        passed(target_of(TARGET_BYTES_MAX),        &long_target),
        refused(target_of(TARGET_BYTES_MAX + 1),   414, "target_too_long"),
        passed(line(format!("GET {long_path} HTTP/1.1")), &format!("GET {long_path} HTTP/1.1 | host: h")),
        refused(line(format!("GET {long_path}{long_path} HTTP/1.1")), 414, "target_too_long"),
        refused(line(format!("{} /a HTTP/1.1", "G".repeat(HEAD_BYTES_MAX))), 431, "head_too_large"),
        refused("G".repeat(HEAD_BYTES_MAX + 1),    431, "head_too_large"),
        refused(get(format!("{}: b", "X".repeat(HEAD_BYTES_MAX))), 431, "head_too_large"),
    ]
}

#[tokio::test]
async fn a_head_is_read_to_its_limits_and_not_one_byte_further() {
    run(cases()).await;
}
