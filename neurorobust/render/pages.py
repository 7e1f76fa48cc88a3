"""How every page is rendered: a template of the package, strict and escaped."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_template(template: str, filters: Mapping[str, Any], **values: Any) -> str:
    """The page as text; equal values give equal text.

    Args:
        template: Path within the package, e.g. ``study/transfer/page.html.j2``.
        filters: By the names that the template uses.
        values: What the template shows.
    """
    environment = Environment(
        loader=PackageLoader("neurorobust", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(**values)
