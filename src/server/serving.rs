//! The listeners of one actix server, as [`actix_web::HttpServer`] makes them, but for one thing: what
//! arrives at a TLS port without TLS is told so in words instead of being cut off, and a connection
//! on which nothing arrives takes no place from those whose handshakes go on.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::{GracefulShutdownSignal, Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_factory, fn_service,
    map_config,
};
use actix_tls::accept::rustls_0_23::reexports::ServerConfig;
use actix_web::dev::{AppConfig, Extensions};
use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::rt::time::timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::Error;

/// How much is read of what cannot be answered, so that the refusal is not lost with it.
const READ_ON: usize = 64 << 10;

/// How long is waited for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Between two requests of a connection.
    pub(super) keep_alive: Duration,
    /// For the head of a request, and for the first byte of a handshake.
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
    port: Option<(TcpListener, Option<ServerConfig>)>,
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
    match port {
        None => {}
        Some((port, None)) => {
            let served = served.clone();
            builder =
                builder.listen("port", port, move || served.clone().service(stop.clone()).tcp())?;
        }
        Some((port, Some(tls))) => {
            let (served, head) = (served.clone(), served.patience.head);
            builder = builder.listen("port", port, move || {
                let encrypted =
                    Rc::new(served.clone().service(stop.clone()).rustls_0_23(tls.clone()));
                fn_factory(move || {
                    let encrypted = Rc::clone(&encrypted);
                    async move {
                        let encrypted = Rc::new(encrypted.new_service(()).await?);
                        Ok::<_, ()>(fn_service(move |io: TcpStream| {
                            let encrypted = Rc::clone(&encrypted);
                            async move {
                                let Some(io) = only_tls(io, head).await else { return Ok(()) };
                                std::future::poll_fn(|context| encrypted.poll_ready(context))
                                    .await?;
                                encrypted.call(io).await
                            }
                        }))
                    }
                })
            })?;
        }
    }
    Ok(builder.run())
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
        let app = app.map_err(|error| error.into().error_response().into());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let stop = stop.clone();
                async move { stop.notified().await }
            })
            .keep_alive(self.patience.keep_alive)
            .client_request_timeout(self.patience.head)
            .client_disconnect_timeout(self.patience.linger)
            // An answer must not wait for the acknowledgement of the one before it.
            .tcp_nodelay(true)
            .on_connect_ext(move |io: &T, data: &mut Extensions| welcome(io, data))
            .finish(map_config(app, |()| AppConfig::default()))
    }
}

/// Lets a connection on which a handshake begins go on. HTTP without TLS is refused in words.
async fn only_tls(mut io: TcpStream, patience: Duration) -> Option<TcpStream> {
    let mut first = [0];
    match timeout(patience, io.peek(&mut first)).await {
        Ok(Ok(1)) if !first[0].is_ascii_uppercase() => return Some(io),
        Ok(Ok(1)) => {}
        // Nothing came, or the client has gone.
        _ => return None,
    }
    let refused = Error::PlainHttp;
    let body = serde_json::to_string(&refused.body()).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let told = async {
        io.write_all(answer.as_bytes()).await?;
        io.shutdown().await?;
        // What lies unread when a connection is closed takes the answer with it.
        let mut rest = io.take(READ_ON as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    if let Ok(Err(error)) = timeout(patience, told).await {
        log::debug!("a client without TLS was gone before it was told: {error}");
    }
    None
}
