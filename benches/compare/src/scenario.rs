//! What is measured: how many connections do what at once.

use clap::{Args, ValueEnum};
use serde::Serialize;

/// Bytes of a request, and of its answer.
pub const PAYLOAD: usize = 4 * 1024;
/// Bytes of a chunk of a stream.
pub const CHUNK: usize = 64 * 1024;

/// A load by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// 32 connections, 16 requests in flight on each
    #[value(name = "32x16")]
    Many32Deep,
    /// 200 connections, one request at a time on each
    #[value(name = "200x1")]
    Many200,
    /// One connection, one request at a time
    #[value(name = "1x1")]
    One,
    /// One connection, 16 requests in flight
    #[value(name = "1x16")]
    OneDeep,
    /// 32 connections, one request at a time on each
    #[value(name = "32x1")]
    Many32,
    /// 200 connections, 16 requests in flight on each
    #[value(name = "200x16")]
    Many200Deep,
    /// One connection over TLS, whose server sends chunks of 64 KiB without end
    #[value(name = "stream-64k")]
    Stream,
    /// The same over QUIC, beside the raw loop over TLS
    #[value(name = "quic-stream-64k")]
    QuicStream,
}

/// What connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Requests and answers of 4 KiB over TLS
    Requests,
    /// Chunks of 64 KiB from the server over TLS
    Stream,
    /// The same over QUIC
    QuicStream,
    /// Requests and answers of 4 KiB over QUIC, each on a stream of its own
    QuicRequests,
}

/// A load as both processes are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args, Serialize)]
pub struct Shape {
    /// What connections do
    #[arg(long, value_enum)]
    pub kind: Kind,
    /// Connections
    #[arg(long)]
    pub conns: usize,
    /// Requests in flight on each
    #[arg(long)]
    pub depth: usize,
}

impl Scenario {
    /// Its name on the command line and in reports.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it asks for.
    pub const fn shape(self) -> Shape {
        let (kind, conns, depth) = match self {
            Self::One => (Kind::Requests, 1, 1),
            Self::OneDeep => (Kind::Requests, 1, 16),
            Self::Many32 => (Kind::Requests, 32, 1),
            Self::Many32Deep => (Kind::Requests, 32, 16),
            Self::Many200 => (Kind::Requests, 200, 1),
            Self::Many200Deep => (Kind::Requests, 200, 16),
            Self::Stream => (Kind::Stream, 1, 1),
            Self::QuicStream => (Kind::QuicStream, 1, 1),
        };
        Shape { kind, conns, depth }
    }
}

impl Shape {
    /// Whether the server sends chunks instead of answers.
    pub fn is_stream(self) -> bool {
        matches!(self.kind, Kind::Stream | Kind::QuicStream)
    }

    /// Whether it goes over QUIC.
    pub fn is_quic(self) -> bool {
        matches!(self.kind, Kind::QuicStream | Kind::QuicRequests)
    }

    /// Bytes of what is counted: an answer or a chunk.
    pub fn unit(self) -> usize {
        if self.is_stream() { CHUNK } else { PAYLOAD }
    }

    /// As the command line of a process.
    pub fn to_args(self) -> [String; 6] {
        let kind = self.kind.to_possible_value();
        [
            "--kind".to_owned(),
            kind.map_or_else(String::new, |kind| kind.get_name().to_owned()),
            "--conns".to_owned(),
            self.conns.to_string(),
            "--depth".to_owned(),
            self.depth.to_string(),
        ]
    }
}
