from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "cln.catalog"
    default_auto_field = "django.db.models.BigAutoField"
