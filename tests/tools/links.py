#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation refers to and is not there: links and their anchors, files, names of ours, targets of make.

    python tests/tools/links.py [FOLDER]

FOLDER: this checkout, or an installed archive, in which a page may refer only to what the archive has."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["Docs", "Page", "slug"]

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/meshops/mesh"
ON_THE_REPOSITORY = re.compile(
    rf"{REPOSITORY}/(?:blob|tree|raw)/main/(?P<path>[^#?]*)(?:#(?P<anchor>.*))?$|https://raw\.githubusercontent\.com/meshops/mesh/main/(?P<raw>[^#?]*)$"
)
# Pages of a repository that are no files.
NO_FILE = re.compile(rf"{REPOSITORY}(/(issues|releases|security|actions)(/.*)?)?$")
PATH = re.compile(r"(?:docs|plugins|roles|playbooks|inventories|meta|changelogs|extensions|tests|bench)(?:/[\w.-]+)+/?")
NAME = re.compile(r"\bmeshops\.mesh\.([a-z]\w*)")
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)\b")
# Only in a checkout: an archive's page may speak of them where it says so.
DEVELOPMENT = ("tests/", "bench/", "extensions/")


def slug(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@dataclass(frozen=True)
class Page:
    """A page of Markdown."""

    path: str
    text: str

    @cached_property
    def tokens(self) -> list[Token]:
        """Flat: those of inline texts too."""
        found: list[Token] = []
        for token in MarkdownIt("gfm-like", {"linkify": False}).parse(self.text):
            found += [token, *(token.children or [])]
        return found

    @cached_property
    def anchors(self) -> set[str]:
        """What a link into this page may name."""
        seen: dict[str, int] = {}
        found: set[str] = set()
        for here, after in zip(self.tokens, self.tokens[1:], strict=False):
            if here.type == "heading_open":
                texts = [child.content for child in after.children or [] if child.type in ("text", "code_inline")]
                name = slug("".join(texts))
                found.add(f"{name}-{seen[name]}" if name in seen else name)
                seen[name] = seen.get(name, 0) + 1
        return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', self.text))

    @cached_property
    def links(self) -> list[str]:
        """Every target."""
        named = [str(token.attrGet("href") or token.attrGet("src") or "") for token in self.tokens if token.type in ("link_open", "image")]
        return named + re.findall(r'<(?:img|source|a)\b[^>]*\b(?:src|srcset|href)="([^"]+)"', self.text)

    @cached_property
    def code(self) -> list[str]:
        """What is written as code, in a line or as a block."""
        return [token.content for token in self.tokens if token.type in ("code_inline", "code_block", "fence")]


class Docs:
    """All pages below a folder."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        names = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("roles/*/README.md")]
        self.pages = {
            str(path.relative_to(root)): Page(str(path.relative_to(root)), path.read_text(encoding="utf-8")) for path in sorted(names)
        }

    def _missing(self, path: str, anchor: str) -> str:
        """Why there is nothing; empty where there is."""
        path = path.rstrip("/") or "."
        if not (self.root / path).exists():
            return f"{path} does not exist"
        page = self.pages.get(path)
        if anchor and page is None:
            return f"{path} is no page of ours, so #{anchor} cannot be looked up" if path.endswith(".md") else ""
        return f"{path} has no heading #{anchor}" if anchor and page and anchor not in page.anchors else ""

    def broken_links(self, page: Page) -> Iterator[str]:
        """Links of a page that lead nowhere."""
        for link in page.links:
            ours = ON_THE_REPOSITORY.fullmatch(link)
            if ours:
                why = self._missing(unquote(ours["path"] or ours["raw"] or ""), ours["anchor"] or "")
            elif link.startswith(REPOSITORY):
                why = "" if NO_FILE.fullmatch(link) else "is no page of the repository"
            elif re.match(r"[a-z][a-z0-9+.-]*:", link):
                why = ""
            elif link.startswith("/"):
                why = "begins at the root of whatever site shows it"
            else:
                path, _, anchor = link.partition("#")
                try:
                    there = (self.root / page.path).parent.joinpath(unquote(path)).resolve() if path else self.root.resolve() / page.path
                    why = self._missing(str(there.relative_to(self.root.resolve())), anchor)
                except ValueError:
                    why = "leads out of the repository"
            if why:
                yield f"{page.path}: {link}: {why}"

    def relative_links(self, page: Page) -> list[str]:
        """Links that a site other than the repository cannot follow."""
        return [link for link in page.links if not re.match(r"[a-z][a-z0-9+.-]*:|#", link)]

    def missing_files(self, page: Page) -> Iterator[str]:
        """Files that code spans name; a star or a name in capitals stands for any."""
        checkout = (self.root / "tests").exists()
        for path in (span.strip() for span in page.code):
            if not PATH.fullmatch(path) or re.search(r"[A-Z]{4,}$", path) or (not checkout and path.startswith(DEVELOPMENT)):
                continue
            of_a_role = path.startswith("meta/") and any(self.root.glob(f"roles/*/{path}"))
            if not of_a_role and not (self.root / path).exists():
                yield f"{page.path}: {path} does not exist"

    @cached_property
    def names(self) -> set[str]:
        """What `meshops.mesh.NAME` may name."""
        files = [*self.root.glob("plugins/*/*.py"), *self.root.glob("playbooks/*.yml"), *self.root.glob("roles/*/meta")]
        fragments = [f"options.{name}" for name in ("cluster", "wait", "source", "report")]
        return {path.parent.name if path.name == "meta" else path.stem for path in files} | {"plugins", "mesh", *fragments}

    def missing_names(self, page: Page) -> Iterator[str]:
        """Names of modules, filters, roles and playbooks that the collection does not have."""
        for name in sorted(set(NAME.findall(page.text)) - self.names):
            yield f"{page.path}: meshops.mesh.{name} does not exist"

    def missing_targets(self, page: Page) -> Iterator[str]:
        """Targets of make that the Makefile does not have."""
        makefile = self.root / "Makefile"
        if makefile.is_file():
            heads = re.findall(r"^([a-z][a-z -]*):(?!=)", makefile.read_text(encoding="utf-8"), re.MULTILINE)
            targets = {name for head in heads for name in head.split()}
            named = {name for span in page.code for name in MAKE.findall(span)}
            for name in sorted(named - targets):
                yield f"{page.path}: make {name} does not exist"

    def wrong(self) -> list[str]:
        """Everything, of all pages."""
        kinds = (self.broken_links, self.missing_files, self.missing_names, self.missing_targets)
        return [line for page in self.pages.values() for kind in kinds for line in kind(page)]


def main() -> int:
    docs = Docs(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    found = docs.wrong()
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found or not docs.pages else 0


if __name__ == "__main__":
    sys.exit(main())
