"""The admin consoles wear the colours of the pages: green for the next thing to do, neutral greys."""

from typing import Any

from django.templatetags.static import static

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Holdfast console",
    "SITE_HEADER": "Holdfast",
    "SITE_SUBHEADER": "Arbitration and operations",
    "SITE_URL": "/",
    "SITE_SYMBOL": "shield_lock",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("icon.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "base": {
            "50": "#f7f9f8",
            "100": "#f1f4f2",
            "200": "#dfe4e1",
            "300": "#c9d0cc",
            "400": "#98a39d",
            "500": "#6a756f",
            "600": "#566065",
            "700": "#3b4440",
            "800": "#232a27",
            "900": "#151918",
            "950": "#0f1211",
        },
        "primary": {
            "50": "#edf5f0",
            "100": "#d5e8dd",
            "200": "#aed3bf",
            "300": "#7fb99a",
            "400": "#46b585",
            "500": "#1c7f55",
            "600": "#0b5d3b",
            "700": "#084a2f",
            "800": "#073b26",
            "900": "#062f1f",
            "950": "#031a11",
        },
    },
}
