//! The configuration in memory: read on every call without a lock, replaced whole when it changes.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use bugle_model::{
    ApiKey, Destination, DestinationId, Integration, IntegrationId, integration::RateLimit, limits,
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::{InMemoryState, NotKeyed},
};

type Limiter = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;

/// The configuration in memory.
#[derive(Debug)]
pub struct Directory {
    /// By which Bugle reports on itself; not among the others.
    built_in: Arc<Integration>,
    integrations: ArcSwap<BTreeMap<IntegrationId, Arc<Integration>>>,
    destinations: ArcSwap<BTreeMap<DestinationId, Arc<Destination>>>,
    api_keys: ArcSwap<HashMap<[u8; 32], Arc<ApiKey>>>,
    rate: Rate,
}

impl Directory {
    pub(crate) fn new(built_in: Integration) -> Self {
        Self {
            built_in: Arc::new(built_in),
            integrations: ArcSwap::default(),
            destinations: ArcSwap::default(),
            api_keys: ArcSwap::default(),
            rate: Rate::default(),
        }
    }

    pub(crate) fn integration(&self, id: IntegrationId) -> Option<Arc<Integration>> {
        if id == self.built_in.id {
            return Some(self.built_in.clone());
        }
        self.integrations.load().get(&id).cloned()
    }

    pub(crate) fn integrations(&self) -> Vec<Arc<Integration>> {
        self.integrations.load().values().cloned().collect()
    }

    pub(crate) fn destination(&self, id: DestinationId) -> Option<Arc<Destination>> {
        self.destinations.load().get(&id).cloned()
    }

    pub(crate) fn destinations(&self) -> Vec<Arc<Destination>> {
        self.destinations.load().values().cloned().collect()
    }

    pub(crate) fn api_key(&self, hash: &[u8; 32]) -> Option<Arc<ApiKey>> {
        self.api_keys.load().get(hash).cloned()
    }

    pub(crate) fn api_keys(&self) -> Vec<Arc<ApiKey>> {
        let mut keys: Vec<_> = self.api_keys.load().values().cloned().collect();
        keys.sort_by_key(|key| key.id);
        keys
    }

    /// Takes over when a key was last used; one that was deleted meanwhile stays deleted.
    pub(crate) fn note_use(&self, key: ApiKey) {
        let key = Arc::new(key);
        self.api_keys.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            if let Some(known) = keys.get_mut(&key.hash) {
                *known = key.clone();
            }
            keys
        });
    }

    pub(crate) fn rate(&self) -> &Rate {
        &self.rate
    }

    pub(crate) fn set_integrations(&self, integrations: Vec<Integration>) {
        self.rate.configure(&integrations);
        self.integrations
            .store(Arc::new(integrations.into_iter().map(|one| (one.id, Arc::new(one))).collect()));
    }

    pub(crate) fn set_destinations(&self, destinations: Vec<Arc<Destination>>) {
        self.destinations.store(Arc::new(destinations.into_iter().map(|one| (one.id, one)).collect()));
    }

    pub(crate) fn set_api_keys(&self, keys: Vec<ApiKey>) {
        self.api_keys.store(Arc::new(keys.into_iter().map(|key| (key.hash, Arc::new(key))).collect()));
    }
}

/// How many calls each integration has made lately. In memory: after a restart everybody starts afresh.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    entries: ArcSwap<HashMap<IntegrationId, Arc<Allowance>>>,
}

#[derive(Debug)]
struct Allowance {
    limit: Option<RateLimit>,
    calls: Option<Limiter>,
    quarantine: Limiter,
}

impl Allowance {
    fn new(limit: Option<RateLimit>) -> Self {
        let quarantine = NonZeroU32::new(limits::QUARANTINE_WRITES_PER_SECOND_MAX).unwrap_or(NonZeroU32::MIN);
        Self {
            limit,
            calls: limit.and_then(quota).map(RateLimiter::direct),
            quarantine: RateLimiter::direct(Quota::per_second(quarantine)),
        }
    }
}

/// `100/minute` lets a burst of 100 through at once and then one every 600 ms.
fn quota(limit: RateLimit) -> Option<Quota> {
    let interval = limit.per.duration() / limit.count.get();
    Quota::with_period(interval.max(Duration::from_nanos(1))).map(|quota| quota.allow_burst(limit.count))
}

impl Rate {
    /// Keeps the count of every integration whose limit stays as it was.
    fn configure(&self, integrations: &[Integration]) {
        let before = self.entries.load();
        let entries = integrations
            .iter()
            .map(|integration| {
                let kept = before.get(&integration.id).filter(|known| known.limit == integration.rate_limit);
                (
                    integration.id,
                    kept.cloned().unwrap_or_else(|| Arc::new(Allowance::new(integration.rate_limit))),
                )
            })
            .collect();
        self.entries.store(Arc::new(entries));
    }

    /// Counts a call; `Err` says how long to wait.
    pub(crate) fn check(&self, integration: &Integration) -> Result<(), Duration> {
        let entries = self.entries.load();
        let Some(limiter) = entries.get(&integration.id).and_then(|one| one.calls.as_ref()) else {
            return Ok(());
        };
        limiter.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Counts a call that failed verification; false when it should not be kept.
    pub(crate) fn may_quarantine(&self, id: IntegrationId) -> bool {
        self.entries.load().get(&id).is_none_or(|one| one.quarantine.check().is_ok())
    }
}
