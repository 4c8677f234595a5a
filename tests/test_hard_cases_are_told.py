"""The hard cases that every test plan of billing covers, each with the tests that tell it."""

from __future__ import annotations

import pytest

from tests.told import missing

HARD_CASES = {
    "month-end anchors": (
        "stories/test_calendar.py::"
        "test_a_monthly_anchor_on_the_31st_is_clamped_and_never_drifts_m2_e5",
    ),
    "leap anchors": (
        "stories/test_yearly.py::test_a_yearly_plan_of_the_leap_day_returns_to_it_m2_q11_e11",
    ),
    "DST days": (
        "stories/test_calendar.py::test_days_are_utc_days_whatever_the_clocks_of_people_do_m1",
    ),
    "a worker down for 40 days": (
        "stories/test_calendar.py::test_a_worker_that_was_down_for_40_days_bills_period_by_period_m5",
        "stories/test_any_life.py::test_any_life_is_what_the_naive_model_says_m5_p12",
    ),
    "two workers on one account": (
        "db/test_races.py::test_two_workers_on_one_account_issue_one_invoice_per_period",
        "db/test_workers.py::test_two_workers_bill_and_collect_each_due_account_once",
        "db/test_resellers_at_once.py::test_two_workers_bill_each_month_once",
    ),
    "kill -9 before the gateway call": (
        "stories/test_crashes.py::"
        "test_an_order_whose_process_dies_before_the_charge_is_charged_on_the_next_planned_day",
        "stories/test_crashes.py::"
        "test_a_renewal_whose_process_dies_before_the_charge_is_paid_on_the_next_planned_day",
        "stories/test_crashes_at_gateways.py::"
        "test_a_movement_whose_process_is_killed_is_made_once_or_not_at_all",
    ),
    "kill -9 after the gateway call, and before the commit": (
        "stories/test_crashes.py::"
        "test_an_order_whose_process_dies_after_the_charge_is_granted_and_charged_once",
        "stories/test_crashes.py::test_a_renewal_whose_process_dies_after_the_charge_is_paid_once",
    ),
    "kill -9 before the mail": (
        "stories/test_crashes.py::"
        "test_a_mail_whose_sender_dies_before_the_mail_server_is_sent_once",
    ),
    "a webhook before the response": (
        "stories/test_fault_matrix.py::test_money_moves_once_or_not_at_all",
    ),
    "a webhook twice, and five days late": (
        "stories/test_webhooks.py::test_a_webhook_is_the_answer_when_the_answer_was_lost",
        "stories/test_webhooks.py::test_the_first_webhook_of_a_charge_may_come_five_days_late",
    ),
    "gateway timeout with the charge made": (
        "stories/test_paying.py::test_a_lost_answer_of_a_made_charge_is_found_and_charged_once_p3",
        "stories/test_gateway_faults.py::"
        "test_an_order_is_charged_once_whatever_goes_wrong_with_an_answer",
    ),
    "gateway timeout without the charge": (
        "stories/test_paying.py::"
        "test_a_lost_answer_of_a_charge_never_made_waits_for_the_next_planned_attempt_p3",
    ),
    "Pay now pressed while the automatic charge runs": (
        "db/test_races.py::"
        "test_pay_now_pressed_twice_beside_the_automatic_charge_takes_the_money_once",
        "stories/test_paying.py::"
        "test_pay_now_while_the_automatic_attempt_is_unknown_tries_nothing_p3_p4",
    ),
    "Pay now pressed twice": (
        "stories/test_paying.py::test_pay_now_pressed_twice_pays_once_p3_p5",
    ),
    "payment method replaced during a retry": (
        "db/test_races.py::test_a_method_replaced_while_the_old_one_is_being_declined_is_tried_at_once",
        "db/test_races.py::test_a_method_replaced_beside_the_automatic_charge_pays_once",
        "stories/test_paying.py::"
        "test_a_method_replaced_during_an_attempt_never_makes_a_second_charge_p1_p3",
    ),
    "refund after partial refund": (
        "stories/test_refunds.py::test_refunds_add_up_and_never_exceed_the_payment",
        "db/test_resellers_at_once.py::test_two_refunds_at_once_never_exceed_the_invoice",
    ),
    "invoice voided": (
        "stories/test_refunds.py::test_a_void_invoice_is_owed_no_more_and_keeps_its_number",
        "stories/test_refunds.py::test_voiding_a_first_order_takes_its_subscription_back",
    ),
    "tier crossed up and down in one period": (
        "stories/test_buying.py::"
        "test_a_tier_crossed_up_and_down_in_one_period_leaves_the_renewal_as_it_was_q5_q7",
    ),
    "quantity to zero and back": (
        "stories/test_removing.py::"
        "test_quantity_to_zero_and_back_within_what_is_paid_costs_nothing_q8",
        "stories/test_removing.py::"
        "test_quantity_to_zero_and_back_after_the_boundary_is_a_new_first_purchase_m2",
    ),
    "block and pay on the same day": (
        "stories/test_dunning.py::"
        "test_blocked_and_paid_on_the_same_day_is_unblocked_and_stays_so_p7_p8",
    ),
    "trial to paid on the last day": (
        "stories/test_trials.py::test_a_trial_turns_into_a_paid_license_on_its_last_day_t4",
    ),
    "reseller balance crossing 100.00 by one cent": (
        "stories/test_deposits.py::test_funds_are_added_when_the_balance_falls_below_100",
    ),
    "reseller balance crossing 0.00 by one cent": (
        "stories/test_deposits.py::test_a_negative_balance_is_repaid_with_at_least_20",
    ),
    "autopay declining ten times": (
        "stories/test_deposits.py::test_autopay_that_declines_ten_times_was_begun_anew_by_somebody_twice",
    ),
    "price list changing mid-period": (
        "stories/test_prices.py::"
        "test_a_price_list_that_changes_mid_period_holds_for_additions_now_and_for_all_at_renewal_q1_q5",
    ),
    "clock set backwards": (
        "stories/test_calendar.py::test_a_clock_set_backwards_is_refused_and_nothing_happens",
        "db/test_due_work.py::test_travelling_back_is_refused_and_bills_nothing",
    ),
}
"""The cases of section 8 of the billing rules, and where each is told."""


@pytest.mark.parametrize("case", HARD_CASES)
def test_every_hard_case_is_told(case: str) -> None:
    assert missing(HARD_CASES[case]) == []
