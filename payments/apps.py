from functools import partial

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Registers what payments does when the chain or a clock calls."""

    name = "payments"
    verbose_name = "Payments"

    def ready(self) -> None:
        from chain import hooks
        from core import doorbell, outbox
        from core.deadlines import register_handler
        from payments.services import (
            absences,
            approvals,
            approving,
            clocks,
            deals,
            delivery,
            escrows,
            fallback,
            giving,
            held,
            late,
            payouts,
        )
        from payments.tasks import project_network, show_heads

        hooks.on_final(partial(doorbell.ring, project_network.delay))
        hooks.on_head_change(partial(doorbell.ring, show_heads.delay))
        register_handler(deals.ACCEPT, deals.expire_unanswered)
        register_handler(clocks.OPEN, escrows.open_due)
        register_handler(clocks.PAY, escrows.expire_unpaid)
        register_handler(clocks.DELIVER, payouts.open_take_back)
        register_handler(clocks.UNDELIVERED, payouts.refund_undelivered)
        register_handler(clocks.INSPECT, payouts.release_uninspected)
        register_handler(clocks.MARK, delivery.mark_due)
        register_handler(clocks.ANSWER_REFUND, payouts.refund_unanswered)
        register_handler(clocks.LATE_MONEY, late.return_late)
        register_handler(clocks.SURPLUS, late.sweep_held_surplus)
        register_handler(clocks.FALLBACK, fallback.claim_fallback)
        register_handler(clocks.HOLD, held.stop_inspection)
        register_handler(approvals.APPROVAL, approving.approval_overdue)
        outbox.register_consumer("absences", absences.CONSUMED, absences.consume)
        giving.register()
