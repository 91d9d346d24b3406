//! When the client of an answer without an end has left.

use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::HttpRequest;

use super::connection::Connection;

/// Comes back when the client of a request sends no more. actix goes on with an answer then, which is right
/// for one that ends by itself; one that goes on until its reader leaves would learn of that by its next two
/// writes only, and keep its place until then. HTTP/2 tells it of whole connections only, and other kinds of
/// connections tell nothing.
pub fn departure(request: &HttpRequest) -> Pin<Box<dyn Future<Output = ()>>> {
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    Box::pin(async move {
        match connection {
            Some(connection) => connection.until_it_leaves().await,
            None => pending().await,
        }
    })
}
