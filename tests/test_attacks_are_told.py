"""What happened to others, each with the tests that prove it does not happen here (security §5)."""

import pytest

from tests.told import missing

ATTACKS = {
    "bytes moved between signed fields": (
        "domain/test_systemid.py::"
        "test_a_byte_moved_between_signed_fields_keeps_the_checksum_and_does_not_agree",
        "contract/test_rhn.py::test_a_forged_systemid_is_fault_9_and_no_check_in",
    ),
    "XML attacks at every XML door": (
        "contract/test_xml_codec.py::test_an_attack_on_the_reader_is_malformed",
        "contract/test_rhn.py::test_a_body_that_is_no_call_is_fault_21",
        "contract/test_every_door.py::"
        "test_whatever_is_sent_to_a_door_it_answers_in_its_form_and_nothing_changes",
    ),
    "ids shaped like paths": (
        "contract/test_every_door.py::"
        "test_whatever_is_sent_to_a_door_it_answers_in_its_form_and_nothing_changes",
        "contract/test_agent_doors.py::test_nothing_else_is_served_there",
    ),
    "stored XSS on pages, in mails, CSV and PDF": (
        "web/test_attacks.py::test_what_customers_name_is_text_on_every_page_and_no_page_is_framed",
        "web/test_attacks.py::test_what_customers_name_is_text_in_mails",
        "web/test_attacks.py::test_what_customers_name_runs_in_no_spreadsheet",
        "web/test_attacks.py::test_what_customers_name_is_printed_as_it_is",
    ),
    "open redirects": (
        "web/test_attacks.py::test_nobody_is_sent_to_another_site",
        "web/test_sign_in.py::test_signing_in_never_leads_to_another_site",
    ),
    "CSRF": ("web/test_attacks.py::test_a_form_without_its_token_changes_nothing_on_any_page",),
    "no operator is made from outside": (
        "web/test_sign_up.py::test_sign_up_makes_one_account_with_one_primary_login",
        "db/test_accounts.py::test_an_operator_has_no_account_and_no_console",
        "web/test_no_operator_from_outside.py::test_no_form_of_any_page_makes_an_operator",
        "web/test_no_operator_from_outside.py::test_no_call_of_any_program_makes_an_operator",
        "web/test_no_operator_from_outside.py::test_there_is_no_role_of_operators_to_invite_to",
        "web/test_no_operator_from_outside.py::test_there_is_no_page_that_makes_the_first_operator",
        "web/test_no_operator_from_outside.py::"
        "test_an_operator_opens_no_page_and_no_wire_of_customers",
    ),
    "reset and confirm pages as oracles": (
        "web/test_sign_in.py::test_resetting_answers_the_same_for_known_and_unknown_logins",
        "web/test_sign_up.py::test_a_known_address_gets_the_same_answer_and_a_mail_that_says_so",
        "web/test_sign_in.py::test_reset_mails_for_one_login_are_limited",
        "web/test_attacks.py::"
        "test_every_public_form_is_limited_by_address_and_those_with_a_subject_by_it",
    ),
    "templates that render user text": (
        "db/test_outbox.py::test_values_are_never_read_as_templates",
    ),
    "prices from the client": (
        "web/test_purchase_pages.py::test_prices_sent_by_the_browser_are_ignored",
    ),
    "many at once on one seat, one balance, one counter": (
        "db/test_registration_at_once.py::"
        "test_of_a_hundred_parallel_registrations_on_a_key_of_limit_one_exactly_one_wins",
        "db/test_resellers_at_once.py::test_two_refunds_at_once_never_exceed_the_invoice",
        "db/test_races.py::test_workers_on_many_accounts_leave_no_duplicate_and_no_gap_in_numbers",
    ),
    "each webhook three times, out of order": (
        "stories/test_fault_matrix.py::test_money_moves_once_or_not_at_all",
    ),
    "SQL by sort and filter": (
        "web/test_tables.py::test_what_is_on_no_allow_list_counts_as_not_asked",
    ),
    "ids of another tenant": (
        "contract/test_two_tenants.py::"
        "test_another_tenants_ids_at_v1_answer_like_those_that_never_were",
        "contract/test_v2_doors.py::"
        "test_ids_of_another_tenant_and_ids_that_never_were_answer_alike",
        "web/test_doors.py::test_ids_of_another_tenant_and_ids_that_never_were_answer_alike",
    ),
    "webhooks to inside, after DNS, on redirect": (
        "db/test_webhook_addresses.py::test_an_address_that_is_not_public_is_not_connected_to",
        "db/test_webhook_addresses.py::"
        "test_a_name_that_leads_inside_is_not_connected_to_whatever_else_it_has",
        "db/test_webhook_addresses.py::test_a_redirect_is_a_failure_and_is_not_followed",
    ),
    "a forged X-Forwarded-For": (
        "contract/test_agent_doors.py::test_a_license_by_address_is_given_to_no_forged_header",
    ),
    "the agent's clock ten years off": (
        "contract/test_agent_file.py::test_in_the_same_boot_the_clock_may_be_moved_by_ten_years",
        "contract/test_agent_file.py::"
        "test_a_clock_that_jumps_by_ten_years_at_a_restart_is_not_believed",
    ),
    "the public check tells nothing but the answer": (
        "web/test_check_license.py::test_never_seen_removed_suspended_and_blocked_look_alike",
        "web/test_check_license.py::test_as_much_is_asked_of_the_database_whatever_the_answer",
        "web/test_check_license.py::"
        "test_an_address_may_ask_thirty_times_a_minute_and_its_ipv6_network_as_one",
    ),
    "pay links: expired, tampered, paid twice": (
        "stories/test_dunning.py::"
        "test_the_link_in_the_block_mail_pays_without_a_login_and_unblocks_p7_p8",
        "stories/test_dunning.py::test_a_payment_link_expires_after_60_days_p7",
        "stories/test_dunning.py::test_a_payment_link_that_was_tampered_with_is_refused_p7",
        "web/test_payment_pages.py::test_an_old_link_says_that_it_has_expired",
    ),
    "no sandbox in production": (
        "web/test_doors.py::test_the_sandbox_does_not_exist_in_production",
        "db/test_serve.py::test_a_sandbox_refuses_to_take_real_money",
    ),
    "secrets in logs": (
        "web/test_log_lines.py::test_the_scan_of_the_whole_run_finds_what_it_looks_for",
        "web/test_log_lines.py::test_what_looks_like_a_secret_shows_its_end_only",
    ),
    "the audit log only grows": (
        "db/test_accounts.py::test_the_audit_log_can_be_neither_changed_nor_deleted",
        "db/test_accounts.py::"
        "test_changed_contact_data_leaves_an_audit_entry_with_before_and_after",
    ),
    "the audit log says who, when, with which token, from where, what and why": (
        "contract/test_audit_trail.py::"
        "test_every_changing_call_of_v1_tells_who_with_which_token_and_from_where",
        "contract/test_audit_trail.py::"
        "test_every_changing_call_of_partners_in_v2_tells_who_with_which_token_and_from_where",
        "contract/test_audit_trail.py::"
        "test_both_changing_calls_of_xml_rpc_tell_who_with_which_token_and_from_where",
        "contract/test_audit_trail.py::"
        "test_a_token_is_told_for_its_own_request_only_and_never_whole",
        "db/test_before_and_after.py::test_a_change_is_told_with_what_it_had_been",
        "db/test_before_and_after.py::test_a_changed_webhook_tells_its_host_and_never_its_path",
        "contract/test_audit_trail.py::"
        "test_an_entry_has_its_instant_and_its_change_before_and_after",
        "stories/test_refunds.py::test_after_30_days_a_refund_needs_a_reason",
        "stories/test_refunds.py::test_a_correction_says_why_and_only_an_open_invoice_is_corrected",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_tried(attack: str) -> None:
    assert missing(ATTACKS[attack]) == []
