//! The one reader of request bodies: bounded in bytes and in time, each and all together.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{WebSettings, app::App};

/// What a body counts for at least once it is whole: a call that waits takes memory around its body too.
const ROOM_BYTES_MIN: usize = 4 * 1024;

/// Why a body's transfer broke off, in the words of whoever carried it.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a body was not read whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is too large, or says that it will be.
    #[error("the body is larger than {limit_bytes} bytes: send less at once")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// It did not arrive in time.
    #[error("the body did not arrive within {} s: send it again", limit.as_secs_f64())]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// All bodies together take all the room there is for them: what waits for the store waits too long.
    #[error("more is waiting to be stored than there is room for: try again")]
    NoRoom,
    /// The connection broke, or the framing is wrong.
    #[error("the body could not be read: its transfer ended early or is malformed")]
    Broken(#[source] BoxError),
}

/// The room that all bodies may take together, those that were read and wait for the store too. When the store is slow,
/// callers are told to come again instead of filling the memory.
#[derive(Debug, Clone)]
pub(crate) struct Rooms(Arc<Semaphore>);

impl Rooms {
    pub(crate) fn new(settings: &WebSettings) -> Self {
        // The largest body must always fit, and another beside it.
        Self(Arc::new(Semaphore::new(settings.bodies_bytes_max.max(settings.body_bytes_max * 2))))
    }

    fn room(&self) -> Result<Room, BodyError> {
        self.0.clone().try_acquire_many_owned(0).map(Room).map_err(|_| BodyError::NoRoom)
    }
}

/// The part of it that one body takes, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Room(OwnedSemaphorePermit);

impl Room {
    fn grow_to(&mut self, bytes: usize) -> Result<(), BodyError> {
        let missing = bytes.saturating_sub(self.0.num_permits());
        let missing = u32::try_from(missing).map_err(|_| BodyError::NoRoom)?;
        let rooms = self.0.semaphore().clone();
        self.0.merge(rooms.try_acquire_many_owned(missing).map_err(|_| BodyError::NoRoom)?);
        Ok(())
    }
}

/// A body that was read whole, and the room it takes.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    pub(crate) room: Room,
}

/// Reads `body` whole. A body whose head says that it is too large is refused before a byte of it is read.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, app: &App) -> Result<Held, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    read_into(app.rooms.room()?, headers, body, &app.settings).await
}

async fn read_into<B>(
    mut room: Room,
    headers: &HeaderMap,
    body: B,
    settings: &WebSettings,
) -> Result<Held, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let limit_bytes = settings.body_bytes_max;
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(BodyError::TooLarge { limit_bytes });
    }
    let read = frames(body, limit_bytes, &mut room);
    let limit = settings.body_time_max;
    let bytes =
        timeout_at(Instant::now() + limit, read).await.unwrap_or(Err(BodyError::TooSlow { limit }))?;
    room.grow_to(bytes.len().max(ROOM_BYTES_MIN))?;
    Ok(Held { bytes, room })
}

/// Memory is taken as bytes come, and not before: who announces much and sends little takes none from others.
async fn frames<B>(mut body: B, limit_bytes: usize, room: &mut Room) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| BodyError::Broken(error.into()))?.into_data() else { continue };
        let length = first.len() + rest.len() + data.len();
        if length > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        room.grow_to(length)?;
        if first.is_empty() && rest.is_empty() {
            // Most webhooks arrive in one piece, which is then never copied.
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::{StreamBody, channel::Channel};

    use super::*;

    fn settings(body_bytes_max: usize) -> WebSettings {
        WebSettings { body_bytes_max, body_time_max: Duration::from_millis(50), ..WebSettings::default() }
    }

    fn chunks(parts: &[&'static str]) -> Body {
        let frames: Vec<_> = parts
            .iter()
            .map(|part| Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(Bytes::from(*part))))
            .collect();
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    async fn read(headers: &HeaderMap, body: Body, settings: &WebSettings) -> Result<Held, BodyError> {
        read_into(Rooms::new(settings).room().unwrap(), headers, body, settings).await
    }

    #[tokio::test]
    async fn pieces_become_one_and_the_limit_counts_all_of_them() {
        for (parts, limit, expected) in [
            (&["ab", "cd", "", "e"][..], 5, Some("abcde")),
            (&["ab", "cd", "ef"][..], 5, None),
            (&["abcdef"][..], 5, None),
            (&[][..], 0, Some("")),
        ] {
            let read = read(&HeaderMap::new(), chunks(parts), &settings(limit)).await;
            assert_eq!(read.ok().map(|held| held.bytes).as_deref(), expected.map(str::as_bytes), "{parts:?}");
        }
    }

    #[tokio::test]
    async fn an_announced_length_is_refused_unread() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, 6.into())]);
        let read = read(&headers, chunks(&["a"]), &settings(5)).await;
        assert!(matches!(read, Err(BodyError::TooLarge { limit_bytes: 5 })));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up_on() {
        let (sender, body) = Channel::<Bytes>::new(1);
        let read = read(&HeaderMap::new(), Body::new(body), &settings(5)).await;
        assert!(matches!(read, Err(BodyError::TooSlow { .. })));
        drop(sender);
    }

    #[tokio::test]
    async fn all_bodies_together_have_so_much_room_and_give_it_back() {
        let settings = WebSettings { bodies_bytes_max: 3 * ROOM_BYTES_MIN, ..settings(ROOM_BYTES_MIN) };
        let rooms = Rooms::new(&settings);
        let large: &'static str = "x".repeat(ROOM_BYTES_MIN).leak();
        let hold = async |part| {
            read_into(rooms.room().unwrap(), &HeaderMap::new(), chunks(&[part]), &settings).await
        };
        let waiting = (hold(large).await.unwrap(), hold("small").await.unwrap(), hold("").await.unwrap());
        assert!(matches!(hold("one more").await, Err(BodyError::NoRoom)));
        drop(waiting.1);
        assert_eq!(hold("one more").await.unwrap().bytes, "one more");
        drop((waiting.0, waiting.2));
        assert_eq!(rooms.0.available_permits(), settings.bodies_bytes_max);
    }

    #[tokio::test]
    async fn what_is_only_announced_takes_no_room() {
        let settings = settings(1 << 20);
        let rooms = Rooms::new(&settings);
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, (1 << 20).into())]);
        let (mut sender, body) = Channel::<Bytes>::new(1);
        let all = rooms.0.available_permits();
        let slow = read_into(rooms.room().unwrap(), &headers, Body::new(body), &settings);
        let watch = async {
            sender.send_data(Bytes::from_static(b"abc")).await.unwrap();
            while rooms.0.available_permits() == all {
                tokio::task::yield_now().await;
            }
            rooms.0.available_permits()
        };
        let (slow, left) = tokio::join!(slow, watch);
        assert_eq!(left, all - 3);
        assert!(matches!(slow, Err(BodyError::TooSlow { .. })));
        assert_eq!(rooms.0.available_permits(), all);
    }
}
