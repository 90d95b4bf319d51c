//! Traces for an OpenTelemetry collector: a span a run, its stages, their batches, what was loaded.
//!
//! Where to is said by the variables that OpenTelemetry defines, which its own crates read:
//! `OTEL_EXPORTER_OTLP_ENDPOINT` and the rest. Without an endpoint nothing is sent.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;

use crate::exit::Failure;

/// One of these says where traces go.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
/// Spans that wait for the next sending, every five seconds; more are dropped. OpenTelemetry's own
/// 2,048 are few for units that take less than a millisecond.
const WAITING: usize = 65_536;

/// A connection to a collector.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    failure: Arc<OnceLock<String>>,
}

/// Begins to send traces, if somebody said where to.
pub(crate) fn begin() -> Result<Option<Traces>, Failure> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let Some(variable) = ENDPOINTS.into_iter().find(|name| is_set(name)) else {
        return Ok(None);
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .build();
    let exporter = exporter.map_err(|error| {
        Failure::Usage(format!(
            "cannot send traces where `{variable}` says: {error}"
        ))
    })?;
    let failure = Arc::default();
    let exporter = Watched {
        exporter,
        failure: Arc::clone(&failure),
    };
    let mut batches = BatchConfigBuilder::default();
    if !is_set("OTEL_BSP_MAX_QUEUE_SIZE") {
        batches = batches.with_max_queue_size(WAITING);
    }
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches.build())
        .build();
    let mut resource = Resource::builder();
    if !is_set("OTEL_SERVICE_NAME") {
        resource = resource.with_service_name("ccsr-flow");
    }
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(resource.with_attribute(version).build())
        .build();
    Ok(Some(Traces { provider, failure }))
}

impl Traces {
    /// What hands spans over. The exporter's own are left out, or they would be sent for ever.
    pub(crate) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let tracer = self.provider.tracer("ccsr-flow");
        let ours = Targets::new().with_target("ccsr", LevelFilter::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_filter(ours)
            .boxed()
    }

    /// Sends what is left.
    ///
    /// # Errors
    /// A sentence: what became of the traces.
    pub(crate) fn end(self) -> Result<(), String> {
        let ended = self.provider.shutdown().map_err(|error| error.to_string());
        let failure = self.failure.get().cloned();
        failure
            .map_or(ended, Err)
            .map_err(|error| format!("traces did not reach the collector: {error}"))
    }
}

/// An exporter that keeps its first failure; the provider would only log it.
#[derive(Debug)]
struct Watched {
    exporter: opentelemetry_otlp::SpanExporter,
    failure: Arc<OnceLock<String>>,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        sent.inspect_err(|error| drop(self.failure.set(error.to_string())))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
