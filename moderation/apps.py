from django.apps import AppConfig
from django.contrib.admin import apps


class ModerationConfig(AppConfig):
    name = "moderation"
    label = "moderation"
    default = True


class SupervisorsDoor(apps.AdminConfig):
    default = False
    default_site = "moderation.admin_site.SupervisorsSite"
