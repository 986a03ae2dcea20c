//! Builds the connection that a vector asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oap_core::wire::{Codings, Features};
use oap_core::{
    Config as CoreConfig, Connection, Consume, Limits, Timers as CoreTimers, Timestamp,
};

use super::State;
use crate::vectors::{Config, Role, Timers};

/// `None`: the configuration breaks a rule.
pub(super) fn begin(role: Role, config: &Config) -> Option<State> {
    let now = Timestamp::from_micros(7_000_000);
    let core = Arc::new(core_config(config)?);
    let conn = match role {
        Role::Client => Connection::client(core, now),
        Role::Server => Connection::server(core, now),
    };
    Some(State {
        conn,
        now,
        input: Vec::new(),
        blocked: false,
        releases: config.release,
        exchanges: HashMap::new(),
        inflated: Vec::new(),
    })
}

fn core_config(config: &Config) -> Option<CoreConfig> {
    let default = CoreConfig::default();
    Some(CoreConfig {
        limits: limits(config)?,
        timers: timers(&config.timers),
        hello: !config.no_hello,
        windows: !config.no_windows,
        features: config
            .features
            .as_deref()
            .map_or(default.features, features),
        codings: config.comp.as_deref().map_or(default.codings, codings),
        authorize: config.verifier,
        explicit_release: config.release,
        consume: if config.consume {
            Consume::Manually
        } else {
            Consume::OnDelivery
        },
        multi_lane: config.lanes,
        ..default
    })
}

fn limits(config: &Config) -> Option<Limits> {
    let mut limits = Limits::builder();
    if let Some(max_frame) = config.max_frame {
        limits = limits.max_frame(max_frame);
    }
    if let Some(max_inflight) = config.max_inflight {
        limits = limits.max_inflight(max_inflight);
    }
    if let Some(ack_window) = config.ack_window {
        limits = limits.ack_window(ack_window);
    }
    limits.build().ok()
}

fn timers(timers: &Timers) -> CoreTimers {
    let default = CoreTimers::default();
    let or = |us: Option<u64>, default| us.map_or(default, Duration::from_micros);
    CoreTimers {
        first_frame: or(timers.first_frame, default.first_frame),
        frame: or(timers.frame, default.frame),
        write: or(timers.write, default.write),
        idle: or(timers.idle, default.idle),
        hello: or(timers.hello, default.hello),
        request: or(timers.request, default.request),
        verdict: or(timers.verdict, default.verdict),
        linger: or(timers.linger, default.linger),
        standstill: default.standstill,
    }
}

fn features(names: &[String]) -> Features {
    let mut features = Features::NONE;
    for name in names {
        features.insert(match name.as_str() {
            "cancel" => Features::CANCEL,
            "ping" => Features::PING,
            "goaway" => Features::GOAWAY,
            _ => Features::NONE,
        });
    }
    features
}

fn codings(names: &[String]) -> Codings {
    let mut codings = Codings::NONE;
    for name in names {
        codings.insert(match name.as_str() {
            "zlib" => Codings::ZLIB,
            _ => Codings::NONE,
        });
    }
    codings
}
