//! `GET /health`, for monitoring: is the shown data up to date?

use crate::feed::FeedStatus;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use masque::filters::Response;
use std::time::Duration;

/// Returns 200, or 503 if the feed has been disconnected for longer than `stale_after` or a shown
/// document is known to be outdated. A document that does not change is not an error, however old
/// it is.
pub(crate) fn health(status: &FeedStatus, stale_after: Duration) -> Response {
    let is_lost = status.lost_for().is_some_and(|time| time > stale_after);
    let is_stale = is_lost || status.outdated > 0;
    let body = format!(
        "{{\"ok\":{},\"feed\":\"{}\",\"feed_state_seconds\":{},\
         \"data_age_seconds\":{},\"feed_silence_seconds\":{},\"outdated_documents\":{}}}\n",
        !is_stale,
        status.state.name(),
        seconds(Some(status.state_age)),
        seconds(status.data_age),
        seconds(status.silence),
        status.outdated,
    );
    let mut response = Response::new(body.into());
    if is_stale {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "null".into(), |time| format!("{:.3}", time.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::FeedState;

    #[test]
    fn a_feed_that_is_lost_for_too_long_and_an_outdated_document_are_unhealthy() {
        let second = Duration::from_secs(1);
        for (state, state_age, outdated, expected) in [
            (FeedState::Following, 3600 * second, 0, 200),
            (FeedState::Following, second, 1, 503),
            (FeedState::Lost, 60 * second, 0, 200),
            (FeedState::Lost, 61 * second, 0, 503),
            (FeedState::Connecting, 61 * second, 0, 503),
        ] {
            let (data_age, silence) = (Some(second / 2), None);
            let (changes, losses) = (0, 0);
            let status =
                FeedStatus { state, state_age, data_age, silence, changes, losses, outdated };
            let response = health(&status, 60 * second);
            assert_eq!(response.status().as_u16(), expected, "{status:?}");
            let body: serde_json::Value =
                serde_json::from_slice(response.body()).expect("it is JSON");
            assert_eq!(body["ok"], expected == 200);
            assert_eq!(body["data_age_seconds"], 0.5);
            assert_eq!(body["feed_silence_seconds"], serde_json::Value::Null);
        }
    }
}
