//! The promises of [`crate::log::Log`] and [`crate::store::Store`], as tests that every backend runs.
//!
//! A promise is one async function whose name says it. A backend's `tests/it/main.rs` hands in a fixture:
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn the_log_keeps_its_promises() {
//!     stardust_pipeline::contract::log_contract(Fixture::start().await).await.assert_kept();
//! }
//! ```
//!
//! `CONTRACT_ONLY=<part of a name>` runs a part of the suite. Time limits are generous: they end a hang, they measure nothing.

mod associations;
mod broken;
mod groups;
mod handover;
mod letters;
mod log_ground;
mod log_outage;
mod offsets;
mod records;
mod replaying;
mod resources;
mod runner;
mod runs;
mod samples;
mod store_alike;
mod store_amend;
mod store_audit;
mod store_books;
mod store_checkpoints;
mod store_exports;
mod store_ground;
mod store_observations;
mod store_rest;
mod wait;

pub use broken::{Broken, Kept};
pub use log_ground::{LogFixture, LogGround};
pub use resources::resources_contract;
pub use runner::Report;
pub use runs::runs_contract;
pub use store_ground::{StoreFixture, StoreGround};

use crate::alike::AtTimes;
use crate::amend::Amend;
use runner::{promises, run_all};

use crate::associations::AssociationStore;

/// Holds a log to every promise.
pub async fn log_contract<F: LogFixture>(fixture: F) -> Report {
    let at_once = fixture.at_once();
    let ground = LogGround::new(fixture);
    let mut report = run_all(
        ground.clone(),
        at_once,
        promises![
            records::create_makes_what_is_missing_and_describe_says_what_exists,
            records::an_acknowledged_record_can_be_read_where_its_ack_says,
            records::a_key_decides_the_partition,
            records::records_of_one_key_keep_their_order,
            records::a_large_record_of_any_bytes_comes_back_unchanged,
            records::a_record_beyond_the_limit_is_refused_and_the_others_go_through,
            records::a_record_for_an_unknown_topic_is_an_error_and_the_others_go_through,
            records::reading_keeps_to_its_budget_and_goes_on_from_any_offset,
            groups::a_member_gets_every_record_once_in_order,
            groups::next_keeps_to_its_budget,
            groups::next_comes_back_empty_where_nothing_is_new,
            groups::next_can_be_cancelled_without_loss,
            groups::rewind_delivers_again,
            groups::outputs_and_offsets_are_committed_together,
            groups::nothing_of_an_open_batch_is_visible,
            groups::a_group_goes_on_where_it_left,
            groups::groups_do_not_disturb_each_other,
            groups::a_group_may_follow_several_topics,
            handover::members_share_the_partitions,
            handover::joining_and_leaving_neither_loses_nor_doubles,
            handover::a_batch_whose_partition_moved_is_void,
            handover::a_member_that_vanishes_is_replaced,
            handover::members_are_listed_until_they_leave,
            handover::a_second_member_under_one_id_fences_the_first,
            offsets::lag_counts_what_is_left_and_is_zero_at_the_end,
            offsets::a_chain_of_topics_ends_with_no_lag,
            offsets::a_group_can_be_set_back_and_forward_by_offset,
            offsets::an_offset_is_found_by_time,
            offsets::offsets_stay_while_the_group_has_members,
            replaying::a_plan_says_what_a_replay_brings_and_the_replay_does_it,
            replaying::a_plan_keeps_to_offsets_that_exist,
        ],
    )
    .await;
    // An outage hits everything at once, so it comes last and alone.
    report.merge(
        run_all(
            ground,
            1,
            promises![log_outage::an_outage_loses_nothing_and_doubles_nothing],
        )
        .await,
    );
    report
}

/// Holds a store that can be amended, and asked by patient and time, to what that promises.
pub async fn amend_contract<F>(fixture: F) -> Report
where
    F: StoreFixture,
    F::Store: Amend + AtTimes,
{
    let at_once = fixture.at_once();
    run_all(
        StoreGround::new(fixture),
        at_once,
        promises![
            store_amend::an_amendment_changes_what_it_names_and_nothing_else,
            store_amend::observations_come_in_the_order_of_the_log,
            store_alike::observations_are_found_by_patient_and_time,
        ],
    )
    .await
}

/// Holds a store that keeps who had a device when to its promises.
pub async fn association_contract<F>(fixture: F) -> Report
where
    F: StoreFixture<Store: AssociationStore>,
{
    let at_once = fixture.at_once();
    run_all(
        StoreGround::new(fixture),
        at_once,
        promises![
            associations::what_refreshes_saw_comes_back,
            associations::a_refresh_that_was_overtaken_adds_nothing,
            associations::an_import_of_periods_takes_the_place_of_the_one_before,
            associations::the_patient_who_was_named_last_counts,
        ],
    )
    .await
}

/// Holds a store to every promise.
pub async fn store_contract<F: StoreFixture>(fixture: F) -> Report {
    let at_once = fixture.at_once();
    let ground = StoreGround::new(fixture);
    let mut report = run_all(
        ground.clone(),
        at_once,
        promises![
            store_observations::the_first_writer_of_an_observation_wins,
            store_observations::answers_come_in_the_order_of_the_documents,
            store_observations::writers_that_race_agree_on_who_won,
            store_observations::every_field_of_an_observation_comes_back,
            store_observations::observations_are_found_by_their_place_in_the_log,
            store_observations::a_batch_of_five_hundred_is_one_call,
            store_observations::the_highest_offset_spans_observations_and_letters,
            letters::the_first_writer_of_a_letter_wins,
            letters::every_field_of_a_letter_comes_back,
            letters::a_letter_opens_again_and_keeps_its_first_try,
            letters::a_closed_letter_stays_closed_for_its_own_record,
            letters::closing_counts_what_it_closed_on_its_shelf,
            letters::only_open_letters_are_released,
            letters::letters_come_in_pages_by_shelf_and_state,
            letters::the_raw_record_of_a_letter_is_kept_once,
            store_audit::a_chain_grows_and_comes_back_whole,
            store_audit::a_place_in_a_chain_is_taken_once,
            store_audit::recorders_that_race_leave_an_unbroken_chain,
            store_audit::chains_stand_apart,
            store_checkpoints::a_noted_head_only_goes_forward,
            store_checkpoints::signed_places_are_kept_once_and_come_in_order,
            store_checkpoints::a_cut_removes_the_front_and_the_chain_goes_on,
            store_exports::observations_are_exported_in_pages_with_their_digits,
            store_exports::legacy_documents_are_exported_with_their_collection,
            store_exports::audit_events_are_exported,
            store_exports::open_letters_are_exported_and_closed_ones_are_not,
            store_books::a_page_of_the_books_is_written_once,
            store_books::pages_of_the_books_come_in_order,
            store_rest::preparing_again_changes_nothing,
            store_rest::a_legacy_document_is_stored_once,
            store_rest::what_a_receipt_left_is_found,
            store_rest::a_lease_has_one_holder_at_a_time,
            store_rest::the_registry_comes_back,
        ],
    )
    .await;
    report.merge(
        run_all(
            ground,
            1,
            promises![store_rest::an_outage_is_retriable_and_loses_nothing],
        )
        .await,
    );
    report
}
