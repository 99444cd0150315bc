//! Who changed what: noted right after each change of the configuration and each sign-in, and read back.
//!
//! Who acts is not handed through every function that changes something: it is known to the task that does so, as
//! [`on_behalf_of`] says. What nobody asked for is noted as Bugle's own doing.
//!
//! What never lives here: secrets, and values that may be some. The names of fields are enough to ask further.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use bugle_model::{
    Actor, AuditAction, AuditEntry, AuditRecord, Page, User,
    audit::Subject,
    limits::{AUDIT_AGE_MAX, PAGE_DEFAULT},
};
use bugle_store::{AuditFilter, PageRequest, StoreError};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::Engine;

tokio::task_local! {
    static ACTOR: Actor;
}

/// Does `work`, and notes what it changes of the configuration as done by `actor`.
pub async fn on_behalf_of<F: Future>(actor: Actor, work: F) -> F::Output {
    ACTOR.scope(actor, work).await
}

/// Whoever this task acts for.
fn actor() -> Actor {
    ACTOR.try_with(Clone::clone).unwrap_or_else(|_| Actor::Rule { name: "Bugle".to_owned() })
}

/// A user as the one who acts.
pub(crate) fn as_user(user: &User) -> Actor {
    Actor::User { email: user.name.clone() }
}

/// Failed sign-ins noted at once.
const FAILURES_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// One more failed sign-in is noted in each such span.
const FAILURE_EVERY: Duration = Duration::from_mins(6);

/// Bounds how many failed sign-ins are noted: a storm of them must not push out who changed what.
#[derive(Debug)]
pub(crate) struct Failures(Option<DefaultDirectRateLimiter>);

impl Default for Failures {
    fn default() -> Self {
        let quota = Quota::with_period(FAILURE_EVERY).map(|quota| quota.allow_burst(FAILURES_AT_ONCE));
        Self(quota.map(RateLimiter::direct))
    }
}

impl Failures {
    fn may_note(&self) -> bool {
        self.0.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }
}

impl Engine {
    /// The audit log, newest first.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        page: Option<PageRequest>,
    ) -> Result<Page<AuditRecord>, StoreError> {
        let first = PageRequest { cursor: None, limit: PAGE_DEFAULT };
        self.store().audit(filter, page.unwrap_or(first)).await
    }

    /// Notes a change that was made, by whoever this task acts for.
    pub(crate) async fn note(
        &self,
        action: AuditAction,
        subject: impl Into<Subject>,
        details: impl IntoIterator<Item = String>,
    ) {
        let (subject, details) = (Some(subject.into()), details.into_iter().collect());
        self.keep_entry(AuditEntry {
            at: self.clock().now(),
            actor: Some(actor()),
            action,
            subject,
            details,
            address: None,
        })
        .await;
    }

    /// Notes that a user signed in, and how.
    pub(crate) async fn note_sign_in(&self, user: &User, how: &str, address: Option<IpAddr>) {
        self.keep_entry(AuditEntry {
            at: self.clock().now(),
            actor: Some(as_user(user)),
            action: AuditAction::SignInOk,
            subject: None,
            details: vec![how.to_owned()],
            address,
        })
        .await;
    }

    /// Notes that somebody could not sign in. A name is noted only if a user has it: people type passwords there, too.
    pub(crate) async fn note_failed_sign_in(&self, user: Option<&User>, address: IpAddr) {
        if self.accounts().failures.may_note() {
            let subject = user.map(|user| Subject::from((user.id, user.name.as_str())));
            let entry = AuditEntry {
                at: self.clock().now(),
                actor: None,
                action: AuditAction::SignInFailed,
                subject,
                details: Vec::new(),
                address: Some(address),
            };
            self.keep_entry(entry).await;
        }
    }

    /// What it tells of is done: a log that cannot be written is no reason to say that it was not.
    async fn keep_entry(&self, entry: AuditEntry) {
        let (action, keep_from) = (entry.action, entry.at.minus(AUDIT_AGE_MAX));
        if let Err(error) = self.store().note(entry, keep_from).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, action = action.as_str(), "who changed this was not noted");
        }
    }
}
