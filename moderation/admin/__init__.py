"""The supervisors' door: Django's admin. What the services own is read-only here; what is edited goes through them."""

from django.contrib import admin
from django.contrib.auth.models import Group

from moderation.admin import clients, enforcement, history, people, policies

__all__ = ["clients", "enforcement", "history", "people", "policies"]

admin.site.site_title = admin.site.site_header = "Guardian"
admin.site.index_title = ""
admin.site.unregister(Group)  # roles are all there is
