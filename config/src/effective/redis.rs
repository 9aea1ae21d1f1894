//! Where Redis answers, on the page.

use super::page::Page;
use crate::reader::{Field, Short};
use crate::units::RedisUrl;
use crate::written::Redis;

/// A URL holds no password but that of a variable, which is shown as the variable it is.
pub(super) fn write(page: &mut Page<'_>, field: &Field<Short<RedisUrl, Redis>>, absent: &str) {
    match field.value() {
        None => page.remark(&format!("redis: {absent}")),
        Some(Short::Scalar(_)) => page.required("redis", field),
        Some(Short::Map(redis)) => {
            page.head("redis", field);
            page.required("url", &redis.url);
            page.required("password_file", &redis.password_file);
            page.end();
        }
    }
}
