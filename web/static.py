"""The browser application: files built by Vite from web/frontend into web/static/app."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

from web.problems import Problem

APP = Path(__file__).parent / "static" / "app"

_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.\w+$")
_NOT_BUILT = """<!doctype html><meta charset="utf-8"><title>zuoxi</title>
<h1>界面尚未构建 · The screens are not built yet</h1>
<p>请运行 <code>./zuoxi build</code>，然后刷新本页。</p>
<p>Run <code>./zuoxi build</code>, then reload.</p>
"""


class Screens:
    """Serves one folder, and its index.html for every address that is a screen's.

    :param folder: where the build lies; may be missing.
    """

    def __init__(self, folder: Path = APP) -> None:
        self._folder = folder.resolve()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A file of the build, else the application's one page."""
        wanted = request.match_info["path"]
        if wanted == "api" or wanted.startswith("api/"):
            raise Problem("unknown_address")
        file = self._file(wanted)
        if file:
            return web.FileResponse(file, headers={"Cache-Control": _caching(file)})
        if "." in wanted and "text/html" not in request.headers.get("Accept", ""):
            raise Problem("unknown_address")  # a file that is not there; screens may have dots too
        return self._page()

    def _file(self, wanted: str) -> Path | None:
        if "\0" in wanted:
            return None
        file = (self._folder / wanted).resolve()
        try:
            return file if file.is_relative_to(self._folder) and file.is_file() else None
        except OSError:  # no name of a file: too long
            return None

    def _page(self) -> web.StreamResponse:
        index = self._folder / "index.html"
        if not index.is_file():
            return web.Response(status=503, text=_NOT_BUILT, content_type="text/html")
        return web.FileResponse(index, headers={"Cache-Control": "no-cache"})


def _caching(file: Path) -> str:
    """Files with their hash in the name never change; all others are asked for again."""
    return "public, max-age=31536000, immutable" if _HASHED.search(file.name) else "no-cache"
