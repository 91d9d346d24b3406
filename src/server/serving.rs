//! The listeners of one actix server, as [`actix_web::HttpServer`] makes them, but for four things:
//! what arrives at a TLS port without TLS is told so in words instead of being cut off, handshakes wait
//! for their turn and not for ever (`handshakes.rs`), HTTP is spoken on a [`Wire`], which knows
//! whether anybody reads, and nobody is invited to send a body that nobody reads (`expecting.rs`).

use std::any::Any;
use std::convert::Infallible;
use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, fn_service,
    map_config,
};
use actix_web::dev::{AppConfig, Extensions};
use actix_web::rt::net::{TcpStream, UnixStream};

use super::expecting::heed;
use super::handshakes::Tls;
use crate::http::front::Wire;

/// A connection as actix takes it: with what is spoken on it, and who is at the other end.
type Arrived<T> = (T, Protocol, Option<SocketAddr>);

/// How long is waited for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Between two requests of a connection.
    pub(super) keep_alive: Duration,
    /// For the head of a request.
    pub(super) head: Duration,
    /// For a client that is to read a refusal.
    pub(super) linger: Duration,
}

/// What is served on every listener: a maker of apps, and what is done with each new connection.
#[derive(Clone)]
pub(super) struct Served<F, C> {
    pub(super) app: F,
    pub(super) welcome: C,
    pub(super) patience: Patience,
}

/// Serves on the listeners that there are. With a certificate the port speaks TLS.
pub(super) fn listen<F, C, I, S, B>(
    mut builder: ServerBuilder,
    served: &Served<F, C>,
    port: Option<(TcpListener, Option<Tls>)>,
    socket: Option<UnixListener>,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    C: Fn(&dyn Any, &mut Extensions) + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let stop = builder.graceful_shutdown_signal();
    if let Some(socket) = socket {
        let (served, stop) = (served.clone(), stop.clone());
        builder = builder.listen_uds("socket", socket, move || {
            fn_service(|io: UnixStream| async { Ok((io, Protocol::Http1, None)) })
                .and_then(served.clone().service(stop.clone()))
        })?;
    }
    if let Some((port, tls)) = port {
        let served = served.clone();
        builder = builder.listen("port", port, move || {
            let http: Rc<HttpService<Wire, _, B, _>> =
                Rc::new(served.clone().service(stop.clone()));
            let tls = tls.clone();
            fn_factory(move || {
                let (http, tls) = (Rc::clone(&http), tls.clone());
                async move {
                    let http = ServiceFactory::<Arrived<Wire>>::new_service(&*http, ()).await?;
                    let door = match tls {
                        Some(tls) => Some(tls.door().await?),
                        None => None,
                    };
                    let (http, door) = (Rc::new(http), Rc::new(door));
                    Ok::<_, ()>(fn_service(move |io: TcpStream| {
                        let (http, door) = (Rc::clone(&http), Rc::clone(&door));
                        async move {
                            let peer = greet(&io);
                            let wire = match &*door {
                                Some(door) => door.open(io).await,
                                None => Some(Wire::plain(io)),
                            };
                            if let Some(wire) = wire {
                                carry(&*http, wire, peer).await;
                            }
                            Ok::<(), Infallible>(())
                        }
                    }))
                }
            })
        })?;
    }
    Ok(builder.run())
}

fn greet(io: &TcpStream) -> Option<SocketAddr> {
    // An answer must not wait for the acknowledgement of the one before it.
    if let Err(error) = io.set_nodelay(true) {
        log::debug!("a connection may be slow: {error}");
    }
    io.peer_addr().ok()
}

/// Speaks HTTP on a connection until it ends. What ended it is no fault of ours: a client that is gone,
/// or one that speaks something else.
async fn carry<H>(http: &H, wire: Wire, peer: Option<SocketAddr>)
where
    H: Service<Arrived<Wire>, Response = (), Error = DispatchError>,
{
    let protocol = if wire.speaks_http2() { Protocol::Http2 } else { Protocol::Http1 };
    // An app is always ready for a connection.
    if let Err(error) = http.call((wire, protocol, peer)).await {
        let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        log::debug!("a connection of {peer} ended: {error}");
    }
}

impl<F, C> Served<F, C> {
    #[allow(clippy::type_complexity, reason = "the types of actix have no names")]
    fn service<T, I, S, B>(
        self,
        stop: GracefulShutdownSignal,
    ) -> HttpService<
        T,
        impl ServiceFactory<
            Request,
            Config = (),
            Response = S::Response,
            Error = Response<BoxBody>,
            InitError = S::InitError,
            Service = impl Service<
                Request,
                Response = S::Response,
                Error = Response<BoxBody>,
                Future = impl Future + 'static,
            > + 'static,
            Future = impl Future + 'static,
        >,
        B,
        impl ServiceFactory<
            Request,
            Config = (),
            Response = Request,
            Error = Response<BoxBody>,
            InitError = S::InitError,
            Service = impl Service<
                Request,
                Response = Request,
                Error = Response<BoxBody>,
                Future = impl Future + 'static,
            > + 'static,
            Future = impl Future + 'static,
        >,
    >
    where
        T: 'static,
        F: Fn() -> I,
        C: Fn(&dyn Any, &mut Extensions) + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<actix_web::Error> + 'static,
        S::InitError: Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let welcome = self.welcome;
        let app = (self.app)().into_factory();
        let app =
            app.map_err(|error| -> Response<BoxBody> { error.into().error_response().into() });
        let (asked, app) = heed::<_, B>(map_config(app, |()| AppConfig::default()));
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let stop = stop.clone();
                async move { stop.notified().await }
            })
            .keep_alive(self.patience.keep_alive)
            .client_request_timeout(self.patience.head)
            .client_disconnect_timeout(self.patience.linger)
            .on_connect_ext(move |io: &T, data: &mut Extensions| welcome(io, data))
            .expect(asked)
            .finish(app)
    }
}
