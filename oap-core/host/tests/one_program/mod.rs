//! One program of a server and a client, for every backend. The adapters' tests run it; `adapter`
//! is what they name of theirs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::test_apps::{self, ECHO};

use crate::adapter::{
    AnyListener, Backend, Connector, Head, Live, Loader, Server, Session, Settings, Target, bind,
    connect, current,
};

/// A directory with settings for every backend.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.certify();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A new certificate and its key.
    fn certify(&self) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let pair = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(self.path("cert.pem"), pair.cert.pem()).unwrap();
        let _ = fs::remove_file(self.path("key.pem"));
        fs::write(self.path("key.pem"), pair.signing_key.serialize_pem()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(self.path("key.pem"), mode).unwrap();
    }

    /// The program's settings; but for one word they are the same for each backend.
    pub(crate) fn loader(&self, backend: Backend) -> Loader {
        let directory = self.0.path().display();
        let file = format!(
            "backend = \"{}\"\n\
             max_conns = 10\n\
             handshake_timeout = \"20s\"\n\
             [limits]\n\
             max_inflight = 32\n\
             [tls]\n\
             cert_path = \"{directory}/cert.pem\"\n\
             key_path = \"{directory}/key.pem\"\n\
             [tls_client]\n\
             trust_store = \"path\"\n\
             ca_bundle_path = \"{directory}/cert.pem\"\n\
             [uds]\n\
             path = \"{directory}/run/oap.sock\"\n",
            backend.as_str()
        );
        fs::write(self.path("oap.toml"), file).unwrap();
        Loader::server().file(self.path("oap.toml"))
    }

    fn edit(&self, from: &str, to: &str) {
        let file = fs::read_to_string(self.path("oap.toml")).unwrap();
        assert!(file.contains(from));
        fs::write(self.path("oap.toml"), file.replace(from, to)).unwrap();
    }
}

fn serve(settings: &Settings, listener: AnyListener) -> Server {
    let runtime = current();
    let service = test_apps::service(&runtime);
    let config = settings.core_config();
    Server::start(
        &runtime,
        listener,
        service,
        config,
        settings.server_options(),
    )
}

fn target(settings: &Settings, listener: &AnyListener) -> Target {
    Target::new(settings.backend, &listener.local().to_string()).unwrap()
}

async fn session(settings: &Settings, target: &Target) -> Session {
    let transport = connect(settings, target).await.unwrap();
    Session::connect(&current(), transport, settings.core_config())
        .await
        .unwrap()
}

async fn echoes(session: &Session) {
    let body = Bytes::from(vec![7; 300_000]);
    let answer = session.request(Head::new(ECHO), body.clone()).await;
    assert_eq!(answer.unwrap().body, body);
}

/// It serves and it asks, whatever the backend.
pub(crate) async fn serves_and_asks(backend: Backend) {
    let place = Place::new();
    let settings = place.loader(backend).load().unwrap();
    let listener = bind(&settings).await.unwrap();
    assert_eq!(
        oap_core::driver::Listener::backend(&listener),
        backend.as_str()
    );
    let target = target(&settings, &listener);
    let server = serve(&settings, listener);

    let connector = Connector::new(&settings, target.clone()).unwrap();
    assert_eq!(connector.target(), &target);
    for _ in 0..2 {
        let transport = connector.connect().await.unwrap();
        let name = oap_core::driver::Lanes::info(&transport).transport;
        assert_eq!(name, backend.as_str());
        let session = Session::connect(&current(), transport, settings.core_config())
            .await
            .unwrap();
        let hello = session.hello().expect("the server's HELLO");
        assert_eq!(hello.max_inflight, Some(32));
        echoes(&session).await;
        session.close();
        session.closed().await;
    }
    let report = server.drain(&current(), Duration::from_secs(20)).await;
    assert_eq!(report.aborted, 0);
    connector.wait_idle().await;
}

/// A reload reaches new connections: limits, and certificates where the backend has them.
pub(crate) async fn reloads(backend: Backend) {
    let place = Place::new();
    let loader = place.loader(backend);
    let live = Live::new(loader.load().unwrap());
    let settings = live.current();
    let listener = bind(&settings).await.unwrap();
    let target = target(&settings, &listener);
    let reloader = listener.reloader();
    let server = serve(&settings, listener);
    let old = session(&settings, &target).await;

    place.edit("max_inflight = 32", "max_inflight = 8");
    place.certify();
    let reloaded = live
        .reload_with(&loader, |new| reloader.apply(&new.settings))
        .unwrap();
    assert_eq!(reloaded.changed, ["limits.max_inflight"]);
    let settings = live.current();
    server.reload(settings.core_config(), settings.server_options());

    // The client trusts the new certificate only.
    let new = session(&settings, &target).await;
    assert_eq!(new.hello().unwrap().max_inflight, Some(8));
    assert_eq!(old.hello().unwrap().max_inflight, Some(32));
    echoes(&new).await;
    echoes(&old).await;

    if matches!(backend, Backend::Tls | Backend::Quic) {
        fs::write(place.path("cert.pem"), "no certificate").unwrap();
        let error = live
            .reload_with(&loader, |new| reloader.apply(&new.settings))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("not reloaded, the last good settings stay in force: ")
                && error.ends_with("cert.pem: holds no certificate"),
            "{error}"
        );
    }
    let word = format!("backend = \"{}\"", backend.as_str());
    let other = if backend == Backend::Tcp {
        "tls"
    } else {
        "tcp"
    };
    place.edit(&word, &format!("backend = \"{other}\""));
    let error = live.reload(&loader).unwrap_err().to_string();
    assert!(error.contains(": changing needs a restart"), "{error}");
    assert_eq!(live.current().backend, backend);
}

/// What cannot be had is told in one line.
pub(crate) async fn tells_what_cannot_be_had() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let settings = Loader::server().flag("bind_addr", &address).load().unwrap();
    let error = bind(&settings).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{address}: cannot listen: ")),
        "{error}"
    );

    let loader = place.loader(Backend::Tls);
    fs::write(place.path("cert.pem"), "no certificate").unwrap();
    let settings = loader.load().unwrap();
    let error = bind(&settings).await.unwrap_err().to_string();
    assert!(error.ends_with("cert.pem: holds no certificate"), "{error}");
    let target: Target = "tls://localhost:1".parse().unwrap();
    let error = connect(&settings, &target).await.unwrap_err().to_string();
    assert!(error.ends_with("cert.pem: holds no certificate"), "{error}");
}
