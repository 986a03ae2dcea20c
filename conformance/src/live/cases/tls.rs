//! Section 11: TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::live::draft::Draft;
use crate::live::peer::Peer;
use crate::live::verdict::{Case, Step, case, ensure, fail, skip};
use crate::live::wire::PATIENCE;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-11-2", another_alpn_is_refused),
    case!("OAP-11-2", oap_1_is_agreed_on),
    case!("OAP-11-1", a_handshake_of_another_version_is_refused),
    case!("OAP-10-1", a_handshake_that_never_begins_is_cut_off, Slow),
];

/// The address and a configuration for handshakes by hand.
fn by_hand(peer: &Peer) -> Step<(String, ClientConfig)> {
    match peer.dial.tls() {
        Some((address, tls)) => {
            let config = ClientConfig::clone(tls.rustls_config());
            Ok((address.to_owned(), config))
        }
        None => skip(format!("not over {}", peer.facts.transport)),
    }
}

async fn connect(address: &str) -> Step<TcpStream> {
    match TcpStream::connect(address).await {
        Ok(stream) => Ok(stream),
        Err(error) => fail("a new connection", error.to_string()),
    }
}

/// What a handshake with these protocols agrees on, and whether a HELLO is answered then.
async fn handshake(peer: &mut Peer, alpn: &[&[u8]]) -> Step<(Option<Vec<u8>>, bool)> {
    let (address, mut config) = by_hand(peer)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let host = address.rsplit_once(':').map_or("", |(host, _)| host);
    let host = host.trim_matches(['[', ']']).to_owned();
    let Ok(name) = host.try_into() else {
        return skip("the target is no name");
    };
    let stream = connect(&address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let Ok(mut stream) = connector.connect(name, stream).await else {
        return Ok((None, false));
    };
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let wrote = stream.write_all(&Draft::hello("{}").bytes()).await;
    let answered = wrote.is_ok() && matches!(stream.read(&mut [0; 64]).await, Ok(1..));
    Ok((agreed, answered))
}

async fn another_alpn_is_refused(peer: &mut Peer) -> Step {
    let (_, answered) = handshake(peer, &[b"h2", b"http/1.1"]).await?;
    ensure(!answered, "a refusal of the ALPN h2", || {
        "an answer to a HELLO".to_owned()
    })
}

async fn oap_1_is_agreed_on(peer: &mut Peer) -> Step {
    let (agreed, answered) = handshake(peer, &[b"h2", b"oap/1"]).await?;
    let fits = answered && agreed.as_deref() == Some(b"oap/1");
    ensure(fits, "ALPN oap/1 and an answer to a HELLO", || {
        format!("ALPN {agreed:?}, answered: {answered}")
    })
}

async fn a_handshake_of_another_version_is_refused(peer: &mut Peer) -> Step {
    let (address, _) = by_hand(peer)?;
    let mut stream = connect(&address).await?;
    // A ClientHello of TLS 1.2 without the extension that would offer 1.3.
    let body = [
        &[0x03, 0x03][..],
        &[7; 32],
        &[0],
        &[0, 2, 0xc0, 0x2f],
        &[1, 0],
    ]
    .concat();
    let handshake = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let record = [
        &[0x16, 0x03, 0x01, 0, handshake.len() as u8][..],
        &handshake,
    ]
    .concat();
    // The server may be faster with its refusal.
    let _ = stream.write_all(&record).await;
    let mut came = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut came)).await;
    // An alert is a record of type 21; whatever else comes would be a handshake.
    let refused = read.is_ok() && came.first().is_none_or(|kind| *kind == 21);
    ensure(refused, "an alert or the end", || format!("{came:02x?}"))
}

async fn a_handshake_that_never_begins_is_cut_off(peer: &mut Peer) -> Step {
    let (address, _) = by_hand(peer)?;
    let mut stream = connect(&address).await?;
    let limit = peer.facts.timers.first_frame + Duration::from_secs(5);
    let ended = timeout(limit, stream.read(&mut [0; 64])).await;
    ensure(ended.is_ok(), &format!("the end within {limit:?}"), || {
        "none".to_owned()
    })
}
