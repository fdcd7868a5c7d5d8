"""Looks whether the built site is whole: every link and every picture leads to a file of it, every anchor to
a place in that file, and nothing is fetched from elsewhere.

    check_site.py FOLDER
"""

import html.parser
import pathlib
import re
import sys
import urllib.parse

# What a page fetches by itself, in contrast to what its reader may follow.
FETCHED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}


class Page(html.parser.HTMLParser):
    """The places of a page that may be linked to, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.places, self.links, self.fetched = set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.places.add(value)
            if name in ("href", "src") and value:
                is_fetched = (tag, name) in FETCHED
                (self.fetched if is_fetched else self.links).append(value)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    pages = {path: Page(path) for path in sorted(root.rglob("*.html"))}
    wrong, looked_at = [], 0
    for path, page in pages.items():
        name = path.relative_to(root)
        # The page for addresses that are not there is shown anywhere, so its links say where they begin.
        is_anywhere = name.name in ("404.html", "toc.html")
        for link in page.fetched + page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme in ("http", "https", "mailto") or link.startswith("//"):
                if link in page.fetched:
                    wrong.append(f"{name}: fetches {link}")
                continue
            if parts.scheme or is_anywhere:
                continue
            looked_at += 1
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            anchor = urllib.parse.unquote(parts.fragment)
            if not target.exists():
                wrong.append(f"{name}: there is no {link}")
            elif anchor and target in pages and anchor not in pages[target].places:
                wrong.append(f"{name}: there is no place {link}")
    for path in root.rglob("*.css"):
        for link in re.findall(r"url\(['\"]?([^'\")]+)", path.read_text()):
            if link.startswith(("http:", "https:", "//")):
                wrong.append(f"{path.relative_to(root)}: fetches {link}")
    if wrong:
        sys.exit("error: the site has dead links:\n" + "\n".join(f"  {line}" for line in wrong))
    if looked_at < 500:
        sys.exit(f"error: only {looked_at} links were found; the site is not understood any more")
    print(f"{len(pages)} pages, {looked_at} links within the site, all of them good", file=sys.stderr)


main()
