//! The whole, tied together. What it holds, in the order of the flow; what it does is in the other rooms.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bugle_model::{
    Circuit, Clock, Delivery, Destination, DestinationId, IdGenerator, Timestamp, Verdict,
    destination::CircuitPhase,
};
use bugle_platforms::scheme::Sealer;
use bugle_store::{Store, StoreError};
use ipnet::IpNet;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    accounts::{Accounts, OidcSettings},
    activity::Activity,
    directory::Directory,
    dispatch::{CircuitChange, CircuitLog, Control, Dispatcher, DispatcherParts, Observer},
    health::{Health, HealthReport},
    metrics::Metrics,
    pipeline::{Arrivals, Handover},
    retention::Retention,
    send::{Sender, SenderOptions},
    stream::{CircuitNews, DeliveryNews, Feed, News},
    watch::{self, Watch},
};

/// What an engine must be told.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings {
    /// Networks that destinations may be in although they are private.
    pub allowed_networks: Vec<IpNet>,
    /// Where people reach this hub, for links in what is sent.
    pub public_url: Option<Url>,
    /// What is kept for how long.
    pub retention: Retention,
    /// What is worth an incident of Bugle's own.
    pub watch: Watch,
    /// Where people sign in beside here.
    pub oidc: Option<OidcSettings>,
}

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sender could not be made: no trusted roots, or no randomness.
    #[error("the HTTP client could not be made")]
    Sender(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The whole, tied together.
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: EngineSettings,
    /// When this process opened the store.
    opened_at: Timestamp,
    ids: IdGenerator,
    sealer: Sealer,
    directory: Directory,
    dispatcher: Dispatcher,
    circuit_log: Arc<CircuitLog>,
    metrics: Arc<Metrics>,
    health: Health,
    activity: Arc<Activity>,
    accounts: Accounts,
    feed: Arc<Feed>,
    handover: Handover,
    arrivals: Arrivals,
    pipeline_wake: Notify,
    /// Held while the configuration changes, so that what is stored and what is in memory stay the same.
    changing: Mutex<()>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Engine {
    /// Reads the configuration and takes up the deliveries that wait. Must be called within a Tokio runtime. Receipts
    /// wait until [`Engine::start`].
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: EngineSettings,
    ) -> Result<Arc<Self>, OpenError> {
        let instance = store.instance().await?;
        let sender = Sender::new(SenderOptions { allowed_networks: settings.allowed_networks.clone() })
            .map_err(|error| OpenError::Sender(error.into()))?;
        let accounts =
            Accounts::new(settings.oidc.clone(), &sender).map_err(|error| OpenError::Sender(error.into()))?;
        let metrics = Arc::new(Metrics::default());
        let (feed, circuit_log) = (Arc::new(Feed::default()), Arc::new(CircuitLog::default()));
        let activity = Arc::new(Activity::default());
        let engine = Arc::new_cyclic(|engine: &Weak<Self>| {
            let control = Arc::new(Reins { engine: engine.clone() });
            let observer = Arc::new(Watcher {
                metrics: metrics.clone(),
                feed: feed.clone(),
                circuit_log: circuit_log.clone(),
                activity: activity.clone(),
                clock: clock.clone(),
            });
            Self {
                directory: Directory::new(watch::integration(clock.now())),
                dispatcher: Dispatcher::start(DispatcherParts {
                    public_url: settings.public_url.as_ref().map(Url::to_string),
                    ..DispatcherParts::new(store.clone(), sender, clock.clone(), control, observer)
                }),
                opened_at: clock.now(),
                store,
                clock,
                settings,
                ids: IdGenerator::new(instance.id_floor),
                sealer: Sealer::new(instance.seal_key),
                circuit_log,
                metrics,
                health: Health::default(),
                activity,
                accounts,
                feed,
                handover: Handover::default(),
                arrivals: Arrivals::default(),
                pipeline_wake: Notify::new(),
                changing: Mutex::new(()),
                stopping: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }
        });
        engine.reload_integrations().await?;
        engine.reload_destinations().await?;
        engine.reload_api_keys().await?;
        Ok(engine)
    }

    /// Starts the pipeline, the stream, retention, the watch and the counting of what comes and goes.
    pub fn start(self: &Arc<Self>) {
        self.tasks.spawn(self.clone().run_feed());
        self.tasks.spawn(self.clone().run_pipeline());
        self.tasks.spawn(self.clone().run_retention());
        self.tasks.spawn(self.clone().run_watch());
        self.tasks.spawn(self.clone().run_activity());
    }

    /// Stops: the pipeline finishes its batch, attempts under way get until `within` to finish. What is left is in the
    /// store and goes on at the next start.
    pub async fn shutdown(&self, within: Duration) {
        self.stopping.cancel();
        self.pipeline_wake.notify_one();
        self.tasks.close();
        let pipeline = async {
            if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
                tracing::warn!(
                    "the pipeline did not finish in time; it goes on where it was at the next start"
                );
            }
        };
        // The dispatcher takes up to twice its bound: once for attempts, once for their outcomes.
        tokio::join!(pipeline, self.dispatcher.shutdown(within / 2));
    }

    /// Does something that nobody waits for but the shutdown.
    pub(crate) fn in_background<F: Future<Output = ()> + Send + 'static>(
        &self,
        work: impl FnOnce(Arc<dyn Store>) -> F,
    ) {
        self.tasks.spawn(work(self.store.clone()));
    }

    /// The store, for reading.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// When this process opened the store.
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }

    /// Makes ids.
    pub fn ids(&self) -> &IdGenerator {
        &self.ids
    }

    /// Where people reach this hub.
    pub fn public_url(&self) -> Option<&Url> {
        self.settings.public_url.as_ref()
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// All metrics as Prometheus reads them, the gauges as of now.
    pub async fn metrics_text(&self) -> Result<String, StoreError> {
        let (backlogs, inbox) = (self.store.backlog().await?, self.store.inbox().await?);
        let now = self.clock.now();
        self.metrics.set_backlogs(&backlogs, now);
        self.metrics.set_inbox(&inbox, now);
        let destinations = self.destinations();
        self.metrics
            .set_circuits(destinations.iter().map(|(destination, circuit)| (destination.as_ref(), *circuit)));
        Ok(self.metrics.text())
    }

    /// How the endpoints do.
    pub fn health_report(&self) -> HealthReport {
        self.health.report(self.clock.now())
    }

    /// Whether calls can be made durable now; the message is for a person.
    pub async fn ready(&self) -> Result<(), String> {
        if self.stopping.is_cancelled() {
            return Err("shutting down".into());
        }
        self.store.ping().await.map_err(|error| error.to_string())
    }

    /// The state of a destination's circuit; closed for one that is disabled.
    pub fn circuit(&self, id: DestinationId) -> Circuit {
        let circuits = self.dispatcher.circuits();
        circuits.into_iter().find(|(known, _)| *known == id).map(|(_, circuit)| circuit).unwrap_or_default()
    }

    /// How a destination's circuit changed since this process started, newest first.
    pub fn circuit_changes(&self, id: DestinationId) -> Vec<CircuitChange> {
        self.circuit_log.of(id)
    }

    pub(crate) fn circuit_log(&self) -> &CircuitLog {
        &self.circuit_log
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(crate) fn allowed_networks(&self) -> &[IpNet] {
        &self.settings.allowed_networks
    }

    /// What is kept for how long.
    pub fn retention(&self) -> Retention {
        self.settings.retention
    }

    pub(crate) fn watch(&self) -> Watch {
        self.settings.watch
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    pub(crate) fn handover(&self) -> &Handover {
        &self.handover
    }

    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    pub(crate) fn pipeline_wake(&self) -> &Notify {
        &self.pipeline_wake
    }

    pub(crate) fn wake_pipeline(&self) {
        self.pipeline_wake.notify_one();
    }

    pub(crate) async fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    pub(crate) async fn reload_integrations(&self) -> Result<(), StoreError> {
        self.directory.set_integrations(self.store.integrations().await?);
        Ok(())
    }

    pub(crate) async fn reload_destinations(&self) -> Result<(), StoreError> {
        let stored = self.store.destinations().await?;
        let shared: Vec<_> = stored.into_iter().map(|(one, circuit)| (Arc::new(one), circuit)).collect();
        self.directory.set_destinations(shared.iter().map(|(one, _)| one.clone()).collect());
        self.dispatcher.set_destinations(shared);
        Ok(())
    }

    pub(crate) async fn reload_api_keys(&self) -> Result<(), StoreError> {
        self.directory.set_api_keys(self.store.api_keys().await?);
        Ok(())
    }
}

/// Lets the dispatcher disable a destination without owning the engine.
#[derive(Debug)]
struct Reins {
    engine: Weak<Engine>,
}

#[async_trait]
impl Control for Reins {
    async fn disable(&self, destination_id: DestinationId, reason: String) -> Result<(), StoreError> {
        match self.engine.upgrade() {
            Some(engine) => engine.disable_destination(destination_id, reason).await,
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Watcher {
    metrics: Arc<Metrics>,
    feed: Arc<Feed>,
    circuit_log: Arc<CircuitLog>,
    clock: Arc<dyn Clock>,
    activity: Arc<Activity>,
}

impl Observer for Watcher {
    fn attempt(&self, destination: &Destination, verdict: &Verdict, seconds: f64) {
        self.metrics.attempt(destination.id, verdict, seconds);
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        self.activity.sent(destination.id, *verdict == Verdict::Delivered, took, self.clock.now());
    }

    fn outcome(&self, delivery: &Delivery) {
        self.feed.tell(|| News::Delivery(DeliveryNews::of(delivery)));
    }

    fn circuit(&self, destination_id: DestinationId, phase: CircuitPhase) {
        self.circuit_log.note(destination_id, phase, self.clock.now());
        self.feed.tell(|| News::Circuit(CircuitNews { destination_id, phase }));
        match phase {
            CircuitPhase::Closed => tracing::debug!(%destination_id, "the circuit is closed"),
            CircuitPhase::HalfOpen => tracing::info!(%destination_id, "the circuit lets a probe through"),
            CircuitPhase::Open => tracing::warn!(%destination_id, "the circuit is open: deliveries wait"),
        }
    }
}
