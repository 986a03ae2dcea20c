//! What s2n-quic's errors mean here.

use std::io;

use oap_core::Reason;
use oap_core::driver::HandshakeError;
use rustls::{AlertDescription, PeerIncompatible};
use s2n_quic::connection::Error;
use s2n_quic::provider::event::Location;

use crate::tls::{Rules, TlsError};

/// Application codes that we close connections and streams with. Only 0 is a close in good order;
/// the others tell apart what went wrong, for whoever reads a trace.
pub(super) mod code {
    /// The connection is given up before it was closed in good order.
    pub(in crate::quic) const ABANDONED: u32 = 1;
    /// A stream of a kind that is not allowed (OAP-11-5).
    pub(in crate::quic) const REFUSED: u32 = 2;
    /// The answer to a stream that the peer has given up.
    pub(in crate::quic) const CANCELLED: u32 = 3;
}

/// Codes of TLS alerts begin here (RFC 9001, section 4.8).
const TLS_ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
/// CONNECTION_REFUSED (RFC 9000, section 20.1).
const CONNECTION_REFUSED: u64 = 2;

/// Whether a connection that ended so was closed in good order.
pub(super) fn is_orderly(error: &Error) -> bool {
    match error {
        Error::Closed { .. } => true,
        Error::Application { error, .. } => **error == 0,
        _ => false,
    }
}

/// Why an established connection has failed.
pub(super) fn failure(error: &Error) -> io::Error {
    let kind = match error {
        Error::IdleTimerExpired { .. } => io::ErrorKind::TimedOut,
        Error::NoValidPath { .. } => io::ErrorKind::NetworkUnreachable,
        Error::Application { .. } | Error::Closed { .. } => io::ErrorKind::ConnectionAborted,
        Error::StatelessReset { .. } => io::ErrorKind::ConnectionReset,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, describe(error))
}

/// Why a connection was not established.
pub(super) fn refusal(error: &Error, rules: &Rules) -> HandshakeError {
    match error {
        Error::MaxHandshakeDurationExceeded { .. } | Error::IdleTimerExpired { .. } => {
            HandshakeError::TimedOut
        }
        Error::Transport {
            code,
            reason,
            initiator,
            ..
        } => match code.as_u64() {
            code if TLS_ALERTS.contains(&code) => {
                // The alert is the code's last byte.
                let alert = AlertDescription::from(code as u8);
                tls_refusal(alert, reason, *initiator, rules).into()
            }
            CONNECTION_REFUSED => HandshakeError::Refused {
                reason: Reason::OverCapacity,
                message: "the server takes no more connections".to_owned(),
            },
            _ => path(error),
        },
        _ => path(error),
    }
}

fn tls_refusal(
    alert: AlertDescription,
    reason: &str,
    initiator: Location,
    rules: &Rules,
) -> TlsError {
    if matches!(initiator, Location::Remote) {
        return rules.refusal(&rustls::Error::AlertReceived(alert));
    }
    // s2n-quic keeps only the alert of rustls' error.
    match alert {
        AlertDescription::NoApplicationProtocol => {
            rules.refusal(&rustls::Error::NoApplicationProtocol)
        }
        AlertDescription::HandshakeFailure => {
            let no_group = PeerIncompatible::NoKxGroupsInCommon;
            match rules.refusal(&rustls::Error::PeerIncompatible(no_group)) {
                TlsError::PqPolicy => TlsError::PqPolicy,
                _ => TlsError::Handshake(format!("{reason} ({alert:?})")),
            }
        }
        _ => TlsError::Handshake(format!("{reason} ({alert:?})")),
    }
}

fn path(error: &Error) -> HandshakeError {
    HandshakeError::Refused {
        reason: Reason::QuicPath,
        message: describe(error),
    }
}

fn describe(error: &Error) -> String {
    match error {
        Error::IdleTimerExpired { .. } => "the peer has vanished: the idle timeout is over".into(),
        Error::NoValidPath { .. } => "no path to the peer is left".into(),
        Error::StatelessReset { .. } => "the peer knows nothing of the connection".into(),
        Error::Application {
            error, initiator, ..
        } => format!("closed with application code {} by {initiator}", **error),
        Error::Transport {
            code,
            reason,
            initiator,
            ..
        } => {
            let code = match code.description() {
                Some(name) => name.to_owned(),
                None => format!("code {}", code.as_u64()),
            };
            let colon = if reason.is_empty() { "" } else { ": " };
            format!("closed with {code} by {initiator}{colon}{reason}")
        }
        other => other.to_string(),
    }
}
