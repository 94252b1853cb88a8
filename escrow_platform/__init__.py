"""The Django project: settings, entry points, the embedded stack and the demo."""
