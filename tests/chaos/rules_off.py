"""For each failure test the rule that holds it, switched off: one change of the product's text, after which
the named test must fail. `make chaos-rules-off` plays them; a test keeps every entry fitting the code.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """`file` without the rule: `old`, which stands in it exactly once, becomes `new`."""

    number: int
    off: str  # what does not hold any more
    file: str
    old: str
    new: str
    test: str  # file::name, the shortest that must notice
    # Where the rule's absence shows as an error of the database or of the product instead of an assertion.
    raises: str = ""


class DoesNotFit(ValueError):
    """The text that a rule stands in was changed, so the entry has to follow."""


def applied(text: str, rule: Rule) -> str:
    """The file's text without the rule. Raises `DoesNotFit`."""
    found = text.count(rule.old)
    if found != 1 or rule.old == rule.new:
        raise DoesNotFit(f"F{rule.number} ({rule.off}): its text stands {found} times in {rule.file}")
    return text.replace(rule.old, rule.new)


_SENDING = "tests/chaos/test_f_sending.py"
_READING = "tests/chaos/test_f_reading.py"
_FEES = "tests/chaos/test_f_fees.py"
_BATCHES = "tests/chaos/test_f_batches.py"
_CRASHES = "tests/chain/test_crashes.py"
_TOGETHER = "tests/payments/test_concurrency.py"

_LOCK = """    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=now.sender.pk)
        flight ="""
_NONCE_FIRST = """    Sender.objects.filter(pk=now.sender.pk).update(next_nonce=F("next_nonce") + 1)
    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=now.sender.pk)
        locked.next_nonce -= 1
        flight ="""
_READ_AGAIN = '    rows = Call.objects.select_for_update().filter(pk__in=keys, outcome="waiting", held=False)'
_NOT_AGAIN = "    rows = Call.objects.filter(pk__in=keys)"

