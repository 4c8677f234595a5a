from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "cln.billing"
    default_auto_field = "django.db.models.BigAutoField"
