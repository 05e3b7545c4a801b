"""Writing SVG: elements as values, every text and attribute escaped in one place."""

from xml.etree.ElementTree import Element, tostring

from markupsafe import Markup

from kioku.web.visible import visible

Attribute = str | int | float | None


def element(name: str, *children: "Element | None", text: str | None = None, **given: Attribute) -> Element:
    """Make an element; `class_` stands for `class`, `_` for `-`, and what is None is left out."""
    attributes = {key.rstrip("_").replace("_", "-"): _text(value) for key, value in given.items() if value is not None}
    made = Element(name, attributes)
    made.text = None if text is None else visible(text)
    made.extend([child for child in children if child is not None])
    return made


def picture(width: float, height: float, label: str, *children: Element | None, links: bool = False) -> Markup:
    """Return a picture of that size in CSS pixels. One with links in it is a group, any other an image."""
    drawn = element(
        "svg", *children, xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {_text(width)} {_text(height)}", role="group" if links else "img", aria_label=label,
    )  # fmt: skip
    return Markup(tostring(drawn, encoding="unicode"))  # noqa: S704 - ElementTree has escaped it


def titled(shape: Element, title: str) -> Element:
    """Give a shape the words that a pointer and a screen reader get."""
    shape.insert(0, element("title", text=title))
    return shape


def link(href: str | None, label: str, *children: Element) -> Element:
    """Make shapes a link, or a group of their own where they lead nowhere."""
    found = element("g", *children) if href is None else element("a", *children, href=href, aria_label=label)
    return titled(found, label)


def words(x: float, y: float, text: str, class_: str = "label", anchor: str | None = None) -> Element:
    """Write text at a place; `anchor` is `middle` or `end`."""
    return element("text", text=text, x=x, y=y, class_=class_, text_anchor=anchor)


def _text(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return visible(value)
