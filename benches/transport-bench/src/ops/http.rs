//! `/metrics`, `/healthz` and `/readyz`.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use oap_tokio::Readiness;
use oap_tokio::config::Backend;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::metrics;
use crate::Failure;

const JSON: &str = "application/json";
/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The endpoint, listening.
pub(super) struct Endpoint {
    listener: TcpListener,
    readiness: Readiness,
    pub(super) address: SocketAddr,
    pub(super) metrics: PrometheusHandle,
}

impl Endpoint {
    pub(super) async fn bind(
        address: SocketAddr,
        backend: Backend,
        readiness: Readiness,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::run(format!("--metrics {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let metrics = metrics::install(backend)
            .map_err(|error| Failure::run(format!("--metrics {address}: {error}")))?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            readiness,
            metrics,
        })
    }

    /// Serves for ever.
    pub(super) async fn serve(self) {
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz).with_state(self.readiness))
            .route("/metrics", get(render).with_state(self.metrics));
        if let Err(error) = axum::serve(self.listener, routes).await {
            tracing::error!(%error, "metrics and health are served no more");
        }
    }
}

async fn render(State(metrics): State<PrometheusHandle>) -> Response {
    ([(header::CONTENT_TYPE, METRICS)], metrics.render()).into_response()
}

/// 200 when connections may come, 503 when not; which and why as JSON.
async fn readyz(State(readiness): State<Readiness>) -> Response {
    let state = readiness.state();
    let status = match state.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let conditions = readiness.conditions();
    let conditions: Map<String, Value> = conditions
        .into_iter()
        .map(|(condition, is_met)| (condition.name().to_owned(), is_met.into()))
        .collect();
    let body = json!({
        "state": state.name(),
        "reason": state.reason(),
        "conditions": conditions,
    });
    let kind = [(header::CONTENT_TYPE, JSON)];
    (status, kind, format!("{body}\n")).into_response()
}
