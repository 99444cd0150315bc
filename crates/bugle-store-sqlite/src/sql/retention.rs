//! What retention looks for, and what it deletes beside what other nouns delete.

use super::incidents::document_of;

statements! {
    /// A pending receipt has no outcome.
    OLDEST_RECEIPTS = "SELECT o.receipt_id, r.received_at FROM receipt_outcome o \
        CROSS JOIN receipt r ON r.id = o.receipt_id WHERE o.receipt_id > -1 ORDER BY o.receipt_id LIMIT ?1";

    RESOLVED_INCIDENTS = "SELECT id, resolved_at FROM incident INDEXED BY incident_by_resolution \
        WHERE status >= 3 AND (resolved_at, id) > (?1, ?2) AND resolved_at < ?3 ORDER BY resolved_at, id LIMIT ?4";
    /// Unsettled deliveries to a destination that was deleted are never sent, so they do not wait.
    IS_WAITED_FOR = "SELECT EXISTS (SELECT 1 FROM backlog b CROSS JOIN delivery d ON d.destination_id = b.destination_id \
        WHERE d.incident_id = ?1 AND d.state < 2 AND NOT EXISTS \
        (SELECT 1 FROM destination t WHERE t.id = b.destination_id AND t.deleted_at IS NOT NULL))";
    NEXT_DELIVERY = "SELECT id, destination_id, state < 2 FROM delivery WHERE incident_id = ?1 ORDER BY id LIMIT 1";
    DELIVERY_DELETE = "DELETE FROM delivery WHERE id = ?1";
    /// Those that hold nothing of the incident as it is now. Their number is bounded, as a `DELETE` has no limit of its own.
    SOME_EVENTS_DELETE = "DELETE FROM event WHERE id IN (SELECT id FROM event \
        WHERE incident_id = ?1 AND id IS NOT (SELECT i.event_id FROM incident i WHERE i.id = ?1) LIMIT ?2)";
    EVENTS_DELETE = "DELETE FROM event WHERE incident_id = ?1";
    NEXT_ALERT = concat!(
        "SELECT id, ", document_of!("alert"), " FROM alert WHERE incident_id = ?1 ORDER BY id LIMIT 1"
    );
    ALERT_DELETE = "DELETE FROM alert WHERE id = ?1";
    INCIDENT_DELETE = "DELETE FROM incident WHERE id = ?1 RETURNING status, severity";
}
