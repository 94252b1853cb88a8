"""What of the static folders is served: everything but the sources that the stylesheet is built from."""

from django.contrib.staticfiles.apps import StaticFilesConfig


class ServedFiles(StaticFilesConfig):
    """`static/src` imports a package of the build, which no browser could load: it is not collected."""

    ignore_patterns = (*StaticFilesConfig.ignore_patterns, "src/*")
