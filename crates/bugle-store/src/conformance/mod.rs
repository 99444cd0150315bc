//! The suite that every backend must pass: plain checks that are given an empty store.
//!
//! A backend's tests call [`conformance_tests!`](crate::conformance_tests) with a function that makes such a store.
//! Nothing in here knows a database.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "these are tests that several crates share"
)]

pub mod audit;
pub mod config;
pub mod deliveries;
pub mod events;
pub mod incidents;
pub mod receipts;
pub mod retention;
pub mod sample;
pub mod users;

use crate::PageRequest;

/// A first page that holds all that a check makes.
const ALL: PageRequest = PageRequest { cursor: None, limit: 200 };

/// Makes one test of each check. `$open` is an async function without arguments that returns something that holds an
/// empty store and is `AsRef<dyn Store>`.
#[macro_export]
macro_rules! conformance_tests {
    ($open:path) => {
        $crate::conformance_tests! {@tests $open;
            receipts: a_receipt_reads_back_whole, pending_receipts_come_oldest_first,
                the_inbox_is_counted_and_dated,
                the_senders_own_id_makes_a_duplicate, an_equal_body_is_told_of_and_processed,
                a_rejected_receipt_is_never_an_original, the_quarantine_is_bounded,
                undecodable_receipts_are_bounded,
                a_requeued_receipt_is_pending_again, receipts_are_listed_without_bodies_by_page;
            incidents: a_step_is_kept_whole, a_stale_revision_conflicts_and_leaves_nothing,
                one_unresolved_incident_for_a_grouping_key, the_incident_resolved_last_is_found,
                an_alert_moves_to_its_next_incident, what_happened_before_is_related,
                incidents_are_filtered, words_find_incidents,
                services_and_labels_are_matched_whole, incidents_are_counted_and_the_worst_come_first,
                calls_are_counted_by_minute,
                lists_come_in_pages;
            deliveries: deliveries_of_an_incident_go_in_order, a_claim_is_exclusive_until_it_is_given_back,
                a_retry_waits_for_its_time, retries_do_not_wait_for_a_clock_that_was_turned_back,
                what_is_sent_again_does_not_wait_for_a_clock_that_was_turned_back,
                neither_kind_hides_the_other, a_dead_delivery_blocks_nobody_and_can_be_sent_again,
                an_old_delivery_sent_again_goes_before_younger_ones, dead_deliveries_are_recovered_in_order,
                the_backlog_counts_what_is_unsettled, the_oldest_unsettled_of_others_is_told,
                a_deleted_destination_is_sent_nothing,
                settling_twice_changes_nothing, deliveries_are_filtered;
            events: events_come_in_the_order_of_their_commits, who_reads_on_while_others_commit_misses_nothing;
            retention: old_receipts_go_once_they_are_dealt_with, a_pruned_senders_id_is_new_again,
                old_resolved_incidents_go_with_all_that_is_theirs, what_waits_keeps_its_incident,
                what_a_deleted_destination_would_get_keeps_nothing, alerts_that_moved_on_or_still_fire_stay,
                a_step_is_small_and_steps_reach_the_end, without_a_moment_all_stay,
                an_instance_remembers_its_largest_id;
            config: integrations_read_back_and_go, destinations_read_back_and_keep_their_circuits,
                api_keys_read_back_and_go, an_instance_keeps_its_key_and_knows_its_largest_id;
            users: users_read_back_change_and_go, a_name_is_given_once, an_identity_is_given_once, sessions_are_found_by_their_hash,
                sessions_that_are_over_and_too_many_go;
            audit: facts_are_kept_newest_first, facts_are_found_by_who_and_what, old_facts_go;
        }
    };
    (@tests $open:path; $($noun:ident: $($name:ident),* ;)*) => {
        $(mod $noun {$(
            #[tokio::test]
            async fn $name() {
                let store = $open().await;
                $crate::conformance::$noun::$name(store.as_ref()).await;
            }
        )*})*
    };
}
