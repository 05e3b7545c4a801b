"""Writing SVG: elements as marked-up text, every text and attribute escaped in one place."""

from markupsafe import Markup, escape

from kioku.web.visible import visible

Attribute = str | int | float | None


def element(
    name: str, *children: Markup | None, text: str | None = None, title: str | None = None, **given: Attribute
) -> Markup:
    """Write an element. `class_` stands for `class`, `_` for `-`, and what is None is left out.

    `title` is what a pointer and a screen reader get.
    """
    attributes = "".join(
        [f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"' for key, value in given.items() if value is not None]
    )
    inside = [child for child in children if child is not None]
    if text is not None:
        inside.insert(0, escape(visible(text)))
    if title is not None:
        inside.insert(0, Markup(f"<title>{escape(visible(title))}</title>"))  # noqa: S704 - it is escaped
    return Markup(f"<{name}{attributes}>{''.join(inside)}</{name}>")  # noqa: S704 - each part of it is


def picture(width: float, height: float, label: str, *children: Markup | None, links: bool = False) -> Markup:
    """Return a picture of that size in CSS pixels. One with links in it is a group, any other an image."""
    return element(
        "svg", *children, xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {_text(width)} {_text(height)}", role="group" if links else "img", aria_label=label,
    )  # fmt: skip


def link(href: str | None, label: str, *children: Markup) -> Markup:
    """Make shapes a link, or a group of their own where they lead nowhere."""
    if href is None:
        return element("g", *children, title=label)
    return element("a", *children, title=label, href=href, aria_label=label)


def words(x: float, y: float, text: str, class_: str = "label", anchor: str | None = None) -> Markup:
    """Write text at a place; `anchor` is `middle` or `end`."""
    return element("text", text=text, x=x, y=y, class_=class_, text_anchor=anchor)


def _text(value: str | int | float) -> str:  # noqa: PYI041 - mypy tells the two apart
    """Return an attribute's value: numbers in hundredths at most."""
    if isinstance(value, str):
        return escape(visible(value))
    return str(value) if isinstance(value, int) else f"{value:.2f}".rstrip("0").rstrip(".")
