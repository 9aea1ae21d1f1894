//! RFC 3986 §6: the service sees the path the gateway judged, or none.

use super::case::{Case, passed, refused, run};
use super::line;

fn canonical(path: &str, seen: &str) -> Case {
    let bytes = line(format!("GET {path} HTTP/1.1"));
    passed(bytes, &format!("GET {seen} HTTP/1.1 | host: h"))
}

fn ambiguous(path: impl AsRef<[u8]>) -> Case {
    let bytes = line([b"GET ", path.as_ref(), b" HTTP/1.1"].concat());
    refused(bytes, 400, "bad_target")
}

#[rustfmt::skip]
fn spellings() -> Vec<Case> {
    vec![
        canonical("/a/b",                    "/a/b"),
        canonical("/a/b/",                   "/a/b/"),
        canonical("/%61%2D%2e%5F%7e",        "/a-._~"),
        canonical("/a%20b%2c",               "/a%20b,"),
        canonical("/pay%3Arefund%2B%3b",     "/pay:refund%2B%3B"),
        canonical("/caf%c3%a9",              "/caf%C3%A9"),
        canonical("/100%25",                 "/100%25"),
        canonical("/%252e%252e/a",           "/%252e%252e/a"),
        canonical("/%252fa",                 "/%252fa"),
        canonical("/a/./b",                  "/a/b"),
        canonical("/a/../b",                 "/b"),
        canonical("/a/%2e%2E/b",             "/b"),
        canonical("/a/.%2e/b",               "/b"),
        canonical("/a/b/..",                 "/a/"),
        canonical("/a/b/.",                  "/a/b/"),
        canonical("/...",                    "/..."),
        canonical("/a..b/.c",                "/a..b/.c"),
        canonical("/a/..%20/b",              "/a/..%20/b"),
        canonical("/a=b,c:d@e!$&'()*+",      "/a=b,c:d@e!$&\\'()*+"),
        canonical("/http://h/b?c".replace("//", "/").as_str(), "/http:/h/b?c"),
        canonical("/a%3fb",                  "/a%3Fb"),
        canonical("/a%23b",                  "/a%23b"),
        canonical("/%F0%9F%92%B6",           "/%F0%9F%92%B6"),
    ]
}

#[rustfmt::skip]
fn refusals() -> Vec<Case> {
    vec![
        ambiguous("//"),
        ambiguous("//a"),
        ambiguous("//h/a"),
        ambiguous("/a//b"),
        ambiguous("/a//"),
        ambiguous("/a/..//b"),
        ambiguous("/a/.//b"),
        ambiguous("/.."),
        ambiguous("/../a"),
        ambiguous("/a/../../b"),
        ambiguous("/%2e%2e/a"),
        ambiguous("/%2e%2e%2fa"),
        ambiguous("/..%2fa"),
        ambiguous("/a%2fb"),
        ambiguous("/a%2Fb"),
        ambiguous("/a%5cb"),
        ambiguous("/a%5C..%5Cb"),
        ambiguous("/a\\b"),
        ambiguous("/a\\..\\b"),
        ambiguous("/a;b=c"),
        ambiguous("/a/..;/b"),
        ambiguous("/a/;/b"),
        // Escaped, `;` is one character of a segment to some services and a separator to others.
        ambiguous("/a%00"),
        ambiguous("/a%00.json"),
        ambiguous("/a%0d%0aX:%20y"),
        ambiguous("/a%0a"),
        ambiguous("/a%09b"),
        ambiguous("/a%1f"),
        ambiguous("/a%7f"),
        ambiguous("/a%"),
        ambiguous("/a%2"),
        ambiguous("/a%zz"),
        ambiguous("/a%+1"),
        ambiguous("/a% 1"),
        ambiguous("/a%u002f"),
        // Overlong forms of `/` and `.`, half a character, a surrogate, past the last code point.
        ambiguous("/%c0%af"),
        ambiguous("/%e0%80%af"),
        ambiguous("/%f0%80%80%af"),
        ambiguous("/%c0%ae%c0%ae/a"),
        ambiguous("/%c3"),
        ambiguous("/%ed%a0%80"),
        ambiguous("/%f4%90%80%80"),
        ambiguous("/%ff"),
        ambiguous("/a\"b"),
        ambiguous("/a<b>"),
        ambiguous("/a{b}"),
        ambiguous("/a|b"),
        ambiguous("/a^b"),
        ambiguous("/a`b"),
        ambiguous("/a[b]"),
        ambiguous("/a\u{7f}"),
        ambiguous("/a\u{1}"),
        ambiguous("/caf\u{e9}"),
        ambiguous("/a\u{ff0f}b"),
        ambiguous("http://h//a"),
        ambiguous("http://h/../a"),
    ]
}

#[tokio::test]
async fn a_path_reaches_the_service_in_one_spelling() {
    run(spellings()).await;
}

#[tokio::test]
async fn a_path_that_may_mean_two_is_refused() {
    run(refusals()).await;
}
