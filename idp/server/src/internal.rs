//! What gateways and operators call.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::desk::Desk;

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .with_state(desk)
}
