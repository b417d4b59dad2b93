//! One suite, two stacks.

mod api_calls;
mod audit;
mod batches;
mod clocks;
mod configuration;
mod dead_letters;
mod demo;
mod door;
mod duplicates;
mod faults;
mod hospital;
mod kills;
mod kinds;
mod letter_kills;
mod letters;
mod messages;
mod migration;
mod mixed;
mod operations;
mod outages;
mod parked;
mod periods;
mod rebalances;
mod reconciling;
mod remapping;
mod replaying;
mod restarts;
mod stock_tools;
mod synchronous;
mod two_parsers;
mod values;

use std::sync::{PoisonError, RwLock};

use libtest_mimic::Trial;
use stardust_scenarios::stack::Backend;

type Scenario = fn(Backend);

/// Held by everything that runs, alone by what measures how long somebody waits.
static MACHINE: RwLock<()> = RwLock::new(());

/// Those that measure: nothing else runs meanwhile.
const ALONE: &[(&str, fn())] = &[
    (
        "rebalances::members_come_and_go_and_nobody_waits_long",
        rebalances::members_come_and_go_and_nobody_waits_long,
    ),
    (
        "rebalances::a_static_member_restarts_without_a_rebalance",
        rebalances::a_static_member_restarts_without_a_rebalance,
    ),
];

