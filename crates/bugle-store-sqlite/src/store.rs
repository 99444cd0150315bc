//! The contract of [`Store`], each intention handed to its noun's module.

use async_trait::async_trait;
use bugle_model::{
    Alert, ApiKey, ApiKeyId, Attempt, AuditEntry, AuditRecord, Circuit, Cursor, Delivery, DeliveryId,
    Destination, DestinationId, Event, Incident, IncidentId, Integration, IntegrationId, Page, Receipt,
    ReceiptId, Session, Timestamp, User, UserId, Verification,
};
use bugle_store::{
    Appended, AuditFilter, Backlog, CallCount, Claim, CommitError, Committed, DeliveryFilter, Inbox,
    IncidentCount, IncidentFilter, Instance, PageRequest, PruneBefore, Pruned, ReceiptFilter, RecoverFrom,
    Recovered, Room, Settlement, SignalOutcome, Step, Store, StoreError, StoreFacts,
};

use crate::{
    SqliteStore, activity, audit, config, deliveries, delivery_pages, filter, incidents, pipeline,
    receipt_reads, receipts, redelivery, related, retention, users,
};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Store for SqliteStore {
    async fn instance(&self) -> Result<Instance> {
        self.fresh.file_if_possible(&self.writer).await;
        config::instance(&self.readers).await
    }

    async fn facts(&self) -> Result<StoreFacts> {
        config::facts(&self.readers).await
    }

    async fn ping(&self) -> Result<()> {
        config::ping(&self.writer).await
    }

    async fn append(&self, receipt: Receipt) -> Result<Appended> {
        receipts::append(&self.journal, &self.writer, receipt).await
    }

    async fn pending_ids(&self, limit: u32) -> Result<Vec<ReceiptId>> {
        receipt_reads::pending_ids(&self.readers, &self.fresh, limit).await
    }

    async fn pending_of(&self, ids: Vec<ReceiptId>) -> Result<Vec<Receipt>> {
        receipt_reads::pending_of(&self.readers, &self.fresh, ids).await
    }

    async fn inbox(&self) -> Result<Inbox> {
        receipt_reads::inbox(&self.readers, &self.fresh).await
    }

    async fn receipt(&self, id: ReceiptId) -> Result<Option<(Receipt, Vec<SignalOutcome>)>> {
        receipt_reads::one(&self.readers, &self.fresh, id).await
    }

    async fn receipts(&self, filter: ReceiptFilter, page: PageRequest) -> Result<Page<Receipt>> {
        self.fresh.file_if_possible(&self.writer).await;
        receipt_reads::page(&self.readers, filter, page).await
    }

    async fn requeue(&self, id: ReceiptId, verification: Verification) -> Result<()> {
        self.fresh.file_now(&self.writer).await?;
        receipts::requeue(&self.writer, id, verification).await
    }

    async fn alerts_by_key(&self, keys: Vec<(IntegrationId, String)>) -> Result<Vec<Alert>> {
        incidents::alerts_by_key(&self.readers, keys).await
    }

    async fn incidents_for(&self, ids: Vec<IncidentId>, grouping_keys: Vec<String>) -> Result<Vec<Incident>> {
        incidents::incidents_for(&self.readers, ids, grouping_keys).await
    }

    async fn commit(&self, step: Step) -> std::result::Result<(), CommitError> {
        pipeline::commit(&self.writer, &self.fresh, step).await
    }

    async fn incident(&self, id: IncidentId) -> Result<Option<Incident>> {
        incidents::one(&self.readers, id).await
    }

    async fn incidents(&self, filter: IncidentFilter, page: PageRequest) -> Result<Page<Incident>> {
        filter::page(&self.readers, filter, page).await
    }

    async fn related(&self, to: &Incident, limit: u32) -> Result<Vec<Incident>> {
        related::related(&self.readers, to.clone(), limit).await
    }

    async fn worst_open(&self, limit: u32) -> Result<Vec<Incident>> {
        incidents::worst_open(&self.readers, limit).await
    }

    async fn incident_counts(&self) -> Result<Vec<IncidentCount>> {
        incidents::counts(&self.readers).await
    }

    async fn timeline(&self, id: IncidentId, page: PageRequest) -> Result<Page<Event>> {
        incidents::timeline(&self.readers, id, page).await
    }

    async fn events_after(&self, position: Cursor, limit: u32) -> Result<Vec<Committed>> {
        incidents::events_after(&self.readers, position, limit).await
    }

    async fn latest_events(&self, limit: u32) -> Result<Vec<Event>> {
        incidents::latest_events(&self.readers, limit).await
    }

    async fn last_position(&self) -> Result<Cursor> {
        incidents::last_position(&self.readers).await
    }

    async fn alerts_of(&self, id: IncidentId, page: PageRequest) -> Result<Page<Alert>> {
        incidents::alerts_of(&self.readers, id, page).await
    }

    async fn claim_due(&self, destination_id: DestinationId, now: Timestamp, room: Room) -> Result<Claim> {
        deliveries::claim_due(&self.readers, (&self.claims, &self.events), destination_id, now, room).await
    }

    async fn settle(
        &self,
        settlements: Vec<Settlement>,
        circuits: Vec<(DestinationId, Circuit)>,
    ) -> Result<()> {
        deliveries::settle(&self.writer, &self.claims, self.clock.as_ref(), settlements, circuits).await
    }

    async fn release(&self, deliveries: Vec<DeliveryId>) -> Result<()> {
        self.claims.give_up(deliveries.into_iter().map(DeliveryId::as_i64));
        Ok(())
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        deliveries::backlog(&self.readers).await
    }

    async fn oldest_unsettled(&self, to: DestinationId, except_platform: &str) -> Result<Option<Timestamp>> {
        deliveries::oldest_unsettled(&self.readers, to, except_platform).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>> {
        deliveries::one(&self.readers, id).await
    }

    async fn deliveries(&self, filter: DeliveryFilter, page: PageRequest) -> Result<Page<Delivery>> {
        delivery_pages::page(&self.readers, filter, page).await
    }

    async fn redeliver(&self, id: DeliveryId, now: Timestamp) -> Result<bool> {
        redelivery::redeliver(&self.writer, id, now).await
    }

    async fn recover(
        &self,
        destination_id: DestinationId,
        from: RecoverFrom,
        now: Timestamp,
        limit: u32,
    ) -> Result<Recovered> {
        redelivery::recover(&self.writer, destination_id, from, now, limit).await
    }

    async fn count_dead(&self, destination_id: DestinationId, since: Timestamp, limit: u32) -> Result<u32> {
        redelivery::count_dead(&self.readers, destination_id, since, limit).await
    }

    async fn prune(&self, before: PruneBefore, limit: u32) -> Result<Pruned> {
        // What is deleted must not come again out of the journal.
        self.fresh.file_now(&self.writer).await?;
        retention::prune(&self.writer, &self.retention, before, limit).await
    }

    async fn activity(&self, from_minute: i64) -> Result<Vec<CallCount>> {
        activity::all(&self.readers, from_minute).await
    }

    async fn add_activity(&self, counts: Vec<CallCount>, from_minute: i64) -> Result<()> {
        activity::add(&self.writer, counts, from_minute).await
    }

    async fn integrations(&self) -> Result<Vec<Integration>> {
        config::integrations(&self.readers).await
    }

    async fn put_integration(&self, integration: Integration) -> Result<()> {
        config::put_integration(&self.writer, integration).await
    }

    async fn delete_integration(&self, id: IntegrationId, now: Timestamp) -> Result<()> {
        config::delete_integration(&self.writer, id, now).await
    }

    async fn destinations(&self) -> Result<Vec<(Destination, Circuit)>> {
        config::destinations(&self.readers).await
    }

    async fn put_destination(&self, destination: Destination) -> Result<()> {
        config::put_destination(&self.writer, destination).await
    }

    async fn delete_destination(&self, id: DestinationId, now: Timestamp) -> Result<()> {
        config::delete_destination(&self.writer, id, now).await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        config::api_keys(&self.readers).await
    }

    async fn put_api_key(&self, key: ApiKey) -> Result<()> {
        config::put_api_key(&self.writer, key).await
    }

    async fn note_api_key_use(&self, id: ApiKeyId, at: Timestamp) -> Result<()> {
        config::note_api_key_use(&self.writer, id, at).await
    }

    async fn delete_api_key(&self, id: ApiKeyId) -> Result<()> {
        config::delete_api_key(&self.writer, id).await
    }

    async fn users(&self) -> Result<Vec<User>> {
        users::all(&self.readers).await
    }

    async fn put_user(&self, user: User) -> Result<()> {
        users::put(&self.writer, user).await
    }

    async fn delete_user(&self, id: UserId) -> Result<()> {
        users::delete(&self.writer, id).await
    }

    async fn put_session(&self, session: Session) -> Result<()> {
        users::put_session(&self.writer, session).await
    }

    async fn session(&self, hash: [u8; 32]) -> Result<Option<(Session, User)>> {
        users::session(&self.readers, hash).await
    }

    async fn note_session_use(&self, hash: [u8; 32], at: Timestamp, expires_at: Timestamp) -> Result<()> {
        users::note_session_use(&self.writer, hash, at, expires_at).await
    }

    async fn delete_session(&self, hash: [u8; 32]) -> Result<()> {
        users::delete_session(&self.writer, hash).await
    }

    async fn note(&self, entry: AuditEntry, keep_from: Timestamp) -> Result<()> {
        audit::note(&self.writer, entry, keep_from).await
    }

    async fn audit(&self, filter: AuditFilter, page: PageRequest) -> Result<Page<AuditRecord>> {
        audit::page(&self.readers, filter, page).await
    }
}
