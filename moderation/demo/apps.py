from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DemoConfig(AppConfig):
    name = "moderation.demo"
    label = "forum"
    verbose_name = _("Demo forum")
