"""The browser's application: hashed files that never change, and one page for every other address."""

import html
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.web.headers import style_nonce

_NONCE_PLACE = "__CSP_NONCE__"
_IMMUTABLE = "public, max-age=31536000, immutable"


class _Assets(StaticFiles):
    def file_response(self, *arguments: object, **named: object) -> Response:
        response = super().file_response(*arguments, **named)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = _IMMUTABLE
        return response


def install(app: FastAPI, folder: Path | None) -> None:
    """Serve the built frontend in ``folder``; without one, a page that says how to build it."""
    if folder is None or not (folder / "index.html").is_file():

        @app.get("/", include_in_schema=False)
        def missing() -> Response:
            return PlainTextResponse(
                "The API runs (/docs/api). The pages are not built: run `make frontend`.\n", status_code=503
            )

        return
    page = (folder / "index.html").read_text(encoding="utf-8")
    files = {path.name: path for path in folder.iterdir() if path.is_file() and path.name != "index.html"}
    app.mount("/assets", _Assets(directory=folder / "assets"), name="assets")

    @app.get("/{path:path}", include_in_schema=False)
    def site(path: str, request: Request) -> Response:
        if path.startswith("api/"):
            raise NotFound(
                ErrorCode.NOT_FOUND,
                f"There is nothing at /{path}.",
                hint="Look at /docs/api for what there is.",
            )
        if path in files:
            return FileResponse(files[path], headers={"Cache-Control": "no-cache"})
        return HTMLResponse(
            page.replace(_NONCE_PLACE, html.escape(style_nonce(request))),
            headers={"Cache-Control": "no-store"},
        )


def built_site() -> Path:
    """Where the built frontend lies: in the checkout, or beside the installed package."""
    package = Path(__file__).resolve().parent.parent
    in_checkout = package.parent.parent / "frontend" / "dist"
    return in_checkout if package.parent.name == "backend" else package / "_site"
