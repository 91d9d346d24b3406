use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use super::connection::Exchange;

/// actix puts a whole piece into the buffer of its connection, whatever its size, so that many
/// megabytes of an answer would lie there until somebody reads them.
const PIECE: usize = 16 * 1024;

/// Gives an answer its way out. `HEAD` gets what `GET` would say about the body, and no body, not
/// even of a stream that never ends.
pub(super) fn send_off(body: BoxBody, is_head: bool, exchange: Option<Exchange>) -> BoxBody {
    let size = body.size();
    if is_head {
        return BoxBody::new(NoBody { size });
    }
    match exchange {
        None => body,
        Some(exchange) if size.is_eof() => {
            exchange.note_bare();
            body
        }
        Some(exchange) => {
            let (rest, is_trickle) = (Bytes::new(), false);
            BoxBody::new(Outgoing { body, size, rest, is_trickle, exchange })
        }
    }
}

/// A body in pieces, whose connection knows when one waits for its reader.
struct Outgoing {
    body: BoxBody,
    size: BodySize,
    rest: Bytes,
    /// The last part of a stream was small, as events are. Those wait for nobody's room.
    is_trickle: bool,
    exchange: Exchange,
}

/// A body that is only spoken of.
struct NoBody {
    size: BodySize,
}

impl MessageBody for Outgoing {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let outgoing = self.get_mut();
        let is_stream = outgoing.size == BodySize::Stream;
        ready!(outgoing.exchange.poll_turn(context));
        outgoing.exchange.wait_for_source();
        // An empty piece would end a body of unknown length.
        while outgoing.rest.is_empty() {
            // An answer of known length lies there as a whole, and is noted as such.
            if is_stream {
                outgoing.exchange.let_go();
                if !outgoing.is_trickle {
                    ready!(outgoing.exchange.poll_room(context));
                }
            }
            match ready!(outgoing.body.as_pin_mut().poll_next(context)) {
                Some(Ok(rest)) => outgoing.rest = rest,
                end => return Poll::Ready(end),
            }
            if is_stream {
                outgoing.exchange.hold_part(outgoing.rest.len());
                outgoing.is_trickle = outgoing.rest.len() <= PIECE;
            }
        }
        let len = outgoing.rest.len().min(PIECE);
        outgoing.exchange.wait_for_reader();
        Poll::Ready(Some(Ok(outgoing.rest.split_to(len))))
    }
}

impl MessageBody for NoBody {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    #[actix_web::test]
    async fn a_head_is_told_the_size_and_given_nothing() {
        let whole = BoxBody::new("twelve bytes");

        let told = send_off(whole, true, None);

        assert_eq!(told.size(), BodySize::Sized(12));
        assert!(to_bytes(told).await.unwrap().is_empty());
    }
}
