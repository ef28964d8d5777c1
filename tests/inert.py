"""HTML as a browser would read it, to see that it nests and that nothing in it runs or loads."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input"}
FORBIDDEN = {"script", "iframe", "object", "embed", "base", "form", "img", "foreignobject", "use", "image", "video", "audio"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "](javascript:alert(1))",
    "' onmouseover='alert(1)",
    "nul \x00 esc \x1b[2J",
    "lone \ud800 surrogate",
    "user\u202egpj.exe\u202c\u2066",
    "مرحبا 3 + 4 = 8\nשלום",
    "$$$$ $ \\( \\[ $x",
    "$\\href{javascript:alert(1)}{x}$ \\(\\style{background:url(//a)}{y}\\)",
    "$\\text{<b>&lt;</b>}$ &lt;b&gt; &amp;",
    "#### <i>4</i>\r\n\r",
    "",
    "x" * 100_000,
)


class Element:
    """An element with its attributes, the texts within it and those around it."""

    def __init__(self, tag: str, attributes: dict[str, str], above: list[Element]) -> None:
        self.tag, self.attributes, self.above, self.text = tag, attributes, tuple(above), ""

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]


class Html(HTMLParser):
    """Every element; fails on tags that do not nest, and on what runs or loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[Element] = []
        self.elements: list[Element] = []
        self.feed(text)
        self.close()
        assert not self.open
        for element in self.elements:
            assert element.tag not in FORBIDDEN
            for name, value in element.attributes.items():
                assert not name.startswith("on")
                assert name not in ("src", "srcset", "action", "formaction", "poster", "style", "xlink:href", "srcdoc")
                assert name != "href" or value.startswith(("#", "data:,"))

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs)
        element = Element(tag, dict(attrs), self.open)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs), self.open))

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        for element in self.open:
            element.text += data

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Those of a tag, with attributes (a_b is a-b, kind is class, of which one name is enough)."""
        found = [one for one in self.elements if not tag or one.tag == tag]
        for name, value in attributes.items():
            if name == "kind":
                found = [one for one in found if value in (one.attributes.get("class") or "").split()]
            else:
                found = [one for one in found if one.attributes.get(name.replace("_", "-")) == value]
        return found
