//! What somebody says is not so any more, as it is sent: one order or many, by key, by lookup or all.

use bytes::Bytes;
use composer_core::Json;
use composer_core::json::{Name, Value};

use crate::engine::Engine;
use crate::forget::{Stale, Unforgettable};

/// Orders in one request.
const ORDERS_MAX: usize = 10_000;
/// What a request may measure.
pub(crate) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Why nothing was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misread {
    #[error(
        "expected {{\"lookup\": …}}, {{\"lookup\": …, \"key\": …}} or {{\"all\": true}}, \
         or an array of these"
    )]
    Form,
    #[error("at most {ORDERS_MAX} orders in one request")]
    TooMany,
    #[error(transparent)]
    Unforgettable(#[from] Unforgettable),
}

/// Reads orders and carries them out: all, or none where one cannot be understood. How many.
pub async fn invalidate(engine: &Engine, body: &Bytes) -> Result<usize, Misread> {
    let orders = parse(body)?;
    engine.invalidate(&orders).await?;
    Ok(orders.len())
}

fn parse(body: &Bytes) -> Result<Vec<Stale>, Misread> {
    let body = Json::parse(body).map_err(|_| Misread::Form)?;
    let Some(items) = body.value().items() else {
        return Ok(vec![order(body.value())?]);
    };
    let mut orders = Vec::new();
    for item in items {
        if orders.len() == ORDERS_MAX {
            return Err(Misread::TooMany);
        }
        orders.push(order(item)?);
    }
    Ok(orders)
}

fn order(value: Value<'_>) -> Result<Stale, Misread> {
    let member = |name| value.member(&Name::new(name), &mut 0);
    let text = |value: Value<'_>| value.text().map(|text| text.into_owned());
    match (member("all"), member("lookup"), member("key")) {
        (Some(all), None, None) if all.is_true() => Ok(Stale::Everything),
        (None, Some(lookup), None) => text(lookup).map(Stale::Lookup).ok_or(Misread::Form),
        (None, Some(lookup), Some(key)) => match (text(lookup), text(key)) {
            (Some(lookup), Some(key)) => Ok(Stale::Key(lookup, key)),
            (_, _) => Err(Misread::Form),
        },
        (_, _, _) => Err(Misread::Form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Stale>, Misread> {
        parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn an_order_names_a_key_a_lookup_or_everything() {
        let key = |lookup: &str, key: &str| Stale::Key(lookup.to_owned(), key.to_owned());
        #[rustfmt::skip]
        let cases = [
            ("{\"lookup\":\"member\",\"key\":\"7\"}",  Ok(vec![key("member", "7")])),
            ("{\"lookup\":\"member\",\"key\":7}",      Ok(vec![key("member", "7")])),
            ("{\"lookup\":\"member\"}",                Ok(vec![Stale::Lookup("member".to_owned())])),
            ("{\"all\":true}",                         Ok(vec![Stale::Everything])),
            ("[]",                                     Ok(vec![])),
            ("[{\"all\":true},{\"lookup\":\"m\",\"key\":\"a,b\"}]",
                Ok(vec![Stale::Everything, key("m", "a,b")])),
            ("{\"all\":false}",                        Err(Misread::Form)),
            ("{\"all\":true,\"key\":7}",               Err(Misread::Form)),
            ("{\"key\":7}",                            Err(Misread::Form)),
            ("{\"lookup\":\"member\",\"key\":null}",   Err(Misread::Form)),
            ("{\"lookup\":[]}",                        Err(Misread::Form)),
            ("{}",                                     Err(Misread::Form)),
            ("",                                       Err(Misread::Form)),
            ("null",                                   Err(Misread::Form)),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn orders_are_taken_up_to_their_limit_and_not_past_it() {
        let orders = |count: usize| format!("[{}]", vec!["{\"all\":true}"; count].join(","));
        assert_eq!(
            read(&orders(ORDERS_MAX)).map(|orders| orders.len()),
            Ok(ORDERS_MAX)
        );
        assert_eq!(read(&orders(ORDERS_MAX + 1)), Err(Misread::TooMany));
    }
}
