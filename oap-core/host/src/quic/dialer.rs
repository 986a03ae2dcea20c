//! Connecting to whichever address of a name answers.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};
use oap_core::driver::HandshakeError;

use super::{QuicEndpoint, QuicOptions, QuicTransport};
use crate::tls::TlsClientConfig;

/// Starts an endpoint that sends from this address.
type StartEndpoint =
    dyn Fn(SocketAddr, TlsClientConfig, &QuicOptions) -> io::Result<QuicEndpoint> + Send + Sync;

/// Connects as one configuration says, from one socket for each family of addresses, which is made
/// when first needed.
pub struct QuicDialer {
    config: TlsClientConfig,
    options: QuicOptions,
    start: Box<StartEndpoint>,
    endpoints: Mutex<Endpoints>,
}

#[derive(Clone, Default)]
struct Endpoints {
    v4: Option<QuicEndpoint>,
    v6: Option<QuicEndpoint>,
}

impl QuicDialer {
    /// Connects as `config` and `options` say, from endpoints that `start` starts: they send from the
    /// address given.
    pub fn new(
        config: TlsClientConfig,
        options: QuicOptions,
        start: impl Fn(SocketAddr, TlsClientConfig, &QuicOptions) -> io::Result<QuicEndpoint>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            config,
            options,
            start: Box::new(start),
            endpoints: Mutex::default(),
        }
    }

    /// Connects to one of `addresses` and expects a certificate for the host of `address`,
    /// `"host:port"` or `"[::1]:port"`, or for the configured server name where there is one.
    ///
    /// UDP does not tell when nobody listens, so an address of each family is tried at a time.
    ///
    /// # Errors
    /// As [`QuicEndpoint::connect`], for the address tried last.
    pub async fn connect(
        &self,
        addresses: impl IntoIterator<Item = SocketAddr>,
        address: &str,
    ) -> Result<QuicTransport, HandshakeError> {
        let name = self.config.name_for_address(address)?;
        let host = &*name.to_str();
        let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
        let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
        let mut failure = no_address();
        loop {
            let attempt = match (v6.next(), v4.next()) {
                (None, None) => return Err(failure),
                (Some(one), Some(other)) => self.race(one, other, host).await,
                (Some(only), None) | (None, Some(only)) => self.connect_one(only, host).await,
            };
            match attempt {
                Ok(transport) => return Ok(transport),
                Err(error) => failure = error,
            }
        }
    }

    /// Waits until no connection is left, the messages that close them included: a program that ends
    /// earlier may leave its servers waiting for their idle timeout.
    pub async fn wait_idle(&self) {
        let endpoints = self.endpoints().clone();
        for endpoint in [endpoints.v4, endpoints.v6].into_iter().flatten() {
            endpoint.wait_idle().await;
        }
    }

    async fn race(
        &self,
        one: SocketAddr,
        other: SocketAddr,
        host: &str,
    ) -> Result<QuicTransport, HandshakeError> {
        let one = Box::pin(self.connect_one(one, host));
        let other = Box::pin(self.connect_one(other, host));
        let (first, rest) = match select(one, other).await {
            Either::Left((first, rest)) | Either::Right((first, rest)) => (first, rest),
        };
        match first {
            Ok(transport) => Ok(transport),
            Err(_) => rest.await,
        }
    }

    async fn connect_one(
        &self,
        address: SocketAddr,
        host: &str,
    ) -> Result<QuicTransport, HandshakeError> {
        self.endpoint(address)?.connect(address, host).await
    }

    fn endpoint(&self, remote: SocketAddr) -> io::Result<QuicEndpoint> {
        let mut endpoints = self.endpoints();
        let (endpoint, local): (_, SocketAddr) = match remote {
            SocketAddr::V4(_) => (&mut endpoints.v4, (Ipv4Addr::UNSPECIFIED, 0).into()),
            SocketAddr::V6(_) => (&mut endpoints.v6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        };
        if let Some(endpoint) = endpoint {
            return Ok(endpoint.clone());
        }
        let started = (self.start)(local, self.config.clone(), &self.options)?;
        Ok(endpoint.insert(started).clone())
    }

    fn endpoints(&self) -> MutexGuard<'_, Endpoints> {
        self.endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for QuicDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicDialer")
            .field("config", &self.config)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn no_address() -> HandshakeError {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()
}
