"""A page of HTML as a tree, for tests."""

from html.parser import HTMLParser

from skmaf.report import report_page

VOID = {"meta", "rect", "path", "br", "link"}


class Node:
    """An element of a page: its tag, attributes, children and text."""

    def __init__(self, tag, attributes, parent=None):
        self.tag = tag
        self.attributes = dict(attributes)
        self.parent = parent
        self.children = []

    def __iter__(self):
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child

    def all(self, tag, **attributes):
        wanted = {name.strip("_").replace("_", "-"): x for name, x in attributes.items()}
        return [n for n in self if n.tag == tag and wanted.items() <= n.attributes.items()]

    def one(self, tag, **attributes):
        (node,) = self.all(tag, **attributes)
        return node

    @property
    def classes(self):
        return self.attributes.get("class", "").split()

    @property
    def text(self):
        parts = [c.text if isinstance(c, Node) else c for c in self.children]
        return " ".join("".join(parts).split())


class Tree(HTMLParser):
    """Reads a page into nodes, and refuses one whose tags do not match."""

    def __init__(self, page):
        super().__init__()
        self.root = self.open = Node("root", {})
        self.feed(page)
        self.close()
        assert self.open is self.root

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), "an attribute twice"
        node = Node(tag, attrs, self.open)
        self.open.children.append(node)
        if tag not in VOID:
            self.open = node

    def handle_startendtag(self, tag, attrs):
        self.open.children.append(Node(tag, attrs, self.open))

    def handle_endtag(self, tag):
        assert self.open.tag == tag
        self.open = self.open.parent

    def handle_data(self, data):
        self.open.children.append(data)


def section(root, name):
    return root.one("section", id=name)


def body_rows(table):
    return table.one("tbody").all("tr")


def cells(row):
    return [child.text for child in row.children if isinstance(child, Node)]


def tree_of(run):
    """The page of a run as a tree."""
    return Tree(report_page(run)).root
