//! Sessions over Unix domain sockets.
#![cfg(unix)]

mod support;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use bytes::Bytes;
use oap_core::driver::test_apps::{self, ECHO};
use oap_tokio::*;
use support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("run").join("oap.sock")
    }

    fn me(&self) -> u32 {
        std::fs::metadata(self.directory.path()).unwrap().uid()
    }

    fn start(&self, allow_uids: Vec<u32>) -> Server {
        let options = UdsOptions {
            allow_uids,
            ..UdsOptions::default()
        };
        let listener = UdsListener::bind(self.socket(), options).unwrap();
        assert_eq!(listener.path(), self.socket());
        let runtime = TokioRuntime::current();
        let service = test_apps::service(&runtime);
        Server::start(
            &runtime,
            listener,
            service,
            Config::default(),
            ServerOptions::default(),
        )
    }
}

// OAP-11-11
#[tokio::test]
async fn a_session_runs_over_a_socket_for_a_user_on_the_list() {
    let place = Place::new();
    for allow_uids in [vec![], vec![place.me() + 1, place.me()]] {
        let server = place.start(allow_uids);
        let transport = connect_uds(place.socket()).await.unwrap();
        assert_eq!(transport.info().transport, "uds");
        assert_eq!(transport.info().uid, Some(place.me()));
        let runtime = TokioRuntime::current();
        let session = Session::connect(&runtime, transport, Config::default())
            .await
            .unwrap();
        let body = Bytes::from(vec![7; 300_000]);
        let response = session.request(Head::new(ECHO), body.clone()).await;
        assert_eq!(response.unwrap().body, body);
        session.close();
        session.closed().await;
        server.abort(&runtime).await;
        eventually("unlinked with its listener", || !place.socket().exists()).await;
    }
}

// OAP-11-11
#[tokio::test]
async fn a_user_that_is_not_on_the_list_is_cut_off_unread() {
    let place = Place::new();
    let server = place.start(vec![place.me() + 1]);
    let mut stream = tokio::net::UnixStream::connect(place.socket())
        .await
        .unwrap();
    // It may fail: the server closes at once.
    let _ = stream.write_all(&[0; 64]).await;
    let mut answer = Vec::new();
    // An end, or a reset because what was sent lies there unread.
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    eventually("one refused handshake", || {
        server.stats().handshakes_failed == 1
    })
    .await;
    assert_eq!(server.stats().connections, 0);
}
