from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DisputesConfig(AppConfig):
    name = "disputes"
    verbose_name = "Disputes"

    def ready(self) -> None:
        from core import deadlines, outbox
        from disputes import timing
        from disputes.services import evidence, following, giving, groups, overdue, rulings

        outbox.register_consumer("disputes", following.CONSUMED, following.consume)
        deadlines.register_handler(timing.ANSWER, evidence.answer_overdue)
        deadlines.register_handler(timing.EVIDENCE, evidence.evidence_over)
        deadlines.register_handler(timing.FIRST_ACTION, overdue.alert_lead)
        deadlines.register_handler(timing.RULING, overdue.alert_lead)
        deadlines.register_handler(timing.APPEAL, rulings.appeal_over)
        giving.register()
        post_migrate.connect(groups.ensure, sender=self, dispatch_uid="dispute_groups")