RULES: tuple[Rule, ...] = (
    Rule(1, "nonce and bytes are stored together", "chain/txm/assign.py", _LOCK, _NONCE_FIRST,
         f"{_CRASHES}::test_f01_a_crash_before_the_assignment_commits_sends_once_later"),
    Rule(2, "what was assigned and never sent is due at once", "chain/txm/broadcast.py",
         "state__in=states.UNMINED_TRANSACTIONS, next_send_at__lte=clock.now()",
         'state__in=("sent",), next_send_at__lte=clock.now()',
         f"{_CRASHES}::test_f02_a_crash_after_the_commit_sends_the_same_bytes"),
    Rule(3, "only stored bytes are sent, and the same again", "chain/txm/broadcast.py",
         '    attempt = row.attempts.order_by("-sequence")[0]',
         "    from chain.txm.bump import replace\n\n    attempt = replace(network, row)",
         f"{_CRASHES}::test_f03_a_crash_after_the_send_pays_once"),
    Rule(4, "the receipt of any of our hashes counts", "chain/txm/confirm.py",
         "for row in rows for attempt in row.attempts.all()}",
         'for row in rows for attempt in row.attempts.order_by("-sequence")[:1]}',
         f"{_SENDING}::test_f04_a_bump_keeps_nonce_and_effect_and_raises_both_fees"),
    Rule(5, "a signature by another key is never stored", "chain/signing.py",
         "    if not is_same_address(Account.recover_transaction(raw), address):", "    if False:",
         f"{_SENDING}::test_f05_a_signer_that_fails_is_never_stored_and_costs_no_nonce[other key]"),
    Rule(5, "a high s is never stored", "chain/signing.py",
         "    if _s_value(raw) > HALF_ORDER:", "    if False:",
         f"{_SENDING}::test_f05_a_signer_that_fails_is_never_stored_and_costs_no_nonce[high s]"),
    Rule(6, "a lost reply may have been an acceptance, and is told", "chain/txm/broadcast.py",
         '        return SendAnswer.AMBIGUOUS, f"{type(error).__name__}: {error}"',
         '        return SendAnswer.INVALID, f"{type(error).__name__}: {error}"',
         f"{_SENDING}::test_f06_a_lost_reply_after_acceptance_pays_once"),
    Rule(7, "calls are read again under the lock", "chain/txm/assign.py", _READ_AGAIN, _NOT_AGAIN,
         f"{_SENDING}::test_f07_without_any_lease_two_senders_at_once_still_send_once",
         raises="IntegrityError|TransitionNotAllowed|InternalError"),
    Rule(8, "a key stands for one request", "chain/services/calls.py",
         "    if call.request_hash != fingerprint:", "    if False:",
         "tests/chain/test_calls.py::test_f08_same_key_with_another_body_is_refused"),
    Rule(8, "the API's key stands for one request", "partners/idempotency.py",
         "    if record.request_hash != fingerprint:", "    if False:",
         "tests/partners/test_idempotency.py::test_f08_the_same_key_with_another_payload_is_refused"),
    Rule(8, "one request at a time for one key", "partners/idempotency.py",
         "    if not won:", "    if False:",
         "tests/partners/test_idempotency.py::test_f08_while_the_first_still_runs_a_second_is_refused_at_once"),
    Rule(9, "calls are read again under the lock", "chain/txm/assign.py", _READ_AGAIN, _NOT_AGAIN,
         f"{_CRASHES}::test_f09_two_killed_workers_on_one_sender_send_100_calls_once_each"),
    Rule(10, "nobody but the seats decides what is disputed", "payments/services/payouts.py",
         '    if escrow.state not in HOLDING:\n        raise Conflict("escrow_state", f"Not possible',
         '    if False:\n        raise Conflict("escrow_state", f"Not possible',
         f"{_TOGETHER}::test_f10_release_refund_and_ruling_at_once_decide_exactly_once",
         raises="TransitionNotAllowed"),
    Rule(11, "a node that knows the bytes already has accepted them", "chain/txm/broadcast.py",
         "    answer = classify(error.message)\n", "    return SendAnswer.AMBIGUOUS\n",
         f"{_SENDING}::test_f11_already_known_on_the_first_send_is_success"),
    Rule(12, "a nonce that a stranger used is noticed", "chain/txm/confirm.py",
         "    if foreign is None or foreign in hashes:", "    if True:",
         f"{_SENDING}::test_f12_a_foreign_transaction_on_our_nonce_freezes_the_sender"),
    Rule(12, "what a reorg took is open again", "chain/txm/confirm.py",
         "    return int(row.pk in look.orphaned and _orphaned(row.pk))", "    return 0",
         f"{_SENDING}::test_f12_nonce_too_low_then_reorged_then_mined_again_is_one_payout"),
    Rule(13, "a stranger on our nonce is told", "chain/txm/broadcast.py",
         "    if answer == SendAnswer.REPLACEMENT and attempt.sequence == 0:", "    if False:",
         f"{_SENDING}::test_f13_replacement_underpriced_by_a_stranger_decides_nothing_but_alarms"),
    Rule(13, "what is pending on our next nonce is seen before we sign", "chain/txm/assign.py",
         'nonce=max(quantity(mined, "nonce"), quantity(pending, "pending nonce")),',
         'nonce=quantity(mined, "nonce"),',
         f"{_FEES}::test_f13_a_strangers_pending_transaction_on_our_next_nonce_freezes_before_we_sign"),
    Rule(14, "a bump raises by ten per cent and by one wei at least", "chain/txm/fees.py",
         "    return max(-(-value * 11 // 10), value + 1)", "    return value * 11 // 10",
         f"{_FEES}::test_f14_tips_of_0_and_1_wei_are_raised_by_at_least_one[1]"),
    Rule(14, "a bump follows the market", "chain/txm/fees.py",
         "    offer = market.offer()\n    tip =",
         "    market = Market(0, 0)\n    offer = market.offer()\n    tip =",
         f"{_FEES}::test_f14_a_base_fee_three_times_as_high_is_followed_by_a_bump"),
    Rule(15, "what is not mined is sent again", "chain/txm/broadcast.py",
         "timedelta(seconds=network.resend_after)", "timedelta(days=1)",
         f"{_SENDING}::test_f15_the_lowest_nonce_dropped_is_sent_again_with_the_same_bytes"),
    Rule(16, "all of a sender's transactions are sent again", "chain/services/sender.py",
         "broadcast.broadcast(network, row, nodes) in _STOPS_THE_LINE:",
         "broadcast.broadcast(network, row, nodes) is not None:",
         f"{_SENDING}::test_f16_all_pending_dropped_are_sent_again_with_the_same_bytes"),
    Rule(17, "what is mined decides, not the cancel that was signed", "chain/txm/outcome.py",
         "    if attempt.purpose == Attempt.Purpose.CANCEL:",
         "    if row.attempts.filter(purpose=Attempt.Purpose.CANCEL).exists():",
         f"{_FEES}::test_f17_a_cancel_races_the_original_and_what_is_mined_decides[original]"),
    Rule(18, "nothing is offered above the caps", "chain/txm/fees.py",
         "    if fees.max_fee > limit:", "    if False:",
         f"{_FEES}::test_f18_a_spike_beyond_the_cap_signs_nothing_and_the_payout_follows_when_it_is_over"),
    Rule(18, "nothing is signed without money for its gas", "chain/txm/assign.py",
         "    if now.free < cost:", "    if False:",
         f"{_FEES}::test_f18_no_money_for_gas_waits_and_goes_on_when_there_is_some"),
    Rule(19, "a receipt decides when its block is final", "chain/txm/confirm.py",
         "for receipt in receipts.values() if receipt.block_number <= limit}",
         "for receipt in receipts.values()}",
         f"{_SENDING}::test_f19_a_revert_is_provisional_and_a_reorg_may_turn_it"),
    Rule(20, "done needs the exact event", "chain/txm/outcome.py",
         "    if has_expected(call.expected, receipt.logs):", "    if receipt.ok:",
         f"{_SENDING}::test_f20_status_1_without_the_exact_event_is_for_a_human"),
    Rule(21, "the block that holds a transaction is noted anew after a reorg", "chain/txm/confirm.py",
         '    if source == "mined" and row.mined_hash == receipt.block_hash:', '    if source == "mined":',
         f"{_SENDING}::test_f21_a_payout_reorged_and_mined_again_is_one_effect_with_two_inclusions"),
    Rule(22, "the head lane only shows", "chain/indexer/head.py",
         "        stored = store.keep_range(network, plan)\n",
         "        stored = store.keep_range(network, plan)\n        from chain.services import final\n\n"
         "        final.append(network, store.finalize(stored))\n",
         f"{_READING}::test_f22_a_deposit_reorged_away_for_good_is_never_credited"),
    Rule(23, "a deposit is known by its place inside its transaction", "chain/indexer/reading.py",
         "receipts[entry.log.tx_hash].ordinal(entry.log)", "entry.log.index",
         f"{_READING}::test_f23_a_deposit_mined_again_with_another_log_index_is_the_same_deposit"),
    Rule(24, "another final block halts the network", "chain/services/indexer.py",
         "    if conflicts:", "    if False:",
         "tests/chaos/test_f_deep_reorg.py"
         "::test_f24_a_reorg_deeper_than_finality_after_credit_halts_and_is_reversed_by_a_person"),
    Rule(25, "two transfers of one transaction are two deposits", "chain/indexer/reading.py",
         "receipts[entry.log.tx_hash].ordinal(entry.log)", "0",
         "tests/payments/test_deposits.py"
         "::test_f25_two_transfers_of_one_transaction_to_one_escrow_both_count"),
    Rule(26, "who answers for a range is at or past its end", "chain/rpc/client.py",
         '        if quantity(top, "block number") < end:', "        if False:",
         f"{_READING}::test_f26_empty_answers_of_a_node_20_blocks_behind_are_refused"),
    Rule(27, "balances prove that no log is missing", "chain/indexer/safe.py",
         "    complete_by_balances(rpc, read)\n", "",
         f"{_READING}::test_f27_logs_truncated_once_are_found_by_the_balance"),
    Rule(28, "as many providers must agree as can outvote a liar", "chain/indexer/quorum.py",
         "    return network.quorum or max(2 * health.faulty(count) + 1, min(count, 2))", "    return 1",
         f"{_READING}::test_f28_a_deposit_that_one_of_three_invented_is_not_credited[1]"),
    Rule(29, "a provider is asked for its chain id", "chain/rpc/pool.py",
         "        rpc.check_chain()\n", "",
         f"{_READING}::test_f29_a_changed_chain_id_is_refused_and_the_next_provider_asked"),
    Rule(29, "the final head never moves back", "chain/indexer/safe.py",
         "    if top.number < provider.final_number:", "    if False:",
         f"{_READING}::test_f29_finality_that_moves_back_is_refused_with_an_alarm"),
    Rule(30, "a range that is too large is asked in parts", "chain/indexer/windows.py",
         "    _set(cursor, max(SMALLEST, min(error.suggested or asked, asked // 2)))\n    return True",
         "    return False",
         f"{_READING}::test_f30_a_range_that_is_too_large_is_asked_in_smaller_parts"),
    Rule(30, "a refusal of logs needs no known words", "chain/rpc/errors.py",
         '    if method == "eth_getLogs" and (not unknown or _SIZE.search(text)):',
         '    if method == "eth_getLogs" and _SIZE.search(text):',
         f"{_READING}::test_f30_a_range_that_is_too_large_is_asked_in_smaller_parts[Nope.]"),
    Rule(30, "a block that can not be read is told", "chain/indexer/windows.py",
         "        raise_alarm(cursor.network, UNREADABLE, str(cursor.number + 1), error.message)\n",
         "",
         f"{_READING}::test_f30_a_single_block_that_cannot_be_read_is_an_alarm_and_never_skipped"),
    Rule(31, "a ring that is lost is forgotten", "core/doorbell.py",
         '        log.warning("doorbell_lost", error=type(error).__name__)', "        raise",
         "tests/chaos/test_outages.py::test_f31_a_whole_deal_with_redis_down[gone]",
         raises="OperationalError|ConnectionError|RedisError"),
    Rule(32, "nonce and bytes are stored together", "chain/txm/assign.py", _LOCK, _NONCE_FIRST,
         "tests/chaos/test_f_database.py"
         "::test_f32_a_server_stopped_at_once_at_each_crash_point_pays_each_escrow_once"),
    Rule(33, "what the chain holds is handed to the call that asked for it", "chain/txm/adopt.py",
         "        _hand_call(row, found)\n", "",
         "tests/chaos/test_f_restore.py"
         "::test_f33_a_payout_made_after_the_backup_is_adopted_and_not_made_again"),
    Rule(34, "what is too early by the chain's clock alone has not failed", "chain/txm/assign.py",
         "    return final is not None and (call.not_before is None or call.not_before <= final[2])",
         "    return final is not None",
         "tests/chaos/test_clocks.py"
         "::test_f34_a_call_that_is_too_early_for_the_chain_alone_waits_instead_of_failing"),
    Rule(34, "what is not paid ends at a final block, not by the host's clock",
         "payments/services/escrows.py",
         "        if final is None or final[2] <= deadline.due_at:",
         "        if final is None:",
         "tests/chaos/test_clocks.py"
         "::test_f34_an_hour_ahead_expires_nothing_before_a_final_block_says_so"),
    Rule(35, "a worker that is asked to end finishes its step", "escrow_platform/celery.py",
         "import os\n", 'import os\n\nos.environ["REMAP_SIGTERM"] = "SIGQUIT"\n',
         "tests/chaos/test_f_processes.py"
         "::test_f35_a_worker_asked_to_end_at_each_step_finishes_it_and_pays_each_escrow_once"),
    Rule(36, "only one who claims a deadline acts on it", "core/deadlines.py",
         "    return bool(\n        Deadline.objects.filter(pk=deadline.pk",
         "    return True or bool(\n        Deadline.objects.filter(pk=deadline.pk",
         f"{_TOGETHER}::test_f36_one_deadline_handled_by_several_at_once_acts_once"),
    Rule(36, "a duty that stops is told", "chain/tasks.py",
         "        pulse.watch(network)\n", "",
         "tests/chaos/test_f_processes.py::test_f36_a_dead_scheduler_is_noticed_by_whoever_still_works"),
    Rule(37, "no transaction is born in a later state", "chain/migrations/0001_initial.py",
         "IF NEW.state NOT IN ('assigned') THEN", "IF FALSE THEN",
         "tests/chain/test_guards.py::test_f37_no_row_is_born_in_a_later_state"),
    Rule(37, "the books are never emptied", "payments/migrations/0001_initial.py",
         "operation='TRUNCATE', pgid='pgtrigger_no_truncate_341ea'",
         "operation='DELETE', pgid='pgtrigger_no_truncate_341ea'",
         "tests/payments/test_books.py"
         "::test_f37_the_books_refuse_update_delete_and_truncate_in_raw_sql"
         "[TRUNCATE {0} CASCADE-payments_entry]"),
    Rule(38, "what is above the amount is not held, and goes back", "payments/services/deposits.py",
         "    return min(transfer.amount, max(0, escrow.amount - before))",
         "    return transfer.amount",
         "tests/chaos/test_f_machine.py"
         "::test_f38_any_order_of_steps_pays_each_leg_once_and_loses_nothing"),
    Rule(39, "an item of a batch is judged alone", "chain/txm/outcome.py",
         "    if not alone and not any(", "    if False and not any(",
         f"{_BATCHES}::test_f39_one_bad_item_of_a_batch_fails_alone_and_is_tried_again"),
    Rule(40, "what somebody else decided supersedes ours", "payments/services/decisions.py",
         '    orders.supersede(escrow, kinds, "decided by another transaction", tx_hash=final.tx_hash)\n', "",
         "tests/payments/test_blocked_and_foreign.py"
         "::test_f40_a_strangers_claim_after_a_delivery_decides_and_supersedes_ours"),
    Rule(41, "work with a deadline may cost more", "chain/txm/fees.py",
         "    factor = network.urgent_factor if urgent else 1", "    factor = 1",
         f"{_FEES}::test_f41_deadline_work_goes_out_at_fees_that_hold_back_a_payout"),
    Rule(42, "what the chain calls disputed wins over what was ordered", "payments/services/disputing.py",
         '    orders.supersede(escrow, overtaken, "disputed on chain")\n', "",
         "tests/payments/test_disputes_on_chain.py"
         "::test_f42_dispute_and_release_in_one_block_and_the_first_of_them_decides[dispute]"),
    Rule(43, "the gas of a batch is a bound for each item", "chain/txm/batching.py",
         "    gas = sum(call.gas_limit for call in calls) + OVERHEAD_GAS + network.extra_gas",
         "    gas = max(call.gas_limit for call in calls)",
         f"{_BATCHES}::test_f43_a_batch_at_estimated_gas_is_refused_or_safe"),
    Rule(44, "the token's own events are read like deposits", "chain/indexer/store.py",
         "            _apply_to_token(item.entry)\n", "",
         f"{_READING}::test_f44_pause_and_deprecation_switch_the_token_and_call_a_human"),
    Rule(45, "a mark of ours that nobody waits for is stale", "payments/services/statuses.py",
         "    if ours.exists():", "    if False:",
         "tests/payments/test_blocked_and_foreign.py"
         "::test_f45_a_mark_that_we_signed_before_a_reopening_starts_no_inspection_after_it"),
    Rule(46, "money on terms that ended goes back", "payments/services/deposits.py",
         "    if escrow.state in ENDED_UNPAID and counted:", "    if False:",
         "tests/payments/test_dead_terms.py"
         "::test_f46_money_on_a_cancelled_deal_goes_back_and_kills_the_terms_on_the_chain"),
    Rule(46, "a signature for another network is void on this one", "contracts/rulings.py",
         "    separator = domain_separator(terms.home_chain_id if chain_id is None else chain_id)",
         "    separator = domain_separator(terms.home_chain_id)",
         "tests/contracts/test_acts.py"
         "::test_f46_money_on_the_wrong_network_comes_back_by_the_buyers_signature"),
)  # fmt: skip
