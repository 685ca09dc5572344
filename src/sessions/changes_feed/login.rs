//! CouchDB's cookie sessions.

use super::ChangesFeed;
use super::error::FeedError;
use crate::reactor::Cx;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use std::fmt;
use std::time::Duration;

/// How a feed that is to use a cookie session stands with it.
#[derive(Default)]
pub(super) enum Login {
    /// Each request carries the URL's credentials.
    #[default]
    Basic,
    /// A cookie is to be asked for.
    Wanted,
    /// Each request carries this cookie.
    Cookie(HeaderValue),
    /// The server has no sessions: each request carries the credentials, until it refuses something
    /// for good.
    Refused,
}

impl Login {
    pub(super) fn cookie(&self) -> Option<&HeaderValue> {
        match self {
            Login::Cookie(cookie) => Some(cookie),
            _ => None,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        matches!(self, Login::Wanted)
    }

    /// Begins anew after a refusal; a cookie may be what was refused.
    pub(super) fn renew(&mut self) {
        if !matches!(self, Login::Basic) {
            *self = Login::Wanted;
        }
    }

    /// Keeps the cookie of a login, and the newer one that CouchDB sends before that one expires.
    pub(super) fn keep(&mut self, headers: &HeaderMap) {
        if matches!(self, Login::Basic) {
            return;
        }
        for value in headers.get_all(SET_COOKIE) {
            let pair = value.to_str().ok().and_then(|value| value.split(';').next());
            let pair = pair.filter(|pair| pair.trim().starts_with("AuthSession="));
            let cookie = pair.and_then(|pair| HeaderValue::from_str(pair.trim()).ok());
            if let Some(mut cookie) = cookie.filter(|cookie| cookie.len() > "AuthSession=".len()) {
                cookie.set_sensitive(true);
                *self = Login::Cookie(cookie);
            }
        }
    }
}

impl ChangesFeed {
    /// Logs in with the URL's credentials and then sends the session's cookie in their place; when
    /// the server takes it no more, logs in anew. For servers that check passwords at a price, or
    /// in `_session` alone.
    ///
    /// A server without sessions is sent the credentials as Basic authentication after all. Without
    /// credentials in the URL this does nothing.
    #[must_use]
    pub fn cookie_session(mut self) -> Self {
        if self.database.login().is_some() {
            self.login = Login::Wanted;
        }
        self
    }

    /// The answer to a login is complete; its cookie is kept already.
    pub(super) fn logged_in(&mut self, cx: &mut Cx<'_>) {
        match self.answer.status {
            // The credentials are wrong, and would be so as well in every other request.
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let refusal = self.answer.refusal();
                return self.lose(cx, refusal);
            }
            _ if self.answer.is_passing_failure() => {
                let refusal = self.answer.refusal();
                return self.lose(cx, refusal);
            }
            _ => {}
        }
        if self.login.is_wanted() {
            self.login = Login::Refused;
        }
        self.go_on(cx);
    }

    /// The server has refused the credentials: they are not to be sent again for a while, because
    /// each refusal counts for a lock-out.
    pub(super) fn login_is_refused(&mut self, cx: &Cx<'_>) {
        self.login_due = Some(cx.now() + self.login_pauses.next_delay());
    }

    /// The server has accepted the credentials. Soon after a refusal that says little: other nodes
    /// of a cluster may not agree.
    pub(super) fn login_is_accepted(&mut self, cx: &Cx<'_>) {
        if self.login_pause(cx).is_zero() {
            self.login_pauses.reset();
        }
    }

    /// How long the credentials are not to be sent, if that can be helped.
    pub(super) fn login_pause(&self, cx: &Cx<'_>) -> Duration {
        self.login_due.map_or(Duration::ZERO, |due| due.saturating_duration_since(cx.now()))
    }

    pub(super) fn can_log_in_again(&self) -> bool {
        self.login.cookie().is_some() && !self.is_renewed
    }

    /// The server takes the credentials of a request no more: asks for a new cookie once for each
    /// loss, for five wrong logins lock an account.
    pub(super) fn log_in_again(&mut self, cx: &mut Cx<'_>) {
        if self.can_log_in_again() {
            self.is_renewed = true;
            self.login = Login::Wanted;
            self.go_on(cx);
        } else {
            let refusal: FeedError = self.answer.refusal();
            self.lose(cx, refusal);
        }
    }
}

/// Shows no cookie.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::Basic => "Basic",
            Login::Wanted => "Wanted",
            Login::Cookie(_) => "Cookie",
            Login::Refused => "Refused",
        })
    }
}
