"""The web service: `gunicorn moderation.wsgi`."""

import logging
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "moderation.settings")
application = get_wsgi_application()
if settings.EMBEDDED:
    logging.getLogger(__name__).warning(settings.EMBEDDED)
