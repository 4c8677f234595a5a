"""What the web server loads: `granian --interface wsgi cln.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cln.settings")
application = get_wsgi_application()
