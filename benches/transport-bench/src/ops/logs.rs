//! Log events on stderr, one line each.

use std::io;

use oap_tokio::config::{LogFormat, LogLevel, LogValues};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use super::Console;
use crate::Failure;

type Events = Box<dyn Layer<Registry> + Send + Sync>;

/// The log, whose level can change.
pub(crate) struct Logs(reload::Handle<LevelFilter, Registry>);

impl Logs {
    /// Starts it for the whole process, and what tokio-console sees, where it is wanted.
    ///
    /// # Errors
    /// A console that this build has not.
    pub(crate) fn start(log: &LogValues, console: &Console) -> Result<Self, Failure> {
        let (level, handle) = reload::Layer::new(filter(log.level));
        let layer = fmt::layer().with_writer(io::stderr).with_ansi(false);
        let events: Events = match log.format {
            LogFormat::Text => layer.boxed(),
            _ => layer
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(true)
                .boxed(),
        };
        let layers: Vec<Events> = [Some(events.with_filter(level).boxed()), console.layer()?]
            .into_iter()
            .flatten()
            .collect();
        tracing_subscriber::registry()
            .with(layers)
            .try_init()
            .map_err(|error| Failure::run(format!("the log: {error}")))?;
        Ok(Self(handle))
    }

    /// From now on only what matters as much is logged.
    pub(crate) fn set_level(&self, level: LogLevel) {
        // It fails only where the subscriber is gone, which lives as long as the process.
        let _ = self.0.modify(|current| *current = filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    }
}
