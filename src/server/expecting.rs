//! Clients that ask before they send a body (`Expect: 100-continue`).
//!
//! actix asks a service of its own whether to say `100 Continue`, and only then calls the app. So whoever
//! announces too much, or has no key, would be invited to send it all before the app refuses. Here that
//! service ([`Asked`]) calls the app itself. An answer that comes before anybody has waited for the body is
//! sent in place of the invitation. Once somebody waits for it the client is invited, and what the app has
//! begun goes to [`App`], in the request with which actix calls that next.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_http::body::{BoxBody, MessageBody};
use actix_http::error::PayloadError;
use actix_http::{BoxedPayloadStream, ConnectionType, HttpMessage, Payload, Request, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::web::Bytes;
use futures_util::future::{Either, LocalBoxFuture};
use futures_util::stream::Stream;

/// What the app makes of a request. Its errors are answers by now.
type Begun<R> = LocalBoxFuture<'static, Result<R, Response<BoxBody>>>;

/// Makes the service that actix asks first, and the app that it calls then: both have the same one.
pub(super) fn heed<F, B>(factory: F) -> (AskedFactory<F, B>, AppFactory<F>)
where
    F: ServiceFactory<Request, Config = ()>,
{
    let maker = Rc::new(Maker { factory, made: RefCell::default() });
    (AskedFactory { maker: Rc::clone(&maker), body: PhantomData }, AppFactory { maker })
}

/// Makes the app of a worker once.
struct Maker<F: ServiceFactory<Request>> {
    factory: F,
    made: RefCell<Option<Rc<F::Service>>>,
}

pub(super) struct AskedFactory<F: ServiceFactory<Request>, B> {
    maker: Rc<Maker<F>>,
    body: PhantomData<fn() -> B>,
}

pub(super) struct AppFactory<F: ServiceFactory<Request>> {
    maker: Rc<Maker<F>>,
}

/// Is called for a request whose client waits to be invited.
pub(super) struct Asked<S, B> {
    app: Rc<S>,
    body: PhantomData<fn() -> B>,
}

/// Is called for every other request, and to go on with what [`Asked`] has begun.
pub(super) struct App<S>(Rc<S>);

/// Comes true as a request to go on with, or fails with the answer.
pub(super) struct Hearing<R, B> {
    /// Nothing once it was handed over.
    begun: Option<Begun<R>>,
    wish: Rc<Wish>,
    has_body: bool,
    body: PhantomData<fn() -> B>,
}

/// Whether somebody has waited for the body.
#[derive(Default)]
struct Wish {
    is_told: Cell<bool>,
    /// Whether it was read to its end, by somebody who found it there.
    is_over: Cell<bool>,
    asker: RefCell<Option<Waker>>,
}

/// The body of a client that waits to be invited.
struct Wished {
    body: Payload,
    wish: Rc<Wish>,
}

impl<F> Maker<F>
where
    F: ServiceFactory<Request, Config = ()>,
{
    async fn app(self: Rc<Self>) -> Result<Rc<F::Service>, F::InitError> {
        let made = self.made.borrow().clone();
        if let Some(app) = made {
            return Ok(app);
        }
        let app = Rc::new(self.factory.new_service(()).await?);
        self.made.replace(Some(Rc::clone(&app)));
        Ok(app)
    }
}

impl<F, B> ServiceFactory<Request> for AskedFactory<F, B>
where
    F: ServiceFactory<Request, Config = (), Error = Response<BoxBody>> + 'static,
    F::Response: Into<Response<B>> + 'static,
    F::Service: 'static,
    <F::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = Request;
    type Error = Response<BoxBody>;
    type Config = ();
    type Service = Asked<F::Service, B>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let app = Rc::clone(&self.maker).app();
        Box::pin(async move { Ok(Asked { app: app.await?, body: PhantomData }) })
    }
}

impl<F> ServiceFactory<Request> for AppFactory<F>
where
    F: ServiceFactory<Request, Config = (), Error = Response<BoxBody>> + 'static,
    F::Response: 'static,
    F::Service: 'static,
{
    type Response = F::Response;
    type Error = Response<BoxBody>;
    type Config = ();
    type Service = App<F::Service>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let app = Rc::clone(&self.maker).app();
        Box::pin(async move { Ok(App(app.await?)) })
    }
}