/// Those that every stack must pass. The longest come first, else the run waits for them alone at the end.
const BOTH: &[(&str, Scenario)] = &[
    (
        "kills::acknowledged_means_exactly_once_under_kill_9",
        kills::acknowledged_means_exactly_once_under_kill_9,
    ),
    (
        "migration::kill_9_and_a_start_anywhere",
        migration::kill_9_and_a_start_anywhere,
    ),
    (
        "migration::rolled_back_beside_live_readings",
        migration::rolled_back_beside_live_readings,
    ),
    (
        "kinds::every_kind_and_alias_becomes_its_observations",
        kinds::every_kind_and_alias_becomes_its_observations,
    ),
    ("kinds::digits_stay_as_they_came", kinds::digits_stay_as_they_came),
    (
        "values::what_a_value_can_be_decides_what_becomes_of_it",
        values::what_a_value_can_be_decides_what_becomes_of_it,
    ),
    (
        "clocks::a_wrong_clock_loses_nothing",
        clocks::a_wrong_clock_loses_nothing,
    ),
    (
        "messages::heartbeats_and_acknowledgements_are_no_readings",
        messages::heartbeats_and_acknowledgements_are_no_readings,
    ),
    (
        "letters::a_bad_item_does_not_stop_the_good_ones",
        letters::a_bad_item_does_not_stop_the_good_ones,
    ),
    (
        "api_calls::every_type_becomes_its_observations",
        api_calls::every_type_becomes_its_observations,
    ),
    (
        "api_calls::what_cannot_be_taken_is_refused_with_its_field",
        api_calls::what_cannot_be_taken_is_refused_with_its_field,
    ),
    (
        "door::what_is_no_message_is_refused",
        door::what_is_no_message_is_refused,
    ),
    ("batches::all_or_nothing", batches::all_or_nothing),
    (
        "duplicates::the_first_receipt_wins",
        duplicates::the_first_receipt_wins,
    ),
    (
        "parked::released_by_themselves_once_the_registry_knows",
        parked::released_by_themselves_once_the_registry_knows,
    ),
    ("parked::released_by_command", parked::released_by_command),
    (
        "periods::a_late_reading_goes_to_who_had_the_device_then",
        periods::a_late_reading_goes_to_who_had_the_device_then,
    ),
    (
        "periods::associations_have_the_periods_that_are_known",
        periods::associations_have_the_periods_that_are_known,
    ),
    (
        "periods::an_uncertain_reading_is_released_by_an_imported_period",
        periods::an_uncertain_reading_is_released_by_an_imported_period,
    ),
    (
        "periods::an_uncertain_reading_goes_to_the_patient_who_is_named",
        periods::an_uncertain_reading_goes_to_the_patient_who_is_named,
    ),
    (
        "dead_letters::listed_shown_and_replayed_after_a_change_of_the_mapping",
        dead_letters::listed_shown_and_replayed_after_a_change_of_the_mapping,
    ),
    (
        "dead_letters::an_unusual_share_is_said_and_stops_nobody",
        dead_letters::an_unusual_share_is_said_and_stops_nobody,
    ),
    (
        "letter_kills::a_kill_in_the_middle_of_a_replay_changes_nothing",
        letter_kills::a_kill_in_the_middle_of_a_replay_changes_nothing,
    ),
    (
        "letter_kills::a_kill_in_the_middle_of_a_release_changes_nothing",
        letter_kills::a_kill_in_the_middle_of_a_release_changes_nothing,
    ),
    (
        "faults::what_is_missing_or_changed_is_noticed",
        faults::what_is_missing_or_changed_is_noticed,
    ),
    (
        "audit::what_is_done_to_an_event_is_named",
        audit::what_is_done_to_an_event_is_named,
    ),
    (
        "audit::heads_are_signed_and_the_front_can_be_cut",
        audit::heads_are_signed_and_the_front_can_be_cut,
    ),
    (
        "operations::what_operators_look_at",
        operations::what_operators_look_at,
    ),
    (
        "operations::a_reader_that_goes_is_no_fault",
        operations::a_reader_that_goes_is_no_fault,
    ),
    (
        "operations::without_legacy_routing_the_books_still_balance",
        operations::without_legacy_routing_the_books_still_balance,
    ),
    (
        "reconciling::books_outlive_the_raw_topic",
        reconciling::books_outlive_the_raw_topic,
    ),
    (
        "reconciling::books_balance_at_any_moment",
        reconciling::books_balance_at_any_moment,
    ),
    (
        "reconciling::a_trace_shows_each_step",
        reconciling::a_trace_shows_each_step,
    ),
    (
        "remapping::what_changes_is_amended_once_whatever_dies",
        remapping::what_changes_is_amended_once_whatever_dies,
    ),
    (
        "remapping::a_dry_run_says_what_the_run_does",
        remapping::a_dry_run_says_what_the_run_does,
    ),
    (
        "replaying::a_full_replay_changes_nothing_that_is_stored",
        replaying::a_full_replay_changes_nothing_that_is_stored,
    ),
    (
        "replaying::old_messages_keep_their_times_even_if_they_wait",
        replaying::old_messages_keep_their_times_even_if_they_wait,
    ),
    (
        "replaying::a_plan_tells_what_cannot_be_done",
        replaying::a_plan_tells_what_cannot_be_done,
    ),
    (
        "restarts::a_restart_in_the_middle_loses_nothing",
        restarts::a_restart_in_the_middle_loses_nothing,
    ),
    (
        "restarts::a_crash_in_the_middle_loses_nothing",
        restarts::a_crash_in_the_middle_loses_nothing,
    ),
    (
        "rebalances::sigterm_under_load_ends_in_time",
        rebalances::sigterm_under_load_ends_in_time,
    ),
    (
        "migration::a_hospital_is_migrated_as_its_books_say",
        migration::a_hospital_is_migrated_as_its_books_say,
    ),
    (
        "migration::what_came_live_too_is_suspected",
        migration::what_came_live_too_is_suspected,
    ),
    (
        "migration::migrated_readings_are_mapped_again",
        migration::migrated_readings_are_mapped_again,
    ),
    ("migration::ctrl_c_and_on", migration::ctrl_c_and_on),
    (
        "migration::the_service_migrates_each_source_once",
        migration::the_service_migrates_each_source_once,
    ),
    (
        "hospital::the_registry_becomes_resources",
        hospital::the_registry_becomes_resources,
    ),
    (
        "synchronous::a_whole_ward_gives_the_same_results",
        synchronous::a_whole_ward_gives_the_same_results,
    ),
    (
        "synchronous::switching_under_load_loses_and_doubles_nothing",
        synchronous::switching_under_load_loses_and_doubles_nothing,
    ),
    (
        "synchronous::a_parked_reading_is_released_into_the_usual_way",
        synchronous::a_parked_reading_is_released_into_the_usual_way,
    ),
    (
        "synchronous::kill_9_loses_and_doubles_nothing",
        synchronous::kill_9_loses_and_doubles_nothing,
    ),
];

