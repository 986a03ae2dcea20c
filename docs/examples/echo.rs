use oap::config::{Loader, Target, bind, connect};
use oap::{Head, Response, Runtime, Server, Service, Session};

const ECHO: u16 = 0x0100;

async fn program() -> Result<(), Box<dyn std::error::Error>> {
    // The transport is one word of the settings: OAP_BACKEND=tcp, tls, quic or uds.
    let settings = Loader::server().env(std::env::vars_os()).load()?;
    let listener = bind(&settings).await?;
    let target = Target::new(settings.backend, &listener.local().to_string())?;
    let service = Service::new().unary(ECHO, async |request| Response::ok(request.body));
    let (config, options) = (settings.core_config(), settings.server_options());
    let runtime = Runtime::current();
    let server = Server::start(&runtime, listener, service, config.clone(), options);

    let transport = connect(&settings, &target).await?;
    let session = Session::connect(&runtime, transport, config).await?;
    let answer = session.request(Head::new(ECHO), "hello").await?;
    println!("{} {:?} over {target}", answer.code, answer.body);

    drop(session);
    server.drain(&runtime, settings.drain_timeout).await;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    oap::run(program())?
}
