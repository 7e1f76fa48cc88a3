"""How every page is rendered: a template of the package, strict and escaped."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from neurorobust.render import looks
from neurorobust.render.colours import LIGHT, theme

FILTERS = (
    looks.duration,
    looks.epsilon,
    looks.integer,
    looks.interval,
    looks.percent,
    looks.proper,
    looks.value,
)
"""What every template may write after a bar, by the names of the functions."""


def render_template(template: str, **values: Any) -> str:
    """The page as text; equal values give equal text.

    Args:
        template: Path within the package, e.g. ``study/report/page.html.j2``; it extends
            ``render/frame.html.j2``.
        values: What the template shows, and functions that it shows it by.
    """
    environment = Environment(
        loader=PackageLoader("neurorobust", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    shared = {"theme": theme(":root"), "light": LIGHT}
    return environment.get_template(template).render(**shared, **values)
