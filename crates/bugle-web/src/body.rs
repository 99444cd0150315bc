//! The one reader of request bodies: bounded in bytes and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::WebSettings;

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
    /// The connection broke, or the framing is wrong.
    #[error("the body could not be read: its transfer ended early or is malformed")]
    Broken(#[source] axum::Error),
}

/// Reads `body` whole. A body whose head says that it is too large is refused before a byte of it is read.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    settings: &WebSettings,
) -> Result<Bytes, BodyError> {
    let limit_bytes = settings.body_bytes_max;
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(BodyError::TooLarge { limit_bytes });
    }
    let read = frames(body, limit_bytes, announced.unwrap_or(0));
    let limit = settings.body_time_max;
    timeout_at(Instant::now() + limit, read).await.unwrap_or(Err(BodyError::TooSlow { limit }))
}

async fn frames(mut body: Body, limit_bytes: usize, announced: usize) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        if first.is_empty() && rest.is_empty() {
            // Most webhooks arrive in one piece, which is then never copied.
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(announced.max(first.len() + data.len()));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

#[cfg(test)]
mod tests {
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

    #[tokio::test]
    async fn pieces_become_one_and_the_limit_counts_all_of_them() {
        for (parts, limit, expected) in [
            (&["ab", "cd", "", "e"][..], 5, Some("abcde")),
            (&["ab", "cd", "ef"][..], 5, None),
            (&["abcdef"][..], 5, None),
            (&[][..], 0, Some("")),
        ] {
            let read = read(&HeaderMap::new(), chunks(parts), &settings(limit)).await;
            assert_eq!(read.ok().as_deref(), expected.map(str::as_bytes), "{parts:?}");
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
}
