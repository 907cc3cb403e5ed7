"""What do all our pages look like? The colours, type and parts that they share, as one style sheet."""

from importlib.resources import files


def base_style() -> str:
    """The style that stands in front of a page's own."""
    return files("migrate.pages").joinpath("base.css").read_text(encoding="utf-8")