/// Those of one stack.
const SINGLE: &[(&str, fn())] = &[
    (
        "demo::the_demonstration_balances_its_books",
        demo::the_demonstration_balances_its_books,
    ),
    (
        "configuration::a_wrong_setting_is_named",
        configuration::a_wrong_setting_is_named,
    ),
    (
        "configuration::a_damaged_file_is_refused_untouched",
        configuration::a_damaged_file_is_refused_untouched,
    ),
    (
        "configuration::a_newer_file_is_refused_untouched",
        configuration::a_newer_file_is_refused_untouched,
    ),
    (
        "configuration::a_data_folder_has_one_process",
        configuration::a_data_folder_has_one_process,
    ),
    (
        "mixed::a_broker_without_a_database",
        mixed::a_broker_without_a_database,
    ),
    (
        "mixed::a_database_without_a_broker",
        mixed::a_database_without_a_broker,
    ),
    (
        "mixed::all_services_in_one_process_on_both",
        mixed::all_services_in_one_process_on_both,
    ),
    (
        "hospital::fhir_documents_move_and_a_kill_changes_nothing",
        hospital::fhir_documents_move_and_a_kill_changes_nothing,
    ),
    (
        "hospital::fhir_documents_need_a_database",
        hospital::fhir_documents_need_a_database,
    ),
    (
        "outages::a_full_spool_is_said_and_loses_nothing",
        outages::a_full_spool_is_said_and_loses_nothing,
    ),
    (
        "stock_tools::schemas_of_a_registry_are_used",
        stock_tools::schemas_of_a_registry_are_used,
    ),
    (
        "stock_tools::letters_and_heartbeats_can_be_read",
        stock_tools::letters_and_heartbeats_can_be_read,
    ),
    (
        "dead_letters::what_the_log_refuses_for_good_is_in_the_books_and_comes_back",
        dead_letters::what_the_log_refuses_for_good_is_in_the_books_and_comes_back,
    ),
    (
        "outages::the_broker_goes_and_comes_back",
        outages::the_broker_goes_and_comes_back,
    ),
    (
        "outages::the_database_goes_and_comes_back",
        outages::the_database_goes_and_comes_back,
    ),
    (
        "outages::a_database_that_comes_and_goes_ends_no_command",
        outages::a_database_that_comes_and_goes_ends_no_command,
    ),
    (
        "outages::nothing_is_there_at_the_start",
        outages::nothing_is_there_at_the_start,
    ),
    (
        "two_parsers::share_the_partitions_and_hand_over",
        two_parsers::share_the_partitions_and_hand_over,
    ),
    (
        "rebalances::sigterm_ends_every_service_in_time_without_broker_and_database",
        rebalances::sigterm_ends_every_service_in_time_without_broker_and_database,
    ),
    (
        "stock_tools::read_and_decode_the_output_topics",
        stock_tools::read_and_decode_the_output_topics,
    ),
    (
        "replaying::a_second_group_fills_another_database",
        replaying::a_second_group_fills_another_database,
    ),
    (
        "replaying::kafka_s_own_tool_sets_the_same_offsets",
        replaying::kafka_s_own_tool_sets_the_same_offsets,
    ),
    (
        "migration::a_right_that_is_missing_is_named",
        migration::a_right_that_is_missing_is_named,
    ),
    (
        "migration::a_document_of_16_mb_is_one_of_many",
        migration::a_document_of_16_mb_is_one_of_many,
    ),
    (
        "migration::every_form_of_dump_is_read_alike",
        migration::every_form_of_dump_is_read_alike,
    ),
    (
        "migration::a_source_that_cannot_be_read_is_named",
        migration::a_source_that_cannot_be_read_is_named,
    ),
    (
        "synchronous::no_broker_is_needed",
        synchronous::no_broker_is_needed,
    ),
    (
        "synchronous::a_store_that_is_away_is_waited_for_two_seconds",
        synchronous::a_store_that_is_away_is_waited_for_two_seconds,
    ),
];

/// All scenarios.
pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, test) in ALONE {
        trials.push(crate::trial(name, move || {
            let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
            test();
        }));
    }
    for (name, test) in SINGLE {
        trials.push(crate::trial(name, move || {
            let _beside = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
            test();
        }));
    }
    for (stack, backend) in [("kafka", Backend::Kafka), ("embedded", Backend::Embedded)] {
        for (name, scenario) in BOTH {
            trials.push(crate::trial(&format!("{stack}::{name}"), move || {
                let _beside = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
                scenario(backend);
            }));
        }
    }
    trials
}