impl<S, B> Service<Request> for Asked<S, B>
where
    S: Service<Request, Error = Response<BoxBody>>,
    S::Response: Into<Response<B>> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = Request;
    type Error = Response<BoxBody>;
    type Future = Hearing<S::Response, B>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        <S as Service<Request>>::poll_ready(&self.app, context)
    }

    fn call(&self, mut request: Request) -> Self::Future {
        let wish = Rc::new(Wish::default());
        let body = request.take_payload();
        let has_body = !matches!(body, Payload::None);
        if has_body {
            let body: BoxedPayloadStream = Box::pin(Wished { body, wish: Rc::clone(&wish) });
            *request.payload() = Payload::from(body);
        }
        let begun: Begun<S::Response> = Box::pin(<S as Service<Request>>::call(&self.app, request));
        Hearing { begun: Some(begun), wish, has_body, body: PhantomData }
    }
}

impl<S> Service<Request> for App<S>
where
    S: Service<Request, Error = Response<BoxBody>>,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = Response<BoxBody>;
    type Future = Either<Begun<S::Response>, S::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        <S as Service<Request>>::poll_ready(&self.0, context)
    }

    fn call(&self, request: Request) -> Self::Future {
        let begun = request.extensions_mut().remove::<Begun<S::Response>>();
        match begun {
            Some(begun) => Either::Left(begun),
            None => Either::Right(<S as Service<Request>>::call(&self.0, request)),
        }
    }
}

impl<R, B> Future for Hearing<R, B>
where
    R: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    type Output = Result<Request, Response<BoxBody>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(mut begun) = self.begun.take() else { return Poll::Pending };
        self.wish.asker.replace(Some(context.waker().clone()));
        let mut answer = match begun.as_mut().poll(context) {
            Poll::Ready(Ok(answer)) => {
                let answer: Response<B> = answer.into();
                answer.map_into_boxed_body()
            }
            Poll::Ready(Err(refusal)) => refusal,
            Poll::Pending if self.wish.is_told.get() => {
                let request = Request::new();
                request.extensions_mut().insert(begun);
                return Poll::Ready(Ok(request));
            }
            Poll::Pending => {
                self.begun = Some(begun);
                return Poll::Pending;
            }
        };
        if self.has_body && !self.wish.is_over.get() {
            // Nobody was invited, so nobody knows whether the rest comes all the same, and what follows
            // could be taken for it.
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        Poll::Ready(Err(answer))
    }
}

impl Stream for Wished {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.wish.is_told.replace(true)
            && let Some(asker) = self.wish.asker.take()
        {
            asker.wake();
        }
        let part = Pin::new(&mut self.body).poll_next(context);
        if matches!(part, Poll::Ready(None)) {
            self.wish.is_over.set(true);
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::stream;

    use super::*;

    /// An app that looks so often for a part of the body before it answers.
    struct Looking(usize);

    impl Service<Request> for Looking {
        type Response = Response<BoxBody>;
        type Error = Response<BoxBody>;
        type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

        fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&self, mut request: Request) -> Self::Future {
            let Self(looks) = *self;
            let mut body = request.take_payload();
            Box::pin(async move {
                for _ in 0..looks {
                    let _part = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await;
                }
                Ok(Response::ok())
            })
        }
    }

    #[actix_web::test]
    async fn an_answer_without_an_invitation_ends_the_connection_unless_the_body_was_there() {
        for (looks, closes) in [(0, true), (1, true), (2, true), (3, false)] {
            let parts = ["one", "two"].map(|part| Ok::<_, PayloadError>(Bytes::from(part)));
            let body: BoxedPayloadStream = Box::pin(stream::iter(parts));
            let mut request = Request::new();
            *request.payload() = Payload::from(body);
            let asked: Asked<Looking, BoxBody> =
                Asked { app: Rc::new(Looking(looks)), body: PhantomData };

            let answer = asked.call(request).await.unwrap_err();

            let is_closed = answer.head().connection_type() == ConnectionType::Close;
            assert_eq!(is_closed, closes, "{looks}");
        }
    }
}
